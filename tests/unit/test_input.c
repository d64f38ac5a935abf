#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "outlet/format.h"
#include "outlet/frames.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

static struct harness harness;

static void teardown(void)
{
	harness_teardown(&harness);
}

static void open_writable(const char *format)
{
	harness_setup(&harness, format);
	harness.settings.writable = true;
	harness_open(&harness);
}

static int connect_subscriber(void)
{
	const struct frames_hello hello = {.magic = FRAMES_MAGIC, .version = FRAMES_VERSION};
	int fd = harness_connect(&harness);

	if (harness_is(&harness, "frames"))
		ck_assert_int_eq(send(fd, &hello, sizeof(hello), 0), sizeof(hello));
	return fd;
}

/* Sends it all, however little the socket takes at a time. */
static void send_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length) {
		ssize_t sent = send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0) {
			at += sent;
			length -= (size_t)sent;
		}
		harness_turn(&harness);
	}
}

static void send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

START_TEST(test_lines_input)
{
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	send_text(fd, "one\ntwo\n\nthr");
	harness_until(&harness, harness_counts(&harness).inputs == 3);
	harness_expect(&harness.inputs, "-1 text one\n-1 text two\n-1 text \n");
	send_text(fd, "ee\n");
	harness_until(&harness, harness_counts(&harness).inputs == 4);
	ck_assert(harness_contains(&harness.inputs, "-1 text three\n"));
	close(fd);
}
END_TEST

START_TEST(test_lines_not_utf8)
{
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	send_text(fd, "bad \xff\ngood\n");
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	harness_expect(&harness.inputs, "-1 text good\n");
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 1);
	ck_assert(harness_contains(&harness.events, "\"error\":\"a text message is not UTF-8\""));
	close(fd);
}
END_TEST

START_TEST(test_many_errors_are_few_events)
{
	size_t events = 0;
	int fd;

	open_writable("json");
	fd = connect_subscriber();
	for (int i = 0; i < 1000; i++)
		send_text(fd, "nonsense\n");
	harness_until(&harness, harness_counts(&harness).input_errors == 1000);
	for (size_t i = 0; i < harness.events.length; i++)
		events += buffer_data(&harness.events)[i] == '\n';
	ck_assert_uint_eq(events, 1 + 10); /* subscribed; 1, 2, 4, … 512 */
	close(fd);
}
END_TEST

enum { LONGEST = 1 << 20 };

START_TEST(test_longest_line)
{
	char *line = alloc_zero(1, LONGEST + 2);
	struct buffer stream = {0};
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	memset(line, 'x', LONGEST + 1);
	line[LONGEST] = '\n';
	send_all(fd, line, LONGEST + 1);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	ck_assert_uint_eq(harness.inputs.length, LONGEST + 9);
	line[LONGEST] = 'x';
	send_all(fd, line, LONGEST + 1);
	harness_expect_end(&harness, fd, &stream);
	ck_assert_uint_eq(harness_counts(&harness).inputs, 1);
	ck_assert(harness_contains(&harness.events,
		"\"error\":\"a line is longer than send_queue permits (1048576 bytes)\""));
	buffer_release(&stream);
	free(line);
}
END_TEST

