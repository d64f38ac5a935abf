#include <check.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "outlet/frames.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

static struct harness harness;

static void teardown(void)
{
	harness_teardown(&harness);
}

static int connect_subscriber(void)
{
	int fd = harness_connect(&harness);

	if (harness_is(&harness, "frames")) {
		harness_send_hello(fd, FRAMES_START_DEFAULT, FRAMES_MODE_BYTES, 0);
		harness_until(&harness, harness_contains(&harness.events, "subscribed {"));
	}
	harness_narrow(&harness);
	return fd;
}

/* Publishes a message of that length as a well-behaved owner, which waits if there is no room. */
static bool publish_if_room(size_t length)
{
	static char text[1 << 15];
	struct outlet_message message = {.type = OUTLET_TEXT, .data = text, .length = length};

	memset(text, 'x', length);
	if (outlet_offer(harness.outlet, &message))
		return true;
	outlet_forget_waiter(&harness.waiter);
	outlet_await_room(harness.outlet, &harness.waiter, &message);
	return false;
}

/* Until there is no room; returns how many messages that took. */
static uint64_t fill(size_t length)
{
	uint64_t count = 0;

	while (publish_if_room(length)) {
		ck_assert_uint_lt(++count, 10000);
		harness_turn(&harness);
	}
	return count;
}

/* Who has died, or is not even complete, holds up nobody. */
START_TEST(test_wait_does_not_wait_for_the_dead)
{
	int fd, silent;

	harness_setup(&harness, "frames");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 8192;
	harness_open(&harness);
	silent = harness_connect(&harness); /* never says hello */
	fd = connect_subscriber();
	fill(300);
	harness_turn(&harness);
	ck_assert_uint_eq(harness.rooms, 0);
	ck_assert(outlet_has_waiters(harness.outlet));
	close(fd);
	harness_until(&harness, harness.rooms == 1);
	ck_assert(publish_if_room(300));
	close(silent);
}
END_TEST

/* Small records use a ring up by their number: a large one behind them needs the place of many. */
START_TEST(test_wait_has_no_room_for_a_large_message_behind_many_small_ones)
{
	const struct outlet_message large = {.type = OUTLET_TEXT, .length = 3000};
	unsigned published = 0;
	int fd;

	harness_setup(&harness, "packets");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 4096;
	harness_open(&harness);
	fd = connect_subscriber();
	while (harness_info(&harness).behind < 2 * 100) { /* each takes up two bytes */
		ck_assert_uint_lt(++published, 100000);
		ck_assert(publish_if_room(1));
		harness_turn(&harness);
	}
	ck_assert(!outlet_has_room(harness.outlet, &large));
	ck_assert(!publish_if_room(3000));
	ck_assert_uint_eq(harness_counts(&harness).lags, 0);
	close(fd);
}
END_TEST

/* What is published without asking finds room, although messages do not. */
START_TEST(test_wait_has_room_for_opening_and_closing)
{
	int fd;

	harness_setup(&harness, "json");
	harness.settings.on_lag = OUTLET_WAIT;
	harness_open(&harness);
	fd = connect_subscriber();
	fill(300);
	for (int i = 0; i < 10; i++) {
		harness_publish(&harness, 0, OUTLET_CLOSED, "{\"code\":1001}", 13);
		harness_publish(&harness, 0, OUTLET_OPENED, "{}", 2);
	}
	ck_assert_uint_eq(harness_counts(&harness).lags, 0);
	close(fd);
}
END_TEST

/* When there are more of those than the reserve holds, they are lost, and not messages. */
START_TEST(test_wait_loses_no_message_to_opening_and_closing)
{
	struct frames_header header;
	char payload[1024];
	struct buffer stream = {0};
	uint64_t published, texts = 0, closed = 0;
	int fd;

	harness_setup(&harness, "frames");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	fd = connect_subscriber();
	published = fill(300);
	for (int i = 0; i < 1000; i++)
		harness_publish(&harness, 0, OUTLET_CLOSED, "{\"code\":1001}", 13);
	harness_turn(&harness);
	ck_assert_uint_eq(harness_counts(&harness).lags, 0);
	ck_assert_uint_gt(harness_counts(&harness).lost, 900);
	ck_assert(harness_contains(&harness.events, "undelivered {\"messages\":9"));
	harness_drain(&harness, fd, &stream);
	while (stream.length) {
		header = harness_take_record(&stream, payload, sizeof(payload));
		texts += header.type == FRAMES_TEXT;
		closed += header.type == FRAMES_CLOSE;
		ck_assert_uint_ne(header.type, FRAMES_GAP);
	}
	ck_assert_uint_eq(texts, published);
	ck_assert_uint_eq(closed, 1000 - harness_counts(&harness).lost);
	buffer_release(&stream);
	close(fd);
}
END_TEST

/* Who has a message goes first; when it leaves the queue, the turn of the next may have come. */
START_TEST(test_wait_gives_turns_in_order)
{
	static char large[12 << 10];
	const struct outlet_message message = {
		.type = OUTLET_TEXT, .data = large, .length = sizeof(large)};
	struct outlet_waiter first, second;
	struct buffer got = {0};
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	first = second = harness.waiter;
	memset(large, 'x', sizeof(large));
	fd = connect_subscriber();
	fill(300);
	outlet_forget_waiter(&harness.waiter);
	outlet_await_room(harness.outlet, &second, NULL);
	outlet_await_room(harness.outlet, &first, &message);
	harness_until(&harness, (harness_read(fd, &got, 1000), got.length > 6000));
	ck_assert_uint_eq(harness.rooms, 0); /* enough for the second, but it is not its turn */
	outlet_forget_waiter(&first);
	harness_until(&harness, !second.outlet);
	ck_assert_uint_eq(harness.rooms, 1);
	buffer_release(&got);
	close(fd);
}
END_TEST

