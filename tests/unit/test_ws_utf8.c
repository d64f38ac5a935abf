#include <stdlib.h>
#include <string.h>

#include "test_ws.h"
#include "ws/deflate.h"
#include "ws/utf8.h"

enum { LIMIT = 100000 };

#define R "\xef\xbf\xbd"

/* --- repair ---------------------------------------------------------------------------------- */

static const struct {
	const char *broken;
	const char *repaired;
} texts[] = {
	{"", ""},
	{"plain", "plain"},
	{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	{"\xff", R},
	{"a\xff\xfe"
	 "b",
		"a" R R "b"},
	{"\x80\xbf", R R},
	{"\xc3", R},
	{"\xc3z", R "z"},
	{"\xc3\xc3\xa4", R "\xc3\xa4"},
	{"\xe2\x82", R},
	{"\xe2\x82"
	 "a\xe2\x82\xac",
		R "a\xe2\x82\xac"},
	{"\xf0\x9f\x98", R},
	{"\xf0\x9f\x98\xe2\x82\xac", R "\xe2\x82\xac"},
	/* the Unicode Standard 15.0, tables 3-8 to 3-11 */
	{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A"},
	{"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A"},
	{"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B"},
	{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A"},
};

static void repair(struct buffer *out, const uint8_t *data, size_t length, size_t step)
{
	struct ws_utf8 utf8 = {0};

	for (size_t from = 0; from < length; from += step) {
		size_t piece = step < length - from ? step : length - from;

		ck_assert(ws_utf8_repair(&utf8, data + from, piece, out, UINT64_MAX));
	}
	ws_utf8_repair_end(&utf8, out);
	ck_assert(ws_utf8_complete(&utf8));
	buffer_append(out, "", 1);
}

/* The same with what json does, which has the text as a whole. */
static void take(struct buffer *out, const uint8_t *data, size_t length)
{
	while (length) {
		const uint8_t *start = data;
		size_t valid = ws_utf8_take(&data, &length);

		ck_assert(ws_utf8_valid(start, valid));
		ck_assert(data > start && data >= start + valid);
		buffer_append(out, start, valid);
		if (data > start + valid)
			buffer_append_text(out, R);
	}
	buffer_append(out, "", 1);
}

START_TEST(repairs)
{
	const uint8_t *broken = (const uint8_t *)texts[_i].broken;
	size_t length = strlen(texts[_i].broken);
	struct buffer out = {0};

	for (size_t step = 1; step <= 5; step++) {
		repair(&out, broken, length, step);
		ck_assert_str_eq((const char *)buffer_data(&out), texts[_i].repaired);
		buffer_release(&out);
	}
	take(&out, broken, length);
	ck_assert_str_eq((const char *)buffer_data(&out), texts[_i].repaired);
	buffer_release(&out);
}
END_TEST

/* Bytes that often begin and continue characters, in random order. */
START_TEST(repairs_anything)
{
	static const uint8_t bytes[] = "a\x80\xbf\xa0\x90\xc3\xe0\xe2\xed\xf0\xf4\xff\x7f";
	uint8_t text[40];

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)rand() % sizeof(text);
		struct buffer whole = {0}, pieces = {0}, taken = {0};

		for (size_t i = 0; i < length; i++)
			text[i] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		repair(&whole, text, length, sizeof(text));
		repair(&pieces, text, length, 1 + (size_t)rand() % 4);
		take(&taken, text, length);
		ck_assert(ws_utf8_valid(buffer_data(&whole), whole.length));
		ck_assert_str_eq((const char *)buffer_data(&whole),
			(const char *)buffer_data(&pieces));
		ck_assert_str_eq((const char *)buffer_data(&whole),
			(const char *)buffer_data(&taken));
		if (ws_utf8_valid(text, length))
			ck_assert_mem_eq(buffer_data(&whole), text, length);
		buffer_release(&whole);
		buffer_release(&pieces);
		buffer_release(&taken);
	}
}
END_TEST

START_TEST(stops_at_the_limit)
{
	struct buffer out = {0};
	struct ws_utf8 utf8 = {0};
	uint8_t bytes[1000];

	memset(bytes, 0xff, sizeof(bytes));
	ck_assert(ws_utf8_repair(&utf8, bytes, 33, &out, 99));
	ck_assert(!ws_utf8_repair(&utf8, bytes, sizeof(bytes), &out, 99));
	ck_assert_uint_eq(out.length, 102);
	buffer_release(&out);
}
END_TEST

/* --- in the receiver ------------------------------------------------------------------------- */

static const struct {
	const char *what;
	const uint8_t *data;
	size_t length;
	const char *replaced;
	const char *passed;
	unsigned repaired; /* messages */
} messages[] = {
	{"valid", BYTES("\x81\x02\xc3\xa4"), "text \"\\xc3\\xa4\"\n", "text \"\\xc3\\xa4\"\n", 0},
	{"whole",
		BYTES("\x81\x03"
		      "a\xff"
		      "b"),
		"text \"a\\xef\\xbf\\xbdb\"\n", "text \"a\\xffb\"\n", 1},
	{"cut off", BYTES("\x81\x02\xe2\x82"), "text \"\\xef\\xbf\\xbd\"\n",
		"text \"\\xe2\\x82\"\n", 1},
	{"valid across fragments", BYTES("\x01\x01\xe2\x00\x01\x82\x80\x01\xac"),
		"text \"\\xe2\\x82\\xac\"\n", "text \"\\xe2\\x82\\xac\"\n", 0},
	{"broken across fragments", BYTES("\x01\x02x\xe2\x00\x01\x82\x89\x00\x80\x01y"),
		"ping \"\"\ntext \"x\\xef\\xbf\\xbdy\"\n", "ping \"\"\ntext \"x\\xe2\\x82y\"\n", 1},
	{"cut off in an empty fragment",
		BYTES("\x01\x02"
		      "a\xc3\x80\x00"),
		"text \"a\\xef\\xbf\\xbd\"\n", "text \"a\\xc3\"\n", 1},
	{"several",
		BYTES("\x81\x01\xff\x82\x01\xff\x81\x01"
		      "a\x81\x01\x80"),
		"text \"\\xef\\xbf\\xbd\"\nbinary \"\\xff\"\ntext \"a\"\ntext \"\\xef\\xbf\\xbd\"\n",
		"text \"\\xff\"\nbinary \"\\xff\"\ntext \"a\"\ntext \"\\x80\"\n", 2},
	{"compressed",
		BYTES("\xc1\x08\x00\x02\x00\xfd\xff"
		      "a\xff\x00"),
		"text \"a\\xef\\xbf\\xbd\"\n", "text \"a\\xff\"\n", 1},
	{"compressed, across fragments",
		BYTES("\x41\x07\x00\x02\x00\xfd\xff"
		      "a\xe2\x80\x07\x00\x01\x00\xfe\xff\x82\x00"),
		"text \"a\\xef\\xbf\\xbd\"\n", "text \"a\\xe2\\x82\"\n", 1},
	{"compressed and valid across fragments",
		BYTES("\x41\x07\x00\x02\x00\xfd\xff"
		      "a\xc3\x80\x07\x00\x01\x00\xfe\xff\xa4\x00"),
		"text \"a\\xc3\\xa4\"\n", "text \"a\\xc3\\xa4\"\n", 0},
	{"compressed binary",
		BYTES("\xc2\x08\x00\x02\x00\xfd\xff"
		      "a\xff\x00"),
		"binary \"a\\xff\"\n", "binary \"a\\xff\"\n", 0},
	/* we repeat the reason: it is repaired in any case */
	{"close",
		BYTES("\x88\x05\x03\xe8"
		      "a\xff"
		      "b"),
		"close 1000 \"a\\xef\\xbf\\xbdb\"\n", "close 1000 \"a\\xef\\xbf\\xbdb\"\n", 0},
};

static void check_messages(enum ws_utf8_policy policy, size_t step)
{
	static const struct ws_deflate_parameters parameters = {15, 15, false, false};
	struct ws_receiver receiver = {
		.message_max = LIMIT,
		.inflater = ws_inflater_new(&parameters),
		.policy = policy,
	};

	for (size_t i = 0; i < COUNT_OF(messages); i++) {
		char *transcript =
			transcribe(&receiver, messages[i].data, messages[i].length, step);

		ck_assert_msg(strcmp(transcript,
				      policy == WS_UTF8_PASS ? messages[i].passed
							     : messages[i].replaced) == 0,
			"%s, %zu at a time:\n%s", messages[i].what, step, transcript);
		ck_assert_uint_eq(receiver.repaired,
			policy == WS_UTF8_PASS ? 0 : messages[i].repaired);
		receiver.repaired = 0;
		free(transcript);
	}
	ws_inflater_free(receiver.inflater);
	ws_receiver_release(&receiver);
}

START_TEST(policies)
{
	for (size_t step = 0; step <= 3; step++) {
		check_messages(WS_UTF8_REPLACE, step);
		check_messages(WS_UTF8_PASS, step);
	}
}
END_TEST

#define TOO_BIG                                                                                    \
	"fail 1009 the server sent text that is not UTF-8, and is longer than the limit once "     \
	"repaired\n"

static const struct {
	const uint8_t *data;
	size_t length;
	const char *transcript;
} limits[] = {
	{BYTES("\x81\x03"
	       "aa\xff"),
		"text \"aa\\xef\\xbf\\xbd\"\n"},
	{BYTES("\x81\x04"
	       "aaa\xff"),
		TOO_BIG},
	{BYTES("\x81\x04"
	       "aaa\xc3"),
		TOO_BIG},
	{BYTES("\x01\x02\xff"
	       "a\x80\x02"
	       "aa"),
		TOO_BIG},
	{BYTES("\x01\x02"
	       "aa\x80\x02"
	       "a\xff"),
		TOO_BIG},
	{BYTES("\x82\x05\xff\xff\xff\xff\xff"), "binary \"\\xff\\xff\\xff\\xff\\xff\"\n"},
};

/* The limit is that of the message handed out. */
START_TEST(limit_of_repaired)
{
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		for (size_t step = 0; step <= 3; step++) {
			struct ws_receiver receiver = {.message_max = 5, .policy = WS_UTF8_REPLACE};
			char *transcript =
				transcribe(&receiver, limits[i].data, limits[i].length, step);

			/* at a later frame's header it is simply too long */
			if (strncmp(limits[i].transcript, "fail", 4) == 0)
				ck_assert_mem_eq(transcript, "fail 1009", 9);
			else
				ck_assert_str_eq(transcript, limits[i].transcript);
			free(transcript);
			ws_receiver_release(&receiver);
		}
	}
}
END_TEST

