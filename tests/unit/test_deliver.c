#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* A text whose length and content follow from its number. */
static size_t numbered_text(char *text, uint64_t number, size_t largest)
{
	size_t length = (size_t)(number * 7919 % largest);

	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + (number + i) % 26);
	return length;
}

static void publish_numbered(uint64_t number, size_t largest)
{
	char text[1 << 15];

	harness_publish(&harness, (unsigned)(number % 2), OUTLET_TEXT, text,
		numbered_text(text, number, largest));
}

/* What a subscriber has learned from its stream. */
struct account {
	uint64_t next; /* number expected; 0: any */
	uint64_t received;
	uint64_t lost;
	uint64_t gaps;
};

static void account_message(struct account *account, uint64_t seq, const char *data, size_t length,
	size_t largest)
{
	char text[1 << 15];

	ck_assert_msg((!account->next || seq == account->next) &&
			length == numbered_text(text, seq, largest) &&
			memcmp(data, text, length) == 0,
		"record %llu where %llu should be, or not as it was published",
		(unsigned long long)seq, (unsigned long long)account->next);
	account->next = seq + 1;
	account->received++;
}

static void account_gap(struct account *account, uint64_t from, uint64_t to)
{
	ck_assert_uint_eq(from, account->next);
	ck_assert_uint_ge(to, from);
	account->lost += to - from + 1;
	account->next = to + 1;
	account->gaps++;
}

