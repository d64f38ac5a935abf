#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rate.h"

static const uint64_t start = 5 * CLOCK_NS_PER_SECOND;

/* How many are let through at that moment, and what the next one has to wait. */
static unsigned take_all(struct rate *rate, uint64_t now, uint64_t *delay)
{
	unsigned taken = 0;

	while (taken < 10000 && !(*delay = rate_delay(rate, now)))
		taken++;
	return taken;
}

START_TEST(lets_everything_through_without_a_limit)
{
	struct rate rate = {0};
	uint64_t delay;

	ck_assert_uint_eq(take_all(&rate, start, &delay), 10000);
}
END_TEST

START_TEST(begins_with_a_full_burst_and_then_waits_its_time)
{
	static const struct {
		double per_second, burst;
		unsigned taken;
		uint64_t delay;
	} table[] = {
		{1, 1, 1, CLOCK_NS_PER_SECOND},
		{10, 1, 1, CLOCK_NS_PER_SECOND / 10},
		{10, 5, 5, CLOCK_NS_PER_SECOND / 10},
		{0.5, 1, 1, 2 * CLOCK_NS_PER_SECOND},
		{0.001, 2, 2, 1000 * CLOCK_NS_PER_SECOND},
		{1000000, 100, 100, 1000},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rate rate = {.per_second = table[i].per_second, .burst = table[i].burst};
		uint64_t delay;

		ck_assert_uint_eq(take_all(&rate, start, &delay), table[i].taken);
		ck_assert_uint_ge(delay, table[i].delay);
		ck_assert_uint_le(delay, table[i].delay + 1);
		ck_assert_uint_ne(rate_delay(&rate, start + delay / 2), 0);
		ck_assert_uint_eq(take_all(&rate, start + delay, &delay), 1);
	}
}
END_TEST

START_TEST(saves_no_more_than_the_burst_over_a_silence)
{
	struct rate rate = {.per_second = 100, .burst = 3};
	uint64_t delay;

	ck_assert_uint_eq(take_all(&rate, start, &delay), 3);
	ck_assert_uint_eq(take_all(&rate, 1000 * start, &delay), 3);
}
END_TEST

/* Whoever waits each time as long as he is told keeps the rate, over thousands of steps. */
START_TEST(keeps_the_rate_over_a_long_time)
{
	struct rate rate = {.per_second = 7, .burst = 2};
	uint64_t now = start, delay;

	for (unsigned taken = 0; taken < 7 * 1000 + 2; taken++) {
		while ((delay = rate_delay(&rate, now)))
			now += delay;
	}
	ck_assert_uint_ge(now - start, 1000 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_lt(now - start, 1001 * CLOCK_NS_PER_SECOND);
}
END_TEST

START_TEST(follows_limits_that_change)
{
	struct rate rate = {.per_second = 1, .burst = 1000};
	uint64_t delay;

	ck_assert_uint_eq(take_all(&rate, start, &delay), 1000);
	rate.burst = 1;
	ck_assert_uint_eq(take_all(&rate, start, &delay), 0);
	ck_assert_uint_le(delay, CLOCK_NS_PER_SECOND + 1);
	rate.per_second = 0;
	ck_assert_uint_eq(take_all(&rate, start, &delay), 10000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tests = tcase_create("delays");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, lets_everything_through_without_a_limit);
	tcase_add_test(tests, begins_with_a_full_burst_and_then_waits_its_time);
	tcase_add_test(tests, saves_no_more_than_the_burst_over_a_silence);
	tcase_add_test(tests, keeps_the_rate_over_a_long_time);
	tcase_add_test(tests, follows_limits_that_change);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
