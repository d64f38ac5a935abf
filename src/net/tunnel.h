#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/http_head.h"
#include "net/proxy.h"
#include "net/url.h"

/*
 * The conversation with a proxy until the tunnel to the target is open. Sans I/O: bytes in, bytes
 * out. It keeps a bounded number of the proxy's bytes; deadlines are up to the caller.
 */
enum tunnel_status {
	TUNNEL_MORE,   /* send what is in `out`, and receive more */
	TUNNEL_OPEN,   /* what the proxy sends from now on is the target's */
	TUNNEL_FAILED, /* the error says why; no more calls */
};

struct tunnel {
	struct buffer out; /* to be sent; the caller consumes what it has sent */

	/* private */
	const struct proxy *proxy;
	const struct url *target;
	struct buffer in;
	int step;                  /* SOCKS5: what comes next */
	struct http_head response; /* HTTP: once complete, a refusal whose body is incomplete */
};

/* Begins the conversation. Fails when the proxy cannot be told of such a login or target. Borrows
 * both until tunnel_release(), which is due in any case. */
bool tunnel_start(struct tunnel *tunnel, const struct proxy *proxy, const struct url *target,
	struct error *error);

/* Takes bytes of the proxy. `used` are those that were for the tunnel itself: all of them, but with
 * TUNNEL_OPEN, where the rest is the target's. */
enum tunnel_status tunnel_receive(struct tunnel *tunnel, const void *data, size_t length,
	size_t *used, struct error *error);

/* True if the proxy has refused, as `error` says, and only the rest of its text is missing. */
bool tunnel_refused(const struct tunnel *tunnel, struct error *error);

/* The proxy has closed the connection before the tunnel was open. */
void tunnel_closed(const struct tunnel *tunnel, struct error *error);

void tunnel_release(struct tunnel *tunnel);

/* The two kinds, for tunnel.c only. */
bool tunnel_http_start(struct tunnel *tunnel, struct error *error);
enum tunnel_status tunnel_http_advance(struct tunnel *tunnel, struct error *error);
void tunnel_http_refusal(const struct tunnel *tunnel, struct error *error);

bool tunnel_socks_start(struct tunnel *tunnel, struct error *error);
enum tunnel_status tunnel_socks_advance(struct tunnel *tunnel, struct error *error);

#endif
