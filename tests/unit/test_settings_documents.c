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

static bool is_number(const struct setting *setting)
{
	return setting->kind == &setting_kind_integer || setting->kind == &setting_kind_number;
}

static bool is_quoted(const struct setting *setting)
{
	return !is_number(setting) && setting->kind != &setting_kind_bool;
}

/* The value as the file has it. */
static const char *as_written(const struct setting *setting, const char *value)
{
	static char texts[2][64];
	static unsigned next;
	char *text = texts[next++ % 2];

	snprintf(text, sizeof(texts[0]), is_quoted(setting) ? "\"%s\"" : "%s", value);
	return text;
}

/* "from 1 to 9", "up to 20", "at least \"1ms\"", or nothing: "365d" is the limit of all durations. */
static void write_range(const struct setting *setting, char *text, size_t size)
{
	const char *least = setting->minimum, *most = setting->maximum;

	if (setting->kind == &setting_kind_duration && strcmp(most, "365d") == 0)
		most = NULL;
	if (least && strcmp(least, "0") == 0)
		least = NULL;
	if (least && most)
		snprintf(text, size, ", from %s to %s", as_written(setting, least),
			as_written(setting, most));
	else if (least)
		snprintf(text, size, ", at least %s", as_written(setting, least));
	else if (most)
		snprintf(text, size, ", up to %s", as_written(setting, most));
	else
		text[0] = '\0';
}

/* "*ping.timeout* = _duration_ (default: "10s", at least "1ms")" is the first line of an entry. */
static void assert_entry(const char *text, const struct setting *setting, const char *name,
	bool of_connection)
{
	bool reconnects = of_connection && !(setting->flags & (SETTING_LIVE | SETTING_OWN));
	const char *standard = setting->standard;
	char start[96], range[64], end[160];
	const char *entry, *line_end, *entry_end;
	const struct choice *choice;

	snprintf(start, sizeof(start), "\n*%s* = ", name);
	entry = strstr(text, start);
	ck_assert_msg(entry != NULL, "no entry for %s", name);
	entry++;
	line_end = strstr(entry, "\n");
	entry_end = strstr(entry, "\n\n*");

	ck_assert_msg((memmem(entry, (size_t)(line_end - entry), "reconnects)", 11) != NULL) ==
			reconnects,
		"%s", name);

	/* Two of the defaults depend on the build. */
	if (!standard || strcmp(name, "runtime_dir") == 0 || strcmp(name, "user_agent") == 0) {
		strcpy(end, ")\n");
	} else {
		write_range(setting, range, sizeof(range));
		snprintf(end, sizeof(end), "default: %s%s%s)\n", as_written(setting, standard),
			range, reconnects ? "; reconnects" : "");
	}
	line_end++;
	ck_assert_msg((size_t)(line_end - entry) > strlen(end) &&
			memcmp(line_end - strlen(end), end, strlen(end)) == 0,
		"%.*s does not end in %s", (int)(line_end - entry), entry, end);

	for (choice = setting->choices; choice && choice->name; choice++) {
		snprintf(end, sizeof(end), "\"%s\"", choice->name);
		ck_assert_msg(memmem(entry, (size_t)(entry_end - entry), end, strlen(end)) != NULL,
			"the entry of %s does not have %s", name, end);
	}
}

static void assert_described(const char *text, const struct setting *table, const char *prefix,
	bool of_connection)
{
	char name[64];

	for (; table->name; table++) {
		snprintf(name, sizeof(name), "%s%s", prefix, table->name);
		if (table->group) {
			strcat(name, ".");
			assert_described(text, table->group, name, of_connection);
		} else {
			assert_entry(text, table, name, of_connection);
		}
	}
}

START_TEST(the_man_page_has_every_setting_with_its_default_and_range)
{
	char *text = read_source(TEST_SRCDIR "/doc/wsgated.conf.5.scd");

	assert_described(text, gateway_settings_table, "", false);
	assert_described(text, connection_config_table, "", true);
	assert_described(text, connection_settings_table, "", true);
	assert_described(text, outlet_config_table, "", false);
	free(text);
}
END_TEST

/* Each setting of the table with any of the flags, as the text writes names: "_control.path_". */
static void assert_listed(const char *list, const struct setting *table, const char *prefix,
	unsigned flags)
{
	char name[64], written[72];

	for (; table->name; table++) {
		snprintf(name, sizeof(name), "%s%s", prefix, table->name);
		if (table->group) {
			strcat(name, ".");
			assert_listed(list, table->group, name, flags);
		} else if (table->flags & flags) {
			snprintf(written, sizeof(written), "_%s_", name);
			ck_assert_msg(strstr(list, written) != NULL, "%s is not in: %s", written,
				list);
		}
	}
}

/* From `start` to the next empty line. */
static char *paragraph(const char *path, const char *start)
{
	char *text = read_source(path), *found = strstr(text, start), *copy;

	ck_assert_msg(found != NULL, "%s", start);
	copy = strndup(found, (size_t)(strstr(found, "\n\n") - found));
	free(text);
	return copy;
}

START_TEST(the_man_page_lists_what_needs_a_restart_and_what_is_secret)
{
	char *restart =
		paragraph(TEST_SRCDIR "/doc/wsgated.conf.5.scd", "Changes to _runtime_dir_");
	char *secrets =
		paragraph(TEST_SRCDIR "/doc/wsgated.conf.5.scd", "Keys, passwords and tokens");

	assert_listed(restart, gateway_settings_table, "", SETTING_RESTART);
	assert_listed(secrets, connection_settings_table, "", SETTING_LINE);
	free(restart);
	free(secrets);
}
END_TEST

/* Each setting stands in the example, as "NAME = STANDARD;" where it has a standard value. */
static void assert_in_example(const char *text, const struct setting *table)
{
	char line[128];

	for (; table->name; table++) {
		if (table->group)
			assert_in_example(text, table->group);
		/* Two of the values depend on the build. */
		if (!table->standard || strcmp(table->name, "runtime_dir") == 0 ||
			strcmp(table->name, "user_agent") == 0)
			snprintf(line, sizeof(line), "%s = ", table->name);
		else
			snprintf(line, sizeof(line), "%s = %s;", table->name,
				as_written(table, table->standard));
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
	tcase_add_test(documents, the_man_page_has_every_setting_with_its_default_and_range);
	tcase_add_test(documents, the_man_page_lists_what_needs_a_restart_and_what_is_secret);
	tcase_add_test(documents, the_example_has_every_setting_with_its_default);
	suite_add_tcase(suite, documents);
	return suite;
}