/* What will never be delivered is counted for each that should have had it, and told. */
START_TEST(test_losses_are_told)
{
	struct outlet_stats stats;
	int fds[2];

	harness_setup(&harness, "lines");
	harness_open(&harness);
	for (int i = 0; i < 2; i++)
		fds[i] = connect_subscriber();
	outlet_lose(harness.outlet, 1, 7);
	ck_assert(harness_contains(&harness.events,
		"undelivered {\"connection\":\"trades\",\"messages\":7}\n"));
	for (int i = 0; i < 3; i++)
		harness_publish_text(&harness, 0, "unsent");
	ck_assert(outlet_give_up(harness.outlet, UINT64_MAX));
	ck_assert(harness_contains(&harness.events, "undelivered {\"messages\":6}\n"));
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 14 + 6);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* Whole messages in what the subscriber can still read. */
static uint64_t count_lines(int fd)
{
	struct buffer got = {0};
	uint64_t count = 0;

	harness_read(fd, &got, SIZE_MAX);
	for (size_t i = 0; i < got.length; i++)
		count += buffer_data(&got)[i] == '\n';
	buffer_release(&got);
	return count;
}

/* A message of which only a part has been sent is lost, also if it has been overwritten since. */
START_TEST(test_a_part_of_a_message_is_lost)
{
	static const char text[20000];
	struct outlet_stats stats;
	uint64_t published = 0;
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.on_lag = _i ? OUTLET_CLOSE : OUTLET_SKIP;
	harness.settings.ring = 65536;
	harness_open(&harness);
	fd = connect_subscriber();
	while (harness_counts(&harness).lags == 0) {
		ck_assert_uint_lt(++published, 1000);
		harness_publish(&harness, 0, OUTLET_TEXT, text, sizeof(text));
		harness_turn(&harness);
	}
	published -= harness.settings.on_lag == OUTLET_CLOSE; /* the one for which it was dropped */
	ck_assert(outlet_give_up(harness.outlet, UINT64_MAX));
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(count_lines(fd) + stats.counts.lost, published);
	close(fd);
}
END_TEST

/* Giving up on thousands takes more than one go; it is told once. */
START_TEST(test_giving_up_takes_its_time)
{
	int fds[2];

	harness_setup(&harness, "lines");
	harness_open(&harness);
	for (int i = 0; i < 2; i++)
		fds[i] = connect_subscriber();
	harness_publish_text(&harness, 0, "unsent");
	ck_assert(!outlet_give_up(harness.outlet, clock_monotonic()));
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 2);
	ck_assert(!harness_contains(&harness.events, "undelivered"));
	ck_assert(outlet_give_up(harness.outlet, UINT64_MAX));
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 0);
	ck_assert(harness_contains(&harness.events, "undelivered {\"messages\":2}\n"));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* A message that many ready subscribers would lose something for has to wait until they have been
 * offered that, in other turns; who does not read does not count. */
START_TEST(test_many_are_sent_to_before_there_is_room)
{
	enum { READERS = 100, LENGTH = 1000 };
	struct outlet_stats stats;
	int fds[READERS];
	uint64_t count = 0;

	harness_setup(&harness, "lines");
	harness.settings.on_lag = _i ? OUTLET_CLOSE : OUTLET_SKIP;
	harness.settings.ring = 16 << 10;
	harness.settings.max_subscribers = READERS;
	harness_open(&harness);
	for (int i = 0; i < READERS; i++)
		fds[i] = harness_connect(&harness);
	while (publish_if_room(LENGTH))
		ck_assert_uint_lt(++count, 16);
	ck_assert(outlet_has_waiters(harness.outlet));
	harness_until(&harness, harness.rooms == 1);
	ck_assert(publish_if_room(LENGTH));
	for (int i = 0; i < READERS; i++) {
		struct buffer got = {0};

		harness_drain(&harness, fds[i], &got);
		ck_assert_uint_eq(got.length, (count + 1) * (LENGTH + 1));
		buffer_release(&got);
	}
	while (harness_counts(&harness).lags < READERS) /* now nobody reads */
		harness_until(&harness, publish_if_room(LENGTH));
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lags, READERS);
	for (int i = 0; i < READERS; i++)
		close(fds[i]);
}
END_TEST

START_TEST(test_wait_ends_when_it_is_configured_away)
{
	struct error error;
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 8192;
	harness_open(&harness);
	fd = connect_subscriber();
	fill(3000);
	harness.settings.on_lag = OUTLET_SKIP;
	ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	harness_until(&harness, harness.rooms == 1);
	close(fd);
}
END_TEST

Suite *room_suite(void)
{
	Suite *suite = suite_create("room");
	TCase *tests = tcase_create("room");

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, test_wait_does_not_wait_for_the_dead);
	tcase_add_test(tests, test_wait_has_no_room_for_a_large_message_behind_many_small_ones);
	tcase_add_test(tests, test_wait_has_room_for_opening_and_closing);
	tcase_add_test(tests, test_wait_loses_no_message_to_opening_and_closing);
	tcase_add_test(tests, test_wait_gives_turns_in_order);
	tcase_add_test(tests, test_losses_are_told);
	tcase_add_loop_test(tests, test_a_part_of_a_message_is_lost, 0, 2);
	tcase_add_test(tests, test_giving_up_takes_its_time);
	tcase_add_loop_test(tests, test_many_are_sent_to_before_there_is_room, 0, 2);
	tcase_add_test(tests, test_wait_ends_when_it_is_configured_away);
	suite_add_tcase(suite, tests);
	return suite;
}
