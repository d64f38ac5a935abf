#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gateway/on_open.h"
#include "gateway/placeholders.h"

/* What was sent, a message a line, and what was complained about. */
static struct buffer sent, warned, failed;
static size_t room; /* messages that can still be sent, */
static size_t turn; /* and that may be before the next step */
static size_t turns = 1000;
static unsigned steps, asked;
static char folder[] = "/tmp/test-on-open-XXXXXX";

static bool on_send(const char *text, size_t length, struct error *error, void *context)
{
	ck_assert_ptr_eq(context, &sent);
	if (!room--)
		return error_set(error, ERROR_WEBSOCKET, "full");
	turn--;
	buffer_append(&sent, text, length);
	buffer_append_text(&sent, "\n");
	return true;
}

static bool on_has_turn(size_t length, void *context)
{
	(void)length, (void)context;
	return turn > 0;
}

static void on_ask(void *context)
{
	(void)context;
	asked++;
}

static void on_warn(const char *text, void *context)
{
	(void)context;
	buffer_append_format(&warned, "%s\n", text);
}

static const struct on_open_sender sender = {
	.context = &sent,
	.name = "feed",
	.has_turn = on_has_turn,
	.ask = on_ask,
	.send = on_send,
	.warn = on_warn,
};

static void setup(void)
{
	room = turn = 1000;
	steps = asked = 0;
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("ON_OPEN_TOKEN", "t-1", 1);
	setenv("ON_OPEN_EMPTY", "", 1);
	unsetenv("ON_OPEN_UNSET");
	unsetenv("ON_OPEN_OTHER");
}

static void teardown(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
	buffer_release(&sent);
	buffer_release(&warned);
	buffer_release(&failed);
}

static void expect(struct buffer *buffer, const char *text)
{
	ck_assert_msg(buffer->length == strlen(text) &&
			(!*text || memcmp(buffer_data(buffer), text, buffer->length) == 0),
		"'%.*s' instead of '%s'", (int)buffer->length,
		buffer->length ? (const char *)buffer_data(buffer) : "", text);
}

static void send_all(char **messages, size_t count, char *file, const struct on_open_added *added)
{
	struct connection_settings settings = {
		.users = 1,
		.on_open = {messages, count},
		.on_open_file = file,
	};
	const struct on_open_added none = {0};
	enum on_open_progress progress;
	struct on_open_run *run;
	struct error error;

	if (!added)
		added = &none;
	run = on_open_begin(&settings, added);
	ck_assert_ptr_nonnull(run);
	for (steps = 1; (progress = on_open_go_on(run, &sender, added, &error)) == ON_OPEN_LATER;
		steps++) {
		if (turn == 0)
			turn = turns;
	}
	if (progress == ON_OPEN_FAILED)
		buffer_append_format(&failed, "%s: %s\n", error.name, error.text);
	on_open_end(run);
	ck_assert_uint_eq(settings.users, 1);
}

