#ifndef CLIENT_BYTES_H
#define CLIENT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A queue of bytes: appended at the end, consumed at the front. Zero-initialised is empty. */
struct wsgate_bytes {
	uint8_t *memory;
	size_t start; /* of the content */
	size_t end;
	size_t capacity;
};

static inline size_t wsgate_bytes_length(const struct wsgate_bytes *bytes)
{
	return bytes->end - bytes->start;
}

static inline uint8_t *wsgate_bytes_data(const struct wsgate_bytes *bytes)
{
	return bytes->memory + bytes->start;
}

/*
 * Makes room for `length` more bytes at `end`. Moves the content to the front, which is aligned for
 * any type. False: out of memory.
 */
bool wsgate_bytes_reserve(struct wsgate_bytes *bytes, size_t length);

/* False: out of memory. */
bool wsgate_bytes_append(struct wsgate_bytes *bytes, const void *data, size_t length);

void wsgate_bytes_release(struct wsgate_bytes *bytes);

#endif
