#ifndef BASE_LOG_LIMITS_H
#define BASE_LOG_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/names.h"

/*
 * How much is written about one subject: a peer that has lines of one kind written fills no log. Of
 * each kind, LOG_LIMIT_LINES go through in LOG_LIMIT_SECONDS, which begin with the first; of those
 * beyond, the last is kept, and how many there were. Lines about nothing in particular, such as the
 * problems of a configuration, are more. Subjects that are a crowd share a limit, as somebody could
 * make any number of them. A limit exists only that long: what nothing is written about costs no
 * memory. No locks, no clock: both are the log's.
 */
enum {
	LOG_LIMIT_LINES = 10,
	LOG_LIMIT_LINES_CROWD = 100,
	LOG_LIMIT_LINES_DAEMON = 1000,
	LOG_LIMIT_SECONDS = 60,
};

struct log_limit {
	char *key;                /* of the kind, see log_limits_admit() */
	struct log_subject about; /* kind "": about nothing in particular */
	char *name;               /* its: of a crowd, that of the last line */
	uint64_t end;             /* monotonic ns */
	uint64_t count;           /* of lines, those that went through included */
	int priority;             /* of the last one that did not */
	uint64_t time;            /* when that was, ns since 1970 */
	char *message;            /* its text; NULL: all went through */
	TAILQ_ENTRY(log_limit) entry;
};

TAILQ_HEAD(log_limit_list, log_limit);

struct log_limits {
	struct names by_key;
	struct log_limit_list list; /* in the order of their ends */
};

void log_limits_init(struct log_limits *limits);
void log_limits_release(struct log_limits *limits);

/*
 * True if the line may be written. Two lines are of one kind when subject, or crowd, and format are
 * the same, the format by its address. `about` may be NULL; `now` is monotonic, `time` since 1970,
 * both in ns.
 */
bool log_limits_admit(struct log_limits *limits, const struct log_subject *about,
	const char *format, int priority, const char *message, uint64_t now, uint64_t time);

/* When the first of them ends; UINT64_MAX if there is none. */
uint64_t log_limits_next(const struct log_limits *limits);

/* Takes one out that has ended, or NULL; the caller frees it. */
struct log_limit *log_limits_take_ended(struct log_limits *limits, uint64_t now);
void log_limit_free(struct log_limit *limit);

/* The lines that did not go through. */
uint64_t log_limit_held(const struct log_limit *limit);

#endif
