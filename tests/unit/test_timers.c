#include <check.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/timers.h"

static struct event_base *base;
static struct timers *timers;
static struct timer timer;
static unsigned calls;

/* An invented clock: ahead of the real one, or standing still. */
static uint64_t ahead, still;

static uint64_t read_clock(void *context)
{
	ck_assert_ptr_eq(context, &ahead);
	return still ? still : clock_boottime() + ahead;
}

static void setup(void)
{
	ahead = still = 0;
	base = loop_new();
	timers = timers_new(base, read_clock, &ahead);
	ck_assert_ptr_nonnull(timers);
	timer = (struct timer){0};
	calls = 0;
}

static void teardown(void)
{
	timer_clear(&timer);
	timers_free(timers);
	event_base_free(base);
}

static void count(void *context)
{
	ck_assert_ptr_eq(context, &calls);
	ck_assert(!timer_is_set(&timer));
	calls++;
}

static void count_and_set_again(void *context)
{
	count(context);
	if (calls < 3)
		timer_set(&timer, timers, 1, count_and_set_again, context);
}

START_TEST(calls_once_and_not_early)
{
	uint64_t start = clock_boottime();

	ck_assert(!timer_is_set(&timer));
	ck_assert_uint_eq(timer_due(&timer), UINT64_MAX);
	timer_set(&timer, timers, 20 * CLOCK_NS_PER_MS, count, &calls);
	ck_assert(timer_is_set(&timer));
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_ge(clock_boottime() - start, 20 * CLOCK_NS_PER_MS);
}
END_TEST

START_TEST(the_time_set_last_counts)
{
	timer_set(&timer, timers, 3600 * CLOCK_NS_PER_SECOND, count, &calls);
	timer_set(&timer, timers, 1, count, &calls);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(does_nothing_once_cleared)
{
	timer_set(&timer, timers, 1, count, &calls);
	timer_clear(&timer);
	timer_clear(&timer);
	ck_assert(!timer_is_set(&timer));
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(can_be_set_from_its_callback)
{
	timer_set(&timer, timers, 0, count_and_set_again, &calls);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 3);
}
END_TEST

enum { POLLS = 200000 }; /* many times what the kernel takes to see that time has passed */

static unsigned polls;

static void set_at_once(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	if (calls || ++polls == POLLS)
		event_del(context);
	else
		timer_set(&timer, timers, 0, count, &calls);
}

static void set_earlier(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	if (calls || ++polls == POLLS)
		event_del(context);
	else
		timer_set_at(&timer, timers, POLLS - polls, count, &calls);
}

/* What is due is not put off by those who set it anew after each poll. */
static void assert_not_put_off(event_callback_fn callback)
{
	struct event *readable;
	int fds[2];

	polls = 0;
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	readable = event_new(base, fds[0], EV_READ | EV_PERSIST, callback, event_self_cbarg());
	event_add(readable, NULL);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_lt(polls, POLLS);
	event_free(readable);
	close(fds[0]);
	close(fds[1]);
}

START_TEST(what_is_due_is_not_put_off)
{
	assert_not_put_off(set_at_once);
	calls = 0;
	assert_not_put_off(set_earlier);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------ */

enum { MANY = 1000 };

static struct numbered {
	struct timer timer;
	bool rings;
} many[MANY];

static uint64_t last_due;
static unsigned slow_us; /* that a call takes */

static void note_due(void *context)
{
	struct numbered *one = context;
	const uint64_t due = (uint64_t)(one - many) * 7919 % 499;
	uint64_t end = clock_monotonic() + slow_us * CLOCK_NS_PER_US;

	ck_assert(one->rings);
	one->rings = false;
	ck_assert_uint_ge(due, last_due);
	last_due = due;
	calls++;
	while (clock_monotonic() < end)
		;
}

static void set_many(void)
{
	still = 1;
	last_due = calls = 0;
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = (struct numbered){.rings = true};
		timer_set_at(&many[i].timer, timers, 1 + i * 7919 % 499, note_due, &many[i]);
	}
}

/* On a slow machine it takes several runs. */
static void run_all_due(void)
{
	unsigned before;

	do {
		before = calls;
		timers_run(timers);
	} while (calls != before);
}

START_TEST(come_in_the_order_of_their_time)
{
	unsigned cleared = 0;

	slow_us = 0;
	set_many();
	for (unsigned i = 0; i < MANY; i += 3, cleared++) {
		timer_clear(&many[i].timer);
		many[i].rings = false;
	}
	for (still = 1; still < 1000; still += 10) {
		run_all_due();
		for (unsigned i = 0; i < MANY; i++)
			ck_assert(!many[i].rings || timer_due(&many[i].timer) > still);
	}
	ck_assert_uint_eq(calls, MANY - cleared);
}
END_TEST

static void count_polls(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};

	(void)fd, (void)what;
	polls++;
	if (calls < MANY)
		event_add(context, &next);
}

/* After a suspend thousands are due at once: others have their turns in between. */
START_TEST(many_that_are_due_share_the_loop)
{
	struct event *other = evtimer_new(base, count_polls, event_self_cbarg());

	slow_us = 100;
	polls = 0;
	set_many();
	still = 1000;
	count_polls(-1, 0, other);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, MANY);
	ck_assert_uint_gt(polls, 20);
	event_free(other);
}
END_TEST

/* --- suspend ---------------------------------------------------------------------------------- */

START_TEST(time_that_jumps_counts)
{
	timer_set(&timer, timers, 60 * CLOCK_NS_PER_SECOND, count, &calls);
	ahead += 59 * CLOCK_NS_PER_SECOND;
	timers_run(timers);
	ck_assert_uint_eq(calls, 0);
	ahead += CLOCK_NS_PER_SECOND;
	timers_run(timers);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

/* The loop waits for what is left after a jump, not for all that was left before. */
START_TEST(the_rest_of_the_time_is_waited_for_after_a_jump)
{
	timer_set(&timer, timers, 3600 * CLOCK_NS_PER_SECOND, count, &calls);
	ahead += 3600 * CLOCK_NS_PER_SECOND - 10 * CLOCK_NS_PER_MS;
	timers_run(timers);
	ck_assert_uint_eq(calls, 0);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(the_clock_of_the_daemon_counts_suspend)
{
	struct timers *real = timers_new(base, NULL, NULL);
	uint64_t before = clock_boottime(), now = timers_now(real);

	ck_assert_uint_le(before, now);
	ck_assert_uint_le(now, clock_boottime());
	timers_free(real);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timers");
	TCase *tests = tcase_create("timers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, calls_once_and_not_early);
	tcase_add_test(tests, the_time_set_last_counts);
	tcase_add_test(tests, does_nothing_once_cleared);
	tcase_add_test(tests, can_be_set_from_its_callback);
	tcase_add_test(tests, what_is_due_is_not_put_off);
	tcase_add_test(tests, come_in_the_order_of_their_time);
	tcase_add_test(tests, many_that_are_due_share_the_loop);
	tcase_add_test(tests, time_that_jumps_counts);
	tcase_add_test(tests, the_rest_of_the_time_is_waited_for_after_a_jump);
	tcase_add_test(tests, the_clock_of_the_daemon_counts_suspend);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
