#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_limits.h"
#include "base/log_line.h"
#include "base/log_private.h"
#include "ws/utf8.h"

/* What stands for stderr: a reader that takes a line only when the gate is open. */
static struct {
	sem_t gate;
	sem_t stuck; /* posted as often as the thread comes to the gate */
	pthread_mutex_t lock;
	struct buffer lines;
	sigset_t blocked; /* in the thread */
} reader;

static void reader_write(enum log_format format, const char *line, size_t length)
{
	(void)format;
	sem_post(&reader.stuck);
	sem_wait(&reader.gate);
	pthread_mutex_lock(&reader.lock);
	buffer_append(&reader.lines, line, length);
	pthread_sigmask(SIG_BLOCK, NULL, &reader.blocked);
	pthread_mutex_unlock(&reader.lock);
}

static struct log *reader_log(unsigned gate, int level)
{
	sem_init(&reader.gate, 0, gate);
	sem_init(&reader.stuck, 0, 0);
	pthread_mutex_init(&reader.lock, NULL);
	return log_new_to(reader_write, LOG_FORMAT_TEXT, level);
}

static void reader_read_on(void)
{
	for (int i = 0; i < 100000; i++)
		sem_post(&reader.gate);
}

/* Frees the log after what it has is written, however busy the host. */
static void reader_end(struct log *log)
{
	for (int i = 0; i < 30 && !log_flush(log); i++)
		;
	log_free(log);
}

/* After the end. */
static const char *reader_text(void)
{
	buffer_append(&reader.lines, "", 1);
	return (const char *)buffer_data(&reader.lines);
}

static unsigned count_text(const char *text, const char *part)
{
	unsigned count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* --- the thread and its queue -------------------------------------------------------------- */

/* The log is not read at all, and nobody waits for it; what is missing is told where it is missing. */
START_TEST(test_drops)
{
	enum { MANY = 20000 };
	struct log *log = reader_log(0, LOG_DEBUG);
	unsigned written, dropped;
	const char *text, *note;

	log_write(log, LOG_INFO, NULL, "first");
	sem_wait(&reader.stuck);
	for (int i = 0; i < MANY; i++)
		log_write(log, LOG_INFO, NULL, "line %05d, and something to fill the queue with",
			i);
	ck_assert_uint_gt(log_dropped(log), 0);
	ck_assert(!log_flush(log));
	reader_read_on();
	for (int i = 0; i < 30 && !log_flush(log); i++)
		;
	log_write(log, LOG_INFO, NULL, "last");
	dropped = (unsigned)log_dropped(log);
	reader_end(log);

	text = reader_text();
	written = count_text(text, "info: line ");
	ck_assert_uint_eq(written + dropped, MANY);
	ck_assert_uint_gt(written, 1000);
	note = strstr(text, "warning: ");
	ck_assert_uint_eq(strtoul(note + strlen("warning: "), NULL, 10), dropped);
	ck_assert_ptr_nonnull(strstr(note,
		" log lines dropped: the log was not read\ninfo: last\n"));
	ck_assert_ptr_eq(strstr(text, "info: first\n"), text);
}
END_TEST

START_TEST(test_stuck_reader_does_not_hold_up_the_end)
{
	uint64_t begin = clock_monotonic();
	struct log *log = reader_log(0, LOG_INFO);

	log_write(log, LOG_INFO, NULL, "never written");
	log_free_within(log, CLOCK_NS_PER_MS);
	ck_assert_uint_lt(clock_monotonic() - begin, LOG_PATIENCE);
}
END_TEST

START_TEST(test_all_is_written_at_the_end)
{
	struct log *log = reader_log(100000, LOG_INFO);

	for (int i = 0; i < 1000; i++)
		log_write(log, LOG_INFO, NULL, "line %d", i);
	reader_end(log);
	ck_assert_uint_eq(count_text(reader_text(), "info: line "), 1000);
	ck_assert_ptr_nonnull(strstr(reader_text(), "info: line 998\ninfo: line 999\n"));
}
END_TEST

/* A signal for the process must come to the thread that has the loop. */
START_TEST(test_thread_takes_no_signals)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE};
	struct log *log = reader_log(1, LOG_INFO);
	sigset_t own;

	log_write(log, LOG_INFO, NULL, "line");
	reader_end(log);
	pthread_sigmask(SIG_BLOCK, NULL, &own);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		ck_assert_int_eq(sigismember(&reader.blocked, signals[i]), 1);
		ck_assert_int_eq(sigismember(&own, signals[i]), 0);
	}
}
END_TEST

static const enum log_format formats[] = {LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL};

