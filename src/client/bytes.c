#include "client/bytes.h"

#include <stdlib.h>
#include <string.h>

bool wsgate_bytes_reserve(struct wsgate_bytes *bytes, size_t length)
{
	size_t content = wsgate_bytes_length(bytes);
	size_t capacity = 2 * bytes->capacity;
	uint8_t *memory;

	if (bytes->start) {
		memmove(bytes->memory, wsgate_bytes_data(bytes), content);
		bytes->start = 0;
		bytes->end = content;
	}
	if (bytes->capacity - content >= length)
		return true;
	if (capacity < content + length)
		capacity = content + length;
	memory = realloc(bytes->memory, capacity);
	if (!memory)
		return false;
	bytes->memory = memory;
	bytes->capacity = capacity;
	return true;
}

bool wsgate_bytes_append(struct wsgate_bytes *bytes, const void *data, size_t length)
{
	if (!wsgate_bytes_reserve(bytes, length))
		return false;
	if (length)
		memcpy(bytes->memory + bytes->end, data, length);
	bytes->end += length;
	return true;
}

void wsgate_bytes_release(struct wsgate_bytes *bytes)
{
	free(bytes->memory);
	*bytes = (struct wsgate_bytes){0};
}
