#include "gateway/stats.h"

const struct counter stats_counters[] = {
#define COUNTER(field, kind, unit, description)                                                    \
	{#field, COUNTER_##kind, COUNTER_##unit, description, offsetof(struct stats, wire.field)},
#include "ws/endpoint_counts.def"
#undef COUNTER
#define COUNTER(field, kind, unit, description)                                                    \
	{#field, COUNTER_##kind, COUNTER_##unit, description, offsetof(struct stats, field)},
#include "gateway/stats.def"
#undef COUNTER
	{0},
};