/* Whatever is in it, it is one line of UTF-8, and is not cut within a character. */
START_TEST(test_line_is_clean)
{
	const struct log_subject about = {.kind = "control", .name = "/tmp/\xff\n.sock"};
	struct log *log = reader_log(10, LOG_INFO);
	struct buffer text = {0};
	size_t lines = formats[_i] == LOG_FORMAT_JOURNAL ? 3 : 1;

	log_set_format(log, formats[_i]);
	buffer_append_text(&text, "\x1b[31m\n\xc2\x9b\xe2\x80\xae\xe9 ");
	while (text.length < 3000)
		buffer_append_text(&text, "\xc3\xa9");
	buffer_append(&text, "", 1);
	log_write(log, LOG_INFO, &about, "%s%s", _i ? "" : "x", (const char *)buffer_data(&text));
	reader_end(log);
	buffer_release(&text);

	ck_assert(ws_utf8_valid(reader_text(), reader.lines.length));
	ck_assert_uint_eq(count_text(reader_text(), "\n"), lines);
	ck_assert_ptr_null(strpbrk(reader_text(), "\x1b\r"));
	ck_assert_ptr_null(strstr(reader_text(), "\xe2\x80\xae"));
	ck_assert_ptr_null(strstr(reader_text(), "\xc2\x9b"));
	ck_assert_ptr_nonnull(strstr(reader_text(),
		" [31m \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa9"));
	ck_assert_ptr_nonnull(strstr(reader_text(), "/tmp/\xef\xbf\xbd .sock"));
}
END_TEST

START_TEST(test_journal_fields)
{
	const struct log_subject about = {.kind = "connection", .name = "ticker"};
	struct buffer line = {0};

	log_line_append(&line, LOG_FORMAT_JOURNAL, LOG_NOTICE, &about, 0, "open");
	log_line_append(&line, LOG_FORMAT_JOURNAL, LOG_ERR, NULL, 0, "no = sign");
	buffer_append(&line, "", 1);
	ck_assert_str_eq((const char *)buffer_data(&line),
		"MESSAGE=connection ticker: open\nPRIORITY=5\nCONNECTION=ticker\n"
		"MESSAGE=no = sign\nPRIORITY=3\n");
	buffer_release(&line);
}
END_TEST

/* --- limits -------------------------------------------------------------------------------- */

START_TEST(test_limit)
{
	const struct log_subject a = {.kind = "outlet", .name = "a"};
	const struct log_subject b = {.kind = "outlet", .name = "b"};
	const struct log_subject c = {.kind = "connection", .name = "a"};
	struct log *log = reader_log(100000, LOG_INFO);
	const char *text;

	for (int i = 0; i < 500; i++) {
		log_write(log, LOG_INFO, &a, "refused: %d", i);
		log_write(log, LOG_INFO, &b, "refused: %d", i < 5 ? i : -1);
	}
	for (int i = 0; i < 1200; i++)
		log_write(log, LOG_NOTICE, NULL, "about nothing: %d", i);
	log_write(log, LOG_NOTICE, &a, "of another kind");
	log_write(log, LOG_INFO, &c, "refused: %d", 0);
	reader_end(log);

	text = reader_text();
	ck_assert_uint_eq(count_text(text, "info: outlet a: refused: "), LOG_LIMIT_LINES + 1);
	ck_assert_ptr_nonnull(strstr(text, "info: outlet a: refused: 9\n"));
	ck_assert_ptr_null(strstr(text, "info: outlet a: refused: 10\n"));
	ck_assert_ptr_nonnull(strstr(text,
		"info: outlet a: refused: 499 (and 489 more like this)\n"));
	ck_assert_uint_eq(count_text(text, "info: outlet b: refused: "), LOG_LIMIT_LINES + 1);
	ck_assert_uint_eq(count_text(text, "notice: about nothing: "), LOG_LIMIT_LINES_DAEMON + 1);
	ck_assert_ptr_nonnull(strstr(text,
		"notice: about nothing: 1199 (and 199 more like this)\n"));
	ck_assert_uint_eq(count_text(text, "notice: outlet a: of another kind\n"), 1);
	ck_assert_uint_eq(count_text(text, "info: connection a: refused: 0\n"), 1);
}
END_TEST

/* One line too many is written as it is, later. */
START_TEST(test_limit_by_one)
{
	const struct log_subject about = {.kind = "outlet", .name = "a"};
	struct log *log = reader_log(100000, LOG_INFO);

	for (int i = 0; i <= LOG_LIMIT_LINES; i++)
		log_write(log, LOG_INFO, &about, "number %d", i);
	reader_end(log);
	ck_assert_uint_eq(count_text(reader_text(), "info: outlet a: number "),
		LOG_LIMIT_LINES + 1);
	ck_assert_ptr_nonnull(strstr(reader_text(), "number 10\n"));
	ck_assert_ptr_null(strstr(reader_text(), "more"));
}
END_TEST

