#include "base/loop.h"

#include <limits.h>

struct event_base *loop_new(void)
{
	const struct timeval dispatch = {.tv_usec = LOOP_DISPATCH_MS * 1000};
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_max_dispatch_interval(config, &dispatch, INT_MAX, 0) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}
