#ifndef GATEWAY_REDIRECT_H
#define GATEWAY_REDIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/http_head.h"
#include "gateway/settings.h"
#include "net/url.h"

/* Redirects: responses that send the caller elsewhere instead of opening a WebSocket. */

/* True for 301, 302, 303, 307 or 308 with one Location. */
bool redirect_is(const struct http_head *response);

/*
 * Resolves a Location against `from` (RFC 3986, section 5.2): absolute, http and https standing for
 * ws and wss, or relative. The caller frees the URL. NULL: another scheme, or from wss to ws, which
 * would send in clear what was meant to be encrypted.
 */
char *redirect_target(const struct url *from, const char *location, struct error *error);

/*
 * True if a text can be one of redirect_hosts: a host or a pattern, without scheme, port or
 * brackets. The text of the error follows the name of the setting ("must be …").
 */
bool redirect_check_host(const char *text, struct error *error);

/* Terms for following a redirect. */
struct redirect_terms {
	const struct url *first;         /* of the settings */
	const struct string_list *hosts; /* the setting redirect_hosts: patterns */
	bool from_public;                /* the server that redirects is a public one */
};

/*
 * True if a call may go on from one server to another: to the same host, to that of the settings,
 * or to one that redirect_hosts allows. `public_only`: but not to an address of this host or of a
 * private network, which may only show when the name is resolved. That is so when a public server
 * redirects, unless redirect_hosts allows the host by name: by a pattern with a letter or digit,
 * not counting those in sets such as "[0-9]".
 */
bool redirect_allowed(const struct url *from, const struct url *to,
	const struct redirect_terms *terms, bool *public_only, struct error *error);

/* True if a host is local or in a private network, judging by its name: an address, or
 * "localhost". */
bool redirect_is_local(const char *host);

/* True if the secrets for one server may be sent to the other: the same host, at the same port, or
 * now with TLS. */
bool redirect_stays(const struct url *from, const struct url *to);

/* The wait that a Retry-After asks for (RFC 9110, section 10.2.3), in seconds or as a date; ns. 0:
 * none, or it has passed. `now`: ns since 1970. */
uint64_t redirect_retry_after(const struct http_head *response, uint64_t now);

#endif
