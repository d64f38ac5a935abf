#include <errno.h>
#include <sys/socket.h>

#include "outlet/subscriber.h"

/*
 * Sending to a subscriber on a SOCK_SEQPACKET socket: a record is a packet, sent whole or not at
 * all, so the cursor is always at the start of a record.
 */

enum {
	PACKETS_BATCH = 64, /* sent with one system call */
	PACKETS_MAX = 256,  /* per call: a reader as fast as our sends would never let us finish */
};

/* Describes the packets from record `seq` on, in place in the ring. Returns their number. */
static unsigned packets_gather(const struct ring *ring, uint64_t seq, struct mmsghdr *packets,
	struct iovec *parts)
{
	uint64_t start = ring_start(ring, seq);
	unsigned count = 0;

	for (; count < PACKETS_BATCH && seq < ring->next; count++) {
		uint64_t end = ring_start(ring, ++seq);

		parts[count] = (struct iovec){
			ring->memory + (start & (ring->size - 1)),
			end - start - FORMAT_PACKET_END,
		};
		packets[count].msg_hdr = (struct msghdr){
			.msg_iov = &parts[count],
			.msg_iovlen = 1,
		};
		start = end;
	}
	return count;
}

static void packets_consume(struct subscriber *subscriber, uint64_t seq, size_t length)
{
	subscriber->reader.cursor = ring_start(subscriber->all->readers.ring, seq);
	subscriber->sent += length;
	subscriber->all->core->counts.sent += length;
}

/*
 * The whole packet must fit into the send buffer. The kernel doubles the size it is given, to allow
 * for its overhead. Returns true if the buffer has become larger.
 */
static bool packets_enlarge(int fd, size_t length)
{
	int before = 0, after = 0, wanted = length < INT32_MAX / 2 ? (int)length : INT32_MAX / 2;
	socklen_t size = sizeof(before);

	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &before, &size);
	if (before / 2 >= wanted)
		return false;
	/* Beyond net.core.wmem_max only with CAP_NET_ADMIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &after, &size);
	return after > before;
}

/* True if the kernel has refused the packet for its size: EMSGSIZE, or no contiguous memory. */
static bool packets_too_large(int fd, int failure, size_t length)
{
	return failure == ENOBUFS || (failure == EMSGSIZE && !packets_enlarge(fd, length));
}

/* After a failure: true to try again. Advances `seq` if the packet cannot be sent at all. */
static bool packets_recover(struct subscriber *subscriber, int failure, uint64_t *seq,
	size_t length)
{
	if (failure == EINTR)
		return true;
	if (failure != EMSGSIZE && failure != ENOBUFS)
		return false;
	if (packets_too_large(subscriber->fd, failure, length)) {
		packets_consume(subscriber, ++*seq, 0);
		readers_refuse(&subscriber->all->readers, &subscriber->reader, length);
	}
	return true;
}

/* The format has no notice of gaps. */
static void packets_return(struct subscriber *subscriber)
{
	readers_return(&subscriber->all->readers, &subscriber->reader);
	subscriber->reader.gap_from = 0;
}

enum subscriber_outcome subscriber_send_packets(struct subscriber *subscriber)
{
	const struct ring *ring = subscriber->all->readers.ring;
	const struct reader *reader = &subscriber->reader;
	struct mmsghdr packets[PACKETS_BATCH];
	struct iovec parts[PACKETS_BATCH];
	uint64_t seq, end;

	if (reader->state == READER_LAPPED)
		packets_return(subscriber);
	if (reader->state == READER_OUT || reader->cursor == ring->head)
		return SUBSCRIBER_SENT;
	seq = ring_seq_from(ring, reader->cursor);
	end = seq + PACKETS_MAX < ring->next ? seq + PACKETS_MAX : ring->next;
	while (seq < end) {
		unsigned count = packets_gather(ring, seq, packets, parts);
		int sent = sendmmsg(subscriber->fd, packets, count, MSG_DONTWAIT | MSG_NOSIGNAL);
		size_t length = 0;

		if (sent < 0) {
			if (packets_recover(subscriber, errno, &seq, parts[0].iov_len))
				continue;
			return errno == EAGAIN ? SUBSCRIBER_FULL : SUBSCRIBER_BROKEN;
		}
		for (int i = 0; i < sent; i++)
			length += parts[i].iov_len;
		seq += (unsigned)sent;
		packets_consume(subscriber, seq, length);
	}
	return seq < ring->next ? SUBSCRIBER_MORE : SUBSCRIBER_SENT;
}
