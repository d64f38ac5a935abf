#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes that are appended at the end and consumed from the front. An empty buffer owns no memory,
 * so that thousands of idle connections cost nothing. It knows no limit: whoever appends checks.
 * Zero-initialised is empty.
 */
struct buffer {
	uint8_t *memory;
	size_t start;           /* of the content within memory */
	size_t length;          /* of the content */
	uint64_t capacity : 63; /* of memory */
	bool secret : 1; /* the memory is wiped before it is given back; stays until it is unset */
};

/* The content; valid until the next append, reserve or release. NULL if there is no memory. */
static inline const uint8_t *buffer_data(const struct buffer *buffer)
{
	return buffer->memory ? buffer->memory + buffer->start : NULL;
}

/* Makes room for `length` more bytes after the content; write there, then buffer_commit(). */
uint8_t *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_commit(struct buffer *buffer, size_t length);

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Drops `length` bytes from the front, at most the content; releases the memory at the last. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Truncates the content to `length` bytes, if it is longer; releases the memory if nothing is left. */
void buffer_truncate(struct buffer *buffer, size_t length);

/* Empties the buffer but keeps its memory for the next use. */
void buffer_clear(struct buffer *buffer);

/* Gives back most of the memory that the content does not need. */
void buffer_trim(struct buffer *buffer);

/* Empties the buffer and gives its memory back. */
void buffer_release(struct buffer *buffer);

#endif
