#include <stdio.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/text.h"
#include "outlet/encode.h"

/*
 * One object a line. Text is searched for what needs an escape a block at a time; most of it needs
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
	JSON_BLOCK = 16,
	JSON_TIME_LENGTH = CLOCK_TEXT_SIZE - 1,
	JSON_MICROSECONDS = 20, /* where they begin in the text of a time */
	JSON_SHORT_EXTRA = 1,   /* bytes that "\n" takes more than the newline */
	JSON_LONG_EXTRA = 5,    /* likewise "\u001b" */
};

/* The letter of the short escape of each control character; 'u' where there is none. */
static const char json_letters[0x20 + 1] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

static bool json_is_special(uint8_t byte)
{
	return byte < 0x20 || byte == '"' || byte == '\\';
}

static size_t json_extra(uint8_t byte)
{
	if (!json_is_special(byte))
		return 0;
	return byte < 0x20 && json_letters[byte] == 'u' ? JSON_LONG_EXTRA : JSON_SHORT_EXTRA;
}

#ifdef __SSE2__

struct json_block {
	__m128i controls; /* 0xff for each byte that is one */
	__m128i specials; /* likewise */
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

/* What the escapes of a block add to its length. */
static size_t json_block_extra(const uint8_t *data)
{
	struct json_block block = json_classify(data);
	__m128i ones = _mm_and_si128(block.specials, _mm_set1_epi8(1));
	__m128i sums = _mm_sad_epu8(ones, _mm_setzero_si128()); /* one for each half */
	size_t extra = (size_t)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4));

	if (!_mm_movemask_epi8(block.controls))
		return extra;
	extra = 0;
	for (int i = 0; i < JSON_BLOCK; i++)
		extra += json_extra(data[i]);
	return extra;
}

#else

static unsigned json_specials(const uint8_t *data)
{
	unsigned specials = 0;

	for (unsigned i = 0; i < JSON_BLOCK; i++)
		specials |= (unsigned)json_is_special(data[i]) << i;
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

static size_t json_string_length(const uint8_t *data, size_t length)
{
	size_t total = length;

	for (; length >= JSON_BLOCK; data += JSON_BLOCK, length -= JSON_BLOCK)
		total += json_block_extra(data);
	for (; length; data++, length--)
		total += json_extra(*data);
	return total;
}

static uint8_t *json_write_escape(uint8_t *out, uint8_t byte)
{
	static const char hex[] = "0123456789abcdef";
	char letter = byte < 0x20 ? json_letters[byte] : (char)byte;

	*out++ = '\\';
	*out++ = (uint8_t)letter;
	if (letter != 'u')
		return out;
	*out++ = '0';
	*out++ = '0';
	*out++ = (uint8_t)hex[byte >> 4];
	*out++ = (uint8_t)hex[byte & 15];
	return out;
}

/*
 * The block's bytes, with escapes. Copies a whole block from behind each escape, which is quicker
 * than to copy just the run: so a block more must be readable behind this one, and writable.
 */
static uint8_t *json_write_block(uint8_t *out, const uint8_t *data)
{
	unsigned specials = json_specials(data);
	unsigned run = 0; /* where the bytes begin that are not written yet */

	for (; specials; specials &= specials - 1) {
		unsigned special = (unsigned)__builtin_ctz(specials);

		memcpy(out, data + run, JSON_BLOCK);
		out = json_write_escape(out + special - run, data[special]);
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
		if (json_is_special(*data))
			out = json_write_escape(out, *data);
		else
			*out++ = *data;
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

static uint8_t *json_write(uint8_t *out, const void *data, size_t length)
{
	memcpy(out, data, length);
	return out + length;
}

#define JSON_WRITE(out, literal) json_write(out, literal, LITERAL_LENGTH(literal))

static uint8_t *json_write_time(uint8_t *out, uint64_t time, struct encode_clock *clock)
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

static size_t json_body_length(const struct outlet_message *message)
{
	size_t members = json_members_length(message);

	switch (message->type) {
	case OUTLET_TEXT:
		return LITERAL_LENGTH(JSON_TEXT JSON_STRING_END) +
			json_string_length(message->data, message->length);
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

static size_t json_length(const struct encode_record *record)
{
	return LITERAL_LENGTH(JSON_SEQ JSON_TIME JSON_CONNECTION) + JSON_TIME_LENGTH +
		json_number_length(record->seq) + record->connection_length +
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

static void json_write_body(uint8_t *out, const struct outlet_message *message)
{
	switch (message->type) {
	case OUTLET_TEXT:
		out = JSON_WRITE(out, JSON_TEXT);
		out = json_write_string(out, message->data, message->length);
		JSON_WRITE(out, JSON_STRING_END);
		break;
	case OUTLET_BINARY:
		out = JSON_WRITE(out, JSON_BINARY);
		text_base64_encode((char *)out, message->data, message->length);
		out += text_base64_length(message->length);
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

static void json_write_record(uint8_t *out, const struct encode_record *record,
	struct encode_clock *clock)
{
	out = JSON_WRITE(out, JSON_SEQ);
	out = json_write_number(out, record->seq, json_number_length(record->seq));
	out = JSON_WRITE(out, JSON_TIME);
	out = json_write_time(out, record->message->time, clock);
	out = JSON_WRITE(out, JSON_CONNECTION);
	out = json_write(out, record->connection, record->connection_length);
	json_write_body(out, record->message);
}

static size_t json_write_gap(uint8_t *out, uint64_t from, uint64_t to)
{
	return (size_t)snprintf((char *)out, ENCODE_GAP_MAX,
		"{\"type\":\"gap\",\"lost\":%llu,\"from\":%llu,\"to\":%llu}\n",
		(unsigned long long)(to - from + 1), (unsigned long long)from,
		(unsigned long long)to);
}

const struct encode_format encode_json = {
	.lifecycle = true,
	.length = json_length,
	.write = json_write_record,
	.gap = json_write_gap,
};
