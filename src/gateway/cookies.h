#ifndef GATEWAY_COOKIES_H
#define GATEWAY_COOKIES_H

#include <stdint.h>

#include "base/choice.h"
#include "base/http_head.h"
#include "net/url.h"

/*
 * Cookies of servers (RFC 6265), with the rules that browsers have added since for prefixes of names
 * and for Secure. ws and wss stand for http and https.
 *
 * There is no list of public suffixes: a Domain must have a dot, and match the server's own name.
 */

/* Setting. */
enum cookies_lifetime {
	COOKIES_NONE,
	COOKIES_CALL, /* over the redirects of a call */
	COOKIES_KEEP, /* from call to call */
};
extern const struct choice cookies_lifetimes[];

/* Zero-initialised is none. Bounded: the oldest one goes first. They are secrets. */
struct cookies {
	struct cookie *oldest; /* private */
};

enum {
	COOKIES_MAX = 50,
	COOKIES_BYTES_MAX = 16384, /* of names, values, domains and paths together, */
	COOKIE_BYTES_MAX = 4096,   /* and of name and value of one */
};

/* Takes those that a server's response sets, and drops those that it ends. `now`: ns since 1970. */
void cookies_take(struct cookies *cookies, const struct url *from, const struct http_head *response,
	uint64_t now);

/*
 * The value of the Cookie header for a request; NULL: there is nothing to add. `own` is one that the
 * request has in any case, or NULL: the value begins with it, and its cookies hide others of the same
 * name. The caller gives the text to alloc_wipe().
 */
char *cookies_header(const struct cookies *cookies, const struct url *to, const char *own,
	uint64_t now);

void cookies_release(struct cookies *cookies);

/* The part of a Set-Cookie that may be shown: its value as "***". The caller frees it. */
char *cookies_show(const char *set_cookie);

/* For its own files: a date as servers write it (RFC 6265, section 5.1.1), in seconds since 1970.
 * False: it is none. */
bool cookies_parse_date(const char *text, int64_t *seconds);

#endif
