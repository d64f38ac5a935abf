#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "client/frame.h"
#include "client_harness.h"

enum { RING = 4096 };

static struct fake fake;
static struct writer writer;
static struct wsgate *gate;

static void setup(void)
{
	fake_setup(&fake);
	writer_open(&writer, RING);
}

static void teardown(void)
{
	wsgate_close(gate);
	writer_close(&writer);
	fake_teardown(&fake);
}

static void open_ring(enum wsgate_mode mode, bool in_place)
{
	struct wsgate_options options = WSGATE_OPTIONS_INIT;

	options.mode = (int)mode;
	options.in_place = in_place;
	fake_answer_ring(&fake, &writer);
	gate = fake_open_well(&fake, options);
}

/* Payloads of `length` bytes up to and including record `last`. */
static void publish_until(uint64_t last, size_t length)
{
	static const uint8_t payload[RING];

	while (writer.next <= last)
		writer_publish(&writer, FRAMES_BINARY, 0, payload, length);
}

static void expect_binary(uint64_t seq)
{
	const struct wsgate_record *record;

	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_BINARY);
	ck_assert_uint_eq(record->seq, seq);
}

/* 0: payloads are copied, 1: in place. */
START_TEST(test_records)
{
	publish_until(1234, 40); /* the ring has gone round many times */
	open_ring(WSGATE_MODE_RING, _i);
	ck_assert_uint_eq(fake.hellos[0].mode, FRAMES_MODE_RING);
	expect_result(gate, WSGATE_AGAIN);
	for (int i = 0; i < 200; i++) {
		uint64_t seq = writer.next;

		writer_publish_text(&writer, "one");
		writer_publish_text(&writer, "");
		expect_text(gate, seq, "one");
		ck_assert_int_eq(wsgate_intact(gate), 1);
		expect_text(gate, seq + 1, "");
		expect_result(gate, WSGATE_AGAIN);
	}
	ck_assert_uint_eq(wsgate_counts(gate)->records, 400);
	ck_assert_uint_eq(wsgate_counts(gate)->lost, 0);
}
END_TEST

START_TEST(test_a_record_as_large_as_the_ring)
{
	open_ring(WSGATE_MODE_RING, _i);
	publish_until(1, 100);
	expect_binary(1);
	publish_until(2, RING - FRAMES_HEADER_SIZE);
	expect_binary(2);
	ck_assert_int_eq(wsgate_intact(gate), 1);
}
END_TEST

START_TEST(test_names)
{
	const struct wsgate_record *record;
	uint32_t connection;

	open_ring(WSGATE_MODE_RING, _i);
	writer_publish_text(&writer, "one");
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_str_eq(record->name, "ticker");

	writer_publish(&writer, FRAMES_NAME, 5, "in the ring", 11);
	writer_publish(&writer, FRAMES_TEXT, 5, "two", 3);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_str_eq(record->name, "in the ring");

	fake_send(&fake, FRAMES_NAME, 3, 6, "by socket", 9);
	writer_publish(&writer, FRAMES_TEXT, 6, "three", 5);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_str_eq(record->name, "by socket");
	ck_assert_int_eq(wsgate_find(gate, "by socket", &connection), WSGATE_OK);
	ck_assert_uint_eq(connection, 6);

	for (int i = 0; i < 3; i++) {
		writer_publish(&writer, FRAMES_TEXT, 1, "of a connection that is gone", 28);
		ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
		ck_assert_ptr_null(record->name);
	}
}
END_TEST

/* The name of a connection that has just been added comes right behind the daemon's answer. */
START_TEST(test_a_name_behind_the_answer)
{
	const struct wsgate_record *record;

	fake.answers[0].name = "new";
	open_ring(WSGATE_MODE_RING, false);
	writer_publish(&writer, FRAMES_TEXT, 7, "one", 3);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_str_eq(record->name, "new");
}
END_TEST

/* Of records of 100 bytes, 136 with header and padding, 30 lie in the ring. */
START_TEST(test_lapped)
{
	const struct wsgate_record *record;
	uint64_t found;

	open_ring(WSGATE_MODE_RING, _i);
	publish_until(10, 100);
	expect_binary(1);
	publish_until(200, 100);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_GAP);
	ck_assert_uint_eq(record->from, 2);
	found = record->to + 1;
	ck_assert_uint_gt(found, 200 - 30);
	ck_assert_uint_le(found, 200);
	for (uint64_t seq = found; seq <= 200; seq++)
		expect_binary(seq);
	expect_result(gate, WSGATE_AGAIN);
	ck_assert_uint_eq(wsgate_counts(gate)->lost + wsgate_counts(gate)->records, 200);
	ck_assert_uint_eq(wsgate_counts(gate)->gaps, 1);
}
END_TEST

