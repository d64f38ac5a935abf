#ifndef GATEWAY_WARNINGS_H
#define GATEWAY_WARNINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The thresholds of a connection, and a queue of warnings, as Qore's socket classes define them. */

/* Thresholds for warnings of slow operations. Both 0: no warnings. */
struct warn_settings {
	uint64_t warning_ms; /* warn of operations that take longer */
	uint64_t warning_bs; /* warn of transfers slower than this (bytes per second), */
	uint64_t min_ms;     /* if it took at least this */
	char *arg;           /* JSON text that each warning carries; NULL: none */
	uint64_t queue;      /* warnings kept until they are taken */
};

enum warning_type { WARNING_OPERATION, WARNING_THROUGHPUT };

struct warning {
	uint64_t seq; /* 1, 2, 3, … in its connection */
	enum warning_type type;
	uint64_t time;         /* ns since 1970 */
	const char *operation; /* resolve, connect, tls, upgrade, send, recv; static */
	uint64_t us;           /* duration */
	uint64_t timeout;      /* operation: the threshold in µs */
	uint64_t bytes;        /* throughput: of the transfer */
	double bytes_sec;
	uint64_t threshold; /* throughput: bytes per second */
	char *arg;          /* JSON text; NULL: none; owned */
};

struct warnings {
	struct warn_settings thresholds; /* `arg` owned */
	struct warning *queue;           /* circular, of thresholds.queue; NULL until the first */
	size_t oldest;
	size_t count;
	uint64_t raised;  /* in total: the number of the newest */
	uint64_t dropped; /* overwritten before they were taken */
};

/* Macros, because the table of settings needs them as text. */
#define WARNINGS_MIN_MS_DEFAULT 1000
#define WARNINGS_QUEUE_DEFAULT  100
#define WARNINGS_QUEUE_MAX      100000

/*
 * Sets the thresholds. Fails with ERROR_WARNING_QUEUE if neither is above 0, with ERROR_QUEUE if
 * the length of the queue is out of range. Queued warnings stay; a shorter queue drops the oldest.
 * Copies `arg`.
 */
bool warnings_set(struct warnings *warnings, const struct warn_settings *thresholds,
	struct error *error);

/* Removes the thresholds and the queued warnings. */
void warnings_clear(struct warnings *warnings);

bool warnings_active(const struct warnings *warnings);

/* Compares an operation that took `us`, or a transfer of `bytes` in `us`, with the thresholds.
 * Returns the warning, borrowed until the next call, or NULL. */
const struct warning *warnings_operation(struct warnings *warnings, const char *operation,
	uint64_t us);
const struct warning *warnings_transfer(struct warnings *warnings, const char *direction,
	uint64_t bytes, uint64_t us);

/* The oldest queued warning with a number above `seq`, or NULL. */
const struct warning *warnings_after(const struct warnings *warnings, uint64_t seq);

/* Removes warnings up to that number from the queue: they have been read. */
void warnings_take(struct warnings *warnings, uint64_t seq);

#endif
