#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings_harness.h"

START_TEST(the_example_configuration_can_be_loaded)
{
	struct settings_problems problems = {0};
	struct settings *settings = settings_load(TEST_SRCDIR "/etc/wsgated.conf", &problems);

	ck_assert_msg(settings != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "no problem");
	ck_assert_uint_eq(settings->connection_count, 1);
	ck_assert_str_eq(settings->connections[0]->url, "wss://feed.example.com/v1");
	settings_free(settings);
}
END_TEST

static char *read_source(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t capacity = 1 << 20, length;
	char *text = malloc(capacity);

	ck_assert_msg(file != NULL, "%s", path);
	length = fread(text, 1, capacity - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

/* The lines of a whole table as the man page begins them: "*ping.interval* = ". */
static void assert_described(const char *text, const struct setting *table, const char *prefix)
{
	char name[64], line[96];

	for (; table->name; table++) {
		snprintf(name, sizeof(name), "%s%s", prefix, table->name);
		if (table->group) {
			strcat(name, ".");
			assert_described(text, table->group, name);
			continue;
		}
		snprintf(line, sizeof(line), "\n*%s*", name);
		ck_assert_msg(strstr(text, line) != NULL, "no entry for %s", name);
	}
}

START_TEST(the_man_page_has_every_setting)
{
	char *text = read_source(TEST_SRCDIR "/doc/wsgated.conf.5.scd");

	assert_described(text, gateway_settings_table, "");
	assert_described(text, connection_config_table, "");
	assert_described(text, connection_settings_table, "");
	assert_described(text, outlet_config_table, "");
	free(text);
}
END_TEST

/* Each setting stands in the example, as "NAME = STANDARD;" where it has a standard value. */
static void assert_in_example(const char *text, const struct setting *table)
{
	char line[128];

	for (; table->name; table++) {
		bool quoted = table->kind != &setting_kind_bool &&
			table->kind != &setting_kind_integer && table->kind != &setting_kind_number;

		if (table->group)
			assert_in_example(text, table->group);
		/* Two of the values depend on the build. */
		if (!table->standard || strcmp(table->name, "runtime_dir") == 0 ||
			strcmp(table->name, "user_agent") == 0)
			snprintf(line, sizeof(line), "%s = ", table->name);
		else
			snprintf(line, sizeof(line), quoted ? "%s = \"%s\";" : "%s = %s;",
				table->name, table->standard);
		ck_assert_msg(strstr(text, line) != NULL, "no line '%s'", line);
	}
}

START_TEST(the_example_has_every_setting_with_its_default)
{
	char *text = read_source(TEST_SRCDIR "/etc/wsgated.conf");

	assert_in_example(text, gateway_settings_table);
	assert_in_example(text, connection_config_table);
	assert_in_example(text, connection_settings_table);
	assert_in_example(text, outlet_config_table);
	free(text);
}
END_TEST

Suite *settings_documents_suite(void)
{
	Suite *suite = suite_create("settings: documents");
	TCase *documents = tcase_create("documents");

	tcase_add_test(documents, the_example_configuration_can_be_loaded);
	tcase_add_test(documents, the_man_page_has_every_setting);
	tcase_add_test(documents, the_example_has_every_setting_with_its_default);
	suite_add_tcase(suite, documents);
	return suite;
}
