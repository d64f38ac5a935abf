#include "test_control.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/loop.h"
#include "control/control_turns.h"

/* What has a number of steps to do; the order in which they are done. */
struct job {
	struct control_turn turn;
	char name;
	unsigned steps;
	unsigned us; /* each takes */
};

static struct event_base *base;
static struct control_turns turns;
static char order[64];
static size_t done;

static bool job_step(struct control_turn *turn)
{
	struct job *job = (struct job *)((char *)turn - offsetof(struct job, turn));
	uint64_t end = clock_monotonic() + job->us * CLOCK_NS_PER_US;

	order[done++] = job->name;
	order[done] = '\0';
	while (clock_monotonic() < end)
		;
	return --job->steps > 0;
}

static void setup(void)
{
	base = loop_new();
	control_turns_init(&turns, base, job_step);
	done = 0;
	order[0] = '\0';
}

static void teardown(void)
{
	control_turns_release(&turns);
	event_base_free(base);
}

START_TEST(each_has_a_step_in_turn)
{
	struct job a = {.name = 'a', .steps = 3}, b = {.name = 'b', .steps = 1},
		   c = {.name = 'c', .steps = 2};

	control_turns_await(&turns, &a.turn);
	control_turns_await(&turns, &b.turn);
	control_turns_await(&turns, &c.turn);
	control_turns_await(&turns, &a.turn); /* once is enough */
	ck_assert_str_eq(order, "");
	event_base_dispatch(base);
	ck_assert_str_eq(order, "abcaca");
	ck_assert(!a.turn.queued && !b.turn.queued && !c.turn.queued);
}
END_TEST

START_TEST(one_that_is_forgotten_has_no_turn)
{
	struct job a = {.name = 'a', .steps = 1}, b = {.name = 'b', .steps = 1};

	control_turns_await(&turns, &a.turn);
	control_turns_await(&turns, &b.turn);
	control_turns_forget(&turns, &a.turn);
	control_turns_forget(&turns, &a.turn);
	event_base_dispatch(base);
	ck_assert_str_eq(order, "b");
}
END_TEST

/* Whatever there is to do, the loop polls in between, and goes on by itself. */
START_TEST(the_loop_polls_in_between)
{
	/* Each step is longer than a turn. */
	struct job a = {.name = 'a', .steps = 4, .us = 6000}, b = {.name = 'b', .steps = 1};

	control_turns_await(&turns, &a.turn);
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_str_eq(order, "a");
	control_turns_await(&turns, &b.turn);
	event_base_dispatch(base);
	ck_assert_str_eq(order, "aabaa");
}
END_TEST

Suite *control_turns_suite(void)
{
	Suite *suite = suite_create("control: turns");
	TCase *tests = tcase_create("turns");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, each_has_a_step_in_turn);
	tcase_add_test(tests, one_that_is_forgotten_has_no_turn);
	tcase_add_test(tests, the_loop_polls_in_between);
	suite_add_tcase(suite, tests);
	return suite;
}