START_TEST(test_in_place_and_overwritten)
{
	const struct wsgate_record *record;

	open_ring(WSGATE_MODE_RING, true);
	publish_until(1, 100);
	expect_binary(1);
	ck_assert_uint_eq(wsgate_position(gate), 1);
	publish_until(100, 100);
	ck_assert_int_eq(wsgate_intact(gate), 0);
	ck_assert_int_eq(wsgate_intact(gate), 0);
	ck_assert_uint_eq(wsgate_position(gate), 0);
	ck_assert_uint_eq(wsgate_counts(gate)->records, 0);
	ck_assert_int_eq(wsgate_next(gate, &record, 0), WSGATE_OK);
	ck_assert_uint_eq(record->type, WSGATE_GAP);
	ck_assert_uint_eq(record->from, 1);
	ck_assert_int_eq(wsgate_intact(gate), 1);
	while (wsgate_next(gate, &record, 0) == WSGATE_OK)
		ck_assert_int_eq(wsgate_intact(gate), 1);
	ck_assert_uint_eq(wsgate_counts(gate)->lost + wsgate_counts(gate)->records, 100);
}
END_TEST

/* Of a message that was larger than the ring there is nothing but a hole in the numbers. */
START_TEST(test_skipped)
{
	open_ring(WSGATE_MODE_RING, _i);
	writer_publish_text(&writer, "one");
	writer_skip(&writer);
	writer_skip(&writer);
	expect_result(gate, WSGATE_AGAIN); /* "one" has gone with it */
	writer_publish_text(&writer, "four");
	expect_gap(gate, 1, 3);
	expect_text(gate, 4, "four");
	writer_skip(&writer);
	expect_result(gate, WSGATE_AGAIN);
	writer_publish_text(&writer, "six");
	expect_gap(gate, 5, 5);
	expect_text(gate, 6, "six");
}
END_TEST

START_TEST(test_the_end_comes_behind_the_ring)
{
	open_ring(WSGATE_MODE_RING, _i);
	expect_result(gate, WSGATE_AGAIN);
	writer_publish_text(&writer, "one");
	writer_publish_text(&writer, "two");
	fake_send(&fake, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, "enough", 6);
	fake_hang_up(&fake);
	wsgate_fd(gate); /* so that each call looks at the socket */
	expect_text(gate, 1, "one");
	expect_text(gate, 2, "two");
	expect_result(gate, WSGATE_ERROR_REFUSED);
	ck_assert_str_eq(wsgate_error(gate), "enough");
}
END_TEST

static void *publish_later(void *text)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	writer_publish_text(&writer, text);
	writer_wake(&writer);
	return NULL;
}

static void *hang_up_later(void *unused)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	fake_hang_up(&fake);
	return unused;
}

/* 0: sleeping, 1: spinning. A daemon that is killed does not wake anybody. */
START_TEST(test_waiting)
{
	const struct wsgate_record *record;
	pthread_t thread;

	open_ring(_i ? WSGATE_MODE_RING_SPIN : WSGATE_MODE_RING, false);
	ck_assert_uint_eq(fake.hellos[0].mode, _i ? FRAMES_MODE_RING_QUIET : FRAMES_MODE_RING);
	ck_assert_int_eq(wsgate_next(gate, &record, 5), WSGATE_AGAIN);
	for (int i = 0; i < 5; i++) {
		pthread_create(&thread, NULL, publish_later, "waited for");
		ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_OK);
		ck_assert_mem_eq(record->payload, "waited for", 10);
		pthread_join(thread, NULL);
	}
	pthread_create(&thread, NULL, hang_up_later, NULL);
	ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_END);
	pthread_join(thread, NULL);
}
END_TEST

static void on_signal(int number)
{
	(void)number;
}

static void *interrupt_later(void *thread)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

START_TEST(test_a_signal_ends_the_wait)
{
	const struct sigaction action = {.sa_handler = on_signal};
	const struct wsgate_record *record;
	pthread_t self = pthread_self(), thread;

	sigaction(SIGUSR1, &action, NULL);
	open_ring(WSGATE_MODE_RING, false);
	pthread_create(&thread, NULL, interrupt_later, &self);
	ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_AGAIN);
	pthread_join(thread, NULL);
}
END_TEST

static void expect_await(uint64_t seq)
{
	struct frames_header header = fake_receive(&fake);

	ck_assert_uint_eq(header.type, FRAMES_AWAIT);
	ck_assert_uint_eq(header.seq, seq);
}

static void expect_silence(void)
{
	char byte;

	ck_assert_int_eq(recv(fake.peer, &byte, 1, MSG_DONTWAIT), -1);
}

static int readable(void)
{
	struct pollfd wanted = {.fd = wsgate_fd(gate), .events = wsgate_events(gate)};

	return poll(&wanted, 1, 0);
}

