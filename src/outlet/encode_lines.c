#include <string.h>

#include "outlet/encode.h"

/* Payload and newline, text or binary. Newlines within the payload are left as they are. */

static size_t lines_length(const struct encode_record *record)
{
	return record->message->length + 1;
}

static void lines_write(uint8_t *out, const struct encode_record *record,
	struct encode_clock *clock)
{
	size_t length = record->message->length;

	(void)clock;
	if (length)
		memcpy(out, record->message->data, length);
	out[length] = '\n';
}

const struct encode_format encode_lines = {
	.length = lines_length,
	.write = lines_write,
};
