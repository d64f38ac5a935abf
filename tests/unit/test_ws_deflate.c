#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "test_ws.h"
#include "ws/deflate.h"
#include "ws/sender.h"

enum { LIMIT = 100000 };

static const struct ws_deflate_parameters plain = {
	.client_max_window_bits = 15,
	.server_max_window_bits = 15,
};

static const struct ws_deflate_parameters forgetful = {
	.client_max_window_bits = 15,
	.server_max_window_bits = 15,
	.client_no_context_takeover = true,
	.server_no_context_takeover = true,
};

struct inflate_case {
	const char *what;
	const uint8_t *data;
	size_t length;
	const char *transcript;
};

static void check_case(const struct inflate_case *row,
	const struct ws_deflate_parameters *parameters, uint64_t message_max)
{
	static const size_t steps[] = {0, 1, 2, 5};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct ws_receiver receiver = {
			.message_max = message_max,
			.inflater = ws_inflater_new(parameters),
		};
		char *transcript = transcribe(&receiver, row->data, row->length, steps[i]);

		ck_assert_msg(strcmp(transcript, row->transcript) == 0,
			"%s, %zu at a time:\n%sinstead of:\n%s", row->what, steps[i], transcript,
			row->transcript);
		free(transcript);
		ws_receiver_release(&receiver);
		ws_inflater_free(receiver.inflater);
	}
}

#define INVALID "fail 1007 the server sent a compressed message that cannot be inflated\n"
#define UTF8    "fail 1007 the server sent text that is not UTF-8\n"
#define CUT     "fail 1007 the server sent text that ends in the middle of a character\n"
#define MARKED  "fail 1002 the server marked a frame as compressed that does not begin a message\n"
#define TOO_BIG "fail 1009 the server sent a message that is longer than the limit once inflated\n"

#define HELLO "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"

