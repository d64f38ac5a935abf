#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/frame.h"
#include "client_harness.h"

static struct fake fake;
static struct wsgate *gate;

static void setup(void)
{
	fake_setup(&fake);
	gate = fake_open_bytes(&fake, 11);
}

static void teardown(void)
{
	wsgate_close(gate);
	fake_teardown(&fake);
}

static void send_gap(uint64_t from, uint64_t to)
{
	const struct frames_gap gap = {.from = htole64(from), .to = htole64(to)};

	fake_send(&fake, FRAMES_GAP, to, FRAMES_NO_CONNECTION, &gap, sizeof(gap));
}

START_TEST(test_records)
{
	const struct wsgate_record *record;

	expect_result(gate, WSGATE_AGAIN);
	fake_send_text(&fake, 11, "one");
	fake_send_text(&fake, 12, "");
	fake_send(&fake, FRAMES_BINARY, 13, 0, "\0\1", 2);
	fake_send(&fake, FRAMES_NAME, 14, 2, "orders", 6);
	fake_send(&fake, FRAMES_OPEN, 14, 2, "{}", 2);
	fake_send(&fake, FRAMES_CLOSE, 15, 2, "{}", 2);
	expect_text(gate, 11, "one");
	expect_text(gate, 12, "");
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_BINARY);
	ck_assert_str_eq(record->name, "ticker");
	ck_assert_mem_eq(record->payload, "\0\1", 2);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_OPEN);
	ck_assert_uint_eq(record->connection, 2);
	ck_assert_str_eq(record->name, "orders");
	ck_assert_int_eq(wsgate_intact(gate), 1);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_CLOSE);
	expect_result(gate, WSGATE_AGAIN);
	ck_assert_uint_eq(wsgate_counts(gate)->records, 5);
	ck_assert_uint_eq(wsgate_counts(gate)->bytes, 9);
}
END_TEST

START_TEST(test_pieces_and_large_records)
{
	size_t length = 3 << 20;
	char *text = malloc(length + 1);
	const struct wsgate_record *record;
	struct frames_header header = {
		.size = htole32((uint32_t)wsgate_frame_size(length)),
		.length = htole32((uint32_t)length),
		.seq = htole64(11),
		.type = FRAMES_TEXT,
	};

	memset(text, 'x', length);
	fake_send_bytes(&fake, &header, 7);
	expect_result(gate, WSGATE_AGAIN);
	fake_send_bytes(&fake, (char *)&header + 7, sizeof(header) - 7);
	for (size_t sent = 0; sent < length; sent += 1 << 16) {
		expect_result(gate, WSGATE_AGAIN);
		fake_send_bytes(&fake, text + sent, 1 << 16);
	}
	fake_send_text(&fake, 12, "behind");
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->length, length);
	ck_assert_mem_eq(record->payload, text, length);
	expect_text(gate, 12, "behind");
	free(text);
}
END_TEST

START_TEST(test_gaps)
{
	fake_send_text(&fake, 11, "one");
	send_gap(12, 20);
	fake_send_text(&fake, 21, "two");
	fake_send_text(&fake, 25, "five"); /* not announced, but told all the same */
	expect_text(gate, 11, "one");
	expect_gap(gate, 12, 20);
	expect_text(gate, 21, "two");
	expect_gap(gate, 22, 24);
	expect_text(gate, 25, "five");
	expect_result(gate, WSGATE_AGAIN);
	ck_assert_uint_eq(wsgate_counts(gate)->lost, 12);
	ck_assert_uint_eq(wsgate_counts(gate)->gaps, 2);
	ck_assert_uint_eq(wsgate_counts(gate)->records, 3);
}
END_TEST

START_TEST(test_unknown_types_are_ignored)
{
	fake_send(&fake, 99, 0, 0, "later", 5);
	fake_send_text(&fake, 11, "one");
	expect_text(gate, 11, "one");
}
END_TEST

START_TEST(test_the_end)
{
	fake_send_text(&fake, 11, "one");
	fake_send_bytes(&fake, "half", 4);
	fake_hang_up(&fake);
	expect_text(gate, 11, "one");
	expect_result(gate, WSGATE_END);
	expect_result(gate, WSGATE_END);
	ck_assert_int_eq(wsgate_send(gate, WSGATE_TEXT, 0, "x", 1), WSGATE_END);
}
END_TEST

START_TEST(test_an_error_of_the_daemon)
{
	fake_send_text(&fake, 11, "one");
	fake_send(&fake, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, "you did wrong", 13);
	fake_hang_up(&fake);
	expect_text(gate, 11, "one");
	expect_result(gate, WSGATE_ERROR_REFUSED);
	ck_assert_str_eq(wsgate_error(gate), "you did wrong");
	expect_result(gate, WSGATE_ERROR_REFUSED);
}
END_TEST

START_TEST(test_what_is_not_the_format)
{
	static const struct {
		uint32_t size;
		uint32_t length;
		uint64_t seq;
		enum frames_type type;
	} cases[] = {
		{0, 0, 11, FRAMES_TEXT},
		{31, 0, 11, FRAMES_TEXT},
		{40, 0, 11, FRAMES_TEXT},
		{40, 9, 11, FRAMES_TEXT},
		{0xfffffff8, 0xffffffff, 11, FRAMES_TEXT},
		{32, 0, 10, FRAMES_TEXT},
		{32, 0, UINT64_MAX, FRAMES_TEXT},
		{32, 0, 9, FRAMES_GAP},
		{32, 0, UINT64_MAX, FRAMES_GAP},
	};
	const struct frames_header header = {
		.size = htole32(cases[_i].size),
		.length = htole32(cases[_i].length),
		.seq = htole64(cases[_i].seq),
		.type = (uint8_t)cases[_i].type,
	};

	fake_send_bytes(&fake, &header, sizeof(header));
	fake_send_bytes(&fake, "12345678", 8);
	expect_result(gate, WSGATE_ERROR_PROTOCOL);
	expect_result(gate, WSGATE_ERROR_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(wsgate_error(gate), "after record 10"));
}
END_TEST

START_TEST(test_waiting)
{
	const struct wsgate_record *record;
	struct pollfd wanted = {.fd = wsgate_fd(gate), .events = wsgate_events(gate)};

	ck_assert_int_eq(wsgate_next(gate, &record, 20), WSGATE_AGAIN);
	ck_assert_int_eq(poll(&wanted, 1, 0), 0);
	fake_send_text(&fake, 11, "one");
	ck_assert_int_eq(poll(&wanted, 1, 0), 1);
	ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_OK);
	fake_hang_up(&fake);
	ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_END);
}
END_TEST

Suite *client_bytes_suite(void)
{
	Suite *suite = suite_create("client bytes");
	TCase *tests = tcase_create("bytes");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_records);
	tcase_add_test(tests, test_pieces_and_large_records);
	tcase_add_test(tests, test_gaps);
	tcase_add_test(tests, test_unknown_types_are_ignored);
	tcase_add_test(tests, test_the_end);
	tcase_add_test(tests, test_an_error_of_the_daemon);
	tcase_add_loop_test(tests, test_what_is_not_the_format, 0, 9);
	tcase_add_test(tests, test_waiting);
	suite_add_tcase(suite, tests);
	return suite;
}
