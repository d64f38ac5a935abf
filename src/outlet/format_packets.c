#include <string.h>
#include <sys/socket.h>

#include "outlet/format_input.h"
#include "ws/utf8.h"

/*
 * `packets`: the payload, and a zero that is not sent. A record has to occupy space in the ring: an
 * empty message would otherwise start where the next record does, and a position, which is what a
 * subscriber's cursor is, would not tell the two apart.
 */

static size_t packets_length(const struct format_record *record)
{
	return record->message->length + FORMAT_PACKET_END;
}

static void packets_write(uint8_t *out, const struct format_record *record,
	struct format_clock *clock)
{
	size_t length = record->message->length;

	(void)clock;
	if (length)
		memcpy(out, record->message->data, length);
	out[length] = 0;
}

/* A packet is a message: text if it is UTF-8. */
static enum format_taken packets_take(struct format_input *input)
{
	bool text = ws_utf8_valid(input->data, input->length);

	input->taken = input->length;
	return format_input_message(input, SOURCES_ALL, !text, input->data, input->length);
}

const struct outlet_format format_packets = {
	.socket_type = SOCK_SEQPACKET,
	.length = packets_length,
	.write = packets_write,
	.take = packets_take,
};
