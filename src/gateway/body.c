#include "gateway/body.h"

#include <string.h>

static int body_hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Parses the line before a chunk: hexadecimal digits and, perhaps, extensions. */
static bool body_chunk_size(const uint8_t *line, size_t length, size_t *size)
{
	size_t digits = 0;

	*size = 0;
	while (digits < length && body_hex_digit(line[digits]) >= 0) {
		if (*size > SIZE_MAX >> 4)
			return false;
		*size = *size << 4 | (size_t)body_hex_digit(line[digits++]);
	}
	return digits > 0;
}

size_t body_unchunk(char *out, const uint8_t *data, size_t length, bool *complete)
{
	size_t written = 0;
	const uint8_t *end;
	size_t size;

	*complete = false;
	while ((end = memchr(data, '\n', length)) != NULL) {
		if (!body_chunk_size(data, (size_t)(end - data), &size) || size == 0) {
			*complete = true;
			break;
		}
		length -= (size_t)(end + 1 - data);
		data = end + 1;
		if (size > length)
			size = length;
		memcpy(out + written, data, size);
		written += size;
		data += size;
		length -= size;
		if (length && *data == '\r')
			data++, length--;
		if (length && *data == '\n')
			data++, length--;
	}
	return written;
}
