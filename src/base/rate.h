#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A limit on how often something happens: a token bucket. Zero it and set the limits, which may
 * change at any time: the bucket is full.
 */
struct rate {
	double per_second; /* 0: no limit */
	double burst;      /* at once after a silence; at least 1 */
	double used;       /* private: of the burst */
	uint64_t updated;  /* private: when `used` was computed; of timers_now() */
};

/* True if it can be a limit: less than once in 1,000 seconds is a typing error, and far from what
 * overflows. The text of the error follows the name of the setting. */
bool rate_check(double per_second, struct error *error);

/* 0: go ahead, it has been counted. Otherwise the ns to wait before asking again. */
uint64_t rate_delay(struct rate *rate, uint64_t now);

#endif
