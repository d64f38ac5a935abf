#ifndef NET_TUNNEL_IO_H
#define NET_TUNNEL_IO_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/error.h"
#include "net/stream.h"
#include "net/tunnel.h"

/* The conversation with a proxy, over a stream. Zero-initialised is one that has not begun. */
struct tunnel_io {
	struct tunnel tunnel;

	/* private */
	struct event_base *base;
	struct stream *stream; /* NULL: not begun */
	struct event event;
	void (*done)(struct error *error, void *context);
	void *context;
};

/*
 * Opens a tunnel to the target over a stream to the proxy: all borrowed until tunnel_io_stop().
 * `done` is called once, maybe from within: with NULL when the stream leads to the target, which
 * may have sent bytes that are still to be read from it; otherwise with what the proxy did wrong.
 */
void tunnel_io_start(struct tunnel_io *io, struct event_base *base, struct stream *stream,
	const struct proxy *proxy, const struct url *target,
	void (*done)(struct error *error, void *context), void *context);

/* Due at the end, and in `done` at the earliest. */
void tunnel_io_stop(struct tunnel_io *io);

#endif
