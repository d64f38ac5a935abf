#include "test_gateway.h"

#include <string.h>

#include "base/clock.h"
#include "gateway/warnings.h"

static const struct warn_settings thresholds = {
	.warning_ms = 5,
	.warning_bs = 5000,
	.min_ms = 1000,
	.arg = (char *)"\"socket-1\"",
	.queue = 3,
};

static struct warnings warnings_with(struct warn_settings settings)
{
	struct warnings warnings = {0};
	struct error error;

	ck_assert_msg(warnings_set(&warnings, &settings, &error), "%s", error.text);
	return warnings;
}

START_TEST(refuses_what_would_never_warn)
{
	struct warn_settings settings = {.min_ms = 1000, .queue = 3};
	struct warnings warnings = {0};
	struct error error;

	ck_assert(!warnings_set(&warnings, &settings, &error));
	ck_assert_str_eq(error.name, "SOCKET-SETWARNINGQUEUE-ERROR");
	ck_assert(!warnings_active(&warnings));
}
END_TEST

START_TEST(refuses_a_queue_that_cannot_be)
{
	static const uint64_t sizes[] = {0, WARNINGS_QUEUE_MAX + 1, UINT64_MAX};
	struct warn_settings settings = thresholds;
	struct warnings warnings = {0};
	struct error error;

	settings.queue = sizes[_i];
	ck_assert(!warnings_set(&warnings, &settings, &error));
	ck_assert_str_eq(error.name, "QUEUE-ERROR");
	ck_assert(!warnings_active(&warnings));
}
END_TEST

START_TEST(an_operation_warns_only_above_the_threshold)
{
	struct warnings warnings = warnings_with(thresholds);
	uint64_t before = clock_realtime();
	const struct warning *warning;

	ck_assert_ptr_null(warnings_operation(&warnings, "connect", 5000));
	warning = warnings_operation(&warnings, "connect", 5001);
	ck_assert_ptr_nonnull(warning);
	ck_assert_int_eq(warning->type, WARNING_OPERATION);
	ck_assert_str_eq(warning->operation, "connect");
	ck_assert_uint_eq(warning->us, 5001);
	ck_assert_uint_eq(warning->timeout, 5000);
	ck_assert_str_eq(warning->arg, "\"socket-1\"");
	ck_assert_uint_ge(warning->time, before);
	ck_assert_uint_le(warning->time, clock_realtime());
	ck_assert_uint_eq(warnings.count, 1);
	warnings_clear(&warnings);
}
END_TEST

START_TEST(a_transfer_warns_when_long_enough_and_too_slow)
{
	static const struct {
		uint64_t bytes, us;
		bool warns;
	} transfers[] = {
		{0, 999999, false},     /* shorter than min_ms */
		{4999, 1000000, true},  /* just too slow */
		{5000, 1000000, false}, /* exactly the threshold */
		{9999, 2000000, true},
		{10000, 2000000, false},
		{0, 1000000, true},
	};
	struct warnings warnings = warnings_with(thresholds);
	const struct warning *warning =
		warnings_transfer(&warnings, "recv", transfers[_i].bytes, transfers[_i].us);

	ck_assert_int_eq(warning != NULL, transfers[_i].warns);
	if (warning) {
		ck_assert_int_eq(warning->type, WARNING_THROUGHPUT);
		ck_assert_str_eq(warning->operation, "recv");
		ck_assert_uint_eq(warning->bytes, transfers[_i].bytes);
		ck_assert_uint_eq(warning->us, transfers[_i].us);
		ck_assert_double_eq_tol(warning->bytes_sec,
			(double)transfers[_i].bytes * 1e6 / (double)transfers[_i].us, 1e-9);
		ck_assert_uint_eq(warning->threshold, 5000);
	}
	warnings_clear(&warnings);
}
END_TEST

START_TEST(a_threshold_of_0_is_off)
{
	struct warn_settings settings = thresholds;
	struct warnings warnings;

	settings.warning_ms = 0;
	warnings = warnings_with(settings);
	ck_assert_ptr_null(warnings_operation(&warnings, "send", UINT64_MAX));
	ck_assert_ptr_nonnull(warnings_transfer(&warnings, "send", 0, 1000000));
	warnings_clear(&warnings);

	settings = thresholds;
	settings.warning_bs = 0;
	settings.min_ms = 0;
	warnings = warnings_with(settings);
	ck_assert_ptr_null(warnings_transfer(&warnings, "send", 0, UINT64_MAX));
	ck_assert_ptr_null(warnings_transfer(&warnings, "send", 1, 0));
	ck_assert_ptr_nonnull(warnings_operation(&warnings, "send", 5001));
	warnings_clear(&warnings);
}
END_TEST

static void raise_numbered(struct warnings *warnings, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert_ptr_nonnull(warnings_operation(warnings, "recv", 10000 + first + i));
}

static void assert_queued(const struct warnings *warnings, unsigned first, unsigned count)
{
	const struct warning *warning;
	uint64_t seq = 0;

	ck_assert_uint_eq(warnings->count, count);
	for (unsigned i = 0; i < count; i++) {
		warning = warnings_after(warnings, seq);
		ck_assert_ptr_nonnull(warning);
		ck_assert_uint_eq(warning->us, 10000 + first + i);
		ck_assert_uint_eq(warning->seq, first + i + 1);
		seq = warning->seq;
	}
	ck_assert_ptr_null(warnings_after(warnings, seq));
}