static uint64_t json_number(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* Takes every record of the stream off; fails on a torn one. */
static void account_json(struct account *account, struct buffer *stream, size_t largest)
{
	const char *end;

	while (stream->length && (end = memchr(buffer_data(stream), '\n', stream->length))) {
		size_t length = (size_t)(end + 1 - (const char *)buffer_data(stream));
		json_t *object = json_loadb((const char *)buffer_data(stream), length, 0, NULL);
		const json_t *data = json_object_get(object, "data");

		ck_assert_msg(object != NULL, "torn: %.*s", (int)length,
			(const char *)buffer_data(stream));
		if (data) {
			account_message(account, json_number(object, "seq"),
				json_string_value(data), json_string_length(data), largest);
		} else {
			uint64_t from = json_number(object, "from");
			uint64_t to = json_number(object, "to");

			ck_assert_str_eq(json_string_value(json_object_get(object, "type")), "gap");
			ck_assert_uint_eq(to - from + 1, json_number(object, "lost"));
			account_gap(account, from, to);
		}
		json_decref(object);
		buffer_consume(stream, length);
	}
}

static void account_frames(struct account *account, struct buffer *stream, size_t largest)
{
	struct frames_header header;
	struct frames_gap gap;

	while (stream->length >= sizeof(header)) {
		const char *payload = (const char *)buffer_data(stream) + sizeof(header);

		memcpy(&header, buffer_data(stream), sizeof(header));
		ck_assert_uint_ge(header.size, sizeof(header) + header.length);
		ck_assert_uint_lt(header.size, 1 << 20);
		if (stream->length < header.size)
			return;
		if (header.type == FRAMES_TEXT) {
			ck_assert_uint_eq(header.connection, header.seq % 2);
			account_message(account, header.seq, payload, header.length, largest);
		} else if (header.type == FRAMES_GAP) {
			memcpy(&gap, payload, sizeof(gap));
			account_gap(account, gap.from, gap.to);
			ck_assert_uint_eq(header.seq, gap.to);
		} else {
			ck_assert_uint_eq(header.type, FRAMES_HELLO);
			account->next = header.seq;
		}
		buffer_consume(stream, header.size);
	}
}

static void account_stream(struct account *account, struct buffer *stream, size_t largest)
{
	if (harness_is(&harness, "json"))
		account_json(account, stream, largest);
	else
		account_frames(account, stream, largest);
}

static int connect_subscriber(void)
{
	return harness_is(&harness, "frames")
		? harness_join(&harness, FRAMES_START_DEFAULT, FRAMES_MODE_BYTES, 0)
		: harness_connect(&harness);
}

/* Publishes as a well-behaved owner: only when asked for room it is there. */
static bool publish_with_room(uint64_t number, size_t largest)
{
	static char text[1 << 15];
	struct outlet_message message = {
		.type = OUTLET_TEXT,
		.source = (unsigned)(number % 2),
		.data = text,
		.length = numbered_text(text, number, largest),
	};

	if (outlet_has_room(harness.outlet, &message)) {
		outlet_publish(harness.outlet, &message);
		return true;
	}
	outlet_forget_waiter(&harness.waiter);
	outlet_await_room(harness.outlet, &harness.waiter, &message);
	return false;
}

START_TEST(test_all_subscribers_get_all)
{
	int a, b;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	a = harness_connect(&harness);
	b = harness_connect(&harness);
	harness_publish_text(&harness, 0, "one");
	harness_publish_text(&harness, 1, "two");
	harness_publish(&harness, 0, OUTLET_OPENED, "{}", 2);
	harness_expect_read(&harness, a, "one\ntwo\n");
	harness_expect_read(&harness, b, "one\ntwo\n");
	close(a);
	harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	harness_publish_text(&harness, 0, "three");
	harness_expect_read(&harness, b, "three\n");
	close(b);
}
END_TEST

START_TEST(test_batch_is_one_send)
{
	char packet[64];
	int pair[2], client;

	/* A socket that keeps the boundaries of what is sent shows how often that is. */
	harness_setup(&harness, "lines");
	harness_open(&harness);
	client = harness_connect(&harness);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	dup2(pair[0], harness.accepted);
	harness_publish_text(&harness, 0, "one");
	harness_publish_text(&harness, 0, "two");
	harness_turn(&harness);
	ck_assert_int_eq(recv(pair[1], packet, sizeof(packet), 0), 8);
	ck_assert_mem_eq(packet, "one\ntwo\n", 8);
	close(pair[0]);
	close(pair[1]);
	close(client);
}
END_TEST

START_TEST(test_nothing_is_encoded_for_nobody)
{
	harness_setup(&harness, "lines");
	harness_open(&harness);
	harness_publish_text(&harness, 0, "nobody hears this");
	ck_assert_uint_eq(harness_counts(&harness).bytes, 0);
}
END_TEST

START_TEST(test_live_starts_now)
{
	struct outlet_stats stats;
	int fd;

	harness_setup(&harness, "json");
	harness_open(&harness);
	harness_publish_text(&harness, 0, "before");
	fd = harness_connect(&harness);
	harness_publish_text(&harness, 0, "after");
	harness_expect_read(&harness, fd,
		"{\"seq\":2,\"time\":\"2025-11-22T18:17:53.000001Z\",\"connection\":\"ticker\","
		"\"type\":\"text\",\"data\":\"after\"}\n");
	close(fd);
	harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	harness_publish_text(&harness, 0, "nobody hears this");
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.messages, 3);
	ck_assert_uint_eq(stats.oldest, 4);
	ck_assert_uint_eq(stats.subscribers, 0);
	ck_assert_uint_eq(stats.counts.accepted, 1);
}
END_TEST

/* A ring forgets a little more than it has to, at most a part in 32. */
START_TEST(test_oldest_starts_with_history)
{
	struct buffer got = {0};
	char first[17];
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.start = OUTLET_OLDEST;
	harness.settings.ring = 4096;
	harness_open(&harness);
	for (int i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%015d", i);
		harness_publish_text(&harness, 0, text);
	}
	fd = harness_connect(&harness);
	harness_drain(&harness, fd, &got);
	ck_assert_uint_le(got.length, 4096);
	ck_assert_uint_ge(got.length, 4096 - 4096 / 32);
	snprintf(first, sizeof(first), "%015zu\n", 1000 - got.length / 16);
	ck_assert_mem_eq(buffer_data(&got), first, 16);
	ck_assert_mem_eq(buffer_data(&got) + got.length - 16, "000000000000999\n", 16);
	buffer_release(&got);
	close(fd);
}
END_TEST

