#include "gateway/backoff.h"

static uint64_t backoff_ceiling(const struct backoff *backoff)
{
	double grown = (double)backoff->ceiling * backoff->factor;

	if (backoff->failures == 0 || grown < (double)backoff->min)
		return backoff->min;
	if (grown > (double)backoff->max)
		return backoff->max;
	return (uint64_t)grown;
}

uint64_t backoff_next(struct backoff *backoff, uint64_t random)
{
	uint64_t floor = backoff->min / 2;

	backoff->ceiling = backoff_ceiling(backoff);
	backoff->failures++;
	if (backoff->steady)
		return backoff->ceiling;
	return floor + random % (backoff->ceiling - floor + 1);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
	backoff->ceiling = 0;
}