static const struct inflate_case cases[] = {
	/* RFC 7692, section 7.2.3 */
	{"one block", BYTES(HELLO), "text \"Hello\"\n"},
	{"two fragments", BYTES("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"),
		"text \"Hello\"\n"},
	{"twice with the same context", BYTES(HELLO HELLO), "text \"Hello\"\ntext \"Hello\"\n"},
	{"from the context", BYTES(HELLO "\xc1\x05\xf2\x00\x11\x00\x00"),
		"text \"Hello\"\ntext \"Hello\"\n"},
	{"no compression", BYTES("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
		"text \"Hello\"\n"},
	{"a final block", BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "text \"Hello\"\n"},
	{"two blocks", BYTES("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
		"text \"Hello\"\n"},
	{"empty", BYTES("\xc1\x01\x00"), "text \"\"\n"},

	{"the context outlives a final block",
		BYTES("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x05\xf2\x00\x11\x00\x00"),
		"text \"Hello\"\ntext \"Hello\"\n"},
	{"a final block and another",
		BYTES("\xc1\x0e\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00"),
		"text \"HelloHello\"\n"},
	{"a final block without the empty one", BYTES("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO),
		"text \"Hello\"\ntext \"Hello\"\n"},
	{"a final empty block whose end is left out", BYTES("\xc1\x01\x01" HELLO),
		"text \"\"\ntext \"Hello\"\n"},
	{"nothing at all for an empty message", BYTES("\xc1\x00" HELLO),
		"text \"\"\ntext \"Hello\"\n"},
	{"empty fragments",
		BYTES("\x41\x00\x00\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x89\x00\x00\x00\x80\x00"),
		"ping \"\"\ntext \"Hello\"\n"},
	{"uncompressed between compressed", BYTES(HELLO "\x81\x01x\xc1\x05\xf2\x00\x11\x00\x00"),
		"text \"Hello\"\ntext \"x\"\ntext \"Hello\"\n"},
	{"uncompressed fragments", BYTES("\x01\x01x\x80\x01y"), "text \"xy\"\n"},

	{"compressed continuation", BYTES("\x41\x03\xf2\x48\xcd\xc0"), MARKED},
	{"compressed ping", BYTES("\xc9"), MARKED},
	{"RSV2 too", BYTES("\xe1"), "fail 1002 the server set a reserved bit in a frame\n"},
	{"reserved block type", BYTES("\xc1\x05\x06"), INVALID},
	{"a stored block with a wrong length", BYTES("\xc1\x09\x00\x05\x00\x00\x00"), INVALID},
	{"a distance beyond the context", BYTES("\xc1\x05\xf2\x00\x11\x00\x00"), INVALID},
	{"cut off in a block", BYTES("\xc1\x05\xf2\x48\xcd\xc9\xc9"), INVALID},
	{"cut off in a stored block", BYTES("\xc1\x07\x00\x05\x00\xfa\xff\x48\x65"), INVALID},
	{"ends with a block that has no flush behind", BYTES("\xc1\x06\xf2\x48\xcd\xc9\xc9\x07"),
		INVALID},
	{"not UTF-8, before its end",
		BYTES("\xc1\x7e\x01\x00\x00\x04\x00\xfb\xff"
		      "ab\xff"),
		UTF8},
	{"a character cut off", BYTES("\xc1\x08\x00\x02\x00\xfd\xff\xe2\x82\x00"), CUT},
};

START_TEST(inflates)
{
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		check_case(&cases[i], &plain, LIMIT);
}
END_TEST

START_TEST(no_context_takeover)
{
	static const struct inflate_case alone = {
		"alone", BYTES(HELLO HELLO), "text \"Hello\"\ntext \"Hello\"\n"};
	static const struct inflate_case context = {"from the context",
		BYTES(HELLO "\xc1\x05\xf2\x00\x11\x00\x00"), "text \"Hello\"\n" INVALID};

	check_case(&alone, &forgetful, LIMIT);
	check_case(&context, &forgetful, LIMIT);
}
END_TEST

START_TEST(limit_of_inflated)
{
	static const struct inflate_case small = {"fits", BYTES(HELLO), "text \"Hello\"\n"};
	static const struct inflate_case big = {"one more", BYTES(HELLO), TOO_BIG};

	check_case(&small, &plain, 5);
	check_case(&big, &plain, 4);
}
END_TEST

/* 32 MiB of zeros in some 32 KiB fail with no more memory than the limit allows for. */
START_TEST(bomb)
{
	enum { BLOCK = 1 << 16 };
	struct ws_receiver receiver = {
		.message_max = 1 << 20,
		.inflater = ws_inflater_new(&plain),
	};
	struct ws_deflater *deflater = ws_deflater_new(&plain, 9, 0);
	uint8_t *zeros = calloc(1, BLOCK);
	struct buffer wire = {0};
	char *transcript;

	buffer_append(&wire, "\xc2\x7f\0\0\0\0\1\0\0\0", 10);
	for (int i = 0; i < 512; i++) {
		ws_deflater_message(deflater, zeros, BLOCK, &wire);
		buffer_append(&wire, "\x00\x00\xff\xff", 4);
	}
	transcript = transcribe(&receiver, buffer_data(&wire), wire.length, 0);
	ck_assert_str_eq(transcript, TOO_BIG);
	ck_assert_uint_le(receiver.assembly.capacity, 1 << 22);
	free(transcript);
	free(zeros);
	buffer_release(&wire);
	ws_deflater_free(deflater);
	ws_receiver_release(&receiver);
	ws_inflater_free(receiver.inflater);
}
END_TEST

/* Half of it repeats what went before, half does not: something for the window to do. */
static void make_message(uint8_t *message, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1103515245 + 12345;
		message[i] = (uint8_t)(i % 32 < 16 ? 'a' + i % 16 : 'a' + (seed >> 24) % 26);
	}
}

static void check_round_trip(const struct ws_deflate_parameters *parameters, int level,
	size_t length, int count)
{
	struct ws_deflater *deflater = ws_deflater_new(parameters, level, 0);
	struct ws_receiver receiver = {.message_max = 1 << 20};
	struct ws_mask_pool masks = {0};
	uint8_t *sent = malloc(length + 1);

	receiver.inflater = ws_inflater_new(parameters);
	for (int i = 0; i < count; i++) {
		struct buffer wire = {0};
		struct ws_message message;
		struct ws_failure failure;
		struct ws_input input;

		make_message(sent, length, (unsigned)i);
		ws_send(&wire, &masks, deflater, WS_TEXT, sent, length);
		unmask(&wire);
		ck_assert_uint_eq(wire.memory[0],
			ws_deflater_wants(deflater, length) ? 0xC1 : 0x81);
		input = (struct ws_input){.data = wire.memory, .length = wire.length};
		ck_assert_int_eq(ws_receiver_next(&receiver, &input, &message, &failure),
			WS_RECEIVED_MESSAGE);
		ck_assert_uint_eq(message.length, length);
		if (length)
			ck_assert_mem_eq(message.data, sent, length);
		ck_assert_uint_eq(input.length, 0);
		buffer_release(&wire);
	}
	free(sent);
	ws_deflater_free(deflater);
	ws_receiver_release(&receiver);
	ws_inflater_free(receiver.inflater);
}

/* Every window, both kinds of context, sizes from nothing to 1 MiB. */
START_TEST(round_trips)
{
	/* 1,024 and 2,048 fill the inflater's output exactly. */
	static const size_t lengths[] = {0, 1, 16, 128, 1000, 1024, 2048, 4096, 65536, 1 << 20};

	for (int bits = 9; bits <= 15; bits++) {
		struct ws_deflate_parameters parameters = {
			.client_max_window_bits = bits,
			.server_max_window_bits = bits,
		};

		for (size_t i = 0; i < COUNT_OF(lengths); i++) {
			int count = lengths[i] > 4096 ? 2 : 20;

			check_round_trip(&parameters, -1, lengths[i], count);
			parameters.client_no_context_takeover = true;
			parameters.server_no_context_takeover = true;
			check_round_trip(&parameters, 1, lengths[i], count);
		}
	}
	check_round_trip(&plain, 0, 65536, 3); /* stored blocks */
}
END_TEST

START_TEST(compresses_with_context)
{
	struct ws_deflater *deflater = ws_deflater_new(&plain, -1, 4);
	struct buffer out = {0};

	ck_assert(!ws_deflater_wants(deflater, 3));
	ck_assert(ws_deflater_wants(deflater, 4));
	ws_deflater_message(deflater, "Hello", 5, &out);
	ck_assert_uint_eq(out.length, 7);
	ck_assert_mem_eq(buffer_data(&out), "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
	buffer_clear(&out);
	ws_deflater_message(deflater, "Hello", 5, &out);
	ck_assert_uint_eq(out.length, 5);
	ck_assert_mem_eq(buffer_data(&out), "\xf2\x00\x11\x00\x00", 5);
	buffer_release(&out);
	ws_deflater_free(deflater);
}
END_TEST

START_TEST(never_compresses)
{
	struct ws_deflate_parameters narrow = {
		.client_max_window_bits = 8,
		.server_max_window_bits = 8,
	};
	struct ws_deflater *deflater = ws_deflater_new(&plain, -1, 0);
	struct ws_mask_pool masks = {0};
	struct buffer out = {0};

	ck_assert(!ws_deflater_wants(deflater, 0)); /* there is nothing to gain */
	ws_send(&out, &masks, deflater, WS_PING, "Hello", 5);
	ck_assert_mem_eq(buffer_data(&out), "\x89\x85", 2);
	ws_deflater_free(deflater);

	deflater = ws_deflater_new(&narrow, -1, 0);
	ck_assert(!ws_deflater_wants(deflater, 1000)); /* zlib has no such window */
	ws_deflater_free(deflater);
	buffer_release(&out);
}
END_TEST

static void check_volume(struct ws_deflate_volume volume, uint64_t compressed,
	uint64_t uncompressed)
{
	ck_assert_uint_eq(volume.compressed, compressed);
	ck_assert_uint_eq(volume.uncompressed, uncompressed);
}

START_TEST(tells_the_volume)
{
	struct ws_deflater *deflater = ws_deflater_new(&plain, -1, 0);
	struct ws_inflater *inflater = ws_inflater_new(&plain);
	struct buffer wire = {0}, out = {0};

	ws_deflater_message(deflater, "Hello", 5, &wire);
	ws_deflater_message(deflater, "Hello", 5, &wire);
	check_volume(ws_deflater_take_volume(deflater), 12, 10);
	check_volume(ws_deflater_take_volume(deflater), 0, 0);

	ws_inflater_write(inflater, buffer_data(&wire), 4, false, &out, LIMIT);
	ws_inflater_write(inflater, buffer_data(&wire) + 4, 3, true, &out, LIMIT);
	check_volume(ws_inflater_take_volume(inflater), 7, 5);
	ws_inflater_write(inflater, buffer_data(&wire) + 7, 5, true, &out, LIMIT);
	check_volume(ws_inflater_take_volume(inflater), 5, 5);
	buffer_release(&wire);
	buffer_release(&out);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}
END_TEST

START_TEST(tells_a_bomb)
{
	static const struct {
		const char *what;
		const uint8_t *data;
		size_t length;
		bool bomb;
	} rows[] = {
		{"inflated", BYTES(HELLO), true},
		{"as it is", BYTES("\x81\x05"), false},
		{"no DEFLATE", BYTES("\xc1\x01\x06"), false},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ws_receiver receiver = {
			.message_max = 4,
			.inflater = ws_inflater_new(&plain),
		};
		struct ws_input input = {rows[i].data, rows[i].length};
		struct ws_failure failure;
		struct ws_message message;

		ck_assert_int_eq(ws_receiver_next(&receiver, &input, &message, &failure),
			WS_RECEIVED_FAILURE);
		ck_assert_msg(failure.bomb == rows[i].bomb, "%s", rows[i].what);
		ws_receiver_release(&receiver);
		ws_inflater_free(receiver.inflater);
	}
}
END_TEST

START_TEST(does_not_compress_for_long)
{
	static const struct {
		int level;
		size_t most;
	} levels[] = {{-1, 256 << 10}, {6, 256 << 10}, {7, 16 << 10}, {9, 16 << 10}};
	const struct ws_deflate_parameters agreed = {.client_max_window_bits = 15};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct ws_deflater *deflater = ws_deflater_new(&agreed, levels[i].level, 1);

		ck_assert(ws_deflater_wants(deflater, levels[i].most));
		ck_assert(!ws_deflater_wants(deflater, levels[i].most + 1));
		ws_deflater_free(deflater);
	}
}
END_TEST

Suite *suite_deflate(void)
{
	Suite *suite = suite_create("ws deflate");
	TCase *tcase = tcase_create("deflate");

	tcase_add_test(tcase, does_not_compress_for_long);
	tcase_add_test(tcase, inflates);
	tcase_add_test(tcase, no_context_takeover);
	tcase_add_test(tcase, limit_of_inflated);
	tcase_add_test(tcase, bomb);
	tcase_add_test(tcase, round_trips);
	tcase_add_test(tcase, compresses_with_context);
	tcase_add_test(tcase, never_compresses);
	tcase_add_test(tcase, tells_the_volume);
	tcase_add_test(tcase, tells_a_bomb);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return suite;
}