START_TEST(test_a_descriptor_to_wait_for)
{
	open_ring(WSGATE_MODE_RING_SPIN, false);
	expect_result(gate, WSGATE_AGAIN);
	expect_silence();
	wsgate_fd(gate);
	expect_result(gate, WSGATE_AGAIN);
	expect_await(1);
	expect_result(gate, WSGATE_AGAIN);
	expect_silence(); /* it has been asked already */
	ck_assert_int_eq(readable(), 0);

	writer_publish_text(&writer, "one");
	fake_send(&fake, FRAMES_ARRIVED, 1, FRAMES_NO_CONNECTION, NULL, 0);
	ck_assert_int_eq(readable(), 1);
	expect_text(gate, 1, "one");
	expect_result(gate, WSGATE_AGAIN);
	expect_await(2);
	ck_assert_int_eq(readable(), 0);

	/* It has been written of, but there is no record, for it was too large: not once more. */
	writer_skip(&writer);
	fake_send(&fake, FRAMES_ARRIVED, 2, FRAMES_NO_CONNECTION, NULL, 0);
	expect_result(gate, WSGATE_AGAIN);
	expect_await(3);
	writer_publish_text(&writer, "three");
	fake_send(&fake, FRAMES_ARRIVED, 3, FRAMES_NO_CONNECTION, NULL, 0);
	expect_gap(gate, 2, 2);
	expect_text(gate, 3, "three");
	expect_result(gate, WSGATE_AGAIN);
	expect_await(4);
}
END_TEST

/* The daemon may write any nonsense into the memory: 0: sizes, 1: positions. */
START_TEST(test_nonsense)
{
	const struct wsgate_record *record;

	open_ring(WSGATE_MODE_RING, false);
	publish_until(1, 100);
	if (_i == 0)
		memset(writer.records, 0xf8, 4);
	else
		writer.shared->head += 8 * RING;
	while (wsgate_next(gate, &record, 0) == WSGATE_OK)
		continue;
	expect_result(gate, WSGATE_ERROR_PROTOCOL);
}
END_TEST

/* A tail that is ahead of everything laps the reader at each look, and there is nowhere to go on. */
START_TEST(test_nowhere_to_go_on)
{
	static const uint64_t restarts[] = {0, 12, 1 << 20, UINT64_MAX, UINT64_MAX - 7};
	const struct wsgate_record *record;

	open_ring(WSGATE_MODE_RING, false);
	publish_until(1, 100);
	writer.shared->tail = UINT64_MAX;
	writer.shared->restart = restarts[_i];
	writer.shared->head = UINT64_MAX;
	ck_assert_int_eq(wsgate_next(gate, &record, 5), WSGATE_AGAIN);
	fake_hang_up(&fake);
	ck_assert_int_eq(wsgate_next(gate, &record, -1), WSGATE_END);
}
END_TEST

/* Random memory must not make the reader leave its mapping, or call without end. */
START_TEST(test_random_memory)
{
	srandom((unsigned)_i);
	for (int round = 0; round < 200; round++) {
		const struct wsgate_record *record;

		fake.count = 0;
		open_ring(WSGATE_MODE_RING, _i & 1);
		for (size_t i = 0; i < RING; i++)
			writer.records[i] = (uint8_t)(random() % 8 ? 0 : random());
		for (size_t i = 0; i < RING; i += FRAMES_HEADER_SIZE)
			*(uint32_t *)(void *)(writer.records + i) = (uint32_t)random() % 64 * 8;
		writer.shared->head += (uint64_t)random() % (2 * RING) & ~UINT64_C(7);
		for (int i = 0; i < 100 && wsgate_next(gate, &record, 0) == WSGATE_OK; i++)
			ck_assert(record->length <= RING);
		wsgate_close(gate);
		gate = NULL;
		fake_hang_up(&fake);
	}
}
END_TEST

Suite *client_ring_suite(void)
{
	Suite *suite = suite_create("client ring");
	TCase *tests = tcase_create("ring");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_records, 0, 2);
	tcase_add_loop_test(tests, test_a_record_as_large_as_the_ring, 0, 2);
	tcase_add_loop_test(tests, test_names, 0, 2);
	tcase_add_test(tests, test_a_name_behind_the_answer);
	tcase_add_loop_test(tests, test_lapped, 0, 2);
	tcase_add_test(tests, test_in_place_and_overwritten);
	tcase_add_loop_test(tests, test_skipped, 0, 2);
	tcase_add_loop_test(tests, test_the_end_comes_behind_the_ring, 0, 2);
	tcase_add_loop_test(tests, test_waiting, 0, 2);
	tcase_add_test(tests, test_a_signal_ends_the_wait);
	tcase_add_test(tests, test_a_descriptor_to_wait_for);
	tcase_add_loop_test(tests, test_nonsense, 0, 2);
	tcase_add_loop_test(tests, test_nowhere_to_go_on, 0, 5);
	tcase_add_loop_test(tests, test_random_memory, 0, 4);
	suite_add_tcase(suite, tests);
	return suite;
}
