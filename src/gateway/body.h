#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The body of an HTTP answer that comes in chunks (RFC 9112, section 7.1). */

/*
 * Writes what the chunks hold to `out`, which has room for `length` bytes, and returns its length.
 * `complete`: the last chunk has come, or what comes is not in chunks, so that no more will be
 * understood. `data` is the body from its beginning, as far as it has come.
 */
size_t body_unchunk(char *out, const uint8_t *data, size_t length, bool *complete);

#endif
