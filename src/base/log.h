#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <syslog.h>

/*
 * One log for the daemon. Priorities are those of syslog(3): LOG_ERR needs a person, LOG_WARNING
 * may need one, LOG_NOTICE is a change of state that an operator wants to find again, LOG_INFO is
 * everything else worth a line in production, LOG_DEBUG is for finding a fault.
 */
struct log;

enum log_format {
	LOG_FORMAT_AUTO, /* journal fields when stderr is the journal (JOURNAL_STREAM), else text */
	LOG_FORMAT_TEXT, /* "info: connection ticker: open", on stderr */
	LOG_FORMAT_JSON, /* one object a line, on stderr */
	LOG_FORMAT_JOURNAL,
};

/* What a line is about: the kind is "connection", "outlet", …, and becomes a field of that name. */
struct log_subject {
	const char *kind;
	const char *name;
};

/* Writes to stderr, or to the journal. Lines less urgent than `level` are dropped. */
struct log *log_new(enum log_format format, int level);
void log_free(struct log *log);

void log_set_format(struct log *log, enum log_format format);
void log_set_level(struct log *log, int level);
int log_level(const struct log *log);

/* Whether a line of this priority would be written: for what is costly to put into words. */
bool log_wants(const struct log *log, int priority);

/* `about` may be NULL. The text is one line without its newline. */
void log_write(struct log *log, int priority, const struct log_subject *about, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* "err", "warning", "notice", "info", "debug" and back; the parser returns -1 for anything else. */
const char *log_level_name(int level);
int log_level_parse(const char *name);

#endif
