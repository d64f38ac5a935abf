#include "base/counter.h"

#include <string.h>

static const char *const kind_names[] = {
	[COUNTER_TOTAL] = "counter",
	[COUNTER_GAUGE] = "gauge",
};

static const char *const unit_names[] = {
	[COUNTER_NONE] = "",
	[COUNTER_BYTES] = "bytes",
	[COUNTER_MICROSECONDS] = "microseconds",
};

uint64_t counter_value(const struct counter *counter, const void *numbers)
{
	uint64_t value;

	memcpy(&value, (const char *)numbers + counter->offset, sizeof(value));
	return value;
}

const char *counter_kind_name(enum counter_kind kind)
{
	return kind_names[kind];
}

const char *counter_unit_name(enum counter_unit unit)
{
	return unit_names[unit];
}
