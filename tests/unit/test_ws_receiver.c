#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "test_ws.h"

enum { LIMIT = 100000 };

struct receive_case {
	const char *what;
	const uint8_t *data;
	size_t length;
	const char *transcript;
};

/* The same, whether it comes at once or in pieces. */
static void check_case(const struct receive_case *row, uint64_t message_max)
{
	static const size_t steps[] = {0, 1, 2, 3, 7};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct ws_receiver receiver = {.message_max = message_max};
		char *transcript = transcribe(&receiver, row->data, row->length, steps[i]);

		ck_assert_msg(strcmp(transcript, row->transcript) == 0,
			"%s, %zu at a time:\n%sinstead of:\n%s", row->what, steps[i], transcript,
			row->transcript);
		free(transcript);
		ws_receiver_release(&receiver);
	}
}

static const struct receive_case good_cases[] = {
	/* RFC 6455, section 5.7 */
	{"unmasked text", BYTES("\x81\x05Hello"), "text \"Hello\"\n"},
	{"fragmented text", BYTES("\x01\x03Hel\x80\x02lo"), "text \"Hello\"\n"},
	{"ping", BYTES("\x89\x05Hello"), "ping \"Hello\"\n"},
	{"pong", BYTES("\x8a\x05Hello"), "pong \"Hello\"\n"},

	{"empty text", BYTES("\x81\x00"), "text \"\"\n"},
	{"empty binary", BYTES("\x82\x00"), "binary \"\"\n"},
	{"binary that is not UTF-8", BYTES("\x82\x02\xff\xfe"), "binary \"\\xff\\xfe\"\n"},
	{"several in a row",
		BYTES("\x81\x01"
		      "a\x82\x01"
		      "b\x89\x00\x81\x01"
		      "c"),
		"text \"a\"\nbinary \"b\"\nping \"\"\ntext \"c\"\n"},
	{"control frames between fragments",
		BYTES("\x01\x01"
		      "a\x89\x01p\x00\x01"
		      "b\x8a\x00\x80\x01"
		      "c"),
		"ping \"p\"\npong \"\"\ntext \"abc\"\n"},
	{"empty fragments", BYTES("\x02\x00\x00\x00\x00\x01x\x80\x00"), "binary \"x\"\n"},
	{"only empty fragments", BYTES("\x01\x00\x80\x00\x81\x01x"), "text \"\"\ntext \"x\"\n"},
	{"a fragmented message after another",
		BYTES("\x01\x01"
		      "a\x80\x01"
		      "b\x02\x01"
		      "c\x80\x01"
		      "d"),
		"text \"ab\"\nbinary \"cd\"\n"},
	{"a character across fragments", BYTES("\x01\x01\xe2\x00\x01\x82\x80\x02\xac!"),
		"text \"\\xe2\\x82\\xac!\"\n"},
	{"a ping in the middle of a character", BYTES("\x01\x01\xe2\x89\x01\xff\x80\x02\x82\xac"),
		"ping \"\\xff\"\ntext \"\\xe2\\x82\\xac\"\n"},
	{"a message not yet complete", BYTES("\x81\x05Hell"), ""},
	{"a header not yet complete", BYTES("\x81\x7e\x00"), ""},

	{"close without a body", BYTES("\x88\x00"), "close 1005 \"\"\n"},
	{"close with a code", BYTES("\x88\x02\x03\xe8"), "close 1000 \"\"\n"},
	{"close with a reason",
		BYTES("\x88\x05\x0f\xa0"
		      "bye"),
		"close 4000 \"bye\"\n"},
	{"close between fragments",
		BYTES("\x01\x01"
		      "a\x88\x02\x03\xe9"),
		"close 1001 \"\"\n"},
};

START_TEST(receives)
{
	for (size_t i = 0; i < COUNT_OF(good_cases); i++)
		check_case(&good_cases[i], LIMIT);
}
END_TEST

#define OPCODE   "fail 1002 the server sent a frame with a reserved opcode\n"
#define RESERVED "fail 1002 the server set a reserved bit in a frame\n"
#define LENGTH                                                                                     \
	"fail 1002 the server sent a frame whose length is not encoded in the shortest form\n"
