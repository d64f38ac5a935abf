#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "net/failures.h"
#include "net/net.h"
#include "net/proxy.h"
#include "net/stream.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/url.h"

/*
 * From a URL to a connected stream: resolves both address families without blocking, connects by
 * RFC 8305 (Happy Eyeballs), opens a proxy's tunnel, within TLS with the proxy if its URL says so,
 * then starts TLS with the server. Or connects to the UNIX socket of a ws+unix URL, without any of
 * these.
 */
struct dial;

struct dial_settings {
	const struct url *url;
	const struct proxy *proxy;      /* NULL: none */
	const struct tcp_settings *tcp; /* NULL: TCP_NODELAY, and else the system's defaults */
	const struct tls_settings *tls; /* used for a secure URL */
	struct failures *failures;      /* of earlier dials, then of this one too; may be NULL */
	bool public_only;               /* only address_is_public(); not with a proxy */
	uint64_t connect_timeout; /* ns, resolving, and TLS and tunnel of the proxy, included */
	uint64_t tls_timeout;     /* ns, with the server */
};

/* Details of the connection setup; steps that did not take place are 0 or NULL. With a proxy,
 * resolving, connecting and the addresses are those of the proxy. Owns its pointers. */
struct dial_report {
	uint64_t resolve_us;
	uint64_t connect_us; /* of the attempt that won, or until the last one failed */
	uint64_t proxy_us;   /* from connected to the open tunnel, TLS with the proxy included */
	uint64_t tls_us;
	unsigned attempts;      /* addresses that were tried */
	bool only_private;      /* no address was tried, because of public_only */
	struct address address; /* of the peer; zeroed: not connected, or to a UNIX socket */
	char *peer; /* not NULL once connected: "192.0.2.1:443", "[2001:db8::1]:443", "/run/app.sock" */
	char *local;
	char *proxy; /* "socks5://proxy.example:1080", as a person may see it */
	struct tls_report *tls;
};
void dial_report_release(struct dial_report *report);

/*
 * Records the peer's address among the failures if the proxy or TLS fails, or all addresses tried
 * if none answered; the caller records later failures.
 *
 * Called once, never from within dial_start(). On success `stream` is the caller's to close and
 * `error` is NULL; on failure it is NULL and `error` says what failed and against which address.
 * The callee takes over what the report owns. The dial is gone when this is called.
 */
typedef void (*dial_done)(struct stream *stream, const struct dial_report *report,
	const struct error *error, void *context);

/* Copies `settings`; what its members point to must stay until the dial has ended. */
struct dial *dial_start(struct net *net, const struct dial_settings *settings, dial_done done,
	void *context);

/* Ends the dial without a call to `done`. NULL is ignored. */
void dial_cancel(struct dial *dial);

#endif
