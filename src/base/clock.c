#include "base/clock.h"

#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_boottime(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

uint64_t clock_suspended(void)
{
	uint64_t monotonic = clock_monotonic();

	return clock_boottime() - monotonic;
}

uint64_t clock_realtime(void)
{
	return clock_read(CLOCK_REALTIME);
}

void clock_format(char text[CLOCK_TEXT_SIZE], uint64_t realtime)
{
	time_t seconds = (time_t)(realtime / CLOCK_NS_PER_SECOND);
	unsigned microseconds = (unsigned)(realtime % CLOCK_NS_PER_SECOND / CLOCK_NS_PER_US);
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%06uZ", microseconds % 1000000);
}

struct timeval clock_timeval(uint64_t ns)
{
	return (struct timeval){
		.tv_sec = (time_t)(ns / CLOCK_NS_PER_SECOND),
		.tv_usec = (suseconds_t)(ns % CLOCK_NS_PER_SECOND / CLOCK_NS_PER_US),
	};
}