#define CONTROL  "fail 1002 the server sent a control frame longer than 125 bytes\n"
#define FRAGMENT "fail 1002 the server sent a fragmented control frame\n"
#define CODE     "fail 1002 the server sent a close frame with an invalid close code\n"
#define UTF8     "fail 1007 the server sent text that is not UTF-8\n"
#define CUT      "fail 1007 the server sent text that ends in the middle of a character\n"
#define TOO_BIG  "fail 1009 the server sent a message longer than the limit\n"

static const struct receive_case bad_cases[] = {
	{"masked, RFC 6455 section 5.7", BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
		"fail 1002 the server sent a masked frame\n"},
	{"masked control frame", BYTES("\x89\x80"), "fail 1002 the server sent a masked frame\n"},
	{"RSV1 without an extension", BYTES("\xc1"), RESERVED},
	{"RSV2", BYTES("\xa1"), RESERVED},
	{"RSV3", BYTES("\x91"), RESERVED},
	{"RSV1 of a ping", BYTES("\xc9"), RESERVED},
	{"RSV1 of a continuation", BYTES("\x01\x00\xc0"), RESERVED},
	{"opcode 3", BYTES("\x83"), OPCODE},
	{"opcode 7, fragmented", BYTES("\x07"), OPCODE},
	{"opcode 11", BYTES("\x8b"), OPCODE},
	{"opcode 15", BYTES("\x8f"), OPCODE},
	{"opcode 5 within a message",
		BYTES("\x01\x01"
		      "a\x85"),
		OPCODE},
	{"after a good message",
		BYTES("\x81\x01"
		      "a\x83"),
		"text \"a\"\n" OPCODE},
	{"continuation of nothing", BYTES("\x80"),
		"fail 1002 the server continued a message that it had not begun\n"},
	{"continuation after the end",
		BYTES("\x01\x01"
		      "a\x80\x01"
		      "b\x00"),
		"text \"ab\"\nfail 1002 the server continued a message that it had not begun\n"},
	{"text within a message",
		BYTES("\x01\x01"
		      "a\x81"),
		"fail 1002 the server began a message before the previous one had ended\n"},
	{"binary within a message",
		BYTES("\x02\x01"
		      "a\x02"),
		"fail 1002 the server began a message before the previous one had ended\n"},
	{"fragmented ping", BYTES("\x09"), FRAGMENT},
	{"fragmented pong", BYTES("\x0a"), FRAGMENT},
	{"fragmented close", BYTES("\x08"), FRAGMENT},
	{"ping of 126 bytes", BYTES("\x89\x7e"), CONTROL},
	{"close of many bytes", BYTES("\x88\x7f"), CONTROL},
	{"125 bytes in 16 bits", BYTES("\x81\x7e\x00\x7d"), LENGTH},
	{"0 bytes in 16 bits", BYTES("\x82\x7e\x00\x00"), LENGTH},
	{"5 bytes in 64 bits", BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05"), LENGTH},
	{"65535 bytes in 64 bits", BYTES("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), LENGTH},
	{"the highest bit of 64", BYTES("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00"), LENGTH},
	{"2^63 - 1 bytes", BYTES("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), TOO_BIG},
	{"100001 bytes", BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x86\xa1"), TOO_BIG},
	{"100001 bytes with the fragments before",
		BYTES("\x02\x01"
		      "a\x00\x01"
		      "b\x80\x7f\x00\x00\x00\x00\x00\x01\x86\x9f"),
		TOO_BIG},

	{"invalid byte", BYTES("\x81\x02\xff"), UTF8},
	{"invalid byte with more to come", BYTES("\x81\x7e\x01\x00 ok \xc0"), UTF8},
	{"surrogate", BYTES("\x81\x03\xed\xa0"), UTF8},
	{"above U+10FFFF", BYTES("\x81\x04\xf4\x90"), UTF8},
	{"overlong", BYTES("\x81\x02\xc1"), UTF8},
	{"invalid in the second fragment", BYTES("\x01\x01\xe2\x80\x02\x28"), UTF8},
	{"invalid after a ping", BYTES("\x01\x02\xf0\x9f\x89\x00\x80\x02\x98z"),
		"ping \"\"\n" UTF8},
	{"a character cut off", BYTES("\x81\x02\xe2\x82"), CUT},
	{"a character cut off in fragments", BYTES("\x01\x01\xc3\x80\x00"), CUT},
	{"invalid after a good message",
		BYTES("\x81\x01"
		      "a\x81\x01\x80"),
		"text \"a\"\n" UTF8},

	{"close with one byte", BYTES("\x88\x01\x03"),
		"fail 1002 the server sent a close frame with half a close code\n"},
	{"close 0", BYTES("\x88\x02\x00\x00"), CODE},
	{"close 999", BYTES("\x88\x02\x03\xe7"), CODE},
	{"close 1004", BYTES("\x88\x02\x03\xec"), CODE},
	{"close 1005", BYTES("\x88\x02\x03\xed"), CODE},
	{"close 1006", BYTES("\x88\x02\x03\xee"), CODE},
	{"close 1015", BYTES("\x88\x02\x03\xf7"), CODE},
	{"close 2999", BYTES("\x88\x02\x0b\xb7"), CODE},
	{"close 5000", BYTES("\x88\x02\x13\x88"), CODE},
	{"close with a reason that is not UTF-8", BYTES("\x88\x03\x03\xe8\xff"),
		"fail 1007 the server sent a close frame whose reason is not UTF-8\n"},
	{"close with a reason cut off", BYTES("\x88\x04\x03\xe8\xe2\x82"),
		"fail 1007 the server sent a close frame whose reason is not UTF-8\n"},
};

START_TEST(refuses)
{
	for (size_t i = 0; i < COUNT_OF(bad_cases); i++)
		check_case(&bad_cases[i], LIMIT);
}
END_TEST

static void append_frame(struct buffer *wire, uint8_t first, const uint8_t *payload, size_t length)
{
	size_t extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
	uint8_t second = (uint8_t)(extended == 0 ? length : extended == 2 ? 126 : 127);

	buffer_append(wire, &first, 1);
	buffer_append(wire, &second, 1);
	while (extended-- > 0)
		buffer_append(wire, &(uint8_t){(uint8_t)(length >> 8 * extended)}, 1);
	buffer_append(wire, payload, length);
}

static void append_expected(struct buffer *expected, const uint8_t *payload, size_t length)
{
	if (length > 64)
		buffer_append_format(expected, "binary %zu bytes %08lx\n", length,
			crc32(0, payload, (uInt)length));
	else
		buffer_append_format(expected, "binary \"%.*s\"\n", (int)length, (char *)payload);
}

/* Each length around the borders of the encodings, alone and as the second of two fragments. */
START_TEST(all_lengths)
{
	static const size_t lengths[] = {0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 4095, 4096,
		4097, 65534, 65535, 65536, 65537, 99999};
	struct buffer wire = {0}, expected = {0};
	uint8_t *payload = malloc(LIMIT);
	struct receive_case row = {.what = "lengths"};

	for (size_t i = 0; i < LIMIT; i++)
		payload[i] = (uint8_t)('a' + i % 23);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		append_frame(&wire, 0x82, payload, lengths[i]);
		append_expected(&expected, payload, lengths[i]);
		append_frame(&wire, 0x02, payload, 1);
		append_frame(&wire, 0x80, payload + 1, lengths[i]);
		append_expected(&expected, payload, lengths[i] + 1);
	}
	buffer_append(&expected, "", 1);
	row.data = buffer_data(&wire);
	row.length = wire.length;
	row.transcript = (const char *)buffer_data(&expected);
	check_case(&row, LIMIT);
	buffer_release(&wire);
	buffer_release(&expected);
	free(payload);
}
END_TEST

START_TEST(limit_is_inclusive)
{
	static const struct receive_case fits[] = {
		{"in one", BYTES("\x81\x05Hello"), "text \"Hello\"\n"},
		{"in fragments", BYTES("\x01\x03Hel\x80\x02lo"), "text \"Hello\"\n"},
		{"a ping is no message", BYTES("\x89\x06Hello!"), "ping \"Hello!\"\n"},
		{"one more", BYTES("\x81\x06"), TOO_BIG},
		{"one more in fragments", BYTES("\x01\x03Hel\x80\x03"), TOO_BIG},
	};

	for (size_t i = 0; i < COUNT_OF(fits); i++)
		check_case(&fits[i], 5);
}
END_TEST

static enum ws_received next(struct ws_receiver *receiver, const void *data, size_t length,
	struct ws_message *message)
{
	struct ws_input input = {.data = data, .length = length};
	struct ws_failure failure;

	return ws_receiver_next(receiver, &input, message, &failure);
}

START_TEST(hands_out_in_place)
{
	static const uint8_t wire[] = "\x81\x05Hello";
	struct ws_receiver receiver = {.message_max = LIMIT};
	struct ws_message message;

	ck_assert_int_eq(next(&receiver, wire, 7, &message), WS_RECEIVED_MESSAGE);
	ck_assert_ptr_eq(message.data, wire + 2);
	ck_assert_ptr_null(receiver.assembly.memory);
	ck_assert_uint_eq(receiver.frames, 1);
}
END_TEST

/* A header that announces much allocates nothing; memory follows the bytes and is given back. */
START_TEST(memory_follows_the_bytes)
{
	static uint8_t zeros[70000];
	struct ws_receiver receiver = {.message_max = UINT64_MAX};
	struct ws_message message;

	ck_assert_int_eq(next(&receiver, "\x82\x7f\0\0\0\0\0\1\x11\x71", 10, &message),
		WS_RECEIVED_NOTHING);
	ck_assert_ptr_null(receiver.assembly.memory);
	ck_assert_int_eq(next(&receiver, zeros, 70000, &message), WS_RECEIVED_NOTHING);
	ck_assert_uint_le(receiver.assembly.capacity, 2 * 70000);
	ck_assert_int_eq(next(&receiver, "z", 1, &message), WS_RECEIVED_MESSAGE);
	ck_assert_uint_eq(message.length, 70001);
	ck_assert_int_eq(next(&receiver, "", 0, &message), WS_RECEIVED_NOTHING);
	ck_assert_ptr_null(receiver.assembly.memory);

	ck_assert_int_eq(next(&receiver, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, &message),
		WS_RECEIVED_NOTHING);
	ck_assert_ptr_null(receiver.assembly.memory);
	ws_receiver_release(&receiver);
}
END_TEST

START_TEST(holds)
{
	uint8_t wire[] = "\x81\x05Hello\x81\x00\x89\x01p\x01\x01y\x80\x01z";
	static const char *const expected[] = {"Hello", "", "p", "yz"};
	struct ws_receiver receiver = {.message_max = LIMIT};
	struct ws_input input = {.data = wire, .length = sizeof(wire) - 1};
	struct ws_message message;
	struct ws_failure failure;

	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		uint8_t copy[sizeof(wire)];

		ck_assert_int_eq(ws_receiver_next(&receiver, &input, &message, &failure),
			strcmp(expected[i], "p") == 0 ? WS_RECEIVED_CONTROL : WS_RECEIVED_MESSAGE);
		ws_receiver_hold(&receiver, &message);
		memcpy(copy, wire, sizeof(wire));
		memset(wire, '#', sizeof(wire));
		ck_assert_uint_eq(message.length, strlen(expected[i]));
		ck_assert_mem_eq(message.data, expected[i], message.length);
		memcpy(wire, copy, sizeof(wire));
	}
	ck_assert_int_eq(ws_receiver_next(&receiver, &input, &message, &failure),
		WS_RECEIVED_NOTHING);
	ws_receiver_release(&receiver);
}
END_TEST

START_TEST(knows_when_in_message)
{
	static const struct {
		const char *byte;
		bool after;
	} bytes[] = {{"\x01", true}, {"\x01", true}, {"a", true}, {"\x89", true}, {"\x00", true},
		{"\x80", true}, {"\x01", true}, {"b", false}, {"\x89", false}, {"\x01", false},
		{"p", false}};
	struct ws_receiver receiver = {.message_max = LIMIT};
	struct ws_message message;

	ck_assert(!ws_receiver_in_message(&receiver));
	for (size_t i = 0; i < COUNT_OF(bytes); i++) {
		next(&receiver, bytes[i].byte, 1, &message);
		ck_assert_msg(ws_receiver_in_message(&receiver) == bytes[i].after, "byte %zu", i);
	}
	ck_assert_uint_eq(receiver.frames, 4);
	ws_receiver_release(&receiver);
}
END_TEST

START_TEST(limit_falls_within_a_message)
{
	struct ws_receiver receiver = {.message_max = LIMIT};
	char *transcript = transcribe(&receiver,
		BYTES("\x02\x04"
		      "abcd"),
		0);

	free(transcript);
	receiver.message_max = 3;
	transcript = transcribe(&receiver,
		BYTES("\x80\x01"
		      "e"),
		0);
	ck_assert_str_eq(transcript, TOO_BIG);
	free(transcript);
	ws_receiver_release(&receiver);
}
END_TEST

static size_t parse_all(struct ws_receiver *receiver, struct ws_input *input)
{
	struct ws_message message;
	struct ws_failure failure;
	enum ws_received received;
	size_t count = 0;

	while ((received = ws_receiver_next(receiver, input, &message, &failure)) ==
			WS_RECEIVED_MESSAGE ||
		received == WS_RECEIVED_CONTROL)
		count += received == WS_RECEIVED_MESSAGE;
	return count;
}

/* From wherever the input is cut, what is counted is what comes out. */
START_TEST(counts_without_consuming)
{
	static const uint8_t wire[] = "\x81\x00"
				      "\x81\x05Hello"
				      "\x01\x02"
				      "ab"
				      "\x89\x01p"
				      "\x00\x00"
				      "\x80\x01"
				      "c"
				      "\x8A\x00"
				      "\x82\x03"
				      "xyz"
				      "\x02\x01"
				      "d"
				      "\x80\x00";
	const size_t length = sizeof(wire) - 1;

	for (size_t cut = 0; cut <= length; cut++) {
		struct ws_receiver receiver = {.message_max = LIMIT};
		struct ws_input input = {wire, cut}, rest = {wire + cut, length - cut};
		size_t before = parse_all(&receiver, &input);
		size_t counted = ws_receiver_count(&receiver, rest);

		ck_assert_uint_eq(before + counted, 5);
		ck_assert_uint_eq(parse_all(&receiver, &rest), counted);
		ws_receiver_release(&receiver);
	}
}
END_TEST

START_TEST(counts_up_to_what_cannot_be)
{
	struct ws_receiver receiver = {.message_max = LIMIT};

	ck_assert_uint_eq(ws_receiver_count(&receiver,
				  (struct ws_input){BYTES("\x81\x00\x81\x01x\xFF\x00\x81\x00")}),
		2);
	ck_assert_uint_eq(ws_receiver_count(&receiver, (struct ws_input){NULL, 0}), 0);
}
END_TEST

Suite *suite_receiver(void)
{
	Suite *suite = suite_create("ws receiver");
	TCase *tcase = tcase_create("receiver");

	tcase_add_test(tcase, receives);
	tcase_add_test(tcase, refuses);
	tcase_add_test(tcase, all_lengths);
	tcase_add_test(tcase, limit_is_inclusive);
	tcase_add_test(tcase, limit_falls_within_a_message);
	tcase_add_test(tcase, hands_out_in_place);
	tcase_add_test(tcase, memory_follows_the_bytes);
	tcase_add_test(tcase, holds);
	tcase_add_test(tcase, counts_without_consuming);
	tcase_add_test(tcase, counts_up_to_what_cannot_be);
	tcase_add_test(tcase, knows_when_in_message);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return suite;
}