/*
 * A subscriber that reads now and then a bit, from a socket that holds little, is lapped in the
 * middle of records, again and again: no record is torn, each is there or accounted for.
 */
START_TEST(test_skip)
{
	static const struct {
		const char *format;
		size_t largest;
	} cases[] = {{"json", 100}, {"json", 9000}, {"frames", 100}, {"frames", 9000},
		{"frames", 30000}};
	size_t largest = cases[_i].largest;
	struct account account = {.next = 1};
	struct buffer stream = {0};
	struct outlet_stats stats;
	int fd;

	srand(11);
	harness_setup(&harness, cases[_i].format);
	harness.settings.ring = 32 << 10;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (uint64_t number = 1; number <= 20000; number++) {
		publish_numbered(number, largest);
		if (rand() % 8 == 0)
			harness_turn(&harness);
		if (rand() % 64 == 0)
			harness_read(fd, &stream, (size_t)rand() % 3000);
		account_stream(&account, &stream, largest);
	}
	harness_drain(&harness, fd, &stream);
	account_stream(&account, &stream, largest);
	ck_assert_uint_eq(stream.length, 0);
	ck_assert_uint_eq(account.next, 20001);
	ck_assert_uint_gt(account.gaps, 10);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, account.lost);
	ck_assert_uint_ge(stats.counts.lags, account.gaps);
	ck_assert_uint_eq(account.received + account.lost, 20000);
	ck_assert(harness_contains(&harness.events, "lag {\"subscriber\":1,"));
	buffer_release(&stream);
	close(fd);
}
END_TEST

/* What is set aside for a subscriber that never reads does not grow with time. */
START_TEST(test_never_reads)
{
	struct account account = {.next = 1};
	struct buffer stream = {0};
	struct outlet_stats stats;
	int fd;

	harness_setup(&harness, "json");
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (uint64_t number = 1; number <= 20000; number++) {
		publish_numbered(number, 300);
		if (number % 16 == 0)
			harness_turn(&harness);
		ck_assert_uint_lt(harness_info(&harness).behind, (16 << 10) + 2048);
	}
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lags, 1);
	ck_assert_uint_gt(stats.counts.lost, 19000);
	harness_drain(&harness, fd, &stream);
	account_stream(&account, &stream, 300);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, account.lost);
	ck_assert_uint_eq(account.received + account.lost, 20000);
	ck_assert_uint_eq(account.gaps, 1);
	buffer_release(&stream);
	close(fd);
}
END_TEST

/* Several that are lapped in the middle of one record all get its rest. */
START_TEST(test_the_rest_of_a_record_is_for_all)
{
	enum { READERS = 3 };
	struct account accounts[READERS] = {{.next = 1}, {.next = 1}, {.next = 1}};
	struct buffer stream = {0};
	int fds[READERS];

	harness_setup(&harness, "json");
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	for (int i = 0; i < READERS; i++) {
		fds[i] = connect_subscriber();
		harness_narrow(&harness);
	}
	for (uint64_t number = 1; number <= 100; number++) {
		publish_numbered(number, 8000);
		harness_turn(&harness);
	}
	for (int i = 0; i < READERS; i++) {
		harness_drain(&harness, fds[i], &stream);
		account_stream(&accounts[i], &stream, 8000);
		ck_assert_uint_eq(accounts[i].received + accounts[i].lost, 100);
		ck_assert_uint_gt(accounts[i].lost, 0);
		close(fds[i]);
	}
	buffer_release(&stream);
}
END_TEST

/* Who was lapped before loses nothing any more once the outlet waits. */
START_TEST(test_lapped_before_the_outlet_waits)
{
	struct account account = {.next = 1};
	struct buffer stream = {0};
	struct outlet_stats stats;
	struct error error;
	uint64_t number;
	int fd;

	harness_setup(&harness, "frames");
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (number = 1; number <= 1000; number++)
		publish_numbered(number, 300);
	harness.settings.on_lag = OUTLET_WAIT;
	ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	outlet_stats(harness.outlet, &stats);
	for (; publish_with_room(number, 300); number++)
		harness_turn(&harness);
	ck_assert_uint_gt(number, 1001);
	outlet_forget_waiter(&harness.waiter);
	harness_drain(&harness, fd, &stream);
	account_stream(&account, &stream, 300);
	ck_assert_uint_gt(stats.counts.lost, 0);
	ck_assert_uint_eq(account.lost, stats.counts.lost);
	ck_assert_uint_eq(account.received + account.lost, number - 1);
	buffer_release(&stream);
	close(fd);
}
END_TEST

