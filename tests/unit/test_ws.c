#include "test_ws.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ws/sender.h"

enum { TRANSCRIPT_QUOTED_MAX = 64 };

static const char *opcode_name(enum ws_opcode opcode)
{
	switch (opcode) {
	case WS_TEXT:
		return "text";
	case WS_BINARY:
		return "binary";
	case WS_CLOSE:
		return "close";
	case WS_PING:
		return "ping";
	case WS_PONG:
		return "pong";
	default:
		return "?";
	}
}

static void transcribe_message(struct buffer *out, const struct ws_message *message)
{
	buffer_append_text(out, opcode_name(message->opcode));
	if (message->opcode == WS_CLOSE)
		buffer_append_format(out, " %u", message->close_code);
	ck_assert_ptr_nonnull(message->data);
	if (message->length > TRANSCRIPT_QUOTED_MAX) {
		buffer_append_format(out, " %zu bytes %08lx\n", message->length,
			crc32(0, message->data, (uInt)message->length));
		return;
	}
	buffer_append_text(out, " \"");
	for (size_t i = 0; i < message->length; i++) {
		uint8_t byte = message->data[i];

		buffer_append_format(out, byte >= 0x20 && byte < 0x7F ? "%c" : "\\x%02x", byte);
	}
	buffer_append_text(out, "\"\n");
}

char *transcribe(struct ws_receiver *receiver, const uint8_t *data, size_t length, size_t step)
{
	enum ws_received received = WS_RECEIVED_NOTHING;
	struct buffer out = {0};
	size_t offset = 0;

	while (offset < length && received != WS_RECEIVED_FAILURE) {
		size_t piece_length = step && step < length - offset ? step : length - offset;
		/* A copy of its own, so that a sanitizer sees what is read beyond it. */
		uint8_t *piece = malloc(piece_length);
		struct ws_input input = {.data = piece, .length = piece_length};
		struct ws_message message;
		struct ws_failure failure;

		memcpy(piece, data + offset, piece_length);
		offset += piece_length;
		while ((received = ws_receiver_next(receiver, &input, &message, &failure)) ==
				WS_RECEIVED_MESSAGE ||
			received == WS_RECEIVED_CONTROL)
			transcribe_message(&out, &message);
		if (received == WS_RECEIVED_FAILURE)
			buffer_append_format(&out, "fail %d %s\n", failure.code, failure.text);
		else
			ck_assert_uint_eq(input.length, 0);
		free(piece);
	}
	buffer_append(&out, "", 1);
	return (char *)out.memory;
}

void unmask(struct buffer *wire)
{
	uint8_t *frame = wire->memory;
	size_t header = (frame[1] & 0x7F) < 126 ? 2 : (frame[1] & 0x7F) == 126 ? 4 : 10;
	uint8_t key[4];

	memcpy(key, frame + header, sizeof(key));
	frame[1] &= 0x7F;
	wire->length -= sizeof(key);
	for (size_t i = header; i < wire->length; i++)
		frame[i] = frame[i + sizeof(key)] ^ key[(i - header) % sizeof(key)];
}

START_TEST(ping_payload)
{
	char payload[127];
	struct error error;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[125] = '\0';
	ck_assert(ws_check_ping_payload(payload, &error));
	payload[125] = 'x';
	payload[126] = '\0';
	ck_assert(!ws_check_ping_payload(payload, &error));
	ck_assert_str_eq(error.text, "must have at most 125 bytes, not 126");
}
END_TEST

START_TEST(close_codes)
{
	static const struct {
		unsigned code;
		bool valid;
	} cases[] = {{0, false}, {999, false}, {1000, true}, {1003, true}, {1004, false},
		{1005, false}, {1006, false}, {1007, true}, {1014, true}, {1015, false},
		{2000, false}, {2999, false}, {3000, true}, {4999, true}, {5000, false},
		{65535, false}};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		ck_assert_msg(ws_close_code_valid(cases[i].code) == cases[i].valid, "%u",
			cases[i].code);
	for (unsigned code = WS_CLOSE_NORMAL; code <= WS_CLOSE_BAD_GATEWAY; code++)
		ck_assert_msg((ws_close_code_text(code)[0] == 0) == (code == 1004), "%u", code);
	ck_assert_str_eq(ws_close_code_text(1001), "going away");
	ck_assert_str_eq(ws_close_code_text(4000), "");
}
END_TEST

