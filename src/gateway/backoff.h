#ifndef GATEWAY_BACKOFF_H
#define GATEWAY_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/choice.h"
#include "base/error.h"

/*
 * How long to wait before the next attempt: exponential backoff with full jitter, so that many
 * clients of one server that has gone away do not come back in step. Zero-initialise.
 */
struct backoff {
	uint64_t ceiling;  /* private: of the last delay; 0: there was none */
	unsigned failures; /* attempts since the last reset */
};

enum backoff_jitter {
	BACKOFF_FULL, /* each delay is drawn at random */
	BACKOFF_NONE, /* each is the longest */
};

extern const struct choice backoff_jitters[];

/* They may change from one delay to the next. */
struct backoff_settings {
	uint64_t min; /* ns */
	uint64_t max; /* ns, at least min */
	double factor; /* at least 1 */
	enum backoff_jitter jitter;
};

/* False: the least delay is longer than the longest. */
bool backoff_check(const struct backoff_settings *settings, struct error *error);

/*
 * The delay before the next attempt in ns, and counts that attempt. It lies between min / 2 and
 * min * factor^failures, at most max; `random` (64 random bits) says where. The lower bound is
 * there because a delay of nearly nothing would only make the next failure sooner. Without
 * jitter it is always min * factor^failures, at most max.
 */
uint64_t backoff_next(struct backoff *backoff, const struct backoff_settings *settings,
	uint64_t random);

/* After a success: the next delay starts from min again. */
void backoff_reset(struct backoff *backoff);

#endif
