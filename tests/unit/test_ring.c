#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "outlet/ring.h"
#include "outlet_suites.h"

enum { PAGE = 4096 };

/* The byte that belongs at a position, so that any part of any record can be checked. */
static uint8_t ring_byte(uint64_t position)
{
	return (uint8_t)(position * 31 + (position >> 8));
}

static void ring_append(struct ring *ring, size_t length)
{
	uint8_t *room;

	if (!ring_fits(ring, length))
		ring_drop(ring, ring_kept_by(ring, length));
	room = ring_room(ring);
	for (size_t i = 0; i < length; i++)
		room[i] = ring_byte(ring->head + i);
	ring_commit(ring, length);
}

START_TEST(test_ring_costs_nothing_until_opened)
{
	struct ring ring;

	ring_init(&ring, 5000, 0);
	ck_assert_uint_eq(ring.size, 2 * PAGE);
	ck_assert_ptr_null(ring.memory);
	ck_assert_uint_eq(ring.tail, 0);
	ck_assert_uint_eq(ring_seq_from(&ring, 0), 1);
	ring_skip(&ring);
	ck_assert_uint_eq(ring.first, 2);
	ck_assert_uint_eq(ring.next, 2);
	ring_release(&ring);
}
END_TEST

/* Whether record `seq` is found at its start, and only there, and holds its bytes. */
static bool ring_holds(const struct ring *ring, uint64_t seq, uint64_t start, uint64_t end)
{
	const uint8_t *bytes = ring_at(ring, start);

	for (uint64_t at = start; at < end; at++) {
		if (bytes[at - start] != ring_byte(at))
			return false;
	}
	return ring_start(ring, seq) == start && ring_seq_from(ring, start) == seq &&
		ring_seq_from(ring, start + 1) == seq + 1 && ring_seq_from(ring, end) == seq + 1;
}

/* Against a list of all the records ever appended. */
START_TEST(test_ring_model)
{
	enum { RECORDS = 20000 };
	static uint64_t starts[RECORDS + 2]; /* by number; one more for the end of the last */
	static const size_t largest[] = {1, 3, 40, 700, PAGE, 2 * PAGE};
	struct ring ring;
	struct error error;

	srand(7);
	ring_init(&ring, 2 * PAGE, 0);
	ck_assert(ring_open(&ring, &error));
	for (uint64_t seq = 1; seq <= RECORDS; seq++) {
		size_t length = 1 + (size_t)rand() % largest[_i];
		uint64_t end = ring.head + length;
		uint64_t before = ring.first;
		uint64_t first = ring_kept_by(&ring, length);
		uint64_t probe = first + (uint64_t)rand() % (seq + 1 - first);
		bool fits =
			end - ring_start(&ring, first) <= ring.size && seq - first < ring.size / 16;
		bool needed = first == before || end - starts[first - 1] > ring.size ||
			seq - first + 1 >= ring.size / 16;

		starts[seq] = ring.head;
		starts[seq + 1] = end;
		ring_append(&ring, length);
		ck_assert_msg(fits && needed && ring.first == first && ring.next == seq + 1 &&
				ring.head == end &&
				ring_holds(&ring, probe, starts[probe], starts[probe + 1]),
			"at record %llu", (unsigned long long)seq);
	}
	ring_release(&ring);
}
END_TEST

START_TEST(test_ring_is_contiguous_across_its_end)
{
	struct ring ring;
	struct error error;

	ring_init(&ring, PAGE, 0);
	ck_assert(ring_open(&ring, &error));
	ring_append(&ring, PAGE - 10);
	ring_append(&ring, 100);
	ck_assert_uint_eq(ring.first, 2);
	ck_assert_int_eq(memcmp(ring.memory, ring_at(&ring, PAGE - 10) + 10, 90), 0);
	ck_assert_uint_eq(ring.memory[0], ring_byte(PAGE));
	ring_append(&ring, PAGE);
	ck_assert_uint_eq(ring.first, 3);
	ck_assert_uint_eq(ring.tail, PAGE + 90);
	ring_release(&ring);
}
END_TEST

START_TEST(test_ring_skip_leaves_no_hole)
{
	struct ring ring;
	struct error error;

	ring_init(&ring, PAGE, 0);
	ck_assert(ring_open(&ring, &error));
	ring_append(&ring, 10);
	ring_append(&ring, 10);
	ring_skip(&ring);
	ck_assert_uint_eq(ring.first, 4);
	ck_assert_uint_eq(ring.tail, 20);
	ring_append(&ring, 10);
	ck_assert_uint_eq(ring.first, 4);
	ck_assert_uint_eq(ring_start(&ring, 4), 20);
	ck_assert_uint_eq(ring_seq_from(&ring, 0), 4);
	ring_release(&ring);
}
END_TEST

Suite *ring_suite(void)
{
	Suite *suite = suite_create("ring");
	TCase *tests = tcase_create("ring");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_ring_costs_nothing_until_opened);
	tcase_add_loop_test(tests, test_ring_model, 0, 6);
	tcase_add_test(tests, test_ring_is_contiguous_across_its_end);
	tcase_add_test(tests, test_ring_skip_leaves_no_hole);
	suite_add_tcase(suite, tests);
	return suite;
}
