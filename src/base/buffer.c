#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum {
	BUFFER_SMALLEST = 256,
	BUFFER_TRIM = 64 << 10, /* bytes up to which memory is kept */
};

#define BUFFER_CAPACITY_MAX (UINT64_MAX >> 1)

/* realloc() could leave a copy of a secret in freed memory. */
static void buffer_grow(struct buffer *buffer, size_t capacity)
{
	uint8_t *memory;

	if (buffer->secret && buffer->memory) {
		memory = alloc_zero(1, capacity);
		memcpy(memory, buffer->memory, buffer->start + buffer->length);
		explicit_bzero(buffer->memory, buffer->capacity);
		free(buffer->memory);
		buffer->memory = memory;
	} else {
		buffer->memory = alloc_resize(buffer->memory, capacity);
	}
	buffer->capacity = capacity & BUFFER_CAPACITY_MAX;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t length)
{
	size_t needed = buffer->length + length;
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_SMALLEST;

	if (buffer->start + needed <= buffer->capacity)
		return buffer->memory + buffer->start + buffer->length;

	if (buffer->start && needed <= buffer->capacity / 2) {
		memmove(buffer->memory, buffer->memory + buffer->start, buffer->length);
		buffer->start = 0;
		return buffer->memory + buffer->length;
	}

	while (capacity < buffer->start + needed)
		capacity *= 2;
	buffer_grow(buffer, capacity);
	return buffer->memory + buffer->start + buffer->length;
}

void buffer_commit(struct buffer *buffer, size_t length)
{
	buffer->length += length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(buffer_reserve(buffer, length), data, length);
	buffer_commit(buffer, length);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	uint8_t *room;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	room = buffer_reserve(buffer, (size_t)length + 1);
	va_start(arguments, format);
	vsnprintf((char *)room, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer_commit(buffer, (size_t)length);
}

void buffer_consume(struct buffer *buffer, size_t length)
{
	if (length >= buffer->length) {
		buffer_release(buffer);
		return;
	}
	buffer->start += length;
	buffer->length -= length;
}

void buffer_truncate(struct buffer *buffer, size_t length)
{
	if (length == 0)
		buffer_release(buffer);
	else if (length < buffer->length)
		buffer->length = length;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->start = 0;
	buffer->length = 0;
}

void buffer_trim(struct buffer *buffer)
{
	struct buffer trimmed = {.secret = buffer->secret};

	if (buffer->capacity <= BUFFER_TRIM || buffer->length > buffer->capacity / 4)
		return;
	buffer_append(&trimmed, buffer_data(buffer), buffer->length);
	buffer_release(buffer);
	*buffer = trimmed;
}

void buffer_release(struct buffer *buffer)
{
	if (buffer->secret && buffer->memory)
		explicit_bzero(buffer->memory, buffer->capacity);
	free(buffer->memory);
	*buffer = (struct buffer){.secret = buffer->secret};
}
