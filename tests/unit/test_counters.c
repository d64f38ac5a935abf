#include <check.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "gateway/stats.h"
#include "outlet/outlet_stats.h"

static const struct counter *const tables[] = {stats_counters, outlet_counters};
static const size_t table_count = sizeof(tables) / sizeof(*tables);

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool match;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return match;
}

START_TEST(each_number_has_its_own_field)
{
	struct stats stats = {.wire.bytes_sent = 1, .wire.bombs = 2, .attempts = 3};
	struct outlet_stats outlet = {.subscribers = 4, .counts.bytes = 5, .counts.accepted = 6};
	uint64_t sum = 0;

	for (const struct counter *counter = stats_counters; counter->name; counter++)
		sum += counter_value(counter, &stats);
	ck_assert_uint_eq(sum, 1 + 2 + 3);
	sum = 0;
	for (const struct counter *counter = outlet_counters; counter->name; counter++)
		sum += counter_value(counter, &outlet);
	ck_assert_uint_eq(sum, 4 + 5 + 6);
	ck_assert_str_eq(stats_counters[0].name, "bytes_sent");
	ck_assert_uint_eq(counter_value(&stats_counters[0], &stats), 1);
}
END_TEST

/* Names are those of OpenMetrics; programs that print numbers find the unit of times in them. */
START_TEST(names_and_descriptions_fit)
{
	for (size_t i = 0; i < table_count; i++) {
		for (const struct counter *counter = tables[i]; counter->name; counter++) {
			ck_assert_msg(matches("^[a-z][a-z0-9_]*$", counter->name), "%s",
				counter->name);
			ck_assert_msg(matches("^us_|_us$", counter->name) ==
					(counter->unit == COUNTER_MICROSECONDS),
				"%s", counter->name);
			ck_assert_msg(matches("^[a-z].*[^. ]$", counter->description), "%s: '%s'",
				counter->name, counter->description);
		}
	}
}
END_TEST

static char *read_manual(void)
{
	FILE *file = fopen(TEST_SRCDIR "/doc/wsgated-protocol.7.scd", "r");
	size_t capacity = 1 << 20, length;
	char *text = malloc(capacity);

	ck_assert_ptr_nonnull(file);
	length = fread(text, 1, capacity - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

START_TEST(the_man_page_has_every_number)
{
	char *manual = read_manual(), entry[512];

	for (size_t i = 0; i < table_count; i++) {
		for (const struct counter *counter = tables[i]; counter->name; counter++) {
			const char *unit = counter_unit_name(counter->unit);

			snprintf(entry, sizeof(entry), "|  _%s_\n:  %s (%s%s%s)\n", counter->name,
				counter->description, counter_kind_name(counter->kind),
				*unit ? ", " : "", unit);
			ck_assert_msg(strstr(manual, entry), "wsgated-protocol(7) needs:\n%s",
				entry);
		}
	}
	free(manual);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("counters");
	TCase *counters = tcase_create("counters");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(counters, each_number_has_its_own_field);
	tcase_add_test(counters, names_and_descriptions_fit);
	tcase_add_test(counters, the_man_page_has_every_number);
	suite_add_tcase(suite, counters);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
