#include "outlet/format_input.h"

#include <string.h>

#include "ws/utf8.h"

enum format_taken format_input_wrong(struct format_input *input, const char *fault)
{
	input->fault = fault;
	return FORMAT_WRONG;
}

enum format_taken format_input_broken(struct format_input *input, const char *fault)
{
	input->fault = fault;
	return FORMAT_BROKEN;
}

enum format_taken format_input_message(struct format_input *input, int source, bool binary,
	const void *data, size_t length)
{
	input->source = source;
	input->binary = binary;
	input->message = data;
	input->message_length = length;
	return FORMAT_MESSAGE;
}

enum format_taken format_input_text(struct format_input *input, int source, const void *data,
	size_t length)
{
	if (!ws_utf8_valid(data, length))
		return format_input_wrong(input, "a text message is not UTF-8");
	return format_input_message(input, source, false, data, length);
}

enum format_taken format_input_line(struct format_input *input, const uint8_t **line,
	size_t *length)
{
	const uint8_t *end =
		memchr(input->data + input->searched, '\n', input->length - input->searched);

	*line = input->data;
	*length = end ? (size_t)(end - input->data) : input->length;
	if (*length > FORMAT_INPUT_MAX)
		return format_input_broken(input, "a line is longer than 1 MiB");
	input->searched = end ? 0 : input->length;
	if (!end)
		return FORMAT_PARTIAL;
	input->taken = *length + 1;
	return FORMAT_MESSAGE;
}
