#ifndef WS_EXTENSION_H
#define WS_EXTENSION_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "ws/deflate.h"

/* Sec-WebSocket-Extensions, with one extension: permessage-deflate (RFC 7692, section 7.1). */

/* Appends the header's value. */
void ws_extension_offer(struct buffer *out, const struct ws_deflate_parameters *offer);

/*
 * Parses the value of one such header of the server's response. If it accepts the offer, sets
 * *accepted, which must be false before the first header, and *agreed; if it is empty, or has only
 * empty elements, nothing. Fails for anything else. Call it for each such header in turn: a second
 * acceptance is an error.
 *
 * A client_max_window_bits is an upper limit of what we use, so one above the offer, without one, or
 * without a value, is taken. What we have asked of the server must be granted.
 */
bool ws_extension_accept(const char *response, const struct ws_deflate_parameters *offer,
	bool *accepted, struct ws_deflate_parameters *agreed, struct error *error);

#endif
