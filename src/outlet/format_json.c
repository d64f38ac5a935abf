#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/text.h"
#include "outlet/format_input.h"

/*
 * One object per line. Text is searched for characters to escape a block at a time; most text has
 * none, or is itself JSON, with many quotes.
 */

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
	JSON_BLOCK = 16,
	JSON_TIME_LENGTH = CLOCK_TEXT_SIZE - 1,
	JSON_MICROSECONDS = 20, /* where they begin in the text of a time */
	JSON_SHORT_EXTRA = 1,   /* bytes that "\n" takes more than the newline */
	JSON_LONG_EXTRA = 5,    /* the same for "\u001b" */
	JSON_FEW = 6,           /* escapes in a block that are better written one by one */
};

/* The escape of a byte in a string; all 0 if it needs none. */
struct json_escape {
	char text[7];  /* but for the first character */
	uint8_t extra; /* bytes that it takes more than the byte itself */
};

#define JSON_SHORT(letter)                                                                         \
	{                                                                                          \
		{0, letter}, JSON_SHORT_EXTRA                                                      \
	}
#define JSON_LONG(high, low)                                                                       \
	{                                                                                          \
		{0, 'u', '0', '0', high, low}, JSON_LONG_EXTRA                                     \
	}

enum { JSON_ESCAPES = 0x60 }; /* bytes from there on have none, nor has the last before */

static const struct json_escape json_escapes[JSON_ESCAPES] = {
	JSON_LONG('0', '0'),
	JSON_LONG('0', '1'),
	JSON_LONG('0', '2'),
	JSON_LONG('0', '3'),
	JSON_LONG('0', '4'),
	JSON_LONG('0', '5'),
	JSON_LONG('0', '6'),
	JSON_LONG('0', '7'),
	JSON_SHORT('b'),
	JSON_SHORT('t'),
	JSON_SHORT('n'),
	JSON_LONG('0', 'b'),
	JSON_SHORT('f'),
	JSON_SHORT('r'),
	JSON_LONG('0', 'e'),
	JSON_LONG('0', 'f'),
	JSON_LONG('1', '0'),
	JSON_LONG('1', '1'),
	JSON_LONG('1', '2'),
	JSON_LONG('1', '3'),
	JSON_LONG('1', '4'),
	JSON_LONG('1', '5'),
	JSON_LONG('1', '6'),
	JSON_LONG('1', '7'),
	JSON_LONG('1', '8'),
	JSON_LONG('1', '9'),
	JSON_LONG('1', 'a'),
	JSON_LONG('1', 'b'),
	JSON_LONG('1', 'c'),
	JSON_LONG('1', 'd'),
	JSON_LONG('1', 'e'),
	JSON_LONG('1', 'f'),
	['"'] = JSON_SHORT('"'),
	['\\'] = JSON_SHORT('\\'),
};

static inline const struct json_escape *json_escape_of(uint8_t byte)
{
	return &json_escapes[byte < JSON_ESCAPES ? byte : JSON_ESCAPES - 1];
}

static inline size_t json_extra(uint8_t byte)
{
	return json_escape_of(byte)->extra;
}

#ifdef __SSE2__

struct json_block {
	__m128i controls; /* 0xff for each byte that is one */
	__m128i specials; /* the same */
};

static struct json_block json_classify(const uint8_t *data)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	struct json_block block;

	block.controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	block.specials = _mm_or_si128(block.controls, _mm_or_si128(quotes, backslashes));
	return block;
}

/* A bit for each byte of the block that needs an escape. */
static unsigned json_specials(const uint8_t *data)
{
	return (unsigned)_mm_movemask_epi8(json_classify(data).specials);
}

/* 0xff for each control character that has no short escape: not one of 8 to 13, or 11. */
static __m128i json_longs(const uint8_t *data, __m128i controls)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	__m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8('\b'));
	__m128i among = _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8('\r' - '\b')), above);
	__m128i shorts = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\v')), among);

	return _mm_andnot_si128(shorts, controls);
}

