#include "base/rate.h"

#include "base/clock.h"

/* Times a second. */
#define RATE_MIN 0.001

bool rate_check(double per_second, struct error *error)
{
	return per_second <= 0 || per_second >= RATE_MIN ||
		error_set(error, ERROR_SETTINGS, "must be 0 or at least %g, not %g", RATE_MIN,
			per_second);
}

static void rate_refill(struct rate *rate, uint64_t now)
{
	double seconds = (double)(now - rate->updated) / (double)CLOCK_NS_PER_SECOND;

	rate->used -= rate->per_second * seconds;
	rate->updated = now;
	if (rate->used < 0)
		rate->used = 0;
	if (rate->used > rate->burst) /* the limit has been lowered */
		rate->used = rate->burst;
}

uint64_t rate_delay(struct rate *rate, uint64_t now)
{
	double missing;

	if (rate->per_second <= 0)
		return 0;
	rate_refill(rate, now);
	missing = rate->used + 1 - rate->burst;
	if (missing <= 0) {
		rate->used++;
		return 0;
	}
	/* Rounded up: after the wait nothing must be missing. */
	return (uint64_t)(missing / rate->per_second * (double)CLOCK_NS_PER_SECOND) + 1;
}