START_TEST(test_json_input)
{
	static const struct {
		const char *line;
		const char *input; /* or */
		const char *error;
	} cases[] = {
		{"{\"data\":\"hi\"}", "-1 text hi\n", NULL},
		{"{\"type\":\"text\",\"data\":\"h\\u00fc\",\"seq\":9}", "-1 text h\xc3\xbc\n",
			NULL},
		{"{\"connection\":\"trades\",\"type\":\"text\",\"data\":\"\"}", "1 text \n", NULL},
		{"{\"connection\":\"ticker\",\"base64\":\"aGk=\"}", "0 binary hi\n", NULL},
		{"{\"type\":\"binary\",\"base64\":\"\"}", "-1 binary \n", NULL},
		{"{\"connection\":\"none\",\"data\":\"\"}", "",
			"is none of the outlet's connections"},
		{"{\"connection\":7,\"data\":\"\"}", "", "is none of the"},
		{"{\"type\":\"binary\",\"data\":\"\"}", "", "must be"},
		{"{\"type\":\"text\",\"base64\":\"\"}", "", "must be"},
		{"{\"data\":\"\",\"base64\":\"\"}", "", "needs either"},
		{"{}", "", "needs either"},
		{"{\"base64\":\"aGk\"}", "", "does not hold base64"},
		{"{\"base64\":\"aGk=\\u0000\"}", "", "does not hold base64"},
		{"[1]", "", "a line is not a JSON object"},
		{"{\"data\":", "", "a line is not JSON: "},
		{"", "", "a line is not JSON: "},
		{"{\"data\":\"\xff\"}", "", "a line is not JSON: "},
	};
	int fd;

	open_writable("json");
	fd = connect_subscriber();
	send_text(fd, cases[_i].line);
	send_text(fd, "\n");
	harness_until(&harness,
		harness_counts(&harness).inputs + harness_counts(&harness).input_errors == 1);
	harness_expect(&harness.inputs, cases[_i].input);
	if (cases[_i].error)
		ck_assert_msg(harness_contains(&harness.events, cases[_i].error), "%.*s",
			(int)harness.events.length, (const char *)buffer_data(&harness.events));
	/* It can go on after either. */
	send_text(fd, "{\"data\":\"last\"}\n");
	harness_until(&harness, harness_contains(&harness.inputs, "-1 text last\n"));
	close(fd);
}
END_TEST

static void append_frame(struct buffer *out, uint8_t type, uint32_t connection, const char *payload)
{
	harness_append_record(out, type, 0, connection, payload, strlen(payload));
}

/* Whatever pieces the records come in. */
START_TEST(test_frames_input)
{
	static const size_t pieces[] = {1, 7, 24, 33, 4096};
	struct buffer frames = {0};
	int fd;

	open_writable("frames");
	fd = connect_subscriber();
	append_frame(&frames, FRAMES_TEXT, 0, "to ticker");
	append_frame(&frames, FRAMES_BINARY, FRAMES_NO_CONNECTION, "\xff to all");
	append_frame(&frames, FRAMES_OPEN, 0, "wrong type");
	append_frame(&frames, FRAMES_TEXT, 2, "wrong connection");
	append_frame(&frames, FRAMES_TEXT, 0, "not UTF-8 \xff");
	append_frame(&frames, FRAMES_TEXT, 1, "");
	while (frames.length) {
		size_t piece = frames.length < pieces[_i] ? frames.length : pieces[_i];

		send_all(fd, buffer_data(&frames), piece);
		buffer_consume(&frames, piece);
	}
	harness_until(&harness, harness_counts(&harness).inputs == 3);
	harness_expect(&harness.inputs, "0 text to ticker\n-1 binary \xff to all\n1 text \n");
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 3);
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 1);
	close(fd);
}
END_TEST

START_TEST(test_broken_frames)
{
	static const struct frames_header cases[] = {
		{.size = 31, .length = 0, .type = FRAMES_TEXT},
		{.size = 0, .length = 0, .type = FRAMES_TEXT},
		{.size = 32, .length = 1, .type = FRAMES_TEXT},
		{.size = 40, .length = 0, .type = FRAMES_TEXT},
		{.size = 36, .length = 4, .type = FRAMES_TEXT},
		{.size = (1 << 20) + 40, .length = (1 << 20) + 1, .type = FRAMES_TEXT},
		{.size = 31, .length = UINT32_MAX, .type = FRAMES_TEXT},
	};
	struct buffer stream = {0};
	int fd;

	open_writable("frames");
	fd = connect_subscriber();
	send_all(fd, &cases[_i], sizeof(cases[_i]));
	harness_expect_end(&harness, fd, &stream);
	harness_until(&harness, harness_contains(&harness.events, "\"reason\":\"input error\""));
	ck_assert_uint_eq(harness_counts(&harness).inputs, 0);
	buffer_release(&stream);
}
END_TEST

