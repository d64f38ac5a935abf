#include <linux/sockios.h>
#include <linux/tcp.h> /* newer than netinet/tcp.h, which cannot be included beside it */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/stream.h"

static uint64_t stream_queue(const struct stream *stream, unsigned long request)
{
	int bytes = 0;

	return ioctl(stream->fd, request, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

/* TCP counts itself. False: this is no TCP, or the kernel is older than 4.2; one older than 5.4 does
 * not tell the window. */
static bool stream_measure_tcp(const struct stream *stream, struct stream_traffic *traffic)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
		length < offsetof(struct tcp_info, tcpi_segs_out))
		return false;
	traffic->received = info.tcpi_bytes_received;
	traffic->acknowledged = info.tcpi_bytes_acked;
	traffic->window = info.tcpi_snd_wnd;
	traffic->silence = info.tcpi_last_ack_recv * CLOCK_NS_PER_MS;
	return true;
}

void stream_measure(const struct stream *stream, uint64_t read, uint64_t written,
	struct stream_traffic *traffic)
{
	uint64_t arrived = stream_queue(stream, SIOCINQ), leaving = stream_queue(stream, SIOCOUTQ);

	if (!stream_measure_tcp(stream, traffic)) {
		traffic->received = read + arrived;
		traffic->acknowledged = written - leaving;
		traffic->window = 0;
		traffic->silence = UINT64_MAX;
	}
	traffic->sent = traffic->acknowledged + leaving;
	traffic->unread = arrived || stream_pending(stream);
}
