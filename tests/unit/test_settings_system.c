#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gateway/settings.h"

/* Each test has a folder of its own, which is the runtime directory too. */
static char folder[48];
static struct settings_problems problems;

static void setup(void)
{
	strcpy(folder, "/tmp/test-system.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	problems = (struct settings_problems){0};
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void teardown(void)
{
	char *command = alloc_format("rm -rf '%s'", folder);

	settings_problems_release(&problems);
	ck_assert_int_eq(system(command), 0);
	free(command);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* The rest of the file, from line 2; each "@" in it becomes the folder. */
static struct settings *prepare(const struct gateway_settings *running, const char *rest)
{
	FILE *file = fopen("wsgated.conf", "w");

	ck_assert_ptr_nonnull(file);
	if (!running)
		fprintf(file, "gateway = { runtime_dir = \"%s\"; };", folder);
	fputs("\n", file);
	for (; *rest; rest++) {
		if (*rest == '@')
			fputs(folder, file);
		else
			fputc(*rest, file);
	}
	ck_assert_int_eq(fclose(file), 0);
	settings_problems_release(&problems);
	return settings_prepare("wsgated.conf", running, &problems);
}

/* Likewise: each "@" of the text becomes the folder. */
static void expect(char *const *texts, size_t count, size_t index, const char *text)
{
	char *whole = alloc_string("");

	for (; *text; text++) {
		char *longer = *text == '@' ? alloc_format("%s%s", whole, folder)
					    : alloc_format("%s%c", whole, *text);

		free(whole);
		whole = longer;
	}
	ck_assert_msg(index < count, "missing: %s", whole);
	ck_assert_str_eq(texts[index], whole);
	free(whole);
}

static void expect_problem(size_t index, const char *text)
{
	expect(problems.errors.items, problems.errors.count, index, text);
}

static void expect_warning(size_t index, const char *text)
{
	expect(problems.warnings.items, problems.warnings.count, index, text);
}

START_TEST(everything_that_is_missing_is_told_with_its_place)
{
	char text[128];

	write_file("file", "not a socket");
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	ck_assert_ptr_null(prepare(NULL,
		"defaults = { tls = { ca_file = \"@/none.pem\"; }; };\n"
		"connections = ( { name = \"a\"; url = \"ws://h/\"; bearer_file = \"@/pipe\"; },\n"
		"  { name = \"b\"; url = \"ws://h/\"; header_files = { X-A = \"@/none\"; }; } );\n"
		"outlets = ( { name = \"o\"; from = [ \"a\" ];\n"
		"    group = \"nobody-knows-it\"; owner = \"nor-this\"; },\n"
		"  { name = \"p\"; from = [ \"b\" ]; path = \"@/none/p\"; },\n"
		"  { name = \"q\"; from = [ \"b\" ]; path = \"file\"; } );\n"));
	expect_problem(0,
		"wsgated.conf:3: connections[0].bearer_file: @/pipe is a FIFO, not a "
		"regular file");
	expect_problem(1,
		"wsgated.conf:3: connections[0]: tls.ca_file: @/none.pem cannot be "
		"read: No such file or directory");
	expect_problem(2,
		"wsgated.conf:4: connections[1].header_files: @/none cannot be read: "
		"No such file or directory");
	expect_problem(3,
		"wsgated.conf:4: connections[1]: tls.ca_file: @/none.pem cannot be "
		"read: No such file or directory");
	expect_problem(4, "wsgated.conf:6: outlets[0].owner: no user named 'nor-this'");
	expect_problem(5, "wsgated.conf:6: outlets[0].group: no group named 'nobody-knows-it'");
	expect_problem(6,
		"wsgated.conf:7: outlets[1].path: cannot use the directory @/none "
		"for a socket: No such file or directory");
	snprintf(text, sizeof(text),
		"wsgated.conf:8: outlets[2].path: @/file is a regular file of uid %lu, not a socket",
		(unsigned long)geteuid());
	expect_problem(7, text);
	ck_assert_uint_eq(problems.errors.count, 8);
}
END_TEST

START_TEST(a_secret_for_a_header_has_no_control_characters)
{
	write_file("key", "not\001shown\n");
	ck_assert_ptr_null(prepare(NULL,
		"connections = ( { name = \"a\"; url = \"ws://h/\"; bearer_file = \"@/key\"; },\n"
		"  { name = \"b\"; url = \"ws://h/\"; header_files = { X-A = \"@/key\"; }; },\n"
		"  { name = \"c\"; url = \"ws://h/\"; username = \"u\"; password_file = \"@/key\"; } );\n"));
	expect_problem(0,
		"wsgated.conf:2: connections[0].bearer_file: @/key has a control "
		"character in its first line, which no header can have");
	expect_problem(1,
		"wsgated.conf:3: connections[1].header_files: @/key has a control "
		"character in its first line, which no header can have");
	ck_assert_uint_eq(problems.errors.count, 2); /* Base64 is made of the password */
}
END_TEST

START_TEST(a_pattern_without_a_match_is_no_more_than_a_warning)
{
	struct settings *settings = prepare(NULL,
		"connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n"
		"outlets = ( { name = \"o\"; from = [ \"a*\", \"b*\" ]; } );\n");

	ck_assert_ptr_nonnull(settings);
	settings_free(settings);
	ck_assert_uint_eq(problems.warnings.count, 1);
	expect_warning(0, "wsgated.conf:3: outlets[0].from: no connection matches 'b*'");
}
END_TEST

START_TEST(tls_material_has_to_be_of_use)
{
	write_file("ca.pem", "nothing\n");
	ck_assert_ptr_null(prepare(NULL,
		"connections = ( { name = \"a\"; url = \"wss://h/\";\n"
		"    tls = { ca_file = \"@/ca.pem\"; }; },\n"
		"  { name = \"b\"; url = \"wss://h/\";\n"
		"    tls = { ciphers = \"NO-SUCH-CIPHER\"; }; } );\n"));
	ck_assert_uint_eq(problems.errors.count, 2);
	ck_assert_ptr_nonnull(strstr(problems.errors.items[0],
		"wsgated.conf:3: connections[0].tls: cannot use the CA certificates of"));
	ck_assert_ptr_nonnull(strstr(problems.errors.items[1],
		"wsgated.conf:5: connections[1].tls: TLS cipher list 'NO-SUCH-CIPHER'"));
}
END_TEST

START_TEST(a_test_leaves_what_only_the_service_has_unchecked)
{
	const char *text = "connections = ( { name = \"a\"; url = \"wss://h/\";\n"
			   "  tls = { cert_file = \"${CREDENTIALS_DIRECTORY}/c.pem\"; }; } );\n";
	struct settings *settings;

	ck_assert_ptr_null(prepare(NULL, text));
	ck_assert_uint_eq(problems.errors.count, 1);
	settings_problems_release(&problems);
	problems.testing = true;
	settings = settings_prepare("wsgated.conf", NULL, &problems);
	ck_assert_ptr_nonnull(settings);
	settings_free(settings);
	ck_assert_uint_eq(problems.warnings.count, 1);
	expect_warning(0,
		"wsgated.conf:3: connections[0].tls.cert_file: unchecked: only the "
		"service has CREDENTIALS_DIRECTORY");
}
END_TEST

START_TEST(what_needs_a_restart_stays_as_it_runs)
{
	struct settings *running = prepare(NULL, "connections = ( );\n");
	struct settings *settings;

	ck_assert_ptr_nonnull(running);
	settings = prepare(&running->gateway,
		"gateway = { runtime_dir = \"/somewhere/else\"; dns = [ \"192.0.2.1\" ];\n"
		"  control = { path = \"other.sock\"; mode = \"0600\"; }; drain_timeout = \"1s\"; };\n"
		"connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n");
	ck_assert_msg(settings != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "");
	ck_assert_uint_eq(settings->restart.count, 3);
	ck_assert_str_eq(settings->restart.items[0], "gateway.runtime_dir");
	ck_assert_str_eq(settings->restart.items[1], "gateway.control.path");
	ck_assert_str_eq(settings->restart.items[2], "gateway.dns");
	ck_assert_str_eq(settings->gateway.runtime_dir, folder);
	ck_assert_str_eq(settings->gateway.control.path, running->gateway.control.path);
	ck_assert_uint_eq(settings->gateway.dns.count, 0);
	ck_assert_uint_eq(settings->gateway.control.mode, 0600);
	ck_assert_uint_eq(settings->gateway.drain_timeout, UINT64_C(1000000000));
	ck_assert_ptr_eq(strstr(settings->outlets[0]->outlet.path, folder),
		settings->outlets[0]->outlet.path);
	settings_free(settings);

	settings = prepare(&running->gateway, "gateway = { runtime_dir = \"@\"; };\n");
	ck_assert_ptr_nonnull(settings);
	ck_assert_uint_eq(settings->restart.count, 0);
	settings_free(settings);
	settings_free(running);
}
END_TEST

/* A running daemon's sockets among them: whoever tests must not disturb it. */
START_TEST(a_look_changes_nothing)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct settings *settings;
	struct stat status;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/a.sock", folder);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	settings = prepare(NULL, "connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n");
	ck_assert_ptr_nonnull(settings);
	ck_assert_int_eq(stat("a.sock", &status), 0);
	ck_assert_int_lt(access("control.sock", F_OK), 0);
	settings_free(settings);
	close(fd);
}
END_TEST

Suite *settings_system_suite(void)
{
	Suite *suite = suite_create("settings and the system");
	TCase *tests = tcase_create("system");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, everything_that_is_missing_is_told_with_its_place);
	tcase_add_test(tests, a_secret_for_a_header_has_no_control_characters);
	tcase_add_test(tests, a_pattern_without_a_match_is_no_more_than_a_warning);
	tcase_add_test(tests, tls_material_has_to_be_of_use);
	tcase_add_test(tests, a_test_leaves_what_only_the_service_has_unchecked);
	tcase_add_test(tests, what_needs_a_restart_stays_as_it_runs);
	tcase_add_test(tests, a_look_changes_nothing);
	suite_add_tcase(suite, tests);
	return suite;
}
