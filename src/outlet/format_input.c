#include "outlet/format_input.h"

#include <stdio.h>
#include <string.h>

#include "ws/utf8.h"

static void format_input_set_fault(struct format_input *input, const char *fault)
{
	snprintf(input->fault, sizeof(input->fault), "%s", fault);
}

enum format_taken format_input_wrong(struct format_input *input, const char *fault)
{
	format_input_set_fault(input, fault);
	return FORMAT_WRONG;
}

enum format_taken format_input_broken(struct format_input *input, const char *fault)
{
	format_input_set_fault(input, fault);
	return FORMAT_BROKEN;
}

void format_input_too_large(struct format_input *input, const char *what)
{
	snprintf(input->fault, sizeof(input->fault), "%s is longer than %s permits (%zu bytes)",
		what, input->limit.setting, input->limit.bytes);
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

enum format_taken format_input_line(struct format_input *input, size_t longest,
	const uint8_t **line, size_t *length)
{
	const uint8_t *end =
		memchr(input->data + input->searched, '\n', input->length - input->searched);

	*line = input->data;
	*length = end ? (size_t)(end - input->data) : input->length;
	if (*length > longest) {
		format_input_too_large(input, "a line");
		return FORMAT_BROKEN;
	}
	if (!end && !input->ended) {
		input->searched = input->length;
		return FORMAT_PARTIAL;
	}
	input->searched = 0;
	input->taken = end ? *length + 1 : *length;
	return FORMAT_MESSAGE;
}
