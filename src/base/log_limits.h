#ifndef BASE_LOG_LIMITS_H
#define BASE_LOG_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/names.h"

/*
 * Limits the lines about one subject, so that a peer cannot fill the log. Of each kind,
 * LOG_LIMIT_LINES are written in LOG_LIMIT_SECONDS, beginning with the first; of the others, the
 * last one and their number are kept. Lines without a subject, such as the problems of a
 * configuration, have a higher limit. The subjects of a crowd share one, as clients can create any
 * number of them. A limit exists only for its period: silent subjects cost no memory. No locks, no
 * clock: both are the log's.
 */
enum {
	LOG_LIMIT_LINES = 10,
	LOG_LIMIT_LINES_CROWD = 100,
	LOG_LIMIT_LINES_DAEMON = 1000,
	LOG_LIMIT_SECONDS = 60,
};

struct log_limit {
	char *key;                /* of the kind, see log_limits_admit() */
	struct log_subject about; /* kind "": no subject */
	char *name;               /* of the subject; of a crowd, the one of the last line */
	uint64_t end;             /* monotonic ns */
	uint64_t count;           /* of all lines */
	int priority;             /* of the last line held back */
	uint64_t time;            /* of that line, ns since 1970 */
	char *message;            /* of that line; NULL: none was held back */
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

/* The time at which the first limit ends; UINT64_MAX: no limits. */
uint64_t log_limits_next(const struct log_limits *limits);

/* Removes a limit that has ended, or returns NULL; the caller frees it. */
struct log_limit *log_limits_take_ended(struct log_limits *limits, uint64_t now);
void log_limit_free(struct log_limit *limit);

/* The number of lines held back. */
uint64_t log_limit_held(const struct log_limit *limit);

#endif
