#include "test_gateway.h"

#include <event2/event.h>

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

Suite *timer_suite(void)
{
	Suite *suite = suite_create("timer");
	TCase *tests = tcase_create("timer");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, calls_once_and_not_early);
	tcase_add_test(tests, the_time_set_last_counts);
	tcase_add_test(tests, does_nothing_once_cleared);
	tcase_add_test(tests, can_be_set_from_its_callback);
	suite_add_tcase(suite, tests);
	return suite;
}