/* While the owner refuses, nothing is read; nothing is lost, nothing comes twice. */
START_TEST(test_back_pressure)
{
	static char line[1001];
	size_t sent = 0;
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	memset(line, 'x', 999);
	line[999] = '\n';
	harness.refuse = true;
	for (int idle = 0; idle < 10; harness_turn(&harness)) {
		ssize_t taken = send(fd, line + sent % 1000, 1000 - sent % 1000, MSG_DONTWAIT);

		idle = taken > 0 ? 0 : idle + 1;
		sent += taken > 0 ? (size_t)taken : 0;
	}
	ck_assert_uint_eq(harness.refusals, 1);
	ck_assert_uint_lt(sent, 1 << 20);
	ck_assert_uint_eq(harness_counts(&harness).inputs, 0);

	/* Meanwhile the other direction works. */
	harness_publish_text(&harness, 0, "down");
	harness_expect_read(&harness, fd, "down\n");

	outlet_resume_input(harness.outlet); /* in vain */
	harness_turn(&harness);
	ck_assert_uint_eq(harness.refusals, 2);

	harness.refuse = false;
	outlet_resume_input(harness.outlet);
	harness_until(&harness, harness_counts(&harness).inputs == sent / 1000);
	send_all(fd, line + sent % 1000, 1000 - sent % 1000);
	harness_until(&harness, harness_counts(&harness).inputs == sent / 1000 + 1);
	ck_assert_uint_eq(harness.inputs.length, (sent / 1000 + 1) * (1000 + 8));
	close(fd);
}
END_TEST

/* Who sends and leaves at once is heard, even when the outlet notices first that it has left. */
START_TEST(test_last_words)
{
	const struct outlet_message large = {.type = OUTLET_TEXT, .length = 65000};
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	ck_assert_int_eq(send(fd, "last words\n", 11, 0), 11);
	close(fd);
	if (_i) {
		harness_publish_text(&harness, 0, "to nobody");
		outlet_has_room(harness.outlet, &large); /* sends, to make room */
		ck_assert_uint_eq(outlet_subscribers(harness.outlet), 0);
	}
	harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	harness_expect(&harness.inputs, "-1 text last words\n");
}
END_TEST

enum { FLOOD = 10000 }; /* messages, of which the socket takes all */

/* Turns until so many messages have come, or none comes any more; no turn may bring many. */
static void expect_turns(uint64_t wanted)
{
	uint64_t before;

	harness.one_by_one = true;
	do {
		before = harness_counts(&harness).inputs;
		harness_until(&harness,
			harness_counts(&harness).inputs > before ||
				harness_counts(&harness).inputs == wanted);
		ck_assert_uint_le(harness_counts(&harness).inputs - before, 256);
	} while (harness_counts(&harness).inputs < wanted);
	harness.one_by_one = false;
}

/* A newline is a message: the smallest that there can be. Reading them all at once held up all else. */
START_TEST(test_a_flood_is_taken_in_turns)
{
	char *newlines = alloc_zero(1, FLOOD);
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	memset(newlines, '\n', FLOOD);
	ck_assert_int_eq(send(fd, newlines, FLOOD, 0), FLOOD);
	free(newlines);
	if (_i)
		close(fd); /* found gone, it still has said all of it */
	expect_turns(FLOOD);
	if (!_i) {
		send_text(fd, "more\n");
		harness_until(&harness, harness_counts(&harness).inputs == FLOOD + 1);
		close(fd);
	}
	harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 0);
}
END_TEST

/* However many send, they have a few milliseconds between two polls, and each is as often served. */
START_TEST(test_many_share_the_time)
{
	enum { MANY = 16 };
	int fds[MANY], turns = 0;

	open_writable("lines");
	for (int i = 0; i < MANY; i++)
		fds[i] = connect_subscriber();
	harness.slow = CLOCK_NS_PER_MS;
	for (int i = 0; i < MANY; i++)
		send_text(fds[i], "one\ntwo\n");
	while (harness_counts(&harness).inputs < 2 * MANY) {
		uint64_t before = harness_counts(&harness).inputs;

		harness_turn(&harness);
		ck_assert_uint_le(harness_counts(&harness).inputs - before, 2);
		if (before < MANY)
			ck_assert(harness_counts(&harness).inputs > MANY ||
				!harness_contains(&harness.inputs, "two"));
		ck_assert_int_lt(turns++, 100);
	}
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	harness.slow = 0;
}
END_TEST

