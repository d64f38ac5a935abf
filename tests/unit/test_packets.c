#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/packet.h"
#include "outlet/outlet_private.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

static struct harness harness;

static void setup(void)
{
	harness_setup(&harness, "packets");
}

static void teardown(void)
{
	harness_teardown(&harness);
}

static int connect_subscriber(void)
{
	int fd = harness_connect(&harness);

	packet_prepare(fd);
	return fd;
}

/* Message `number`: of a length from 0 to 40, every 16th far longer; every byte tells. */
static size_t numbered_length(unsigned number)
{
	return number % 16 == 15 ? 3000 : number * 7 % 41;
}

static void publish_numbered(unsigned number)
{
	static uint8_t data[3000];

	memset(data, (int)(number % 251), sizeof(data));
	harness_publish(&harness, 0, OUTLET_BINARY, data, numbered_length(number));
}

/* One packet, or -1 when there is none, -2 at the end. */
static ssize_t receive(int fd, void *data, size_t size)
{
	size_t length;
	enum packet_next next = packet_peek(fd, MSG_DONTWAIT, &length);

	if (next == PACKET_END)
		return -2;
	return next == PACKET_NONE ? -1 : recv(fd, data, size, MSG_DONTWAIT | MSG_TRUNC);
}

/* Whether the next packet is that message; whoever has skipped some does not know. */
static bool received_is(const uint8_t *data, ssize_t length, unsigned number)
{
	if (length != (ssize_t)numbered_length(number))
		return false;
	for (ssize_t i = 0; i < length; i++) {
		if (data[i] != number % 251)
			return false;
	}
	return true;
}

/* The number behind that of the first message from `number` on which it is. */
static unsigned find_received(const uint8_t *data, ssize_t length, unsigned number, unsigned end)
{
	while (!received_is(data, length, number)) {
		number++;
		ck_assert_msg(number < end, "%zd bytes are no message", length);
	}
	return number + 1;
}

/* Reads the messages from `number` on, all without a hole. Returns the number behind the last. */
static unsigned expect_in_order(int fd, unsigned number)
{
	uint8_t data[4096];
	ssize_t length;

	while ((length = receive(fd, data, sizeof(data))) >= 0) {
		ck_assert_msg(received_is(data, length, number), "message %u", number);
		number++;
	}
	return number;
}

START_TEST(test_a_message_is_a_packet)
{
	static const char *const messages[] = {"one", "", "", "with\nnewline", ""};
	char data[64];
	int fd;

	harness_open(&harness);
	fd = connect_subscriber();
	harness_publish(&harness, 0, OUTLET_OPENED, "{}", 2);
	for (size_t i = 0; i < 5; i++)
		harness_publish_text(&harness, 0, messages[i]);
	harness_publish(&harness, 0, OUTLET_BINARY, "\0\xff", 2);
	harness_publish(&harness, 0, OUTLET_CLOSED, "{}", 2);
	harness_turn(&harness);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(receive(fd, data, sizeof(data)), (ssize_t)strlen(messages[i]));
		ck_assert_mem_eq(data, messages[i], strlen(messages[i]));
	}
	ck_assert_int_eq(receive(fd, data, sizeof(data)), 2);
	ck_assert_mem_eq(data, "\0\xff", 2);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), -1);
	ck_assert_uint_eq(harness_info(&harness).sent, 3 + 12 + 2);
	harness_drain_outlet(&harness);
	harness_until(&harness, outlet_drained(harness.outlet));
	harness_turn(&harness);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), -2);
	close(fd);
}
END_TEST

/* More than one sendmmsg() takes, and more often than the ring is long. */
START_TEST(test_order_and_whole_batches)
{
	unsigned published = 0, read[2] = {0};
	int fds[2];

	harness_open(&harness);
	fds[0] = connect_subscriber();
	fds[1] = connect_subscriber();
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 200; i++)
			publish_numbered(published++);
		for (int i = 0; i < 2; i++) {
			do {
				harness_turn(&harness);
				read[i] = expect_in_order(fds[i], read[i]);
			} while (read[i] < published);
		}
	}
	ck_assert_uint_eq(harness_counts(&harness).lost, 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_empty_messages_only)
{
	char data[8];
	int fd;

	harness.settings.ring = 4096;
	harness_open(&harness);
	fd = connect_subscriber();
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 100; i++)
			harness_publish(&harness, 0, OUTLET_TEXT, NULL, 0);
		harness_turn(&harness);
		for (int i = 0; i < 100; i++)
			ck_assert_int_eq(receive(fd, data, sizeof(data)), 0);
	}
	ck_assert_int_eq(receive(fd, data, sizeof(data)), -1);
	ck_assert_uint_eq(harness_counts(&harness).lost, 0);
	close(fd);
}
END_TEST

