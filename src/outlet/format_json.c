#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "outlet/escaped.h"
#include "outlet/format_input.h"

/* One object per line. */

#define JSON_SEQ        "{\"seq\":"
#define JSON_TIME       ",\"time\":\""
#define JSON_CONNECTION "\",\"connection\":\""
#define JSON_TEXT       "\",\"type\":\"text\",\"data\":\""
#define JSON_BINARY     "\",\"type\":\"binary\",\"base64\":\""
#define JSON_OPEN       "\",\"type\":\"open\""
#define JSON_CLOSE      "\",\"type\":\"close\""
#define JSON_STRING_END "\"}\n"
#define JSON_OBJECT_END "}\n"

#define LITERAL_LENGTH(literal) (sizeof(literal) - 1)

enum {
	JSON_INPUT_VALUES_MAX = 100, /* of a line from a subscriber, which needs three */
	JSON_INPUT_MEMBERS = 1024,   /* bytes of such a line besides the message */
	JSON_INPUT_ESCAPE = 6,       /* bytes of "\u001b", which stands for one */
	JSON_TIME_LENGTH = CLOCK_TEXT_SIZE - 1,
	JSON_MICROSECONDS = 20, /* where they begin in the text of a time */
};

static uint8_t *json_write(uint8_t *out, const void *data, size_t length)
{
	memcpy(out, data, length);
	return out + length;
}

static size_t json_number_length(uint64_t number)
{
	size_t length = 1;

	for (; number >= 10; number /= 10)
		length++;
	return length;
}

static uint8_t *json_write_number(uint8_t *out, uint64_t number, size_t digits)
{
	for (uint8_t *digit = out + digits; digit > out; number /= 10)
		*--digit = (uint8_t)('0' + number % 10);
	return out + digits;
}

#define JSON_WRITE(out, literal) json_write(out, literal, LITERAL_LENGTH(literal))

static uint8_t *json_write_time(uint8_t *out, uint64_t time, struct format_clock *clock)
{
	uint64_t second = time / CLOCK_NS_PER_SECOND;
	uint64_t microsecond = time % CLOCK_NS_PER_SECOND / CLOCK_NS_PER_US;

	if (second != clock->second || !clock->text[0]) {
		clock_format(clock->text, second * CLOCK_NS_PER_SECOND);
		clock->second = second;
	}
	out = json_write(out, clock->text, JSON_TIME_LENGTH);
	json_write_number(out - JSON_TIME_LENGTH + JSON_MICROSECONDS, microsecond, 6);
	return out;
}

/* The members of the details object, without its braces. */
static size_t json_members_length(const struct outlet_message *message)
{
	return message->length > 2 ? message->length - 2 : 0;
}

/* The escapes are counted once for all outlets. */
static size_t json_text_length(const struct outlet_message *message)
{
	struct outlet_encoded *encoded = message->encoded;

	if (!encoded)
		return escaped_length(message->data, message->length, message->unchecked);
	if (encoded->length == 0)
		encoded->length =
			escaped_length(message->data, message->length, message->unchecked);
	return encoded->length;
}

static size_t json_body_length(const struct outlet_message *message)
{
	size_t members = json_members_length(message);

	switch (message->type) {
	case OUTLET_TEXT:
		return LITERAL_LENGTH(JSON_TEXT JSON_STRING_END) + json_text_length(message);
	case OUTLET_BINARY:
		return LITERAL_LENGTH(JSON_BINARY JSON_STRING_END) +
			text_base64_length(message->length);
	case OUTLET_OPENED:
		return LITERAL_LENGTH(JSON_OPEN JSON_OBJECT_END) + members + (members > 0);
	case OUTLET_CLOSED:
		return LITERAL_LENGTH(JSON_CLOSE JSON_OBJECT_END) + members + (members > 0);
	}
	return 0;
}

static size_t json_length(const struct format_record *record)
{
	return LITERAL_LENGTH(JSON_SEQ JSON_TIME JSON_CONNECTION) + JSON_TIME_LENGTH +
		json_number_length(record->seq) + record->source_length +
		json_body_length(record->message);
}

static uint8_t *json_write_members(uint8_t *out, const struct outlet_message *message)
{
	size_t length = json_members_length(message);

	if (length) {
		out = JSON_WRITE(out, ",");
		out = json_write(out, (const char *)message->data + 1, length);
	}
	return JSON_WRITE(out, JSON_OBJECT_END);
}

static uint8_t *json_write_base64(uint8_t *out, const uint8_t *data, size_t length)
{
	text_base64_encode((char *)out, data, length);
	return out + text_base64_length(length);
}

/* Copies the text if another outlet has it, which takes a tenth of the time. */
static uint8_t *json_write_data(uint8_t *out, const struct outlet_message *message)
{
	struct outlet_encoded *encoded = message->encoded;
	uint8_t *end;

	if (encoded && encoded->text)
		return json_write(out, encoded->text, encoded->length);
	end = message->type == OUTLET_TEXT
		? escaped_write(out, message->data, message->length, message->unchecked)
		: json_write_base64(out, message->data, message->length);
	if (encoded)
		*encoded = (struct outlet_encoded){(size_t)(end - out), out};
	return end;
}