/* What a turn has left is not lost when the owner refuses, nor when writing is forbidden for a while. */
START_TEST(test_a_flood_that_is_held_up)
{
	char *newlines = alloc_zero(1, FLOOD);
	struct error error;
	int fd;

	open_writable("lines");
	fd = connect_subscriber();
	memset(newlines, '\n', FLOOD);
	harness.one_by_one = true;
	ck_assert_int_eq(send(fd, newlines, FLOOD, 0), FLOOD);
	free(newlines);
	harness_until(&harness, harness_counts(&harness).inputs > 0);
	if (_i) {
		harness.settings.writable = false;
		ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
		harness.settings.writable = true;
		ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	} else {
		harness.refuse = true;
		harness_until(&harness, harness.refusals > 0);
		harness.refuse = false;
		outlet_resume_input(harness.outlet);
	}
	expect_turns(FLOOD);
	close(fd);
}
END_TEST

/* Parsing 50,000 values for one message takes too long. */
START_TEST(test_json_of_too_many_values)
{
	struct buffer line = {0};
	int fd;

	open_writable("json");
	fd = connect_subscriber();
	buffer_append_text(&line, "{\"data\":\"one\",\"more\":[0");
	for (int i = 0; i < 10000; i++)
		buffer_append_text(&line, ",0");
	buffer_append_text(&line, "]}\n{\"data\":\"two\"}\n");
	send_all(fd, buffer_data(&line), line.length);
	buffer_release(&line);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	harness_expect(&harness.inputs, "-1 text two\n");
	ck_assert(harness_contains(&harness.events, "a line has more than 100 JSON values"));
	close(fd);
}
END_TEST

START_TEST(test_last_words_refused)
{
	int fd;

	open_writable("lines");
	harness.refuse = true;
	fd = connect_subscriber();
	ck_assert_int_eq(send(fd, "last words\n", 11, 0), 11);
	harness_until(&harness, harness.refusals > 0);
	close(fd);
	harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	ck_assert(harness_contains(&harness.events,
		"\"error\":\"left before its input could be taken\""));
}
END_TEST

/* What comes last needs no newline, whether the subscriber goes on reading or leaves. */
START_TEST(test_the_last_line_needs_no_newline)
{
	static const struct {
		const char *format;
		const char *sent;
		const char *inputs;
	} cases[] = {
		{"lines", "whole\npart", "-1 text whole\n-1 text part\n"},
		{"lines", "part", "-1 text part\n"},
		{"lines", "whole\n", "-1 text whole\n"},
		{"json", "{\"data\":\"whole\"}\n{\"data\":\"part\"}",
			"-1 text whole\n-1 text part\n"},
	};
	int fd;

	open_writable(cases[_i / 2].format);
	fd = connect_subscriber();
	ck_assert_int_gt(send(fd, cases[_i / 2].sent, strlen(cases[_i / 2].sent), 0), 0);
	if (_i % 2) {
		close(fd);
		harness_until(&harness, harness_contains(&harness.events, "unsubscribed"));
	} else {
		shutdown(fd, SHUT_WR);
	}
	harness_until(&harness, harness.inputs.length >= strlen(cases[_i / 2].inputs));
	harness_expect(&harness.inputs, cases[_i / 2].inputs);
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 0);
	if (_i % 2 == 0) {
		ck_assert_uint_eq(outlet_subscribers(harness.outlet), 1);
		close(fd);
	}
}
END_TEST

/* It waits like any other. */
START_TEST(test_the_last_line_is_refused)
{
	int fd;

	open_writable("lines");
	harness.refuse = true;
	fd = connect_subscriber();
	ck_assert_int_eq(send(fd, "part", 4, 0), 4);
	shutdown(fd, SHUT_WR);
	harness_until(&harness, harness.refusals > 0);
	harness.refuse = false;
	outlet_resume_input(harness.outlet);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	harness_expect(&harness.inputs, "-1 text part\n");
	harness_publish_text(&harness, 0, "down");
	harness_expect_read(&harness, fd, "down\n");
	close(fd);
}
END_TEST