START_TEST(test_close_after_the_record)
{
	struct account account = {.next = 1};
	struct buffer stream = {0};
	int fd;

	harness_setup(&harness, "json");
	harness.settings.on_lag = OUTLET_CLOSE;
	harness.settings.ring = 16 << 10;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (uint64_t number = 1; !harness_contains(&harness.events, "lag "); number++) {
		ck_assert_uint_lt(number, 100000);
		publish_numbered(number, 9000);
		harness_turn(&harness);
	}
	harness_expect_end(&harness, fd, &stream);
	account_stream(&account, &stream, 9000);
	ck_assert_uint_eq(stream.length, 0);
	ck_assert_uint_gt(account.received, 0);
	ck_assert_uint_eq(account.gaps, 0);
	harness_until(&harness, harness_contains(&harness.events, "\"reason\":\"lagged\""));
	ck_assert(harness_contains(&harness.events, "\"closed\":true"));
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 0);
	buffer_release(&stream);
}
END_TEST

/* One slow and two quick ones, and one that comes and goes: all get everything, in order. */
START_TEST(test_wait_is_lossless)
{
	enum { READERS = 3, MESSAGES = 5000 };
	static const size_t sizes[] = {2, 300, 20000};
	size_t largest = sizes[_i];
	struct account accounts[READERS] = {{.next = 1}, {.next = 1}, {.next = 1}};
	struct buffer streams[READERS] = {{0}};
	struct outlet_stats stats;
	unsigned refusals = 0;
	int fds[READERS];

	srand(5);
	harness_setup(&harness, "frames");
	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 32 << 10;
	harness_open(&harness);
	for (int i = 0; i < READERS; i++) {
		fds[i] = connect_subscriber();
		harness_narrow(&harness);
	}
	for (uint64_t number = 1; number <= MESSAGES;) {
		unsigned rooms = harness.rooms;

		while (number <= MESSAGES && publish_with_room(number, largest))
			number++;
		refusals += number <= MESSAGES;
		for (int idle = 0; number <= MESSAGES && harness.rooms == rooms; idle++) {
			ck_assert_int_lt(idle, 100000);
			harness_turn(&harness);
			for (int i = 0; i < READERS; i++) {
				size_t limit = i ? SIZE_MAX : 1 + (size_t)rand() % 999;

				harness_read(fds[i], &streams[i], limit);
				account_stream(&accounts[i], &streams[i], largest);
			}
		}
	}
	for (int i = 0; i < READERS; i++) {
		harness_drain(&harness, fds[i], &streams[i]);
		account_stream(&accounts[i], &streams[i], largest);
		ck_assert_uint_eq(accounts[i].received, MESSAGES);
		ck_assert_uint_eq(accounts[i].gaps, 0);
		buffer_release(&streams[i]);
		close(fds[i]);
	}
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 0);
	ck_assert(!stats.waiting);
	ck_assert_uint_gt(refusals, 2);
	ck_assert_uint_eq(harness.rooms, refusals);
}
END_TEST

