#ifndef GATEWAY_REDIRECT_H
#define GATEWAY_REDIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/url.h"
#include "ws/handshake.h"

/* Where a server's answer sends the caller instead of opening a WebSocket. */

/* 301, 302, 303, 307 or 308, with a Location. */
bool redirect_is(const struct ws_response *response);

/*
 * The URL that a Location means, seen from `from` (RFC 3986, section 5.2): absolute, with http and
 * https standing for ws and wss, or relative. The caller frees it. NULL: another scheme, or a way
 * from wss to ws, which would give away in clear what was meant to be kept.
 */
char *redirect_target(const struct url *from, const char *location, struct error *error);

/* Whether what belongs to one server may be told to the other: the same host, at the same port or
 * now with TLS. */
bool redirect_stays(const struct url *from, const struct url *to);

/*
 * The wait that a Retry-After asks for (RFC 9110, section 10.2.3), in seconds or as a date; ns. 0:
 * none, or one that has passed.
 */
uint64_t redirect_retry_after(const struct ws_response *response, uint64_t now);

#endif
