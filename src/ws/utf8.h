#ifndef WS_UTF8_H
#define WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/choice.h"

/* How to treat text from the server that is not UTF-8. */
enum ws_utf8_policy {
	WS_UTF8_CHECK,   /* the connection fails (RFC 6455, section 8.1) */
	WS_UTF8_REPLACE, /* U+FFFD takes the place of what is ill-formed */
	WS_UTF8_PASS,    /* it stays as it is */
};

extern const struct choice ws_utf8_policies[];

/* State of validating UTF-8 that arrives in pieces. Zero-initialised: between characters. */
struct ws_utf8 {
	uint8_t left;    /* continuation bytes still to come */
	uint8_t lowest;  /* the range of the next one, */
	uint8_t highest; /* where the byte before it narrows it (RFC 3629, section 4) */
};

/* False as soon as no continuation of the text could make it valid. */
bool ws_utf8_check(struct ws_utf8 *utf8, const uint8_t *data, size_t length);

/* True if the text may end here. */
static inline bool ws_utf8_complete(const struct ws_utf8 *utf8)
{
	return utf8->left == 0;
}

/* Both of the above for text that is here as a whole. */
bool ws_utf8_valid(const void *data, size_t length);

/*
 * Appends text that arrives in pieces, with U+FFFD for each maximal subpart of an ill-formed sequence,
 * as the Unicode Standard (section 3.9) and the Encoding Standard do. A character of which the rest is
 * still to come is at the end of `out`, where it must stay until the next piece. The text may have
 * passed ws_utf8_check() so far, and have been appended as it was. False once `out` is longer than
 * `max`.
 */
bool ws_utf8_repair(struct ws_utf8 *utf8, const uint8_t *data, size_t length, struct buffer *out,
	uint64_t max);

/* The text ends. */
void ws_utf8_repair_end(struct ws_utf8 *utf8, struct buffer *out);

/* Takes a piece off the front of a text: valid bytes, of which it returns the number, and then the
 * maximal subpart of an ill-formed sequence, unless the text ends. */
size_t ws_utf8_take(const uint8_t **data, size_t *length);

#endif
