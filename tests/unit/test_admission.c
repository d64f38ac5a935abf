#include "test_gateway.h"

#include <event2/event.h>
#include <stdint.h>

#include "base/clock.h"
#include "gateway/admission.h"

enum { CALLERS = 8 };

static struct event_base *base;
static struct timers *timers;
static uint64_t ahead; /* of the real clock */

static uint64_t read_clock(void *context)
{
	return clock_boottime() + *(const uint64_t *)context;
}
static struct admission *admission;
static struct caller {
	struct admission_ticket ticket;
	unsigned number;
} callers[CALLERS];
static unsigned order[CALLERS * 4]; /* in which they were let in from the queue */
static size_t let_in;

static void on_admitted(void *context)
{
	const struct caller *caller = context;

	ck_assert_int_eq(caller->ticket.place, ADMISSION_INSIDE);
	order[let_in++] = caller->number;
}

static void setup(void)
{
	base = event_base_new();
	timers = timers_new(base, read_clock, &ahead);
	admission = admission_new(base, timers);
	let_in = 0;
	ahead = 0;
	for (unsigned i = 0; i < CALLERS; i++)
		callers[i] = (struct caller){
			.ticket = {.admitted = on_admitted, .context = &callers[i]},
			.number = i,
		};
}

static void teardown(void)
{
	for (unsigned i = 0; i < CALLERS; i++)
		admission_leave(admission, &callers[i].ticket);
	admission_free(admission);
	timers_free(timers);
	event_base_free(base);
}

static bool enter(unsigned number, bool urgent)
{
	return admission_enter(admission, &callers[number].ticket,
		urgent ? ADMISSION_URGENT : ADMISSION_HOPEFUL);
}

static bool enter_again(unsigned number)
{
	return admission_enter(admission, &callers[number].ticket, ADMISSION_DOUBTFUL);
}

static void leave(unsigned number)
{
	admission_leave(admission, &callers[number].ticket);
}

static void run_once(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void run_until(size_t count)
{
	while (let_in < count)
		event_base_loop(base, EVLOOP_ONCE);
}

START_TEST(without_limits_everybody_goes_in_at_once)
{
	admission_limit(admission, 0, 0);
	for (unsigned i = 0; i < CALLERS; i++)
		ck_assert(enter(i, false));
}
END_TEST

/* Thousands may enter from within one callback. */
START_TEST(after_a_few_the_others_have_their_turn)
{
	admission_limit(admission, 0, 0);
	run_once();
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < CALLERS; i++)
			ck_assert(enter(i, false));
		for (unsigned i = 0; i < CALLERS; i++)
			leave(i);
	}
	for (unsigned i = 0; i < CALLERS; i++)
		ck_assert(!enter(i, false));
	run_once();
	ck_assert_uint_eq(let_in, CALLERS);
}
END_TEST

START_TEST(no_more_than_at_once_are_inside_and_the_others_follow_in_order)
{
	admission_limit(admission, 2, 0);
	ck_assert(enter(0, false));
	ck_assert(enter(1, false));
	for (unsigned i = 2; i < 5; i++)
		ck_assert(!enter(i, false));
	run_once();
	ck_assert_uint_eq(let_in, 0);

	leave(1);
	ck_assert_uint_eq(let_in, 0); /* not from within */
	run_once();
	ck_assert_uint_eq(let_in, 1);
	ck_assert_uint_eq(order[0], 2);
	leave(0);
	leave(2);
	run_once();
	ck_assert_uint_eq(let_in, 3);
	ck_assert_uint_eq(order[1], 3);
	ck_assert_uint_eq(order[2], 4);
}
END_TEST

START_TEST(nobody_overtakes_the_queue_but_who_is_urgent)
{
	admission_limit(admission, 1, 0);
	ck_assert(enter(0, false));
	ck_assert(!enter(1, false));
	leave(0);
	ck_assert(!enter(2, false)); /* there is a place, but 1 was here before */
	ck_assert(enter(3, true));
	ck_assert(!enter(4, true));
	leave(3);
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned expected[] = {4, 1, 2};

		run_once();
		ck_assert_uint_eq(let_in, i + 1);
		ck_assert_uint_eq(order[i], expected[i]);
		leave(expected[i]);
	}
}
END_TEST

START_TEST(who_leaves_the_queue_is_not_let_in)
{
	admission_limit(admission, 1, 0);
	ck_assert(enter(0, false));
	ck_assert(!enter(1, false));
	ck_assert(!enter(2, false));
	leave(1);
	leave(1);
	ck_assert_int_eq(callers[1].ticket.place, ADMISSION_OUTSIDE);
	leave(0);
	run_once();
	ck_assert_uint_eq(let_in, 1);
	ck_assert_uint_eq(order[0], 2);
}
END_TEST

START_TEST(who_has_failed_gets_half_of_the_places)
{
	admission_limit(admission, 4, 0);
	ck_assert(enter_again(0));
	ck_assert(enter_again(1));
	ck_assert(!enter_again(2));
	ck_assert(enter(3, false)); /* ahead of 2 */
	ck_assert(enter(4, false));
	ck_assert(!enter(5, false)); /* all four are taken */
	leave(3);
	run_once();
	ck_assert_uint_eq(let_in, 1);
	ck_assert_uint_eq(order[0], 5);
	leave(0);
	run_once();
	ck_assert_uint_eq(let_in, 2);
	ck_assert_uint_eq(order[1], 2);
}
END_TEST