/* A longer reason would not fit the close frame that answers. */
START_TEST(reason_fits_a_close_frame)
{
	uint8_t wire[2 + WS_CONTROL_MAX] = {0x88, WS_CONTROL_MAX, 0x03, 0xe8};
	struct ws_receiver receiver = {.message_max = LIMIT, .policy = WS_UTF8_PASS};
	struct ws_input input = {wire, sizeof(wire)};
	struct ws_message message;
	struct ws_failure failure;

	memset(wire + 4, 'a', sizeof(wire) - 4);
	wire[4] = 0xff;
	memcpy(wire + sizeof(wire) - 2, "\xc3\xa4", 2); /* would end beyond */
	ck_assert_int_eq(ws_receiver_next(&receiver, &input, &message, &failure),
		WS_RECEIVED_CONTROL);
	ck_assert_uint_eq(message.close_code, 1000);
	ck_assert_uint_eq(message.length, WS_REASON_MAX);
	ck_assert_mem_eq(message.data, R "aaa", 6);
	ck_assert(ws_utf8_valid(message.data, message.length));
	ws_receiver_release(&receiver);
}
END_TEST

/* A message keeps the policy with which it has begun. */
START_TEST(policy_changes_within_a_message)
{
	struct ws_receiver receiver = {.message_max = LIMIT, .policy = WS_UTF8_PASS};
	char *transcript = transcribe(&receiver, BYTES("\x01\x01\xff"), 0);

	ck_assert_str_eq(transcript, "");
	free(transcript);
	receiver.policy = WS_UTF8_CHECK;
	transcript = transcribe(&receiver, BYTES("\x80\x01\x80\x81\x01\x80"), 0);
	ck_assert_str_eq(transcript,
		"text \"\\xff\\x80\"\nfail 1007 the server sent text that is not UTF-8\n");
	free(transcript);
	ws_receiver_release(&receiver);
}
END_TEST

Suite *suite_utf8(void)
{
	Suite *suite = suite_create("ws utf8");
	TCase *tcase = tcase_create("utf8");

	tcase_add_loop_test(tcase, repairs, 0, COUNT_OF(texts));
	tcase_add_test(tcase, repairs_anything);
	tcase_add_test(tcase, stops_at_the_limit);
	tcase_add_test(tcase, policies);
	tcase_add_test(tcase, limit_of_repaired);
	tcase_add_test(tcase, reason_fits_a_close_frame);
	tcase_add_test(tcase, policy_changes_within_a_message);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return suite;
}
