#ifndef GATEWAY_WARNINGS_H
#define GATEWAY_WARNINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * The thresholds of a connection and the queue of warnings that have come of them, as the Qore
 * socket classes define them.
 */

/* When an operation is slow enough for a warning. Both thresholds 0: no warnings. */
struct warn_settings {
	uint64_t warning_ms; /* an operation that takes longer */
	uint64_t warning_bs; /* a transfer slower than so many bytes per second, */
	uint64_t min_ms;     /* if it took at least this */
	char *arg;           /* JSON text that each warning carries; NULL: none */
	uint64_t queue;      /* warnings kept until they are taken */
};

enum warning_type { WARNING_OPERATION, WARNING_THROUGHPUT };

struct warning {
	uint64_t seq; /* of its connection: 1, 2, 3, … */
	enum warning_type type;
	uint64_t time;         /* ns since 1970 */
	const char *operation; /* resolve, connect, tls, upgrade, send, recv; static */
	uint64_t us;           /* that it took */
	uint64_t timeout;      /* operation: the threshold in µs */
	uint64_t bytes;        /* throughput: of the transfer */
	double bytes_sec;
	uint64_t threshold;    /* throughput: bytes a second */
	char *arg;             /* JSON text; NULL: none; owned */
};

struct warnings {
	struct warn_settings thresholds; /* `arg` owned */
	struct warning *queue;           /* a circle of thresholds.queue; NULL until the first */
	size_t oldest;
	size_t count;
	uint64_t raised;  /* ever: the number of the newest */
	uint64_t dropped; /* overwritten before anybody took them */
};

enum { WARNINGS_QUEUE_DEFAULT = 100, WARNINGS_QUEUE_MAX = 100000 };

/*
 * Sets the thresholds (ERROR_WARNING_QUEUE: neither above 0; ERROR_QUEUE: a queue that cannot be).
 * What is queued stays, the oldest dropped if the new queue is shorter. Copies `arg`.
 */
bool warnings_set(struct warnings *warnings, const struct warn_settings *thresholds,
	struct error *error);

/* Removes the thresholds and what is queued. */
void warnings_clear(struct warnings *warnings);

bool warnings_active(const struct warnings *warnings);

/*
 * Judges an operation that took `us`, or a transfer of `bytes` in `us`. The warning that comes of
 * it, borrowed until the next call, or NULL.
 */
const struct warning *warnings_operation(struct warnings *warnings, const char *operation,
	uint64_t us);
const struct warning *warnings_transfer(struct warnings *warnings, const char *direction,
	uint64_t bytes, uint64_t us);

/* The oldest in the queue with a number above `seq`; NULL: there is none. */
const struct warning *warnings_after(const struct warnings *warnings, uint64_t seq);

/* Takes those up to that number out of the queue: somebody has had them. */
void warnings_take(struct warnings *warnings, uint64_t seq);

#endif