START_TEST(one_place_is_for_all)
{
	admission_limit(admission, 1, 0);
	ck_assert(enter_again(0));
	ck_assert(!enter(1, false));
	leave(0);
	ck_assert(!enter_again(2));
	run_once();
	ck_assert_uint_eq(order[0], 1);
	leave(1);
	run_once();
	ck_assert_uint_eq(order[1], 2);
}
END_TEST

START_TEST(who_has_failed_does_not_starve)
{
	admission_limit(admission, 1, 0);
	ck_assert(enter_again(0));
	ck_assert(!enter_again(1));
	for (unsigned i = 2; i < 12; i++) { /* one of them always waits, and goes first */
		ck_assert(!enter(2 + i % 2, false));
		leave(i == 2 ? 0 : 2 + (i - 1) % 2);
		run_once();
		if (callers[1].ticket.place == ADMISSION_INSIDE)
			break;
	}
	ck_assert_uint_eq(let_in, 8);
	ck_assert_uint_eq(order[7], 1);
}
END_TEST

START_TEST(a_place_is_held_for_half_a_second)
{
	uint64_t begin = clock_monotonic();

	admission_limit(admission, 2, 0);
	ck_assert(enter(0, false));
	ck_assert(enter(1, false));
	for (unsigned i = 2; i < 7; i++)
		ck_assert(!enter(i, false));
	run_until(2);
	ck_assert_uint_ge(clock_monotonic() - begin, 450 * CLOCK_NS_PER_MS);
	ck_assert_int_eq(callers[0].ticket.place, ADMISSION_INSIDE);
	leave(0); /* its place is another's already */
	run_once();
	ck_assert_uint_eq(let_in, 2);
	leave(2);
	run_once();
	ck_assert_uint_eq(let_in, 3);
	run_until(5);
	ck_assert_uint_ge(clock_monotonic() - begin, 900 * CLOCK_NS_PER_MS);
}
END_TEST

START_TEST(starts_keep_their_distance)
{
	uint64_t begin = clock_monotonic();

	admission_limit(admission, 0, 50);
	ck_assert(enter(0, false));
	for (unsigned i = 1; i < 5; i++)
		ck_assert(!enter(i, false));
	run_until(4);
	ck_assert_uint_ge(clock_monotonic() - begin, 80 * CLOCK_NS_PER_MS);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(order[i], i + 1);
}
END_TEST

/* Time in suspend counts: places are free again, and the rate has recovered. */
START_TEST(a_jump_of_time_lets_others_in)
{
	admission_limit(admission, 1, 1);
	ck_assert(enter(0, false));
	ck_assert(!enter(1, false));
	ahead += 3600 * CLOCK_NS_PER_SECOND;
	timers_run(timers);
	run_once();
	ck_assert_int_eq(callers[1].ticket.place, ADMISSION_INSIDE);
}
END_TEST

START_TEST(other_limits_hold_at_once)
{
	admission_limit(admission, 1, 1);
	ck_assert(enter(0, false));
	for (unsigned i = 1; i < 5; i++)
		ck_assert(!enter(i, false));
	run_once();
	ck_assert_uint_eq(let_in, 0);
	admission_limit(admission, 3, 0);
	run_once();
	ck_assert_uint_eq(let_in, 2);
	admission_limit(admission, 0, 0);
	run_once();
	ck_assert_uint_eq(let_in, 4);
}
END_TEST

/* The clock is the real one; a busy machine only makes it slower. */
START_TEST(a_high_rate_is_not_exceeded)
{
	uint64_t began = clock_monotonic();
	unsigned entered = 0;

	admission_limit(admission, 0, 2000);
	while (entered < 200) {
		if (callers[0].ticket.place == ADMISSION_OUTSIDE)
			enter(0, false);
		if (callers[0].ticket.place == ADMISSION_INSIDE) {
			leave(0);
			entered++;
			let_in = 0;
		}
		run_once();
	}
	ck_assert_uint_ge(clock_monotonic() - began, (200 - 21) * CLOCK_NS_PER_SECOND / 2000);
}
END_TEST

Suite *admission_suite(void)
{
	Suite *suite = suite_create("admission");
	TCase *tests = tcase_create("limits");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, without_limits_everybody_goes_in_at_once);
	tcase_add_test(tests, after_a_few_the_others_have_their_turn);
	tcase_add_test(tests, no_more_than_at_once_are_inside_and_the_others_follow_in_order);
	tcase_add_test(tests, nobody_overtakes_the_queue_but_who_is_urgent);
	tcase_add_test(tests, who_leaves_the_queue_is_not_let_in);
	tcase_add_test(tests, who_has_failed_gets_half_of_the_places);
	tcase_add_test(tests, one_place_is_for_all);
	tcase_add_test(tests, who_has_failed_does_not_starve);
	tcase_add_test(tests, a_place_is_held_for_half_a_second);
	tcase_add_test(tests, starts_keep_their_distance);
	tcase_add_test(tests, a_jump_of_time_lets_others_in);
	tcase_add_test(tests, other_limits_hold_at_once);
	tcase_add_test(tests, a_high_rate_is_not_exceeded);
	suite_add_tcase(suite, tests);
	return suite;
}
