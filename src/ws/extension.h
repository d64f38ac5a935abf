#ifndef WS_EXTENSION_H
#define WS_EXTENSION_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "ws/deflate.h"

/* Sec-WebSocket-Extensions, of which there is one: permessage-deflate (RFC 7692, section 7.1). */

/* Appends the header's value. */
void ws_extension_offer(struct buffer *out, const struct ws_deflate_parameters *offer);

/*
 * Reads the value of one such header of the server's answer. Refuses whatever is not an acceptance
 * of the offer. *accepted, false at first, tells whether there was one, then with *agreed. Called
 * for each such header in turn, so that none is accepted twice.
 */
bool ws_extension_accept(const char *answer, const struct ws_deflate_parameters *offer,
	bool *accepted, struct ws_deflate_parameters *agreed, struct error *error);

#endif
