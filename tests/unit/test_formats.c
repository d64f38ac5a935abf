#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "outlet/format.h"
#include "outlet/frames.h"
#include "outlet_suites.h"

extern const struct outlet_format format_lines, format_json, format_frames, format_packets;

/* Encodes into memory of the length announced, so that sanitizers see what is written behind. */
static char *encode(const struct outlet_format *format, enum outlet_message_type type,
	const void *data, size_t length, bool announce, size_t *size)
{
	const struct outlet_message message = {
		.type = type,
		.source = 3,
		.time = UINT64_C(1763835473000001999),
		.data = data,
		.length = length,
	};
	const struct format_record record = {
		.seq = 1234567,
		.message = &message,
		.source = "ticker",
		.source_length = 6,
		.announce = announce,
	};
	struct format_clock clock = {0};
	char *out;

	*size = format->length(&record);
	out = alloc_zero(1, *size + 1);
	memset(out, '#', *size);
	format->write((uint8_t *)out, &record, &clock);
	return out;
}

static void expect_text(const struct outlet_format *format, enum outlet_message_type type,
	const void *data, size_t length, const char *text)
{
	size_t size;
	char *out = encode(format, type, data, length, false, &size);

	ck_assert_uint_eq(strlen(out), size);
	ck_assert_str_eq(out, text);
	free(out);
}

#define JSON_HEAD                                                                                  \
	"{\"seq\":1234567,\"time\":\"2025-11-22T18:17:53.000001Z\","                               \
	"\"connection\":\"ticker\","

START_TEST(test_lines)
{
	expect_text(&format_lines, OUTLET_TEXT, "hello", 5, "hello\n");
	expect_text(&format_lines, OUTLET_BINARY, "a\nb", 3, "a\nb\n");
	expect_text(&format_lines, OUTLET_TEXT, NULL, 0, "\n");
	ck_assert(!format_lines.lifecycle);
	ck_assert_ptr_null(format_lines.gap);
}
END_TEST

START_TEST(test_packets)
{
	static const size_t lengths[] = {0, 1, 1000};
	static char data[1000];
	size_t size;

	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		char *out = encode(&format_packets, OUTLET_BINARY, data, lengths[i], false, &size);

		ck_assert_uint_eq(size, lengths[i] + FORMAT_PACKET_END);
		ck_assert_mem_eq(out, data, lengths[i]);
		free(out);
	}
	ck_assert(!format_packets.lifecycle);
	ck_assert_ptr_null(format_packets.gap);
}
END_TEST

