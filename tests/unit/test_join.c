#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "outlet/frames.h"
#include "outlet/outlet_private.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

static struct harness harness;

static void setup(void)
{
	harness_setup(&harness, "frames");
}

static void teardown(void)
{
	harness_teardown(&harness);
}

static void publish_number(unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "message %u", number);
	harness_publish_text(&harness, 0, text);
}

START_TEST(test_hello_byte_by_byte)
{
	static const char hello[FRAMES_HELLO_SIZE] = "WSGATE\1\0";
	struct buffer stream = {0};
	int fd;

	harness_open(&harness);
	fd = harness_connect(&harness);
	for (size_t i = 0; i < sizeof(hello); i++) {
		harness_drain(&harness, fd, &stream);
		ck_assert_uint_eq(stream.length, 0);
		ck_assert(!harness_contains(&harness.events, "subscribed"));
		ck_assert_int_eq(send(fd, hello + i, 1, 0), 1);
	}
	harness_drain(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_HELLO, 1, FRAMES_NO_CONNECTION,
		"{\"outlet\":\"test\",\"begun\":42,\"connections\":[\"ticker\",\"trades\"],\"next\":1,"
		"\"missing\":0,\"ahead\":false}");
	ck_assert(harness_contains(&harness.events, "subscribed {\"subscriber\":1,"));
	publish_number(1);
	harness_drain(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_TEXT, 1, 0, "message 1");
	ck_assert_uint_eq(stream.length, 0);
	close(fd);
}
END_TEST

/* Every start, against a ring that holds records 101 to 200. */
START_TEST(test_starts)
{
	static const struct {
		uint8_t start;
		enum outlet_start setting;
		uint64_t seq;
		uint64_t next;
		uint64_t missing;
		bool ahead;
	} cases[] = {
		{FRAMES_START_DEFAULT, OUTLET_LIVE, 0, 201, 0, false},
		{FRAMES_START_DEFAULT, OUTLET_OLDEST, 0, 101, 0, false},
		{FRAMES_START_LIVE, OUTLET_OLDEST, 0, 201, 0, false},
		{FRAMES_START_OLDEST, OUTLET_LIVE, 0, 101, 0, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 0, 101, 100, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 1, 101, 99, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 99, 101, 1, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 100, 101, 0, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 101, 102, 0, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 199, 200, 0, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 200, 201, 0, false},
		{FRAMES_START_AFTER, OUTLET_LIVE, 201, 201, 0, true},
		{FRAMES_START_AFTER, OUTLET_OLDEST, UINT64_MAX, 201, 0, true},
	};
	char answer[256];
	struct buffer stream = {0};
	char text[16];
	int fd;

	harness.settings.ring = 8192;
	harness.settings.start = cases[_i].setting;
	harness_open(&harness);
	for (unsigned number = 1; number <= 200; number++)
		publish_number(number);
	ring_drop(&harness.outlet->core.ring, 101);
	fd = harness_connect(&harness);
	harness_send_hello(fd, cases[_i].start, FRAMES_MODE_BYTES, cases[_i].seq);
	harness_drain(&harness, fd, &stream);
	snprintf(answer, sizeof(answer),
		"{\"outlet\":\"test\",\"begun\":42,\"connections\":[\"ticker\",\"trades\"],\"next\":%llu,"
		"\"missing\":%llu,\"ahead\":%s}",
		(unsigned long long)cases[_i].next, (unsigned long long)cases[_i].missing,
		cases[_i].ahead ? "true" : "false");
	harness_expect_record(&stream, FRAMES_HELLO, cases[_i].next, FRAMES_NO_CONNECTION, answer);
	publish_number(201);
	harness_drain(&harness, fd, &stream);
	for (uint64_t seq = cases[_i].next; seq <= 201; seq++) {
		snprintf(text, sizeof(text), "message %u", (unsigned)seq);
		harness_expect_record(&stream, FRAMES_TEXT, seq, 0, text);
	}
	ck_assert_uint_eq(stream.length, 0);
	close(fd);
}
END_TEST