static void send_file(const void *content, size_t length)
{
	char *path = alloc_format("%s/file", folder);
	FILE *file = fopen(path, "w");

	ck_assert_uint_eq(fwrite(content, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
	send_all(NULL, 0, path, NULL);
	ck_assert_int_eq(unlink(path), 0);
	free(path);
}

START_TEST(replaces_placeholders)
{
	static const struct {
		const char *message, *text, *unset;
	} table[] = {
		{"", "", NULL},
		{"plain €", "plain €", NULL},
		{"%n", "feed", NULL},
		{"%%", "%", NULL},
		{"%%n", "%n", NULL},
		{"100%%, %n/%n%%", "100%, feed/feed%", NULL},
		{"a %{ON_OPEN_TOKEN} b", "a t-1 b", NULL},
		{"%{ON_OPEN_TOKEN}%{ON_OPEN_TOKEN}", "t-1t-1", NULL},
		{"<%{ON_OPEN_EMPTY}>", "<>", NULL},
		{"<%{ON_OPEN_UNSET}>", "<>", "ON_OPEN_UNSET"},
		{"%{ON_OPEN_OTHER}%{ON_OPEN_TOKEN}%{ON_OPEN_UNSET}%n", "t-1feed", "ON_OPEN_OTHER"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buffer out = {0};
		char *unset = placeholders_expand(&out, table[i].message, "feed");

		expect(&out, table[i].text);
		ck_assert_pstr_eq(unset, table[i].unset);
		free(unset);
		buffer_release(&out);
	}
}
END_TEST

START_TEST(sends_those_of_the_settings_then_the_added)
{
	char *messages[] = {"one %n", "%{ON_OPEN_UNSET}", "three"};
	struct on_open_added added = {0};
	struct error error;

	ck_assert(on_open_add(&added, "%{ON_OPEN_TOKEN}", "feed", &error));
	send_all(messages, 3, NULL, &added);
	expect(&sent, "one feed\n\nthree\nt-1\n");
	expect(&warned, "on_open[1]: the environment variable ON_OPEN_UNSET is not set\n");
	expect(&failed, "");
	on_open_release(&added);
}
END_TEST

START_TEST(ends_with_a_message_that_cannot_be_sent)
{
	static const struct {
		char *messages[3];
		const char *error;
	} table[] = {
		{{"one", "two", "three"}, "WEBSOCKET-ERROR: on_open[1] cannot be sent: full\n"},
		{{"one", "\xff", "three"},
			"WEBSOCKET-ERROR: on_open[1] cannot be sent: the text is not valid UTF-8\n"},
		{{"one", "%{ON_OPEN_BROKEN}", "three"},
			"WEBSOCKET-ERROR: on_open[1] cannot be sent: the text is not valid UTF-8\n"},
		{{"one", "50%", "three"},
			"SETTINGS-ERROR: on_open[1]: the message has a '%' that does not begin "
			"%n, %{VARIABLE} or %%\n"},
	};

	setenv("ON_OPEN_BROKEN", "\xc3", 1);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		room = i == 0 ? 1 : 1000;
		send_all((char **)table[i].messages, 3, NULL, NULL);
		expect(&sent, "one\n");
		expect(&failed, table[i].error);
		buffer_release(&sent);
		buffer_release(&failed);
	}
}
END_TEST

START_TEST(sends_the_lines_of_a_file)
{
	static const char text[] = "\n{\"sub\":\"%n\"}\n\n\ntwo %%\n%{ON_OPEN_UNSET}.\n"
				   "%{ON_OPEN_UNSET}\nlast";

	send_file(text, strlen(text));
	expect(&sent, "{\"sub\":\"feed\"}\ntwo %\n.\n\nlast\n");
	expect(&failed, "");
	ck_assert_uint_gt(warned.length, 0);
	ck_assert_ptr_nonnull(memmem(buffer_data(&warned), warned.length, "/file:6: the env", 16));
	/* Once for the file. */
	ck_assert_ptr_eq(memchr(buffer_data(&warned), '\n', warned.length),
		buffer_data(&warned) + warned.length - 1);
}
END_TEST

/* Wherever a step ends, the next one goes on behind it. */
START_TEST(goes_on_where_it_has_stopped)
{
	char *messages[] = {"one", "two"};
	struct on_open_added added = {0};
	struct error error;

	ck_assert(on_open_add(&added, "five", "feed", &error));
	ck_assert(on_open_add(&added, "six", "feed", &error));
	for (turns = 1; turns <= 6; turns++) {
		char *path = alloc_format("%s/file", folder);
		FILE *file = fopen(path, "w");

		fputs("three\n\n%{ON_OPEN_UNSET}four\n", file);
		ck_assert_int_eq(fclose(file), 0);
		turn = turns;
		send_all(messages, 2, path, &added);
		expect(&failed, "");
		expect(&sent, "one\ntwo\nthree\nfour\nfive\nsix\n");
		ck_assert_uint_eq(steps, (6 + turns - 1) / turns);
		ck_assert_ptr_eq(memchr(buffer_data(&warned), '\n', warned.length),
			buffer_data(&warned) + warned.length - 1);
		buffer_release(&sent);
		buffer_release(&warned);
		ck_assert_int_eq(unlink(path), 0);
		free(path);
	}
	turns = 1000;
	on_open_release(&added);
}
END_TEST

/* Millions of empty lines are looked at in steps, too, though nothing is sent. */
START_TEST(looks_at_so_many_lines_at_a_time)
{
	static char lines[100003];

	memset(lines, '\n', sizeof(lines) - 1);
	lines[100000] = 'x';
	send_file(lines, sizeof(lines) - 1);
	expect(&sent, "x\n");
	ck_assert_uint_gt(asked, 10);
	ck_assert_uint_eq(steps, asked + 1);
}
END_TEST

/* Some are added and removed while they are being sent. */
START_TEST(sends_those_that_are_added_meanwhile)
{
	struct connection_settings settings = {.users = 1};
	struct on_open_added added = {0};
	struct on_open_run *run;
	struct error error;
	size_t index;

	ck_assert_ptr_null(on_open_begin(&settings, &added));
	for (const char *name = "abcd"; *name; name++)
		ck_assert(on_open_add(&added, (char[]){*name, '\0'}, "feed", &error));
	run = on_open_begin(&settings, &added);
	turn = 2;
	ck_assert_int_eq(on_open_go_on(run, &sender, &added, &error), ON_OPEN_LATER);
	ck_assert(on_open_remove(&added, "a", &index, &error));
	on_open_removed(run, index);
	ck_assert(on_open_remove(&added, "c", &index, &error));
	on_open_removed(run, index);
	ck_assert(on_open_add(&added, "e", "feed", &error));
	turn = 10;
	ck_assert_int_eq(on_open_go_on(run, &sender, &added, &error), ON_OPEN_COMPLETE);
	expect(&sent, "a\nb\nd\ne\n");
	on_open_end(run);

	buffer_release(&sent);
	run = on_open_begin_added(&settings, 1);
	ck_assert_int_eq(on_open_go_on(run, &sender, &added, &error), ON_OPEN_COMPLETE);
	expect(&sent, "d\ne\n");
	on_open_end(run);
	ck_assert_uint_eq(settings.users, 1);
	on_open_removed(NULL, 0);
	on_open_release(&added);
}
END_TEST

START_TEST(takes_an_empty_file)
{
	send_file("", 0);
	send_file("\n", 1);
	expect(&sent, "");
	expect(&failed, "");
}
END_TEST

START_TEST(stops_at_a_line_that_cannot_be_sent)
{
	static const struct {
		const char *text;
		size_t length, room;
		const char *error;
	} table[] = {
		{"one\n100%\nthree\n", 15, 9,
			"SETTINGS-ERROR: on_open_file %s/file:2: the message has a"},
		{"one\nt\xffo\nthree\n", 14, 9,
			"WEBSOCKET-ERROR: on_open_file %s/file:2 cannot be sent: the text is not"},
		{"one\nt\0o\nthree\n", 14, 9,
			"SETTINGS-ERROR: on_open_file %s/file:2: the message has a NUL"},
		{"one\ntwo\nthree\n", 14, 1,
			"WEBSOCKET-ERROR: on_open_file %s/file:2 cannot be sent: full"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *wanted = alloc_format(table[i].error, folder);

		room = table[i].room;
		send_file(table[i].text, table[i].length);
		expect(&sent, "one\n");
		ck_assert_uint_ge(failed.length, strlen(wanted));
		ck_assert_int_eq(memcmp(buffer_data(&failed), wanted, strlen(wanted)), 0);
		buffer_release(&sent);
		buffer_release(&failed);
		free(wanted);
	}
}
END_TEST

static void expect_unreadable(char *path, const char *text)
{
	char *messages[] = {"one"};
	char *wanted = alloc_format("SYSTEM-ERROR: on_open_file %s %s\n", path, text);

	send_all(messages, 1, path, NULL);
	expect(&sent, "one\n");
	expect(&failed, wanted);
	free(wanted);
}

START_TEST(tells_why_a_file_cannot_be_read)
{
	char *path = alloc_format("%s/file", folder);

	expect_unreadable(path, "cannot be read: No such file or directory");
	free(path);
}
END_TEST

START_TEST(takes_nothing_but_files)
{
	expect_unreadable(folder, "is a directory, not a regular file");
	buffer_release(&sent);
	buffer_release(&failed);
	expect_unreadable("/dev/zero", "is a device, not a regular file");
}
END_TEST

START_TEST(takes_no_file_that_is_too_large)
{
	char *path = alloc_format("%s/file", folder);
	FILE *file = fopen(path, "w");

	ck_assert_int_eq(ftruncate(fileno(file), ON_OPEN_FILE_MAX + 1), 0);
	fclose(file);
	expect_unreadable(path, "has more than 16777216 bytes");
	ck_assert_int_eq(unlink(path), 0);
	free(path);
}
END_TEST

START_TEST(keeps_those_that_were_added_in_order)
{
	struct on_open_added added = {0};
	struct error error;
	size_t index;

	ck_assert(on_open_add(&added, "one", "feed", &error));
	ck_assert(on_open_add(&added, "two", "feed", &error));
	ck_assert(on_open_add(&added, "three", "feed", &error));
	ck_assert(on_open_has(&added, "two"));
	ck_assert(!on_open_has(&added, "tw"));
	ck_assert(on_open_remove(&added, "two", &index, &error));
	ck_assert_uint_eq(index, 1);
	ck_assert(!on_open_remove(&added, "two", &index, &error));
	ck_assert_str_eq(error.name, ERROR_NOT_FOUND);
	ck_assert(!on_open_add(&added, "50%", "feed", &error));
	ck_assert_str_eq(error.text,
		"the message has a '%' that does not begin %n, %{VARIABLE} "
		"or %%");
	setenv("ON_OPEN_BROKEN", "\xc3", 1);
	ck_assert(!on_open_add(&added, "%{ON_OPEN_BROKEN}", "feed", &error));
	ck_assert_str_eq(error.text, "the text is not valid UTF-8");
	ck_assert_uint_eq(added.messages.count, 2);
	ck_assert_str_eq(added.messages.items[0], "one");
	ck_assert_str_eq(added.messages.items[1], "three");
	on_open_release(&added);
}
END_TEST

START_TEST(adds_only_so_many)
{
	struct on_open_added added = {0};
	struct error error;
	char text[16];
	size_t index;

	for (int i = 0; i < ON_OPEN_ADDED_MAX; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ck_assert(on_open_add(&added, text, "feed", &error));
	}
	ck_assert(!on_open_add(&added, "more", "feed", &error));
	ck_assert(on_open_remove(&added, "500", &index, &error));
	ck_assert(on_open_add(&added, "more", "feed", &error));
	on_open_release(&added);
}
END_TEST

START_TEST(adds_only_so_many_bytes)
{
	struct on_open_added added = {0};
	struct error error;
	char *half = alloc_format("%0*d", ON_OPEN_ADDED_BYTES / 2, 1);
	size_t index;

	ck_assert(on_open_add(&added, half, "feed", &error));
	half[0] = '1';
	ck_assert(on_open_add(&added, half, "feed", &error));
	ck_assert(!on_open_add(&added, "x", "feed", &error));
	ck_assert(on_open_remove(&added, half, &index, &error));
	ck_assert(on_open_add(&added, "x", "feed", &error));
	on_open_release(&added);
	free(half);
}
END_TEST

Suite *on_open_suite(void)
{
	Suite *suite = suite_create("on_open");
	TCase *tests = tcase_create("messages");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, replaces_placeholders);
	tcase_add_test(tests, sends_those_of_the_settings_then_the_added);
	tcase_add_test(tests, ends_with_a_message_that_cannot_be_sent);
	tcase_add_test(tests, sends_the_lines_of_a_file);
	tcase_add_test(tests, goes_on_where_it_has_stopped);
	tcase_add_test(tests, looks_at_so_many_lines_at_a_time);
	tcase_add_test(tests, sends_those_that_are_added_meanwhile);
	tcase_add_test(tests, takes_an_empty_file);
	tcase_add_test(tests, stops_at_a_line_that_cannot_be_sent);
	tcase_add_test(tests, tells_why_a_file_cannot_be_read);
	tcase_add_test(tests, takes_nothing_but_files);
	tcase_add_test(tests, takes_no_file_that_is_too_large);
	tcase_add_test(tests, keeps_those_that_were_added_in_order);
	tcase_add_test(tests, adds_only_so_many);
	tcase_add_test(tests, adds_only_so_many_bytes);
	suite_add_tcase(suite, tests);
	return suite;
}
