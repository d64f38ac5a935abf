#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The body of an HTTP response in chunked transfer coding (RFC 9112, section 7.1). */

/*
 * Decodes `data`, the body from its beginning as far as it has arrived, to `out`, which has room
 * for `length` bytes, and returns how many it has written. Sets `complete` if the last chunk has
 * arrived, or if the data is not chunked, so that more of it would be no use.
 */
size_t body_unchunk(char *out, const uint8_t *data, size_t length, bool *complete);

#endif
