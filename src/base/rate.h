#ifndef GATEWAY_RATE_H
#define GATEWAY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A limit on how often something is done: a token bucket. To begin, zero it and set the limits,
 * which may change at any time; the bucket is full then.
 */
struct rate {
	double per_second; /* 0: any number */
	double burst;      /* so many at once after a silence, at least 1 */
	double used;       /* private: of the burst */
	uint64_t updated;  /* private: when `used` was right; monotonic ns */
};

/* True if it can be a limit: less than once in 1,000 seconds is a typing error, and far from what
 * overflows. The text of the error follows the name of the setting. */
bool rate_check(double per_second, struct error *error);

/* 0: do it now, it has been counted. Else the ns to wait before asking again. */
uint64_t rate_delay(struct rate *rate, uint64_t now);

#endif
