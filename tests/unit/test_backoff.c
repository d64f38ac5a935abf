#include "test_gateway.h"

#include <stdint.h>

#include "gateway/backoff.h"

/* What `random` must be for the latest delay of a range: all ranges here are far smaller. */
static uint64_t latest(uint64_t floor, uint64_t ceiling)
{
	return ceiling - floor;
}

START_TEST(grows_by_the_factor_up_to_the_maximum)
{
	struct backoff_settings settings = {.min = 500, .max = 6000, .factor = 2.0};
	struct backoff backoff = {0};
	static const uint64_t ceilings[] = {500, 1000, 2000, 4000, 6000, 6000};

	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++)
		ck_assert_uint_eq(backoff_next(&backoff, &settings, latest(250, ceilings[i])),
			ceilings[i]);
}
END_TEST

START_TEST(stays_within_half_the_minimum_and_the_ceiling)
{
	struct backoff_settings settings = {.min = 1000, .max = 2000, .factor = 2.0};
	struct backoff backoff = {0};
	uint64_t random = 88172645463325252;
	uint64_t least = UINT64_MAX, most = 0;

	backoff_next(&backoff, &settings, 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t delay;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		delay = backoff_next(&backoff, &settings, random);
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	ck_assert_uint_eq(least, 500);
	ck_assert_uint_eq(most, 2000);
}
END_TEST

START_TEST(starts_again_after_a_reset)
{
	struct backoff_settings settings = {.min = 500, .max = 60000, .factor = 3.0};
	struct backoff backoff = {0};

	backoff_next(&backoff, &settings, 0);
	backoff_next(&backoff, &settings, 0);
	backoff_reset(&backoff);
	ck_assert_uint_eq(backoff_next(&backoff, &settings, latest(250, 500)), 500);
	ck_assert_uint_eq(backoff_next(&backoff, &settings, latest(250, 1500)), 1500);
}
END_TEST

START_TEST(without_jitter_it_is_the_longest)
{
	struct backoff_settings settings = {
		.min = 500, .max = 1500, .factor = 2.0, .jitter = BACKOFF_NONE};
	struct backoff backoff = {0};

	ck_assert_uint_eq(backoff_next(&backoff, &settings, 1), 500);
	ck_assert_uint_eq(backoff_next(&backoff, &settings, 2), 1000);
	ck_assert_uint_eq(backoff_next(&backoff, &settings, 3), 1500);
	ck_assert_uint_eq(backoff_next(&backoff, &settings, 4), 1500);
}
END_TEST

START_TEST(follows_settings_that_change)
{
	struct backoff_settings settings = {.min = 500, .max = 60000, .factor = 2.0};
	struct backoff backoff = {0};

	for (int i = 0; i < 10; i++)
		backoff_next(&backoff, &settings, 0);
	settings.max = 800;
	ck_assert_uint_eq(backoff_next(&backoff, &settings, latest(250, 800)), 800);
	settings.min = 2000;
	settings.max = 4000;
	ck_assert_uint_eq(backoff_next(&backoff, &settings, latest(1000, 2000)), 2000);
}
END_TEST

START_TEST(takes_a_factor_of_one_and_the_widest_range)
{
	struct backoff_settings same_settings = {.min = 700, .max = 9000, .factor = 1.0};
	struct backoff_settings wide_settings = {
		.min = 1, .max = UINT64_C(365) * 86400 * 1000000000, .factor = 100};
	struct backoff same = {0}, wide = {0};

	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(backoff_next(&same, &same_settings, latest(350, 700)), 700);
		ck_assert_uint_le(backoff_next(&wide, &wide_settings, UINT64_MAX),
			wide_settings.max);
	}
	ck_assert_uint_eq(backoff_next(&wide, &wide_settings, wide_settings.max),
		wide_settings.max);
}
END_TEST

Suite *backoff_suite(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tests = tcase_create("delays");

	tcase_add_test(tests, grows_by_the_factor_up_to_the_maximum);
	tcase_add_test(tests, stays_within_half_the_minimum_and_the_ceiling);
	tcase_add_test(tests, starts_again_after_a_reset);
	tcase_add_test(tests, without_jitter_it_is_the_longest);
	tcase_add_test(tests, follows_settings_that_change);
	tcase_add_test(tests, takes_a_factor_of_one_and_the_widest_range);
	suite_add_tcase(suite, tests);
	return suite;
}