START_TEST(test_json)
{
	static const struct {
		enum outlet_message_type type;
		const char *data;
		const char *text;
	} cases[] = {
		{OUTLET_TEXT, "hello", JSON_HEAD "\"type\":\"text\",\"data\":\"hello\"}\n"},
		{OUTLET_TEXT, "", JSON_HEAD "\"type\":\"text\",\"data\":\"\"}\n"},
		{OUTLET_TEXT, "{\"a\":\"b\\n\"}\r\n\t\x1b\x7f",
			JSON_HEAD "\"type\":\"text\",\"data\":\"{\\\"a\\\":\\\"b\\\\n\\\"}"
				  "\\r\\n\\t\\u001b\x7f\"}\n"},
		{OUTLET_TEXT, "\xc3\xbc\xe2\x82\xac",
			JSON_HEAD "\"type\":\"text\",\"data\":\"\xc3\xbc\xe2\x82\xac\"}\n"},
		{OUTLET_BINARY, "", JSON_HEAD "\"type\":\"binary\",\"base64\":\"\"}\n"},
		{OUTLET_BINARY, "\xff\xfe", JSON_HEAD "\"type\":\"binary\",\"base64\":\"//4=\"}\n"},
		{OUTLET_OPENED, "{}", JSON_HEAD "\"type\":\"open\"}\n"},
		{OUTLET_OPENED, "{\"address\":\"::1\"}",
			JSON_HEAD "\"type\":\"open\",\"address\":\"::1\"}\n"},
		{OUTLET_CLOSED, "{\"code\":1000,\"reason\":\"\"}",
			JSON_HEAD "\"type\":\"close\",\"code\":1000,\"reason\":\"\"}\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_text(&format_json, cases[i].type, cases[i].data, strlen(cases[i].data),
			cases[i].text);
}
END_TEST

/* Every ASCII character at every place in a block, read back by another parser. */
START_TEST(test_json_escapes_everywhere)
{
	for (size_t length = 1; length < 40; length++) {
		for (size_t at = 0; at < length; at++) {
			char data[40];
			size_t size;
			char *out;
			json_t *object, *found;

			memset(data, 'x', sizeof(data));
			data[at] = (char)_i;
			data[length - 1 - at] = (char)_i;
			out = encode(&format_json, OUTLET_TEXT, data, length, false, &size);
			object = json_loads(out, JSON_ALLOW_NUL, NULL);
			found = json_object_get(object, "data");
			ck_assert_msg(strchr(out, '\n') == out + size - 1 && found &&
					json_string_length(found) == length &&
					memcmp(json_string_value(found), data, length) == 0,
				"%zu of %zu: %s", at, length, out);
			json_decref(object);
			free(out);
		}
	}
}
END_TEST

/* Texts of any kinds of bytes, each read back by another parser. */
START_TEST(test_json_escapes_of_all_kinds)
{
	static const char kinds[] = "xy\"\\\n\t\x01\x1f";
	char data[1000];

	srand((unsigned)_i + 1);
	for (size_t length = 0; length < sizeof(data); length++) {
		size_t size;
		char *out;
		json_t *object, *found;

		for (size_t i = 0; i < length; i++)
			data[i] = kinds[rand() % (_i + 1)];
		out = encode(&format_json, OUTLET_TEXT, data, length, false, &size);
		object = json_loads(out, JSON_ALLOW_NUL, NULL);
		found = json_object_get(object, "data");
		ck_assert_msg(found && json_string_length(found) == length &&
				memcmp(json_string_value(found), data, length) == 0,
			"%zu: %s", length, out);
		json_decref(object);
		free(out);
	}
}
END_TEST

/* Outlets of the same format share what was encoded; they differ in all else. */
static const struct {
	const char *text;
	const char *json;
} broken_texts[] = {
	{"a\"b", "a\\\"b"},
	{"\xff", "\xef\xbf\xbd"},
	{"a\xe2\x82\nb\xc3", "a\xef\xbf\xbd\\nb\xef\xbf\xbd"},
	{"\xc3\xa4 0123456789abcdef0123456789abcdef\"\x80",
		"\xc3\xa4 0123456789abcdef0123456789abcdef"
		"\\\"\xef\xbf\xbd"},
};

/* JSON is UTF-8 even when the text is passed on as it came. */
START_TEST(test_json_of_broken_text)
{
	const struct outlet_message message = {
		.type = OUTLET_TEXT,
		.time = UINT64_C(1763835473000001999),
		.data = broken_texts[_i].text,
		.length = strlen(broken_texts[_i].text),
		.unchecked = true,
	};
	const struct format_record record = {
		.seq = 1234567, .message = &message, .source = "ticker", .source_length = 6};
	struct format_clock clock = {0};
	size_t size = format_json.length(&record);
	char *out = alloc_zero(1, size + 1), *expected;

	format_json.write((uint8_t *)out, &record, &clock);
	expected = alloc_format(JSON_HEAD "\"type\":\"text\",\"data\":\"%s\"}\n",
		broken_texts[_i].json);
	ck_assert_str_eq(out, expected);
	ck_assert_uint_eq(strlen(out), size);
	free(out);
	free(expected);
}
END_TEST

START_TEST(test_json_is_encoded_once)
{
	static const char *const texts[] = {"a\"b\nc", ""};
	static const enum outlet_message_type types[] = {OUTLET_TEXT, OUTLET_BINARY};
	const char *data = texts[_i / 2];
	struct outlet_encoded encoded = {0};
	struct outlet_message message = {
		.type = types[_i % 2],
		.data = data,
		.length = strlen(data),
	};
	struct format_clock clock = {0};
	char out[3][200] = {{0}};

	for (size_t i = 0; i < 3; i++) {
		struct format_record record = {
			.seq = 9 + (i > 0), .message = &message, .source = ""};
		size_t length;

		message.encoded = i < 2 ? &encoded : NULL;
		if (i == 1)
			message.data = "other"; /* which is not looked at */
		if (i == 2)
			message.data = data;
		length = format_json.length(&record);
		format_json.write((uint8_t *)out[i], &record, &clock);
		ck_assert_uint_eq(strlen(out[i]), length);
	}
	ck_assert_str_eq(out[1], out[2]);
	ck_assert_ptr_eq(encoded.text,
		strstr(out[0], data[0] ? message.type ? "YSJ" : "a\\" : "\"}"));
}
END_TEST

START_TEST(test_json_time_changes)
{
	struct outlet_message message = {.type = OUTLET_TEXT};
	struct format_record record = {.seq = 1, .message = &message, .source = ""};
	struct format_clock clock = {0};
	static const struct {
		uint64_t time;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{999999999, "1970-01-01T00:00:00.999999Z"},
		{1000000000, "1970-01-01T00:00:01.000000Z"},
		{UINT64_C(1763835473123456789), "2025-11-22T18:17:53.123456Z"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[256] = "";

		message.time = cases[i].time;
		format_json.write((uint8_t *)out, &record, &clock);
		ck_assert_ptr_nonnull(strstr(out, cases[i].text));
	}
}
END_TEST

START_TEST(test_json_gap)
{
	char out[FORMAT_GAP_MAX + 1] = "";

	ck_assert_uint_eq(format_json.gap((uint8_t *)out, 7, 9), strlen(out));
	ck_assert_str_eq(out, "{\"type\":\"gap\",\"lost\":3,\"from\":7,\"to\":9}\n");
	ck_assert_uint_lt(format_json.gap((uint8_t *)out, 1, UINT64_MAX - 1), FORMAT_GAP_MAX);
}
END_TEST

START_TEST(test_frames_byte_by_byte)
{
	static const char expected[] = "\x28\0\0\0"                       /* size */
				       "\5\0\0\0"                         /* length */
				       "\x87\xd6\x12\0\0\0\0\0"           /* seq */
				       "\xcf\xf1\x65\x7a\x04\x67\x7a\x18" /* time */
				       "\3\0\0\0"                         /* connection */
				       "\1\0\0\0"                         /* type */
				       "hello\0\0\0";
	size_t size;
	char *out = encode(&format_frames, OUTLET_TEXT, "hello", 5, false, &size);

	ck_assert_uint_eq(size, 40);
	ck_assert_mem_eq(out, expected, 40);
	free(out);
}
END_TEST

START_TEST(test_frames_sizes)
{
	for (size_t length = 0; length < 70; length++) {
		char data[70];
		struct frames_header header;
		size_t size;
		char *out;

		memset(data, 'd', sizeof(data));
		out = encode(&format_frames, OUTLET_BINARY, data, length, false, &size);
		memcpy(&header, out, sizeof(header));
		ck_assert_uint_eq(size, header.size);
		ck_assert_uint_eq(header.size % 8, 0);
		ck_assert_uint_lt(header.size - 32 - length, 8);
		ck_assert_uint_eq(header.length, length);
		ck_assert_uint_eq(header.type, FRAMES_BINARY);
		ck_assert_mem_eq(out + 32, data, length);
		for (size_t i = 32 + length; i < size; i++)
			ck_assert_int_eq(out[i], 0);
		free(out);
	}
}
END_TEST

START_TEST(test_frames_announce)
{
	struct frames_header header;
	size_t size;
	char *out = encode(&format_frames, OUTLET_OPENED, "{}", 2, true, &size);

	ck_assert_uint_eq(size, 80);
	memcpy(&header, out, sizeof(header));
	ck_assert_uint_eq(header.type, FRAMES_NAME);
	ck_assert_uint_eq(header.connection, 3);
	ck_assert_uint_eq(header.seq, 1234567);
	ck_assert_uint_eq(header.length, 6);
	ck_assert_mem_eq(out + 32, "ticker\0\0", 8);
	memcpy(&header, out + 40, sizeof(header));
	ck_assert_uint_eq(header.type, FRAMES_OPEN);
	ck_assert_uint_eq(header.seq, 1234567);
	ck_assert_mem_eq(out + 72, "{}\0\0\0\0\0\0", 8);
	free(out);
}
END_TEST

Suite *formats_suite(void)
{
	Suite *suite = suite_create("formats");
	TCase *tests = tcase_create("formats");

	tcase_add_test(tests, test_lines);
	tcase_add_test(tests, test_packets);
	tcase_add_test(tests, test_json);
	tcase_add_loop_test(tests, test_json_escapes_everywhere, 0, 128);
	tcase_add_loop_test(tests, test_json_escapes_of_all_kinds, 0, 8);
	tcase_add_loop_test(tests, test_json_of_broken_text, 0,
		(int)(sizeof(broken_texts) / sizeof(*broken_texts)));
	tcase_add_loop_test(tests, test_json_is_encoded_once, 0, 4);
	tcase_add_test(tests, test_json_time_changes);
	tcase_add_test(tests, test_json_gap);
	tcase_add_test(tests, test_frames_byte_by_byte);
	tcase_add_test(tests, test_frames_sizes);
	tcase_add_test(tests, test_frames_announce);
	suite_add_tcase(suite, tests);
	return suite;
}
