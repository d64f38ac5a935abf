#include "client/deadline.h"

#include <time.h>

static uint64_t deadline_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * WSGATE_NS_PER_MS + (uint64_t)now.tv_nsec;
}

uint64_t wsgate_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX
			      : deadline_now() + (uint64_t)timeout_ms * WSGATE_NS_PER_MS;
}

int wsgate_left_ms(uint64_t deadline)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return -1;
	now = deadline_now();
	return now < deadline ? (int)((deadline - now - 1) / WSGATE_NS_PER_MS + 1) : 0;
}