/* Bytes that the escapes of a block add to its length. */
static size_t json_block_extra(const uint8_t *data)
{
	struct json_block block = json_classify(data);
	__m128i extra = _mm_and_si128(block.specials, _mm_set1_epi8(JSON_SHORT_EXTRA));
	__m128i more = _mm_set1_epi8(JSON_LONG_EXTRA - JSON_SHORT_EXTRA);
	__m128i sums;

	if (_mm_movemask_epi8(block.controls))
		extra = _mm_add_epi8(extra, _mm_and_si128(json_longs(data, block.controls), more));
	sums = _mm_sad_epu8(extra, _mm_setzero_si128()); /* one for each half */
	return (size_t)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4));
}

#else

static unsigned json_specials(const uint8_t *data)
{
	unsigned specials = 0;

	for (unsigned i = 0; i < JSON_BLOCK; i++)
		specials |= (unsigned)(json_extra(data[i]) > 0) << i;
	return specials;
}

static size_t json_block_extra(const uint8_t *data)
{
	size_t extra = 0;

	for (int i = 0; i < JSON_BLOCK; i++)
		extra += json_extra(data[i]);
	return extra;
}

#endif

static size_t json_escaped_length(const uint8_t *data, size_t length)
{
	size_t total = length;

	for (; length >= JSON_BLOCK; data += JSON_BLOCK, length -= JSON_BLOCK)
		total += json_block_extra(data);
	for (; length; data++, length--)
		total += json_extra(*data);
	return total;
}

static uint8_t *json_write(uint8_t *out, const void *data, size_t length)
{
	memcpy(out, data, length);
	return out + length;
}

/* Writes sizeof(struct json_escape) bytes, whatever it needs; without a branch, which in text of
 * all kinds of bytes could not be predicted. */
static inline uint8_t *json_write_byte(uint8_t *out, uint8_t byte)
{
	const struct json_escape *escape = json_escape_of(byte);

	memcpy(out, escape, sizeof(*escape));
	out[0] = escape->extra ? '\\' : byte;
	return out + 1 + escape->extra;
}

static bool json_has_few(unsigned specials)
{
	for (int i = 0; i < JSON_FEW; i++)
		specials &= specials - 1;
	return specials == 0;
}

/*
 * Writes the block's bytes, with escapes. Copies a whole block after each escape, which is quicker
 * than copying just the run: so another block must be readable, and writable, after this one.
 */
static inline uint8_t *json_write_block(uint8_t *out, const uint8_t *data)
{
	unsigned specials = json_specials(data);
	unsigned run = 0; /* where the bytes begin that are not written yet */

	if (!json_has_few(specials)) {
		for (int i = 0; i < JSON_BLOCK; i++)
			out = json_write_byte(out, data[i]);
		return out;
	}
	for (; specials; specials &= specials - 1) {
		unsigned special = (unsigned)__builtin_ctz(specials);

		memcpy(out, data + run, JSON_BLOCK);
		out = json_write_byte(out + special - run, data[special]);
		run = special + 1;
	}
	memcpy(out, data + run, JSON_BLOCK);
	return out + JSON_BLOCK - run;
}

static uint8_t *json_write_string(uint8_t *out, const uint8_t *data, size_t length)
{
	for (; length >= 2 * JSON_BLOCK; data += JSON_BLOCK, length -= JSON_BLOCK)
		out = json_write_block(out, data);
	for (; length; data++, length--) {
		uint8_t escape[sizeof(struct json_escape)];

		out = json_write(out, escape, (size_t)(json_write_byte(escape, *data) - escape));
	}
	return out;
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
		return json_escaped_length(message->data, message->length);
	if (encoded->length == 0)
		encoded->length = json_escaped_length(message->data, message->length);
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
	end = message->type == OUTLET_TEXT ? json_write_string(out, message->data, message->length)
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
	size_t longest = (1 + JSON_LONG_EXTRA) * input->limit.bytes + JSON_INPUT_MEMBERS, length;
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
