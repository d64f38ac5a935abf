#include "test_gateway.h"

#include <event2/event.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/timer.h"

static struct event_base *base;
static struct timer timer;
static unsigned calls;

static void setup(void)
{
	base = event_base_new();
	timer = (struct timer){0};
	calls = 0;
}

static void teardown(void)
{
	timer_clear(&timer);
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
		timer_set(&timer, base, 1, count_and_set_again, context);
}

START_TEST(calls_once_and_not_early)
{
	uint64_t start = clock_monotonic();

	ck_assert(!timer_is_set(&timer));
	timer_set(&timer, base, 20 * CLOCK_NS_PER_MS, count, &calls);
	ck_assert(timer_is_set(&timer));
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_ge(clock_monotonic() - start, 20 * CLOCK_NS_PER_MS);
}
END_TEST

START_TEST(the_time_set_last_counts)
{
	timer_set(&timer, base, 3600 * CLOCK_NS_PER_SECOND, count, &calls);
	timer_set(&timer, base, 1, count, &calls);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(does_nothing_once_cleared)
{
	timer_set(&timer, base, 1, count, &calls);
	timer_clear(&timer);
	timer_clear(&timer);
	ck_assert(!timer_is_set(&timer));
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(can_be_set_from_its_callback)
{
	timer_set(&timer, base, 0, count_and_set_again, &calls);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 3);
}
END_TEST

enum { POLLS = 200000 }; /* many times what libevent takes to see that time has passed */

static unsigned polls;

static void set_at_once(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	if (calls || ++polls == POLLS)
		event_del(context);
	else
		timer_set(&timer, base, 0, count, &calls);
}

/* Nor is one that is due put off by who sets it anew after each poll. */
START_TEST(what_is_due_is_not_put_off)
{
	struct event *readable;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	readable = event_new(base, fds[0], EV_READ | EV_PERSIST, set_at_once, event_self_cbarg());
	event_add(readable, NULL);
	event_base_dispatch(base);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_lt(polls, POLLS);
	event_free(readable);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

Suite *timer_suite(void)
{
	Suite *suite = suite_create("timer");
	TCase *tests = tcase_create("timer");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, calls_once_and_not_early);
	tcase_add_test(tests, the_time_set_last_counts);
	tcase_add_test(tests, does_nothing_once_cleared);
	tcase_add_test(tests, can_be_set_from_its_callback);
	tcase_add_test(tests, what_is_due_is_not_put_off);
	suite_add_tcase(suite, tests);
	return suite;
}
