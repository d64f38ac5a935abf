#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/net.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/url.h"

/*
 * From a URL to a connected stream: resolve both address families without blocking, connect as
 * RFC 8305 says (Happy Eyeballs), then TLS.
 */
struct dial;

struct dial_settings {
	const struct url *url;
	const struct tls_settings *tls; /* used for a secure URL */
	uint64_t connect_timeout;       /* ns, resolving included */
	uint64_t tls_timeout;           /* ns */
};

/* How the call was set up; what did not take place is 0 or empty. */
struct dial_report {
	uint64_t resolve_us;
	uint64_t connect_us; /* of the attempt that won, or until the last one failed */
	uint64_t tls_us;
	unsigned attempts;   /* addresses that were tried */
	char peer[64];       /* "192.0.2.1:443", "[2001:db8::1]:443" */
	char local[64];
	char tls_version[16];
	char tls_cipher[64];
};

/*
 * Called once, never from within dial_start(). On success `stream` is the caller's to close and
 * `error` is NULL; on failure it is NULL and `error` says what failed and against which address.
 * The dial is gone when this is called.
 */
typedef void (*dial_done)(struct stream *stream, const struct dial_report *report,
	const struct error *error, void *context);

/* Copies `settings`; what its members point to must stay until the dial has ended. */
struct dial *dial_start(struct net *net, const struct dial_settings *settings, dial_done done,
	void *context);

/* Ends the dial without a call to `done`. NULL is ignored. */
void dial_cancel(struct dial *dial);

#endif
