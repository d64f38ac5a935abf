#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client_harness.h"

/*
 * A writer that does not wait laps a reader again and again: no record may be torn, and what was read
 * and what was lost must add up.
 */

enum {
	RING = 8192,
	RECORDS = 300000,
	WORDS = 64, /* of the largest payload */
};

static struct fake fake;
static struct writer writer;

/* A payload whose words all say which record it is, and whose length follows from that, too. */
static size_t payload_words(uint64_t seq)
{
	return seq * UINT64_C(0x9e3779b97f4a7c15) >> 58;
}

static void *publish_all(void *unused)
{
	uint64_t payload[WORDS];

	while (writer.next <= RECORDS) {
		size_t words = payload_words(writer.next);

		for (size_t i = 0; i < words; i++)
			payload[i] = writer.next;
		writer_publish(&writer, FRAMES_BINARY, 0, payload, words * sizeof(*payload));
		writer_wake(&writer);
	}
	return unused;
}

static bool payload_is_whole(const struct wsgate_record *record)
{
	const uint64_t *words = record->payload;

	if (record->length != payload_words(record->seq) * sizeof(*words))
		return false;
	for (size_t i = 0; i < record->length / sizeof(*words); i++) {
		if (words[i] != record->seq)
			return false;
	}
	return true;
}

static void setup(void)
{
	fake_setup(&fake);
	writer_open(&writer, RING);
}

static void teardown(void)
{
	writer_close(&writer);
	fake_teardown(&fake);
}

/* Reads until all is read or lost; dawdles now and then, so that it is lapped. */
static void read_all(struct wsgate *gate, bool in_place)
{
	const struct wsgate_record *record;
	uint64_t expected = 1, torn = 0;

	while (expected <= RECORDS) {
		enum wsgate_result result = wsgate_next(gate, &record, 2000);
		bool whole;

		ck_assert_msg(result == WSGATE_OK, "%d: %s", result, wsgate_error(gate));
		if (record->type == WSGATE_GAP) {
			ck_assert_uint_eq(record->from, expected);
			ck_assert_uint_ge(record->to, record->from);
			expected = record->to + 1;
			continue;
		}
		ck_assert_uint_eq(record->seq, expected);
		for (volatile int i = 0; record->seq % 64 == 0 && i < 20000; i++)
			continue;
		whole = payload_is_whole(record);
		if (in_place && !wsgate_intact(gate)) {
			torn++;
			continue; /* it will be part of the gap */
		}
		ck_assert(whole);
		expected++;
	}
	ck_assert_uint_eq(wsgate_counts(gate)->records + wsgate_counts(gate)->lost, RECORDS);
	ck_assert_uint_gt(wsgate_counts(gate)->records, 0);
	ck_assert_uint_ge(wsgate_counts(gate)->gaps, torn > 0);
}

/* Bit 0: in place; bit 1: spinning. */
START_TEST(test_lapped_again_and_again)
{
	struct wsgate_options options = WSGATE_OPTIONS_INIT;
	struct wsgate *gate;
	pthread_t thread;

	options.mode = _i & 2 ? WSGATE_MODE_RING_SPIN : WSGATE_MODE_RING;
	options.in_place = _i & 1;
	fake_answer_ring(&fake, &writer);
	gate = fake_open_well(&fake, options);
	ck_assert_int_eq(pthread_create(&thread, NULL, publish_all, NULL), 0);
	read_all(gate, options.in_place);
	pthread_join(thread, NULL);
	wsgate_close(gate);
}
END_TEST

Suite *client_lap_suite(void)
{
	Suite *suite = suite_create("client lap");
	TCase *tests = tcase_create("lap");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_lapped_again_and_again, 0, 4);
	tcase_set_timeout(tests, 30);
	suite_add_tcase(suite, tests);
	return suite;
}
