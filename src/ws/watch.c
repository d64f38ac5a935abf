#include "ws/watch.h"

static uint32_t watch_limit(uint64_t bytes)
{
	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

void ws_watch_ask(struct ws_watch *watch, size_t output)
{
	*watch = (struct ws_watch){.draining = watch_limit(output)};
}

void ws_watch_begin(struct ws_watch *watch, const struct ws_traffic *traffic)
{
	uint64_t outstanding = traffic->sent - traffic->acknowledged;

	watch->received = traffic->received;
	watch->acknowledged = traffic->acknowledged;
	watch->draining = watch_limit(watch->draining + outstanding);
	watch->window = traffic->window;
}

/* Takes acknowledged bytes off those that are draining, and returns how many those were. */
static uint32_t watch_drain(struct ws_watch *watch, const struct ws_traffic *traffic)
{
	int64_t acknowledged = (int64_t)(traffic->acknowledged - watch->acknowledged);
	uint32_t drained = watch_limit(acknowledged > 0 ? (uint64_t)acknowledged : 0);
	uint32_t outstanding = watch_limit(traffic->sent - traffic->acknowledged);

	if (drained > watch->draining)
		drained = watch->draining;
	watch->draining -= drained;
	if (traffic->full && watch->draining < outstanding)
		watch->draining = outstanding;
	return drained;
}

bool ws_watch_look(struct ws_watch *watch, const struct ws_traffic *traffic)
{
	bool drained = watch_drain(watch, traffic) > 0;
	bool opened = traffic->window > watch->window;
	bool arrived = traffic->received != watch->received;

	watch->received = traffic->received;
	watch->acknowledged = traffic->acknowledged;
	if (drained || opened)
		watch->window = traffic->window;
	return arrived || drained || opened;
}

bool ws_watch_is_stuck(const struct ws_watch *watch, const struct ws_traffic *traffic,
	uint64_t timeout)
{
	return watch->draining && traffic->silence < timeout;
}