/* Decodes one character in the slow and obvious way, as a check on the quick one. */
static bool utf8_character(const uint8_t *data, size_t length, size_t *used)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t count = data[0] < 0x80 ? 1
		: data[0] < 0xC0      ? 0
		: data[0] < 0xE0      ? 2
		: data[0] < 0xF0      ? 3
		: data[0] < 0xF8      ? 4
				      : 0;
	uint32_t code;

	if (count == 0 || count > length)
		return false;
	code = count == 1 ? data[0] : data[0] & (0x7FU >> count);
	for (size_t i = 1; i < count; i++) {
		if ((data[i] & 0xC0) != 0x80)
			return false;
		code = code << 6 | (data[i] & 0x3F);
	}
	*used = count;
	return code >= smallest[count] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static bool utf8_text(const uint8_t *data, size_t length)
{
	size_t used;

	for (; length; data += used, length -= used) {
		if (!utf8_character(data, length, &used))
			return false;
	}
	return true;
}

/* All of two bytes, and all that begins with a byte of each class, against the obvious way. */
START_TEST(utf8_all_short_texts)
{
	static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
		0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5,
		0xFF};
	uint8_t text[4];

	for (unsigned i = 0; i <= 0xFFFF; i++) {
		text[0] = (uint8_t)(i >> 8);
		text[1] = (uint8_t)i;
		if (ws_utf8_valid(text, 2) != utf8_text(text, 2))
			ck_abort_msg("%04x", i);
	}
	for (size_t i = 0; i < COUNT_OF(edges) * COUNT_OF(edges) * COUNT_OF(edges) * 256; i++) {
		text[0] = (uint8_t)i;
		text[1] = edges[i / 256 % COUNT_OF(edges)];
		text[2] = edges[i / 256 / COUNT_OF(edges) % COUNT_OF(edges)];
		text[3] = edges[i / 256 / COUNT_OF(edges) / COUNT_OF(edges)];
		if (ws_utf8_valid(text, 4) != utf8_text(text, 4))
			ck_abort_msg("%02x%02x%02x%02x", text[0], text[1], text[2], text[3]);
	}
}
END_TEST

/* A byte that is not ASCII is found wherever it lies. */
START_TEST(utf8_every_position)
{
	uint8_t text[200];

	for (size_t length = 0; length <= sizeof(text); length++) {
		memset(text, 'a', sizeof(text));
		ck_assert(ws_utf8_valid(text, length));
		for (size_t i = 0; i < length; i++) {
			text[i] = 0xFF;
			ck_assert(!ws_utf8_valid(text, length));
			text[i] = 'a';
		}
		for (size_t i = 0; i + 3 <= length; i++) {
			memcpy(text + i, "\xe2\x82\xac", 3);
			ck_assert(ws_utf8_valid(text, length));
			ck_assert(!ws_utf8_valid(text, i + 2));
			memset(text + i, 'a', 3);
		}
	}
}
END_TEST

/* The byte after which no continuation could help is the one that fails. */
START_TEST(utf8_fails_early)
{
	static const struct {
		const char *text;
		size_t fails_at;
	} cases[] = {{"ok\x80", 2}, {"\xc1\x81", 0}, {"\xe0\x9f\x80", 1}, {"\xed\xa0\x80", 1},
		{"\xf0\x8f\xbf\xbf", 1}, {"\xf4\x90\x80\x80", 1}, {"\xf5\x80\x80\x80", 0},
		{"\xe2\x82\x41", 2}, {"\xf0\x9f\x98z", 3}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ws_utf8 utf8 = {0};
		size_t at = 0;

		while (ws_utf8_check(&utf8, (const uint8_t *)cases[i].text + at, 1))
			at++;
		ck_assert_msg(at == cases[i].fails_at, "case %zu failed at %zu", i, at);
	}
}
END_TEST

START_TEST(mask_any_length_and_offset)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t in[70], out[70];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t length = 0; length <= sizeof(in); length++) {
		for (size_t offset = 0; offset < 6; offset++) {
			memset(out, 0xEE, sizeof(out));
			ws_mask(out, in, length, key, offset);
			for (size_t i = 0; i < length; i++)
				ck_assert_uint_eq(out[i], in[i] ^ key[(offset + i) % 4]);
			if (length < sizeof(out))
				ck_assert_uint_eq(out[length], 0xEE);
			ws_mask(out, out, length, key, offset);
			ck_assert_mem_eq(out, in, length);
		}
	}
}
END_TEST

