#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { BUFFER_SMALLEST = 256 };

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
	buffer->memory = alloc_resize(buffer->memory, capacity);
	buffer->capacity = capacity;
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
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	buffer_append(buffer, text, (size_t)length);
	free(text);
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

void buffer_clear(struct buffer *buffer)
{
	buffer->start = 0;
	buffer->length = 0;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->memory);
	*buffer = (struct buffer){0};
}
