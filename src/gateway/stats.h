#ifndef GATEWAY_STATS_H
#define GATEWAY_STATS_H

#include <stdint.h>

#include "base/counter.h"
#include "ws/endpoint.h"

/* Statistics of a connection since it was added, or since they were cleared. */
struct stats {
	uint64_t since; /* ns since 1970 */
	struct ws_endpoint_counts wire;
#define COUNTER(field, kind, unit, description) uint64_t field;
#include "gateway/stats.def"
#undef COUNTER
};

/* Of struct stats. */
extern const struct counter stats_counters[];

#endif