START_TEST(test_input_ends_in_the_middle)
{
	static const struct {
		const char *format;
		const char *sent;
		const char *error;
	} cases[] = {
		{"json", "{\"data\":\"pa", "a line is not JSON"},
		{"frames", "\x28\0\0\0\x08", "the input ends in the middle of a record"},
	};
	int fd;

	open_writable(cases[_i].format);
	fd = connect_subscriber();
	send_text(fd, cases[_i].sent);
	shutdown(fd, SHUT_WR);
	harness_until(&harness, harness_counts(&harness).input_errors == 1);
	harness_until(&harness, harness_contains(&harness.events, cases[_i].error));
	harness_expect(&harness.inputs, "");
	close(fd);
}
END_TEST

/* --- memory ---------------------------------------------------------------------------------- */

/* As large as the connections permit; in `json` the line may be six times as long. */
START_TEST(test_large_messages)
{
	enum { LARGE = 3 << 20 };
	static const char *const formats[] = {"lines", "json", "frames"};
	struct buffer sent = {0};
	int fd;

	open_writable(formats[_i]);
	harness.input_max = LARGE;
	outlet_forget_input_max(harness.outlet);
	fd = connect_subscriber();
	if (_i == 0) {
		memset(buffer_reserve(&sent, LARGE + 1), 'x', LARGE);
		buffer_commit(&sent, LARGE);
		buffer_append_text(&sent, "\n");
	} else if (_i == 1) {
		buffer_append_text(&sent, "{\"data\":\"");
		for (int i = 0; i < LARGE; i++)
			buffer_append_text(&sent, "\\u001b");
		buffer_append_text(&sent, "\"}\n");
	} else {
		char *payload = alloc_zero(1, LARGE);

		harness_append_record(&sent, FRAMES_BINARY, 0, FRAMES_NO_CONNECTION, payload,
			LARGE);
		free(payload);
	}
	send_all(fd, buffer_data(&sent), sent.length);
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	ck_assert_uint_ge(harness.inputs.length, LARGE);
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 0);
	ck_assert_uint_eq(harness.shared->budget.used[BUDGET_UNFINISHED], 0);
	buffer_release(&sent);
	close(fd);
}
END_TEST

/* A message may take half of the memory. */
START_TEST(test_memory_limits_messages)
{
	struct buffer stream = {0};
	char *line = alloc_zero(1, LONGEST);
	int fd;

	open_writable("lines");
	budget_set_limit(&harness.shared->budget, LONGEST);
	fd = connect_subscriber();
	memset(line, 'x', LONGEST);
	send_all(fd, line, LONGEST / 2 + 1);
	harness_expect_end(&harness, fd, &stream);
	ck_assert(harness_contains(&harness.events,
		"a line is longer than gateway.input_memory permits (524288 bytes)"));
	buffer_release(&stream);
	free(line);
}
END_TEST

/* Who has taken most memory for longest loses what it has begun. */
START_TEST(test_unfinished_input_has_a_bound)
{
	enum { MEMORY = 1 << 20, PIECE = 200 << 10, MANY = 8 };
	char *line = alloc_zero(1, PIECE);
	int fds[MANY];

	open_writable("lines");
	budget_set_limit(&harness.shared->budget, MEMORY);
	memset(line, 'x', PIECE);
	for (int i = 0; i < MANY; i++) {
		fds[i] = connect_subscriber();
		send_all(fds[i], line, PIECE);
		for (int turn = 0; turn < 100; turn++)
			harness_turn(&harness);
		ck_assert_uint_le(harness.shared->budget.used[BUDGET_UNFINISHED], MEMORY);
	}
	ck_assert_uint_eq(harness_counts(&harness).input_errors, MANY - 5);
	ck_assert(harness_contains(&harness.events,
		"more memory than gateway.input_memory permits"));
	/* The latest are still there, and can go on. */
	send_text(fds[MANY - 1], "\n");
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	ck_assert_uint_eq(harness.inputs.length, PIECE + 9);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	free(line);
}
END_TEST

