#include "settings_harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char parent[32];
static char folder[48];

static void make_parent(void)
{
	strcpy(parent, "/tmp/test_settings.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(parent));
}

static void enter_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/XXXXXX", parent);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static void remove_parent(void)
{
	ck_assert_int_eq(nftw(parent, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void settings_add_folders(TCase *cases)
{
	tcase_add_unchecked_fixture(cases, make_parent, remove_parent);
	tcase_add_checked_fixture(cases, enter_folder, NULL);
}

const char *settings_folder(void)
{
	return folder;
}

void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

struct settings *load(const char *text)
{
	struct settings_problems problems = {0};
	struct settings *settings;

	write_file("wsgated.conf", text);
	settings = settings_load("wsgated.conf", &problems);
	ck_assert_msg(settings != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "no problem");
	ck_assert_uint_eq(problems.errors.count, 0);
	settings_problems_release(&problems); /* there may be warnings */
	return settings;
}

void assert_problems(const char *const *expected)
{
	struct settings_problems problems = {0};

	ck_assert_ptr_null(settings_load("wsgated.conf", &problems));
	for (size_t i = 0; i < problems.errors.count && expected[i]; i++)
		ck_assert_str_eq(problems.errors.items[i], expected[i]);
	for (size_t i = 0; expected[i]; i++)
		ck_assert_msg(i < problems.errors.count, "missing: %s", expected[i]);
	ck_assert_msg(!expected[problems.errors.count], "less: %s",
		expected[problems.errors.count]);
	settings_problems_release(&problems);
}
