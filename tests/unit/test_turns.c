#include <check.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/loop.h"
#include "base/turns.h"

/* Something with work for a number of turns. */
struct job {
	struct turn turn;
	char name;
	unsigned left;
	unsigned us; /* that a turn takes */
};

static struct event_base *base;
static struct turns turns;
static char order[64];
static size_t done;
static unsigned resets;
static bool enough; /* after each turn */

static bool on_turn(struct turn *turn, void *context)
{
	struct job *job = container_of(turn, struct job, turn);
	uint64_t end = clock_monotonic() + job->us * CLOCK_NS_PER_US;

	ck_assert_ptr_eq(context, &turns);
	ck_assert(!turn->waits);
	order[done++] = job->name;
	order[done] = '\0';
	while (clock_monotonic() < end)
		;
	if (--job->left)
		turns_await(&turns, turn);
	return !enough;
}

static void on_reset(void *context)
{
	ck_assert_ptr_eq(context, &turns);
	resets++;
}

static void setup(void)
{
	static const struct turns_callbacks callbacks = {.reset = on_reset, .take = on_turn};

	base = loop_new();
	turns_init(&turns, base, &callbacks, &turns);
	done = resets = 0;
	order[0] = '\0';
	enough = false;
}

static void teardown(void)
{
	turns_release(&turns);
	event_base_free(base);
}

START_TEST(test_each_has_one_turn_a_round)
{
	struct job a = {.name = 'a', .left = 3}, b = {.name = 'b', .left = 1},
		   c = {.name = 'c', .left = 2};

	turns_await(&turns, &a.turn);
	turns_await(&turns, &b.turn);
	turns_await(&turns, &c.turn);
	turns_await(&turns, &a.turn); /* once is enough */
	ck_assert_str_eq(order, "");
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_str_eq(order, "abc");
	ck_assert_uint_eq(resets, 2);
	event_base_dispatch(base);
	ck_assert_str_eq(order, "abcaca");
	ck_assert_uint_eq(resets, 6);
}
END_TEST

START_TEST(test_the_forgotten_have_none)
{
	struct job a = {.name = 'a', .left = 1}, b = {.name = 'b', .left = 1};

	turns_await(&turns, &a.turn);
	turns_await(&turns, &b.turn);
	turns_forget(&turns, &a.turn);
	turns_forget(&turns, &a.turn);
	event_base_dispatch(base);
	ck_assert_str_eq(order, "b");
}
END_TEST

/* Between two rounds the loop polls, so that others have their turn. */
START_TEST(test_a_round_ends_when_its_time_is_over)
{
	struct job a = {.name = 'a', .left = 1, .us = 3000}, b = {.name = 'b', .left = 1};

	turns_await(&turns, &a.turn);
	turns_await(&turns, &b.turn);
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_str_eq(order, "a");
	event_base_dispatch(base);
	ck_assert_str_eq(order, "ab");
}
END_TEST

START_TEST(test_a_turn_may_end_the_round)
{
	struct job a = {.name = 'a', .left = 1}, b = {.name = 'b', .left = 1};

	enough = true;
	turns_await(&turns, &a.turn);
	turns_await(&turns, &b.turn);
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_str_eq(order, "a");
	event_base_dispatch(base);
	ck_assert_str_eq(order, "ab");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("turns");
	TCase *tests = tcase_create("turns");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_each_has_one_turn_a_round);
	tcase_add_test(tests, test_the_forgotten_have_none);
	tcase_add_test(tests, test_a_round_ends_when_its_time_is_over);
	tcase_add_test(tests, test_a_turn_may_end_the_round);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