START_TEST(test_sizes_around_the_ring)
{
	static char text[5000];
	struct buffer got = {0};
	struct outlet_stats stats;
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.ring = 4096;
	harness_open(&harness);
	fd = connect_subscriber();
	memset(text, 'x', sizeof(text));
	harness_publish(&harness, 0, OUTLET_TEXT, "small", 5);
	harness_publish(&harness, 0, OUTLET_TEXT, text, 4095); /* fills it to the last byte */
	harness_publish(&harness, 0, OUTLET_TEXT, text, 4096); /* one too many */
	harness_publish(&harness, 0, OUTLET_TEXT, text, 4095);
	harness_drain(&harness, fd, &got);
	ck_assert_uint_eq(got.length, 6 + 4096 + 4096);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.oversize, 1);
	ck_assert_uint_eq(stats.counts.lost, 0);
	ck_assert(harness_contains(&harness.events,
		"oversize {\"messages\":1,\"length\":4096,\"ring\":4096}\n"));
	buffer_release(&got);
	close(fd);
}
END_TEST

START_TEST(test_oversize_is_shown_as_a_gap)
{
	static char text[5000];
	int fd;

	harness_setup(&harness, "json");
	harness.settings.ring = 4096;
	harness_open(&harness);
	fd = connect_subscriber();
	memset(text, 'x', sizeof(text));
	harness_publish(&harness, 0, OUTLET_TEXT, text, sizeof(text));
	harness_publish_text(&harness, 0, "next");
	harness_expect_read(&harness, fd,
		"{\"type\":\"gap\",\"lost\":1,\"from\":1,\"to\":1}\n"
		"{\"seq\":2,\"time\":\"2025-11-22T18:17:53.000001Z\",\"connection\":\"ticker\","
		"\"type\":\"text\",\"data\":\"next\"}\n");
	close(fd);
}
END_TEST

/* Publishes while no memory can be had for the ring: no descriptor is free for it. */
static void publish_without_ring(unsigned count)
{
	struct rlimit limit, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (unsigned i = 0; i < count; i++)
		harness_publish_text(&harness, 0, "lost");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* An outlet that waits lets nobody in before it has a ring. */
START_TEST(test_without_memory_for_the_ring)
{
	struct outlet_stats stats;
	int fd;

	harness_setup(&harness, "json");
	harness_open(&harness);
	fd = connect_subscriber();
	publish_without_ring(3);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 3);
	harness_expect_read(&harness, fd, "{\"type\":\"gap\",\"lost\":3,\"from\":1,\"to\":3}\n");
	publish_without_ring(1);
	harness_publish_text(&harness, 0, "next");
	harness_expect_read(&harness, fd,
		"{\"type\":\"gap\",\"lost\":1,\"from\":4,\"to\":4}\n"
		"{\"seq\":5,\"time\":\"2025-11-22T18:17:53.000001Z\",\"connection\":\"ticker\","
		"\"type\":\"text\",\"data\":\"next\"}\n");
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 4);
	close(fd);
}
END_TEST

START_TEST(test_close_without_memory_for_the_ring)
{
	struct outlet_stats stats;
	struct buffer stream = {0};
	int fd;

	harness_setup(&harness, "json");
	harness.settings.on_lag = OUTLET_CLOSE;
	harness_open(&harness);
	fd = connect_subscriber();
	publish_without_ring(1);
	harness_expect_end(&harness, fd, &stream);
	ck_assert_uint_eq(stream.length, 0);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 1);
	buffer_release(&stream);
}
END_TEST

START_TEST(test_vanishing_in_the_middle_of_a_record)
{
	struct buffer stream = {0};
	int fd, other;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	other = connect_subscriber();
	fd = connect_subscriber();
	harness_narrow(&harness);
	publish_numbered(1, 30000);
	publish_numbered(3, 30000);
	harness_turn(&harness);
	ck_assert_uint_gt(harness_info(&harness).behind, 0);
	harness_read(fd, &stream, 100);
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 1);
	buffer_clear(&stream);
	harness_drain(&harness, other, &stream);
	ck_assert_uint_eq(stream.length, 7919 + 1 + 3 * 7919 + 1);
	buffer_release(&stream);
	close(other);
}
END_TEST

/* With what it was sent still unread, the kernel says so as an error, not as an end. */
START_TEST(test_vanishing_with_unread_data)
{
	int fd;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	fd = connect_subscriber();
	harness_publish_text(&harness, 0, "unread");
	harness_turn(&harness);
	close(fd);
	harness_until(&harness,
		harness_contains(&harness.events, "\"reason\":\"left\",\"sent\":7,\"lost\":0}"));
}
END_TEST

