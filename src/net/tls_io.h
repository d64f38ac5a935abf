#ifndef NET_TLS_IO_H
#define NET_TLS_IO_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/error.h"
#include "net/net.h"
#include "net/stream.h"
#include "net/tls_settings.h"
#include "net/url.h"

/* A TLS handshake over a stream, reading the files of the settings included. Zero-initialised is one
 * that has not begun. */

/* The peer; borrowed. */
struct tls_io_peer {
	const struct url *url; /* its host is expected in the certificate */
	const struct tls_settings *settings;
	bool is_proxy; /* and not the server of a WebSocket URL */
};

struct tls_io {
	struct tls_io_peer peer;
	struct tls_load *load; /* not NULL: the files are being read */

	/* private */
	struct net *net; /* NULL: not begun */
	struct stream **stream;
	struct event event;
	void (*done)(struct error *error, void *context);
	void *context;
};

/*
 * All is borrowed until tls_io_stop(); *stream becomes the stream with TLS over it. `done` is called
 * once, never from within: with NULL when the handshake has ended well.
 */
void tls_io_start(struct tls_io *io, struct net *net, struct stream **stream,
	const struct tls_io_peer *peer, void (*done)(struct error *error, void *context),
	void *context);

/* Due at the end, before the stream is closed, and in `done` at the earliest. It may start again. */
void tls_io_stop(struct tls_io *io);

#endif
