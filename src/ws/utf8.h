#ifndef WS_UTF8_H
#define WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
