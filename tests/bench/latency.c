#include "latency.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct latency latency_new(size_t subscribers, size_t most)
{
	struct latency latency = {.samples = calloc(subscribers * most, sizeof(uint64_t)),
		.counts = calloc(subscribers, sizeof(size_t)),
		.subscribers = subscribers,
		.most = most};

	if (!latency.samples || !latency.counts)
		bench_die("calloc");
	return latency;
}

void latency_add(struct latency *latency, size_t subscriber, uint64_t nanoseconds)
{
	size_t *count = &latency->counts[subscriber];

	if (*count < latency->most)
		latency->samples[subscriber * latency->most + (*count)++] = nanoseconds;
}

/* Moves what counts of all rows to the front. Returns how many samples that is. */
static size_t latency_gather(struct latency *latency)
{
	size_t gathered = 0;

	for (size_t i = 0; i < latency->subscribers; i++) {
		size_t warm = latency->counts[i] / 10;
		size_t count = latency->counts[i] - warm;

		memmove(latency->samples + gathered, latency->samples + i * latency->most + warm,
			count * sizeof(*latency->samples));
		gathered += count;
	}
	return gathered;
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

void latency_say(struct latency *latency)
{
	size_t count = latency_gather(latency);
	const uint64_t *samples = latency->samples;

	errno = 0;
	if (count == 0)
		bench_die("no message has arrived");
	qsort(latency->samples, count, sizeof(*samples), compare);
	bench_say("latency %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, samples[count / 2],
		samples[count * 99 / 100], samples[count * 999 / 1000], samples[count - 1]);
}
