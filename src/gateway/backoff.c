#include "gateway/backoff.h"

const struct choice backoff_jitters[] = {
	{"full", BACKOFF_FULL},
	{"none", BACKOFF_NONE},
	{0},
};

bool backoff_check(const struct backoff_settings *settings, struct error *error)
{
	return settings->min <= settings->max ||
		error_set(error, ERROR_SETTINGS, "'min' must not be longer than 'max'");
}

static uint64_t backoff_ceiling(const struct backoff *backoff,
	const struct backoff_settings *settings)
{
	double grown = (double)backoff->ceiling * settings->factor;

	if (grown < (double)settings->min)
		return settings->min;
	if (grown > (double)settings->max)
		return settings->max;
	return (uint64_t)grown;
}

uint64_t backoff_next(struct backoff *backoff, const struct backoff_settings *settings,
	uint64_t random)
{
	uint64_t floor = settings->min / 2;

	backoff->ceiling = backoff_ceiling(backoff, settings);
	if (settings->jitter == BACKOFF_NONE)
		return backoff->ceiling;
	return floor + random % (backoff->ceiling - floor + 1);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->ceiling = 0;
}
