#include "outlet/outlet_stats.h"

const struct counter outlet_counters[] = {
	{"subscribers", COUNTER_GAUGE, COUNTER_NONE, "subscribers now",
		offsetof(struct outlet_stats, subscribers)},
	{"messages", COUNTER_TOTAL, COUNTER_NONE,
		"messages published: the sequence number of the newest record",
		offsetof(struct outlet_stats, messages)},
	{"oldest", COUNTER_GAUGE, COUNTER_NONE, "sequence number of the oldest record in the ring",
		offsetof(struct outlet_stats, oldest)},
#define COUNTER(field, kind, unit, description)                                                    \
	{#field, COUNTER_##kind, COUNTER_##unit, description,                                      \
		offsetof(struct outlet_stats, counts.field)},
#include "outlet/outlet_counts.def"
#undef COUNTER
	{0},
};