START_TEST(a_full_queue_drops_and_counts_the_oldest)
{
	struct warnings warnings = warnings_with(thresholds);

	raise_numbered(&warnings, 0, 3);
	assert_queued(&warnings, 0, 3);
	ck_assert_uint_eq(warnings.dropped, 0);
	raise_numbered(&warnings, 3, 5);
	assert_queued(&warnings, 5, 3);
	ck_assert_uint_eq(warnings.dropped, 5);
	ck_assert_uint_eq(warnings.raised, 8);
	warnings_clear(&warnings);
}
END_TEST

/* Somebody has had them: they are gone, and not dropped. */
START_TEST(what_is_taken_leaves_the_queue)
{
	struct warnings warnings = warnings_with(thresholds);

	raise_numbered(&warnings, 0, 4); /* 1, 2, 3 are left, with the numbers 2, 3, 4 */
	warnings_take(&warnings, 1);
	assert_queued(&warnings, 1, 3);
	warnings_take(&warnings, 3);
	assert_queued(&warnings, 3, 1);
	raise_numbered(&warnings, 4, 2);
	assert_queued(&warnings, 3, 3);
	warnings_take(&warnings, UINT64_MAX);
	ck_assert_uint_eq(warnings.count, 0);
	ck_assert_ptr_null(warnings_after(&warnings, 0));
	ck_assert_uint_eq(warnings.dropped, 1);
	raise_numbered(&warnings, 6, 1);
	assert_queued(&warnings, 6, 1);
	warnings_clear(&warnings);
}
END_TEST

START_TEST(setting_again_keeps_what_is_queued)
{
	struct warn_settings settings = thresholds;
	struct warnings warnings = warnings_with(thresholds);
	struct error error;

	raise_numbered(&warnings, 0, 5); /* 2, 3, 4, and the circle has turned */
	settings.queue = 5;
	settings.arg = (char *)"{\"n\":1}";
	ck_assert(warnings_set(&warnings, &settings, &error));
	assert_queued(&warnings, 2, 3);
	raise_numbered(&warnings, 5, 2);
	assert_queued(&warnings, 2, 5);
	ck_assert_str_eq(warnings_after(&warnings, 4)->arg, "\"socket-1\"");
	ck_assert_str_eq(warnings_after(&warnings, 5)->arg, "{\"n\":1}");

	settings.queue = 2;
	ck_assert(warnings_set(&warnings, &settings, &error));
	assert_queued(&warnings, 5, 2);
	ck_assert_uint_eq(warnings.dropped, 2 + 3);
	warnings_clear(&warnings);
}
END_TEST

START_TEST(setting_from_its_own_thresholds_keeps_the_argument)
{
	struct warnings warnings = warnings_with(thresholds);
	struct warn_settings changed = warnings.thresholds;
	struct error error;

	changed.warning_ms = 1;
	ck_assert(warnings_set(&warnings, &changed, &error));
	ck_assert_str_eq(warnings.thresholds.arg, "\"socket-1\"");
	warnings_clear(&warnings);
}
END_TEST

START_TEST(a_failed_change_changes_nothing)
{
	struct warnings warnings = warnings_with(thresholds);
	struct warn_settings settings = {.queue = 3};
	struct error error;

	raise_numbered(&warnings, 0, 2);
	ck_assert(!warnings_set(&warnings, &settings, &error));
	ck_assert(warnings_active(&warnings));
	assert_queued(&warnings, 0, 2);
	warnings_clear(&warnings);
}
END_TEST

START_TEST(cleared_warnings_can_be_set_again)
{
	struct warnings warnings = warnings_with(thresholds);
	struct error error;

	raise_numbered(&warnings, 0, 4);
	warnings_clear(&warnings);
	ck_assert(!warnings_active(&warnings));
	ck_assert_uint_eq(warnings.count, 0);
	ck_assert_ptr_null(warnings_operation(&warnings, "recv", UINT64_MAX));
	ck_assert(warnings_set(&warnings, &thresholds, &error));
	raise_numbered(&warnings, 4, 1);
	assert_queued(&warnings, 4, 1); /* the numbers go on */
	warnings_clear(&warnings);
}
END_TEST

Suite *warnings_suite(void)
{
	Suite *suite = suite_create("warnings");
	TCase *judging = tcase_create("judging");
	TCase *queue = tcase_create("queue");

	tcase_add_test(judging, refuses_what_would_never_warn);
	tcase_add_loop_test(judging, refuses_a_queue_that_cannot_be, 0, 3);
	tcase_add_test(judging, an_operation_warns_only_above_the_threshold);
	tcase_add_loop_test(judging, a_transfer_warns_when_long_enough_and_too_slow, 0, 6);
	tcase_add_test(judging, a_threshold_of_0_is_off);
	suite_add_tcase(suite, judging);

	tcase_add_test(queue, a_full_queue_drops_and_counts_the_oldest);
	tcase_add_test(queue, what_is_taken_leaves_the_queue);
	tcase_add_test(queue, setting_again_keeps_what_is_queued);
	tcase_add_test(queue, setting_from_its_own_thresholds_keeps_the_argument);
	tcase_add_test(queue, a_failed_change_changes_nothing);
	tcase_add_test(queue, cleared_warnings_can_be_set_again);
	suite_add_tcase(suite, queue);
	return suite;
}
