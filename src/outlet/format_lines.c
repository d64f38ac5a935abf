#include <string.h>
#include <sys/socket.h>

#include "outlet/format_input.h"

/* `lines`: payload and newline, text or binary. Newlines within the payload stay as they are. */

static size_t lines_length(const struct format_record *record)
{
	return record->message->length + 1;
}

static void lines_write(uint8_t *out, const struct format_record *record,
	struct format_clock *clock)
{
	size_t length = record->message->length;

	(void)clock;
	if (length)
		memcpy(out, record->message->data, length);
	out[length] = '\n';
}

static enum format_taken lines_take(struct format_input *input)
{
	const uint8_t *line;
	size_t length;
	enum format_taken taken = format_input_line(input, input->limit.bytes, &line, &length);

	return taken == FORMAT_MESSAGE ? format_input_text(input, SOURCES_ALL, line, length)
				       : taken;
}

const struct outlet_format format_lines = {
	.socket_type = SOCK_STREAM,
	.length = lines_length,
	.write = lines_write,
	.take = lines_take,
};