START_TEST(test_bad_hello)
{
	static const struct {
		char hello[FRAMES_HELLO_SIZE + 1];
		size_t length;
		const char *text;
	} cases[] = {
		{"GET / HTTP/1.1", 14,
			"this is a frames outlet: a hello must come first, which begins "
			"with WSGATE"},
		{"WX", 2,
			"this is a frames outlet: a hello must come first, which begins "
			"with WSGATE"},
		{"WSGATE\2", 24, "this version of the protocol is not available, only 1 is"},
		{"WSGATE\1\4", 24, "byte 7 of the hello, start, must be 0 to 3"},
		{"WSGATE\1\0\3", 24, "byte 8 of the hello, mode, must be 0 to 2"},
		{"WSGATE\1\0\0\0\0\0\0\0\0\1", 24, "bytes 9 to 15 of the hello must be 0"},
		{"WSGATE\1\0\0\0\0\0\0\0\0\0\7", 24,
			"seq of the hello must be 0 unless start is 3"},
	};
	struct buffer stream = {0};
	int fd;

	harness_open(&harness);
	fd = harness_connect(&harness);
	ck_assert_int_gt(send(fd, cases[_i].hello, cases[_i].length, 0), 0);
	harness_expect_end(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, cases[_i].text);
	ck_assert_uint_eq(stream.length, 0);
	harness_turn(&harness);
	ck_assert(harness_contains(&harness.events, "input-error"));
	ck_assert(!harness_contains(&harness.events, "subscribed"));
}
END_TEST

START_TEST(test_no_hello_in_time)
{
	struct buffer stream = {0};
	int fd;

	harness_open(&harness);
	harness.outlet->core.greeting_timeout = 20 * CLOCK_NS_PER_MS;
	fd = harness_connect(&harness);
	ck_assert_int_eq(send(fd, "WSG", 3, 0), 3);
	harness_expect_end(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION,
		"no hello arrived in time");
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 0);
}
END_TEST

/* As after a suspend: the time is over, but what it was for is there. */
START_TEST(test_hello_that_lies_unread_when_the_time_is_over)
{
	const struct timespec longer = {.tv_nsec = 30 * 1000 * 1000};
	int fd;

	harness_open(&harness);
	harness.outlet->core.greeting_timeout = 20 * CLOCK_NS_PER_MS;
	fd = harness_connect(&harness);
	harness_turn(&harness);
	harness_send_hello(fd, FRAMES_START_DEFAULT, FRAMES_MODE_BYTES, 0);
	nanosleep(&longer, NULL);
	harness_until(&harness, harness_contains(&harness.events, "subscribed"));
	close(fd);
}
END_TEST

START_TEST(test_leaving_before_the_hello)
{
	int fd;

	harness_open(&harness);
	fd = harness_connect(&harness);
	ck_assert_int_eq(send(fd, "WSG", 3, 0), 3);
	harness_turn(&harness);
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
	harness_turn(&harness);
	harness_expect(&harness.events, "");
}
END_TEST

START_TEST(test_names_of_sources)
{
	struct buffer stream = {0};
	unsigned added;
	int fd, late;

	harness_open(&harness);
	fd = harness_connect(&harness);
	harness_send_hello(fd, FRAMES_START_LIVE, FRAMES_MODE_BYTES, 0);
	harness_drain(&harness, fd, &stream);
	buffer_clear(&stream);

	outlet_remove_source(harness.outlet, 0);
	added = outlet_add_source(harness.outlet, "late", &harness);
	ck_assert_uint_eq(added, 0); /* no record has that number */
	harness_publish(&harness, added, OUTLET_OPENED, "{}", 2);
	harness_publish_text(&harness, added, "hi");
	harness_drain(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_NAME, 1, 0, "late");
	harness_expect_record(&stream, FRAMES_OPEN, 1, 0, "{}");
	harness_expect_record(&stream, FRAMES_TEXT, 2, 0, "hi");
	ck_assert_uint_eq(stream.length, 0);

	late = harness_connect(&harness);
	harness_send_hello(late, FRAMES_START_AFTER, FRAMES_MODE_BYTES, 1);
	harness_drain(&harness, late, &stream);
	harness_expect_record(&stream, FRAMES_HELLO, 2, FRAMES_NO_CONNECTION,
		"{\"outlet\":\"test\",\"begun\":42,\"connections\":[\"late\",\"trades\"],\"next\":2,"
		"\"missing\":0,\"ahead\":false}");
	harness_expect_record(&stream, FRAMES_TEXT, 2, 0, "hi");
	ck_assert_uint_eq(stream.length, 0);
	close(late);
	close(fd);
}
END_TEST

