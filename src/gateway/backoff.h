#ifndef GATEWAY_BACKOFF_H
#define GATEWAY_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/choice.h"
#include "base/error.h"

/*
 * Delays between attempts: exponential backoff with full jitter, so that the clients of a server
 * that was away do not come back in step. Zero-initialise.
 */
struct backoff {
	uint64_t ceiling; /* private: of the last delay; 0: there was none */
};

enum backoff_jitter {
	BACKOFF_FULL, /* delays are random */
	BACKOFF_NONE, /* delays are the longest possible */
};

extern const struct choice backoff_jitters[];

/* They may change from one delay to the next. */
struct backoff_settings {
	uint64_t min;  /* ns */
	uint64_t max;  /* ns, at least min */
	double factor; /* at least 1 */
	enum backoff_jitter jitter;
};

/* False: the least delay is longer than the longest. */
bool backoff_check(const struct backoff_settings *settings, struct error *error);

/*
 * Returns the delay before the next attempt in ns. The nth since the last reset lies between min /
 * 2 and min * factor^(n-1), at most max; `random` (64 random bits) chooses. A delay of nearly
 * nothing would only bring the next failure sooner. Without jitter it is always the longest.
 */
uint64_t backoff_next(struct backoff *backoff, const struct backoff_settings *settings,
	uint64_t random);

/* The next delay is the first again. */
void backoff_reset(struct backoff *backoff);

#endif
