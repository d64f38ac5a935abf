#include <string.h>

#include "outlet/encode.h"

/*
 * The payload, and a zero that is not sent: a record has to take up room in the ring, for without
 * that an empty message would start where the next record does, and a position, which is what a
 * subscriber's cursor is, would not tell which of them it means.
 */

static size_t packets_length(const struct encode_record *record)
{
	return record->message->length + ENCODE_PACKET_END;
}

static void packets_write(uint8_t *out, const struct encode_record *record,
	struct encode_clock *clock)
{
	size_t length = record->message->length;

	(void)clock;
	if (length)
		memcpy(out, record->message->data, length);
	out[length] = 0;
}

const struct encode_format encode_packets = {
	.packets = true,
	.length = packets_length,
	.write = packets_write,
};
