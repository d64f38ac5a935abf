#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stddef.h>
#include <stdint.h>

/* How long messages were under way. Each subscriber has samples of its own, so needs no lock. */
struct latency {
	uint64_t *samples; /* nanoseconds; a row for each subscriber, in the order of arrival */
	size_t *counts;    /* of samples in each row */
	size_t subscribers;
	size_t most; /* samples a row */
};

/* Room for `most` samples of each subscriber; what comes beyond them is not kept. */
struct latency latency_new(size_t subscribers, size_t most);

void latency_add(struct latency *latency, size_t subscriber, uint64_t nanoseconds);

/*
 * Prints "latency P50 P99 P99.9 MAX" in nanoseconds. The first tenth of what each subscriber got is
 * left out: there, interpreters are still compiling. Sorts the samples.
 */
void latency_say(struct latency *latency);

#endif