START_TEST(test_oldest)
{
	struct outlet_stats stats;
	unsigned first;
	int fd;

	harness.settings.start = OUTLET_OLDEST;
	harness.settings.ring = 4096;
	harness_open(&harness);
	for (unsigned i = 0; i < 1000; i++)
		publish_numbered(i);
	harness_turn(&harness);
	outlet_stats(harness.outlet, &stats);
	first = (unsigned)stats.oldest - 1;
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_lt(first, 1000);
	fd = connect_subscriber();
	harness_turn(&harness);
	ck_assert_uint_eq(expect_in_order(fd, first), 1000);
	close(fd);
}
END_TEST

/* What is read and what is counted as lost together is all, and what is read is whole. */
START_TEST(test_skip)
{
	enum { MESSAGES = 20000 };
	unsigned count = 0, next = 0;
	uint8_t data[4096];
	ssize_t length;
	int fd;

	harness.settings.ring = 8192;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (unsigned i = 0; i < MESSAGES; i++) {
		publish_numbered(i);
		if (i % 50 == 0)
			harness_turn(&harness);
		if (i % 1000 == 0 && (length = receive(fd, data, sizeof(data))) >= 0) {
			next = find_received(data, length, next, MESSAGES);
			count++;
		}
	}
	do {
		harness_turn(&harness);
		while ((length = receive(fd, data, sizeof(data))) >= 0) {
			next = find_received(data, length, next, MESSAGES);
			count++;
		}
	} while (count + harness_info(&harness).lost < MESSAGES);
	ck_assert_uint_gt(count, 20);
	ck_assert_uint_eq(count + harness_info(&harness).lost, MESSAGES);
	ck_assert(received_is(data, (ssize_t)numbered_length(MESSAGES - 1), MESSAGES - 1));
	ck_assert_uint_gt(harness_info(&harness).lags, 0);
	ck_assert(harness_contains(&harness.events, "lag {\"subscriber\":1,"));
	close(fd);
}
END_TEST

START_TEST(test_close)
{
	unsigned number = 0;
	uint8_t data[4096];
	ssize_t length;
	int fd;

	harness.settings.on_lag = OUTLET_CLOSE;
	harness.settings.ring = 8192;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	for (unsigned i = 0; outlet_subscribers(harness.outlet); i++) {
		ck_assert_uint_lt(i, 100000);
		publish_numbered(i);
		harness_turn(&harness);
	}
	while ((length = receive(fd, data, sizeof(data))) >= 0)
		ck_assert(received_is(data, length, number++));
	ck_assert_int_eq(length, -2);
	ck_assert_uint_gt(number, 0);
	harness_until(&harness, harness_contains(&harness.events, "\"closed\":true}"));
	ck_assert(harness_contains(&harness.events, "\"reason\":\"lagged\""));
	close(fd);
}
END_TEST

/* The outlet's side of the newest client. */
static struct subscriber *newest(void)
{
	struct subscriber_list *reading = &harness.outlet->subscribers.lists[SUBSCRIBER_READING];

	return TAILQ_LAST(reading, subscriber_list);
}

/* Its socket may take more before the loss has been reported, which is what closes it. */
START_TEST(test_close_sends_nothing_after_the_loss)
{
	struct subscriber *subscriber;
	unsigned number = 0, next;
	uint8_t data[4096];
	int fd;

	harness.settings.on_lag = OUTLET_CLOSE;
	harness.settings.ring = 8192;
	harness_open(&harness);
	fd = connect_subscriber();
	subscriber = newest();
	harness_narrow(&harness);
	while (!subscriber->reader.dropped) {
		publish_numbered(number++);
		if (!subscriber->reader.dropped)
			harness_turn(&harness);
	}
	next = expect_in_order(fd, 0);
	ck_assert_uint_lt(next, number);
	subscriber_send(subscriber);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), -1);
	harness_turn(&harness);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), -2);
	ck_assert(harness_contains(&harness.events, "lag {\"subscriber\":1,"));
	ck_assert(harness_contains(&harness.events, "\"reason\":\"lagged\""));
	close(fd);
}
END_TEST