/* Whoever looks for a fault wants to see everything. */
START_TEST(test_no_limit_at_debug)
{
	const struct log_subject about = {.kind = "outlet", .name = "a"};
	struct log *log = reader_log(100000, LOG_DEBUG);

	for (int i = 0; i < 100; i++)
		log_write(log, LOG_INFO, &about, "number %d", i);
	reader_end(log);
	ck_assert_uint_eq(count_text(reader_text(), "info: outlet a: number "), 100);
}
END_TEST

/* However many somebody makes: one limit, and the rest is told of the last. */
START_TEST(test_crowd_shares_a_limit)
{
	struct log_subject about = {.kind = "outlet", .crowd = true};
	struct log *log = reader_log(100000, LOG_INFO);
	char name[16];

	for (int i = 0; i < 500; i++) {
		about.name = name;
		snprintf(name, sizeof(name), "n%d", i);
		log_write(log, LOG_INFO, &about, "number %d", i);
	}
	log_write(log, LOG_INFO, &(struct log_subject){.kind = "outlet", .name = "n0"}, "alone");
	reader_end(log);
	ck_assert_uint_eq(count_text(reader_text(), ": number "), LOG_LIMIT_LINES_CROWD + 1);
	ck_assert_ptr_nonnull(strstr(reader_text(), "outlet n99: number 99\n"));
	ck_assert_ptr_nonnull(strstr(reader_text(),
		"outlet n499: number 499 (and 399 more like this)\n"));
	ck_assert_ptr_nonnull(strstr(reader_text(), "outlet n0: alone\n"));
}
END_TEST

/* The minute begins with the first line; after it nothing is remembered. */
START_TEST(test_limit_ends)
{
	const struct log_subject about = {.kind = "outlet", .name = "a"};
	const uint64_t minute = LOG_LIMIT_SECONDS * CLOCK_NS_PER_SECOND;
	struct log_limits limits;
	struct log_limit *limit;

	log_limits_init(&limits);
	ck_assert_uint_eq(log_limits_next(&limits), UINT64_MAX);
	for (unsigned i = 0; i < 25; i++)
		ck_assert_int_eq(log_limits_admit(&limits, &about, "x", LOG_INFO, "x", 100 + i, 7),
			i < LOG_LIMIT_LINES);
	ck_assert_uint_eq(log_limits_next(&limits), 100 + minute);
	ck_assert_ptr_null(log_limits_take_ended(&limits, 99 + minute));
	limit = log_limits_take_ended(&limits, 100 + minute);
	ck_assert_uint_eq(log_limit_held(limit), 15);
	ck_assert_str_eq(limit->about.kind, "outlet");
	ck_assert_str_eq(limit->about.name, "a");
	ck_assert_uint_eq(limit->time, 7);
	log_limit_free(limit);
	ck_assert_uint_eq(log_limits_next(&limits), UINT64_MAX);
	ck_assert(log_limits_admit(&limits, &about, "x", LOG_INFO, "x", 101 + minute, 7));
	log_limits_release(&limits);
}
END_TEST

/* However many subjects there are, the memory for them is bounded. */
START_TEST(test_limits_are_bounded)
{
	struct log_limits limits;
	char name[16];

	log_limits_init(&limits);
	for (unsigned i = 0; i < 70000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		ck_assert(log_limits_admit(&limits,
			&(struct log_subject){.kind = "outlet", .name = name}, "x", LOG_INFO, "x",
			1, 7));
	}
	ck_assert_uint_le(limits.by_key.count, 1 << 16);
	log_limits_release(&limits);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *queue = tcase_create("queue");
	TCase *limit = tcase_create("limit");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(queue, 60);
	tcase_add_test(queue, test_drops);
	tcase_add_test(queue, test_stuck_reader_does_not_hold_up_the_end);
	tcase_add_test(queue, test_all_is_written_at_the_end);
	tcase_add_test(queue, test_thread_takes_no_signals);
	tcase_add_loop_test(queue, test_line_is_clean, 0, 3);
	tcase_add_test(queue, test_journal_fields);
	suite_add_tcase(suite, queue);
	tcase_set_timeout(limit, 60);
	tcase_add_test(limit, test_limit);
	tcase_add_test(limit, test_limit_by_one);
	tcase_add_test(limit, test_no_limit_at_debug);
	tcase_add_test(limit, test_crowd_shares_a_limit);
	tcase_add_test(limit, test_limit_ends);
	tcase_add_test(limit, test_limits_are_bounded);
	suite_add_tcase(suite, limit);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