static void json_write_body(uint8_t *out, const struct outlet_message *message)
{
	switch (message->type) {
	case OUTLET_TEXT:
		out = json_write_data(JSON_WRITE(out, JSON_TEXT), message);
		JSON_WRITE(out, JSON_STRING_END);
		break;
	case OUTLET_BINARY:
		out = json_write_data(JSON_WRITE(out, JSON_BINARY), message);
		JSON_WRITE(out, JSON_STRING_END);
		break;
	case OUTLET_OPENED:
		json_write_members(JSON_WRITE(out, JSON_OPEN), message);
		break;
	case OUTLET_CLOSED:
		json_write_members(JSON_WRITE(out, JSON_CLOSE), message);
		break;
	}
}

static void json_write_record(uint8_t *out, const struct format_record *record,
	struct format_clock *clock)
{
	out = JSON_WRITE(out, JSON_SEQ);
	out = json_write_number(out, record->seq, json_number_length(record->seq));
	out = JSON_WRITE(out, JSON_TIME);
	out = json_write_time(out, record->message->time, clock);
	out = JSON_WRITE(out, JSON_CONNECTION);
	out = json_write(out, record->source, record->source_length);
	json_write_body(out, record->message);
}

static size_t json_write_gap(uint8_t *out, uint64_t from, uint64_t to)
{
	return (size_t)snprintf((char *)out, FORMAT_GAP_MAX,
		"{\"type\":\"gap\",\"lost\":%llu,\"from\":%llu,\"to\":%llu}\n",
		(unsigned long long)(to - from + 1), (unsigned long long)from,
		(unsigned long long)to);
}

static enum format_taken json_take_decoded(struct format_input *input, int source, bool binary,
	size_t length)
{
	if (length > input->limit.bytes) {
		format_input_too_large(input, "a message");
		return FORMAT_WRONG;
	}
	if (binary)
		return format_input_message(input, source, true, buffer_data(&input->decoded),
			length);
	return format_input_text(input, source, buffer_data(&input->decoded), length);
}

static enum format_taken json_take_base64(struct format_input *input, int source,
	const json_t *base64)
{
	const char *text = json_string_value(base64);
	size_t length = json_string_length(base64);

	buffer_clear(&input->decoded);
	if (strlen(text) != length ||
		!text_base64_decode(buffer_reserve(&input->decoded, length + 1), &length, text))
		return format_input_wrong(input, "\"base64\" does not hold base64");
	buffer_commit(&input->decoded, length);
	return json_take_decoded(input, source, true, length);
}

/* Copied, as the object does not outlive the call. */
static enum format_taken json_take_data(struct format_input *input, int source, const json_t *data)
{
	size_t length = json_string_length(data);

	buffer_clear(&input->decoded);
	buffer_append(&input->decoded, json_string_value(data), length + 1);
	return json_take_decoded(input, source, false, length);
}

static enum format_taken json_take_object(struct format_input *input, const json_t *object)
{
	const json_t *connection = json_object_get(object, "connection");
	const json_t *type = json_object_get(object, "type");
	const json_t *data = json_object_get(object, "data");
	const json_t *base64 = json_object_get(object, "base64");
	int source = SOURCES_ALL;

	if (!json_is_object(object))
		return format_input_wrong(input, "a line is not a JSON object");
	if (json_is_string(data) == json_is_string(base64))
		return format_input_wrong(input,
			"an object needs either \"data\" or \"base64\", a string");
	if (type &&
		(!json_is_string(type) ||
			strcmp(json_string_value(type), data ? "text" : "binary") != 0))
		return format_input_wrong(input,
			"\"type\" must be \"text\", with \"data\", "
			"or \"binary\", with \"base64\"");
	if (connection) {
		if (json_is_string(connection))
			source = sources_find(input->sources, json_string_value(connection));
		if (source == SOURCES_ALL)
			return format_input_wrong(input,
				"\"connection\" is none of the outlet's connections");
	}
	return base64 ? json_take_base64(input, source, base64)
		      : json_take_data(input, source, data);
}

static enum format_taken json_take_line(struct format_input *input, const uint8_t *line,
	size_t length)
{
	enum format_taken taken;
	json_error_t fault;
	json_t *object;

	if (text_count_json_values((const char *)line, length) > JSON_INPUT_VALUES_MAX)
		return format_input_wrong(input, "a line has more than 100 JSON values");
	object = json_loadb((const char *)line, length,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
	if (!object) {
		snprintf(input->quote, sizeof(input->quote), "%s", fault.text);
		return format_input_wrong(input, "a line is not JSON");
	}
	taken = json_take_object(input, object);
	json_decref(object);
	return taken;
}

static enum format_taken json_take(struct format_input *input)
{
	size_t longest = JSON_INPUT_ESCAPE * input->limit.bytes + JSON_INPUT_MEMBERS, length;
	const uint8_t *line;
	enum format_taken taken = format_input_line(input, longest, &line, &length);

	return taken == FORMAT_MESSAGE ? json_take_line(input, line, length) : taken;
}

const struct outlet_format format_json = {
	.socket_type = SOCK_STREAM,
	.lifecycle = true,
	.timed = true,
	.length = json_length,
	.write = json_write_record,
	.gap = json_write_gap,
	.take = json_take,
};
