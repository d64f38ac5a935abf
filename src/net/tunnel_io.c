#include "net/tunnel_io.h"

#include <string.h>

enum { TUNNEL_READ_SIZE = 4096 };

static enum stream_status tunnel_io_send(struct tunnel_io *io, struct error *error)
{
	struct buffer *out = &io->tunnel.out;
	enum stream_status status = STREAM_OK;
	size_t sent;

	while (out->length && status == STREAM_OK) {
		status = stream_write(io->stream, buffer_data(out), out->length, &sent, error);
		buffer_consume(out, sent);
	}
	return status;
}

/* Takes only bytes for the tunnel off the stream: the rest is for its reader. */
static enum stream_status tunnel_io_receive(struct tunnel_io *io, enum tunnel_status *tunnel,
	struct error *error)
{
	char data[TUNNEL_READ_SIZE];
	size_t available, used, length;
	enum stream_status status;
	struct error unused;

	status = stream_peek(io->stream, data, sizeof(data), &available, error);
	if (status != STREAM_OK)
		return status;
	*tunnel = tunnel_receive(&io->tunnel, data, available, &used, error);
	if (used)
		stream_read(io->stream, data, used, &length, &unused); /* what is there */
	return STREAM_OK;
}

static void tunnel_io_fail(struct tunnel_io *io, enum stream_status status, struct error *error)
{
	if (status == STREAM_END)
		tunnel_closed(&io->tunnel, error);
	else if (status == STREAM_ERROR && !tunnel_refused(&io->tunnel, error) &&
		strcmp(error->name, ERROR_SOCKET_CLOSED) == 0)
		error->name = ERROR_SOCKET_CONNECT; /* no connection was open yet to be closed */
	io->done(error, io->context);
}

static void tunnel_io_on_event(evutil_socket_t fd, short events, void *context);

/* The next round begins after a poll, so that a proxy that never stops cannot stop us. */
static void tunnel_io_wait(struct tunnel_io *io, enum stream_status status)
{
	bool sends = status == STREAM_WANT_WRITE || (status == STREAM_OK && io->tunnel.out.length);

	event_assign(&io->event, io->base, io->stream->fd, sends ? EV_WRITE : EV_READ,
		tunnel_io_on_event, io);
	if (status == STREAM_OK && stream_pending(io->stream))
		event_active(&io->event, EV_READ, 0);
	else
		event_add(&io->event, NULL);
}

static void tunnel_io_go_on(struct tunnel_io *io)
{
	enum tunnel_status tunnel = TUNNEL_MORE;
	struct error error;
	enum stream_status status = tunnel_io_send(io, &error);

	if (status == STREAM_OK)
		status = tunnel_io_receive(io, &tunnel, &error);

	if (status == STREAM_END || status == STREAM_ERROR || tunnel == TUNNEL_FAILED)
		tunnel_io_fail(io, status, &error);
	else if (tunnel == TUNNEL_OPEN)
		io->done(NULL, io->context);
	else
		tunnel_io_wait(io, status);
}

static void tunnel_io_on_event(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	tunnel_io_go_on(context);
}

void tunnel_io_start(struct tunnel_io *io, struct event_base *base, struct stream *stream,
	const struct proxy *proxy, const struct url *target,
	void (*done)(struct error *error, void *context), void *context)
{
	struct error error;

	io->base = base;
	io->stream = stream;
	io->done = done;
	io->context = context;
	event_assign(&io->event, base, -1, 0, tunnel_io_on_event, io);
	if (tunnel_start(&io->tunnel, proxy, target, &error))
		tunnel_io_go_on(io);
	else
		done(&error, context);
}

void tunnel_io_stop(struct tunnel_io *io)
{
	if (io->stream)
		event_del(&io->event);
	tunnel_release(&io->tunnel);
}