START_TEST(test_half_close_is_no_end)
{
	int fd;

	harness_setup(&harness, "lines");
	harness.settings.writable = _i;
	harness_open(&harness);
	fd = connect_subscriber();
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	harness_turn(&harness);
	harness_turn(&harness);
	harness_publish_text(&harness, 0, "still here");
	harness_expect_read(&harness, fd, "still here\n");
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 1);
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
}
END_TEST

START_TEST(test_flood_stays_in_the_socket)
{
	static char flood[1 << 16];
	int fd;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	fd = connect_subscriber();
	for (int i = 0; i < 1000; i++) {
		send(fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL);
		harness_turn(&harness);
	}
	ck_assert_int_lt(send(fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL), 0);
	harness_publish_text(&harness, 0, "calm");
	harness_expect_read(&harness, fd, "calm\n");
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
}
END_TEST

START_TEST(test_max_subscribers)
{
	struct buffer got = {0};
	struct outlet_stats stats;
	int a, b, c;

	harness_setup(&harness, "lines");
	harness.settings.max_subscribers = 2;
	harness_open(&harness);
	a = harness_connect(&harness);
	b = harness_connect(&harness);
	c = harness_connect(&harness);
	harness_expect_end(&harness, c, &got);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.refused, 1);
	ck_assert_uint_eq(stats.subscribers, 2);
	close(a);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 1);
	a = harness_connect(&harness);
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 2);
	close(a);
	close(b);
	buffer_release(&got);
}
END_TEST

START_TEST(test_drain)
{
	struct account account = {.next = 1};
	struct buffer stream = {0};
	struct stat status;
	int slow, quick;

	harness_setup(&harness, "json");
	harness_open(&harness);
	slow = connect_subscriber();
	harness_narrow(&harness);
	quick = connect_subscriber();
	for (uint64_t number = 1; number <= 50; number++)
		publish_numbered(number, 1000);
	harness_drain_outlet(&harness);
	ck_assert_int_lt(stat(harness.path, &status), 0);
	harness_expect_end(&harness, quick, &stream);
	ck_assert(!outlet_drained(harness.outlet));
	buffer_clear(&stream);
	harness_expect_end(&harness, slow, &stream);
	account_stream(&account, &stream, 1000);
	ck_assert_uint_eq(account.received, 50);
	ck_assert(outlet_drained(harness.outlet));
	harness_turn(&harness);
	ck_assert(harness_contains(&harness.events, "\"reason\":\"drained\""));
	buffer_release(&stream);
}
END_TEST

/* The socket is moved away, and something else stands where it was. */
static void replace_path_by_link(const char *path)
{
	char moved[128];

	snprintf(moved, sizeof(moved), "%s.moved", path);
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
}

static void put_path_back(const char *path)
{
	char moved[128];

	snprintf(moved, sizeof(moved), "%s.moved", path);
	ck_assert_int_eq(rename(moved, path), 0);
}