/* Who reads as fast as it is sent to has its turn like others, and gets everything. */
START_TEST(test_so_many_at_a_time)
{
	enum { SO_MANY = 256, ALL = 500 };
	struct subscriber *subscribers[2];
	int fds[2], size = 212992;

	harness.settings.ring = 1 << 20;
	harness_open(&harness);
	for (int i = 0; i < 2; i++) {
		fds[i] = connect_subscriber();
		subscribers[i] = newest();
		setsockopt(subscribers[i]->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	for (int i = 0; i < ALL; i++)
		harness_publish(&harness, 0, OUTLET_BINARY, &i, 1);
	for (int i = 0; i < 2; i++) {
		subscriber_send(subscribers[i]);
		ck_assert_int_eq(subscribers[i]->reader.state, READER_READY);
		ck_assert_uint_eq(subscribers[i]->sent, SO_MANY);
	}
	subscriber_send(subscribers[1]);
	ck_assert_ptr_eq(readers_next(&harness.outlet->subscribers.readers),
		&subscribers[0]->reader);
	harness_until(&harness, subscribers[0]->sent + subscribers[1]->sent == 2 * ALL);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
}
END_TEST

START_TEST(test_wait_is_lossless)
{
	static uint8_t data[3000];
	unsigned published = 0, read = 0;
	int fd;

	harness.settings.on_lag = OUTLET_WAIT;
	harness.settings.ring = 8192;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	while (read < 20000) {
		struct outlet_message message = {.type = OUTLET_BINARY, .data = data};

		for (int i = 0; i < 300 && !harness.waiter.outlet; i++) {
			message.length = numbered_length(published);
			memset(data, (int)(published % 251), message.length);
			if (outlet_offer(harness.outlet, &message))
				published++;
			else
				outlet_await_room(harness.outlet, &harness.waiter, &message);
		}
		harness_turn(&harness);
		read = expect_in_order(fd, read);
	}
	ck_assert_uint_gt(harness.rooms, 0);
	ck_assert_uint_eq(harness_counts(&harness).lost, 0);
	close(fd);
}
END_TEST

/* Its send buffer becomes as large as a message needs. */
START_TEST(test_large_message)
{
	const size_t length = 200000;
	uint8_t *large = alloc_zero(1, length), *data = alloc_zero(1, length);
	int fd;

	harness.settings.ring = 1 << 20;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_narrow(&harness);
	memset(large, 'x', length);
	harness_publish_text(&harness, 0, "before");
	harness_publish(&harness, 0, OUTLET_BINARY, large, length);
	harness_publish_text(&harness, 0, "after");
	harness_turn(&harness);
	ck_assert_int_eq(receive(fd, data, length), 6);
	ck_assert_int_eq(receive(fd, data, length), (ssize_t)length);
	ck_assert_mem_eq(data, large, length);
	ck_assert_int_eq(receive(fd, data, length), 5);
	ck_assert_uint_eq(harness_counts(&harness).lost, 0);
	free(large);
	free(data);
	close(fd);
}
END_TEST

/* More than the kernel takes in one packet from anybody. */
START_TEST(test_too_large_a_message_is_the_only_one_lost)
{
	const size_t length = 48 << 20;
	uint8_t *large = alloc_zero(1, length);
	char data[64], event[128];
	int fd;

	harness.settings.ring = 64 << 20;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_publish_text(&harness, 0, "before");
	harness_publish(&harness, 0, OUTLET_BINARY, large, length);
	harness_publish_text(&harness, 0, "after");
	harness_turn(&harness);
	harness_turn(&harness);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), 6);
	ck_assert_int_eq(receive(fd, data, sizeof(data)), 5);
	ck_assert_uint_eq(harness_info(&harness).lost, 1);
	ck_assert_uint_eq(harness_info(&harness).lags, 0);
	ck_assert_uint_eq(harness_counts(&harness).lost, 1);
	snprintf(event, sizeof(event), "oversize {\"subscriber\":1,\"pid\":%ld,", (long)getpid());
	ck_assert(harness_contains(&harness.events, event));
	ck_assert(harness_contains(&harness.events, ",\"messages\":1,\"length\":50331648}\n"));
	free(large);
	close(fd);
}
END_TEST

static void send_packet(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

START_TEST(test_input)
{
	int fd;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	send_packet(fd, "two\nlines");
	send_packet(fd, "");
	send_packet(fd, "\xff\xfe");
	harness_until(&harness, harness_counts(&harness).inputs == 3);
	harness_expect(&harness.inputs, "-1 text two\nlines\n-1 text \n-1 binary \xff\xfe\n");
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
}
END_TEST

/* Also what was sent right before the end, empty packets among it. */
START_TEST(test_input_before_the_end)
{
	char data[8];
	int fd;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	for (int i = 0; i < 50; i++)
		send_packet(fd, i % 2 ? "" : "x");
	if (_i)
		shutdown(fd, SHUT_WR);
	else
		close(fd);
	harness_until(&harness, harness_counts(&harness).inputs == 50);
	if (_i) {
		harness_turn(&harness);
		ck_assert_uint_eq(outlet_subscribers(harness.outlet), 1);
		harness_publish_text(&harness, 0, "still");
		harness_turn(&harness);
		ck_assert_int_eq(receive(fd, data, sizeof(data)), 5);
		close(fd);
	}
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
	ck_assert_uint_eq(harness_counts(&harness).inputs, 50);
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 0);
}
END_TEST