/* While complete messages that nobody takes fill the memory, large ones are not read, small ones are. */
START_TEST(test_complete_input_has_a_bound)
{
	enum { MEMORY = 1 << 20, PIECE = 300 << 10, MANY = 8 };
	char *line = alloc_zero(1, PIECE);
	size_t sent[MANY] = {0};
	int fds[MANY];

	open_writable("lines");
	budget_set_limit(&harness.shared->budget, MEMORY);
	memset(line, 'x', PIECE);
	line[PIECE - 1] = '\n';
	harness.refuse = true;
	for (int i = 0; i < MANY; i++)
		fds[i] = connect_subscriber();
	for (int turn = 0; turn < 300; turn++) {
		for (int i = 0; i < MANY; i++) {
			ssize_t taken = send(fds[i], line + sent[i], PIECE - sent[i],
				MSG_DONTWAIT | MSG_NOSIGNAL);

			sent[i] += taken > 0 ? (size_t)taken : 0;
		}
		harness_turn(&harness);
		ck_assert_uint_le(harness.shared->budget.used[BUDGET_WAITING] +
				harness.shared->budget.used[BUDGET_UNFINISHED],
			2 * MEMORY);
	}
	ck_assert_uint_ge(harness.shared->budget.used[BUDGET_WAITING], MEMORY / 2);
	harness.refuse = false;
	outlet_resume_input(harness.outlet);
	for (int i = 0; i < MANY; i++) {
		send(fds[i], line + sent[i], PIECE - sent[i], MSG_DONTWAIT | MSG_NOSIGNAL);
		shutdown(fds[i], SHUT_WR); /* the rest of its line, or of what is left of it */
	}
	harness_until(&harness,
		harness_counts(&harness).inputs + harness_counts(&harness).input_errors == MANY);
	ck_assert_uint_ge(harness_counts(&harness).inputs, 2);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	free(line);
}
END_TEST

START_TEST(test_becoming_writable_and_back)
{
	struct error error;
	int fd;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	fd = connect_subscriber();
	send_text(fd, "early\n");
	harness_turn(&harness);
	ck_assert_uint_eq(harness_counts(&harness).inputs, 0);
	harness.settings.writable = true;
	ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	harness_until(&harness, harness_counts(&harness).inputs == 1);
	harness.settings.writable = false;
	ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	send_text(fd, "late\n");
	harness_turn(&harness);
	ck_assert_uint_eq(harness_counts(&harness).inputs, 1);
	close(fd);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 0);
}
END_TEST

Suite *input_suite(void)
{
	Suite *suite = suite_create("input");
	TCase *tests = tcase_create("input");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_test(tests, test_lines_input);
	tcase_add_test(tests, test_lines_not_utf8);
	tcase_add_test(tests, test_many_errors_are_few_events);
	tcase_add_test(tests, test_longest_line);
	tcase_add_loop_test(tests, test_json_input, 0, 17);
	tcase_add_loop_test(tests, test_frames_input, 0, 5);
	tcase_add_loop_test(tests, test_broken_frames, 0, 7);
	tcase_add_test(tests, test_back_pressure);
	tcase_add_loop_test(tests, test_last_words, 0, 2);
	tcase_add_loop_test(tests, test_a_flood_is_taken_in_turns, 0, 2);
	tcase_add_test(tests, test_many_share_the_time);
	tcase_add_loop_test(tests, test_a_flood_that_is_held_up, 0, 2);
	tcase_add_test(tests, test_json_of_too_many_values);
	tcase_add_test(tests, test_last_words_refused);
	tcase_add_loop_test(tests, test_the_last_line_needs_no_newline, 0, 8);
	tcase_add_test(tests, test_the_last_line_is_refused);
	tcase_add_loop_test(tests, test_input_ends_in_the_middle, 0, 2);
	tcase_add_loop_test(tests, test_large_messages, 0, 3);
	tcase_add_test(tests, test_memory_limits_messages);
	tcase_add_test(tests, test_unfinished_input_has_a_bound);
	tcase_add_test(tests, test_complete_input_has_a_bound);
	tcase_add_test(tests, test_becoming_writable_and_back);
	suite_add_tcase(suite, tests);
	return suite;
}
