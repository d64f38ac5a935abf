#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "outlet_harness.h"
#include "outlet_suites.h"
#include "wsgate.h"

/*
 * The daemon's writer and the library's readers, in processes of their own, with a ring that is much
 * too small: each reader is lapped thousands of times. No record is torn, and what has been read and
 * what has been lost add up.
 */

enum {
	RING = 32 << 10,
	LARGEST = 20000,
	LAPS = 2000, /* for each reader, at least */
	BATCH = 50,  /* messages in one turn of the event loop */
	READERS = 4,
};

/* What the processes tell each other. */
struct account {
	struct {
		_Atomic uint64_t gaps;
		uint64_t records;
		uint64_t lost;
		char fault[128]; /* empty: none */
	} readers[READERS];
};

static struct harness harness;
static struct account *account;

/* Lengths and bytes follow from the number: mostly short, sometimes more than half of the ring. */
static uint64_t scatter(uint64_t seq)
{
	seq = (seq ^ (seq >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
	return seq ^ (seq >> 29);
}

static size_t message_length(uint64_t seq)
{
	uint64_t random = scatter(seq);

	return (size_t)(random % 64 ? random % 400 : random % LARGEST);
}

static uint8_t message_byte(uint64_t seq, size_t i)
{
	return (uint8_t)(scatter(seq + i / 8) >> (i % 8 * 8));
}

static bool is_whole(const struct wsgate_record *record)
{
	const uint8_t *bytes = record->payload;

	if (record->length != message_length(record->seq) || record->connection != record->seq % 2)
		return false;
	for (size_t i = 0; i < record->length; i++) {
		if (bytes[i] != message_byte(record->seq, i))
			return false;
	}
	return true;
}

/* Reader 0 sleeps, 1 spins, 2 reads in place, 3 waits with poll(2). */
static struct wsgate *reader_open(int number)
{
	struct wsgate_options options = WSGATE_OPTIONS_INIT;
	struct wsgate *gate;

	options.path = harness.path;
	options.mode = number == 1 ? WSGATE_MODE_RING_SPIN : WSGATE_MODE_RING;
	options.in_place = number == 2;
	return wsgate_open(&gate, &options) == WSGATE_OK ? gate : NULL;
}

static enum wsgate_result reader_next(struct wsgate *gate, int number,
	const struct wsgate_record **record)
{
	enum wsgate_result result = wsgate_next(gate, record, number == 3 ? 0 : -1);

	if (result == WSGATE_AGAIN && number == 3) {
		struct pollfd wait = {.fd = wsgate_fd(gate)};

		result = wsgate_next(gate, record, 0); /* asks to be told */
		wait.events = wsgate_events(gate);
		if (result == WSGATE_AGAIN)
			poll(&wait, 1, -1);
	}
	return result;
}

/* What is wrong with a record or a gap, or NULL. */
static const char *reader_check(struct wsgate *gate, const struct wsgate_record *record,
	uint64_t *expected)
{
	bool whole;

	if (record->type == WSGATE_GAP) {
		if (record->from != *expected || record->to < record->from)
			return "a gap does not begin where the records ended";
		*expected = record->to + 1;
		return NULL;
	}
	whole = is_whole(record);
	if (!wsgate_intact(gate))
		return NULL; /* it will be part of a gap */
	if (!whole)
		return "a torn record is taken for a whole one";
	if (record->seq != *expected)
		return "a record is missing, or comes again";
	(*expected)++;
	return NULL;
}

static const char *reader_run(struct wsgate *gate, int number)
{
	const struct wsgate_record *record;
	const char *fault = NULL;
	uint64_t expected = 1;
	enum wsgate_result result;

	while (!fault && (result = reader_next(gate, number, &record)) != WSGATE_END) {
		if (result < 0)
			return wsgate_error(gate);
		if (result == WSGATE_OK)
			fault = reader_check(gate, record, &expected);
		atomic_store(&account->readers[number].gaps, wsgate_counts(gate)->gaps);
	}
	return fault;
}

static void reader_process(int number)
{
	struct wsgate *gate = reader_open(number);
	const char *fault = gate ? reader_run(gate, number) : "cannot subscribe";

	if (fault) {
		snprintf(account->readers[number].fault, sizeof(account->readers[number].fault),
			"%s", fault);
		_exit(EXIT_FAILURE);
	}
	account->readers[number].records = wsgate_counts(gate)->records;
	account->readers[number].lost = wsgate_counts(gate)->lost;
	_exit(EXIT_SUCCESS);
}

static bool readers_lapped(void)
{
	for (int i = 0; i < READERS; i++) {
		if (!account->readers[i].fault[0] && account->readers[i].gaps < LAPS)
			return false;
	}
	return true;
}

static uint64_t publish_batch(uint64_t seq)
{
	static uint8_t message[LARGEST];

	for (int i = 0; i < BATCH; i++, seq++) {
		size_t length = message_length(seq);

		for (size_t at = 0; at < length; at++)
			message[at] = message_byte(seq, at);
		harness_publish(&harness, (unsigned)(seq % 2), OUTLET_BINARY, message, length);
	}
	harness_turn(&harness);
	return seq;
}

static void setup(void)
{
	harness_setup(&harness, "frames");
	harness.settings.ring = RING;
	harness_open(&harness);
	account = mmap(NULL, sizeof(*account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	ck_assert_ptr_ne(account, MAP_FAILED);
}

static void teardown(void)
{
	munmap(account, sizeof(*account));
	harness_teardown(&harness);
}

static void wait_readers(const pid_t readers[READERS])
{
	for (int i = 0; i < READERS; i++) {
		int status;

		harness_until(&harness, waitpid(readers[i], &status, WNOHANG) == readers[i]);
		ck_assert_msg(!account->readers[i].fault[0], "reader %d: %s", i,
			account->readers[i].fault);
		ck_assert_int_eq(status, 0);
	}
}

static bool all_have_joined(void)
{
	const char *event;
	int joined = 0;

	buffer_append(&harness.events, "", 1);
	event = (const char *)buffer_data(&harness.events);
	while ((event = strstr(event, "subscribed {"))) {
		joined++;
		event++;
	}
	harness.events.length--;
	return joined == READERS;
}

START_TEST(test_lapped_thousands_of_times)
{
	pid_t readers[READERS];
	uint64_t next = 1;

	for (int i = 0; i < READERS; i++) {
		readers[i] = fork();
		ck_assert_int_ge(readers[i], 0);
		if (readers[i] == 0)
			reader_process(i);
	}
	harness_until(&harness, outlet_subscribers(harness.outlet) == READERS && all_have_joined());
	while (!readers_lapped())
		next = publish_batch(next);
	harness_drain_outlet(&harness);
	wait_readers(readers);
	for (int i = 0; i < READERS; i++) {
		ck_assert_uint_gt(account->readers[i].records, 0);
		ck_assert_uint_eq(account->readers[i].records + account->readers[i].lost, next - 1);
	}
}
END_TEST

Suite *lap_suite(void)
{
	Suite *suite = suite_create("lap");
	TCase *tests = tcase_create("lap");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_lapped_thousands_of_times);
	suite_add_tcase(suite, tests);
	return suite;
}