/* One that has been dropped may still send before it is closed, or end by itself. */
START_TEST(test_no_input_after_the_loss)
{
	struct subscriber *subscriber;
	int fd;

	harness.settings.on_lag = OUTLET_CLOSE;
	harness.settings.ring = 8192;
	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	subscriber = newest();
	harness_narrow(&harness);
	for (unsigned number = 0; !subscriber->reader.dropped; number++) {
		publish_numbered(number);
		if (!subscriber->reader.dropped)
			harness_turn(&harness);
	}
	send_packet(fd, "late");
	if (_i == 1)
		shutdown(fd, SHUT_RDWR);
	if (_i == 2)
		inputs_await(harness.shared, &subscriber->share); /* its turn comes first */
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
	harness_turn(&harness);
	ck_assert(harness_contains(&harness.events, "\"closed\":true}"));
	ck_assert_uint_eq(harness_counts(&harness).inputs, 0);
	close(fd);
}
END_TEST

START_TEST(test_refused_input_comes_again)
{
	int fd;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	harness.refuse = true;
	send_packet(fd, "");
	send_packet(fd, "second");
	harness_until(&harness, harness.refusals == 1);
	harness_turn(&harness);
	outlet_resume_input(harness.outlet);
	harness_turn(&harness);
	ck_assert_uint_eq(harness.refusals, 2);
	ck_assert_uint_eq(harness.inputs.length, 0);
	harness.refuse = false;
	outlet_resume_input(harness.outlet);
	harness_until(&harness, harness_counts(&harness).inputs == 2);
	harness_expect(&harness.inputs, "-1 text \n-1 text second\n");
	close(fd);
}
END_TEST

enum { PACKET_LONGEST = 1 << 20 };

START_TEST(test_longest_input)
{
	char *packet = alloc_zero(1, PACKET_LONGEST + 2);
	int fd, size = 4 * PACKET_LONGEST;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0) {
		close(fd);
		free(packet);
		return; /* the kernel lets nobody but root send as much */
	}
	memset(packet, 'x', PACKET_LONGEST + 1);
	send_packet(fd, packet);
	packet[PACKET_LONGEST] = '\0';
	harness_until(&harness, harness_counts(&harness).input_errors == 1);
	ck_assert(harness_contains(&harness.events,
		"a packet is longer than send_queue permits (1048576 bytes)"));
	send_packet(fd, packet);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	ck_assert_uint_eq(harness.inputs.length, PACKET_LONGEST + 9);
	free(packet);
	close(fd);
}
END_TEST

/* Descriptors that come with a packet are not taken into this process. */
START_TEST(test_descriptors_are_not_taken)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)"x", 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fd, pipes[2];
	char byte;

	harness.settings.writable = true;
	harness_open(&harness);
	fd = connect_subscriber();
	ck_assert_int_eq(pipe(pipes), 0);
	control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &pipes[1], sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &message, 0), 1);
	close(pipes[1]);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	ck_assert_int_eq(read(pipes[0], &byte, 1), 0); /* nobody has the other end any more */
	close(pipes[0]);
	close(fd);
}
END_TEST

START_TEST(test_vanishing_with_unread_packets)
{
	int fd;

	harness.settings.writable = _i;
	harness_open(&harness);
	fd = connect_subscriber();
	harness_publish_text(&harness, 0, "unread");
	harness_publish_text(&harness, 0, "");
	harness_turn(&harness);
	close(fd);
	harness_until(&harness,
		harness_contains(&harness.events, "\"reason\":\"left\",\"sent\":6,\"lost\":0}"));
}
END_TEST

Suite *packets_suite(void)
{
	Suite *suite = suite_create("packets");
	TCase *tests = tcase_create("packets");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_a_message_is_a_packet);
	tcase_add_test(tests, test_order_and_whole_batches);
	tcase_add_test(tests, test_empty_messages_only);
	tcase_add_test(tests, test_oldest);
	tcase_add_test(tests, test_skip);
	tcase_add_test(tests, test_close);
	tcase_add_test(tests, test_close_sends_nothing_after_the_loss);
	tcase_add_test(tests, test_so_many_at_a_time);
	tcase_add_test(tests, test_wait_is_lossless);
	tcase_add_test(tests, test_large_message);
	tcase_add_test(tests, test_too_large_a_message_is_the_only_one_lost);
	tcase_add_test(tests, test_input);
	tcase_add_loop_test(tests, test_input_before_the_end, 0, 2);
	tcase_add_loop_test(tests, test_no_input_after_the_loss, 0, 3);
	tcase_add_test(tests, test_refused_input_comes_again);
	tcase_add_test(tests, test_longest_input);
	tcase_add_test(tests, test_descriptors_are_not_taken);
	tcase_add_loop_test(tests, test_vanishing_with_unread_packets, 0, 2);
	suite_add_tcase(suite, tests);
	return suite;
}
