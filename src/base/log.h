#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "base/clock.h"

/*
 * One log for the daemon. Priorities are those of syslog(3): LOG_ERR needs a person, LOG_WARNING
 * may need one, LOG_NOTICE is a change of state that an operator wants to find again, LOG_INFO is
 * everything else worth a line in production, LOG_DEBUG is for finding a fault.
 */
struct log;

/*
 * log_write() only queues a line: a thread of the log writes it, so a slow or stopped reader holds
 * up nobody. When the queue is full (256 KiB), lines are dropped and counted, and the count is
 * logged as soon as the reader continues.
 */

enum log_format {
	LOG_FORMAT_AUTO, /* journal fields when stderr is the journal (JOURNAL_STREAM), else text */
	LOG_FORMAT_TEXT, /* "info: connection ticker: open", on stderr */
	LOG_FORMAT_JSON, /* one object a line, on stderr */
	LOG_FORMAT_JOURNAL,
};

/* The subject of a line: the kind is "connection", "outlet", …, and becomes a field of that
 * name. */
struct log_subject {
	const char *kind;
	const char *name;
	bool crowd; /* created at will by untrusted clients: all of the kind share a limit */
};

/* Writes lines at least as urgent as `level` to stderr, or to the journal. Ends the process if the
 * thread cannot be created. */
struct log *log_new(enum log_format format, int level);

/* The longest wait for a reader of the log. */
#define LOG_PATIENCE CLOCK_NS_PER_SECOND

/* Waits until all queued lines are written, for LOG_PATIENCE at most. NULL is ignored. */
void log_free(struct log *log);

/* The same, for `patience` ns at most. */
void log_free_within(struct log *log, uint64_t patience);

/* Waits like log_free(); false if lines are left. For exiting without log_free(). */
bool log_flush(struct log *log);

/* The number of lines dropped since log_new(). */
uint64_t log_dropped(struct log *log);

void log_set_format(struct log *log, enum log_format format);
void log_set_level(struct log *log, int level);
int log_level(const struct log *log);

/* True if a line of this priority would be written: ask before costly formatting. */
bool log_wants(const struct log *log, int priority);

/*
 * `about` may be NULL. The text is one line without its newline, and is cleaned (text_clean()).
 * Lines with the same subject and format are of one kind, of which 10 a minute are written (1,000
 * without a subject, 100 of a crowd); at the end of the minute follows the last of the others, with
 * their number. So peers cannot fill the log, and callers need not limit anything. At LOG_DEBUG all
 * lines are written.
 */
void log_write(struct log *log, int priority, const struct log_subject *about, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* "err", "warning", "notice", "info", "debug" and back; the parser returns -1 for anything else. */
const char *log_level_name(int level);
int log_level_parse(const char *name);

#endif