START_TEST(test_reconfigure)
{
	struct outlet_settings changed;
	struct error error;
	struct stat status;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	changed = harness.settings;
	changed.format = harness_format("json");
	ck_assert(!outlet_reconfigure(harness.outlet, &changed, &error));
	ck_assert_str_eq(error.text, "outlet 'test': its format cannot change while it is in use");
	changed = harness.settings;
	changed.ring *= 2;
	ck_assert(!outlet_reconfigure(harness.outlet, &changed, &error));
	changed = harness.settings;
	changed.start = OUTLET_OLDEST;
	changed.mode = 0640;
	replace_path_by_link(harness.path);
	ck_assert(!outlet_reconfigure(harness.outlet, &changed, &error));
	ck_assert_int_eq(outlet_settings(harness.outlet)->start, OUTLET_LIVE);
	put_path_back(harness.path);
	ck_assert(outlet_reconfigure(harness.outlet, &changed, &error));
	ck_assert_int_eq(outlet_settings(harness.outlet)->start, OUTLET_OLDEST);
	ck_assert_int_eq(stat(harness.path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0640);
	harness_publish_text(&harness, 0, "kept");
	ck_assert_uint_gt(harness_counts(&harness).bytes, 0);
}
END_TEST

static void collect(const struct outlet_subscriber_info *info, void *context)
{
	struct outlet_subscriber_info **to = context;

	*(*to)++ = *info;
}

START_TEST(test_each_subscriber)
{
	struct outlet_subscriber_info infos[2], *end = infos;
	int slow, quick;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	slow = connect_subscriber();
	harness_narrow(&harness);
	quick = connect_subscriber();
	for (uint64_t number = 0; number < 50; number++)
		publish_numbered(number, 1000);
	harness_turn(&harness);
	outlet_each_subscriber(harness.outlet, collect, &end);
	ck_assert_ptr_eq(end, infos + 2);
	ck_assert_uint_eq(infos[0].id, 1);
	ck_assert_int_eq(infos[0].pid, getpid());
	ck_assert_uint_eq(infos[0].uid, getuid());
	ck_assert_uint_gt(infos[0].behind, 0);
	ck_assert_uint_eq(infos[0].sent + infos[0].behind, harness_counts(&harness).bytes);
	ck_assert_uint_eq(infos[1].id, 2);
	ck_assert_uint_eq(infos[1].behind, 0);
	ck_assert_uint_eq(infos[1].sent, harness_counts(&harness).bytes);
	close(slow);
	close(quick);
}
END_TEST

START_TEST(test_the_owner_is_told_of_the_first_and_the_last)
{
	int first, second;

	harness_setup(&harness, "frames"); /* without a hello it counts all the same */
	harness_open(&harness);
	first = harness_connect(&harness);
	harness_until(&harness, harness.attended.length);
	second = harness_connect(&harness);
	close(first);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 1);
	harness_turn(&harness);
	harness_expect(&harness.attended, "1 ");
	close(second);
	harness_until(&harness, harness.attended.length > 2);
	first = harness_connect(&harness);
	harness_until(&harness, harness.attended.length > 4);
	harness_expect(&harness.attended, "1 0 1 ");
	close(first);
}
END_TEST

Suite *deliver_suite(void)
{
	Suite *suite = suite_create("deliver");
	TCase *tests = tcase_create("deliver");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, test_all_subscribers_get_all);
	tcase_add_test(tests, test_batch_is_one_send);
	tcase_add_test(tests, test_nothing_is_encoded_for_nobody);
	tcase_add_test(tests, test_live_starts_now);
	tcase_add_test(tests, test_oldest_starts_with_history);
	tcase_add_loop_test(tests, test_skip, 0, 5);
	tcase_add_test(tests, test_never_reads);
	tcase_add_test(tests, test_the_rest_of_a_record_is_for_all);
	tcase_add_test(tests, test_lapped_before_the_outlet_waits);
	tcase_add_test(tests, test_close_after_the_record);
	tcase_add_loop_test(tests, test_wait_is_lossless, 0, 3);
	tcase_add_test(tests, test_sizes_around_the_ring);
	tcase_add_test(tests, test_oversize_is_shown_as_a_gap);
	tcase_add_test(tests, test_vanishing_in_the_middle_of_a_record);
	tcase_add_test(tests, test_vanishing_with_unread_data);
	tcase_add_loop_test(tests, test_half_close_is_no_end, 0, 2);
	tcase_add_test(tests, test_flood_stays_in_the_socket);
	tcase_add_test(tests, test_without_memory_for_the_ring);
	tcase_add_test(tests, test_close_without_memory_for_the_ring);
	tcase_add_test(tests, test_max_subscribers);
	tcase_add_test(tests, test_drain);
	tcase_add_test(tests, test_reconfigure);
	tcase_add_test(tests, test_each_subscriber);
	tcase_add_test(tests, test_the_owner_is_told_of_the_first_and_the_last);
	suite_add_tcase(suite, tests);
	return suite;
}