/* A number is not used again while a record in the ring has it. */
START_TEST(test_numbers_of_removed_sources)
{
	static char payload[40000];

	harness.settings.ring = 64 << 10;
	harness_open(&harness);
	memset(payload, 'x', sizeof(payload));
	for (int i = 0; i < 20000; i++)
		outlet_remove_source(harness.outlet,
			outlet_add_source(harness.outlet, "passing", &harness));
	ck_assert_uint_eq(outlet_source_count(harness.outlet), 3);

	harness_publish(&harness, 1, OUTLET_TEXT, payload, sizeof(payload));
	outlet_remove_source(harness.outlet, 1);
	ck_assert_uint_eq(outlet_add_source(harness.outlet, "a", &harness), 2);
	ck_assert_uint_eq(outlet_add_source(harness.outlet, "b", &harness), 3);
	harness_publish(&harness, 0, OUTLET_TEXT, payload, sizeof(payload));
	ck_assert_uint_eq(outlet_add_source(harness.outlet, "c", &harness), 1);
}
END_TEST

/* A subscriber that may send could still mean the removed one. */
START_TEST(test_numbers_of_writable_outlets)
{
	int fd;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = harness_join(&harness, FRAMES_START_LIVE, FRAMES_MODE_BYTES, 0);
	outlet_remove_source(harness.outlet, 1);
	ck_assert_uint_eq(outlet_add_source(harness.outlet, "a", &harness), 2);
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
	ck_assert_uint_eq(outlet_add_source(harness.outlet, "b", &harness), 1);
}
END_TEST

/* A name that was announced in what a subscriber has lost comes again behind the gap. */
START_TEST(test_names_after_a_gap)
{
	static char payload[60000];
	struct buffer stream = {0};
	unsigned added;
	bool named = false;
	int fd;

	harness.settings.ring = 64 << 10;
	harness_open(&harness);
	fd = harness_connect(&harness);
	harness_send_hello(fd, FRAMES_START_LIVE, FRAMES_MODE_BYTES, 0);
	harness_until(&harness, harness_contains(&harness.events, "subscribed {"));
	harness_narrow(&harness);
	memset(payload, 'x', 50000);
	harness_publish(&harness, 1, OUTLET_TEXT, payload, 50000);
	harness_turn(&harness);
	ck_assert_uint_gt(harness_info(&harness).behind, 0);
	added = outlet_add_source(harness.outlet, "late", &harness);
	for (int i = 0; i < 3; i++)
		harness_publish(&harness, added, OUTLET_TEXT, payload, 50000);
	harness_drain(&harness, fd, &stream);

	while (stream.length) {
		struct frames_header header =
			harness_take_record(&stream, payload, sizeof(payload));

		named |= header.type == FRAMES_NAME && header.connection == added;
		if (header.type == FRAMES_GAP)
			named = false;
		if (header.type == FRAMES_TEXT && header.connection == added)
			ck_assert(named);
	}
	ck_assert(named);
	ck_assert_uint_gt(harness_counts(&harness).lost, 0);
	close(fd);
}
END_TEST

Suite *join_suite(void)
{
	Suite *suite = suite_create("join");
	TCase *tests = tcase_create("join");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_hello_byte_by_byte);
	tcase_add_loop_test(tests, test_starts, 0, 13);
	tcase_add_loop_test(tests, test_bad_hello, 0, 7);
	tcase_add_test(tests, test_no_hello_in_time);
	tcase_add_test(tests, test_hello_that_lies_unread_when_the_time_is_over);
	tcase_add_test(tests, test_leaving_before_the_hello);
	tcase_add_test(tests, test_names_of_sources);
	tcase_add_test(tests, test_numbers_of_removed_sources);
	tcase_add_test(tests, test_numbers_of_writable_outlets);
	tcase_add_test(tests, test_names_after_a_gap);
	suite_add_tcase(suite, tests);
	return suite;
}