/* RFC 6455, section 5.7: "Hello" with the key 37fa213d. */
START_TEST(mask_rfc_example)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t out[5];

	ws_mask(out, (const uint8_t *)"Hello", 5, key, 0);
	ck_assert_mem_eq(out, "\x7f\x9f\x4d\x51\x58", 5);
}
END_TEST

static void check_frame(struct buffer *out, const uint8_t *header, size_t header_length,
	const void *payload, size_t length)
{
	ck_assert_uint_eq(out->memory[1] & 0x80, 0x80);
	unmask(out);
	ck_assert_uint_eq(out->length, header_length + length);
	ck_assert_mem_eq(out->memory, header, header_length);
	if (length)
		ck_assert_mem_eq(out->memory + header_length, payload, length);
	buffer_release(out);
}

START_TEST(send_lengths)
{
	static const struct {
		size_t length;
		const uint8_t *header;
		size_t header_length;
	} cases[] = {
		{0, BYTES("\x82\x00")},
		{1, BYTES("\x82\x01")},
		{125, BYTES("\x82\x7d")},
		{126, BYTES("\x82\x7e\x00\x7e")},
		{65535, BYTES("\x82\x7e\xff\xff")},
		{65536, BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
		{70001, BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x71")},
	};
	struct ws_mask_pool masks = {0};
	uint8_t *payload = malloc(70001);

	for (size_t i = 0; i < 70001; i++)
		payload[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buffer out = {0};

		ws_send(&out, &masks, NULL, WS_BINARY, payload, cases[i].length);
		check_frame(&out, cases[i].header, cases[i].header_length, payload,
			cases[i].length);
	}
	free(payload);
}
END_TEST

START_TEST(send_keys_are_fresh)
{
	struct ws_mask_pool masks = {0};
	struct buffer out = {0};

	for (int i = 0; i < 200; i++) /* more than one filling of the pool */
		ws_send(&out, &masks, NULL, WS_PING, NULL, 0);
	ck_assert_uint_eq(out.length, 200 * 6);
	for (size_t i = 0; i < 200; i++) {
		ck_assert_mem_eq(out.memory + i * 6, "\x89\x80", 2);
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(out.memory + i * 6 + 2, out.memory + j * 6 + 2, 4);
	}
	buffer_release(&out);
}
END_TEST

START_TEST(send_close)
{
	struct ws_mask_pool masks = {0};
	struct buffer out = {0};
	char reason[140];

	ws_send_close(&out, &masks, WS_CLOSE_NO_STATUS, "left out");
	check_frame(&out, BYTES("\x88\x00"), NULL, 0);
	ws_send_close(&out, &masks, 1001, NULL);
	check_frame(&out, BYTES("\x88\x02"), "\x03\xe9", 2);
	ws_send_close(&out, &masks, 4000, "bye");
	check_frame(&out, BYTES("\x88\x05"),
		"\x0f\xa0"
		"bye",
		5);

	memset(reason, 'x', sizeof(reason));
	memcpy(reason, "\x03\xe8", 2);
	reason[139] = '\0';
	ws_send_close(&out, &masks, 1000, reason + 2);
	check_frame(&out, BYTES("\x88\x7d"), reason, 125);

	memcpy(reason + 2 + 121, "\xe2\x82\xac", 3); /* its last byte is the 124th */
	ws_send_close(&out, &masks, 1000, reason + 2);
	check_frame(&out, BYTES("\x88\x7b"), reason, 123);
}
END_TEST

static Suite *suite_basics(void)
{
	Suite *suite = suite_create("ws");
	TCase *tcase = tcase_create("basics");

	tcase_add_test(tcase, ping_payload);
	tcase_add_test(tcase, close_codes);
	tcase_add_test(tcase, utf8_all_short_texts);
	tcase_add_test(tcase, utf8_every_position);
	tcase_add_test(tcase, utf8_fails_early);
	tcase_add_test(tcase, mask_any_length_and_offset);
	tcase_add_test(tcase, mask_rfc_example);
	tcase_add_test(tcase, send_lengths);
	tcase_add_test(tcase, send_keys_are_fresh);
	tcase_add_test(tcase, send_close);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite_basics());
	int failed;

	srunner_add_suite(runner, suite_receiver());
	srunner_add_suite(runner, suite_deflate());
	srunner_add_suite(runner, suite_endpoint());
	srunner_add_suite(runner, suite_watch());
	srunner_add_suite(runner, suite_handshake());
	srunner_add_suite(runner, suite_message_queue());
	srunner_add_suite(runner, suite_utf8());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
