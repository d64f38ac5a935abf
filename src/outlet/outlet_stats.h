#ifndef OUTLET_OUTLET_STATS_H
#define OUTLET_OUTLET_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"

/* Since the outlet was made. */
struct outlet_counts {
#define COUNTER(field, kind, unit, description) uint64_t field;
#include "outlet/outlet_counts.def"
#undef COUNTER
};

/* An outlet as it stands. */
struct outlet_stats {
	struct outlet_counts counts;
	uint64_t messages;    /* published: the next sequence number less one */
	uint64_t oldest;      /* sequence number of the oldest record in the ring */
	uint64_t subscribers; /* now */
	bool waiting;         /* is full, and a connection waits for room */
};

/* Of struct outlet_stats. */
extern const struct counter outlet_counters[];

#endif
