#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#define CLOCK_NS_PER_SECOND UINT64_C(1000000000)
#define CLOCK_NS_PER_MS     UINT64_C(1000000)
#define CLOCK_NS_PER_US     UINT64_C(1000)

/* A deadline that is noticed this much later has been slept through, by the process or by the host: a
 * peer's answer may lie unread, or may not have had its time. */
#define CLOCK_LATE (100 * CLOCK_NS_PER_MS)

/* Nanoseconds of CLOCK_MONOTONIC, which stops while the host is suspended: for the time that work
 * takes, and for what goes on within this host. */
uint64_t clock_monotonic(void);

/* Nanoseconds of CLOCK_BOOTTIME, which does not stop: timers_now() (base/timers.h) is this clock, or
 * that of a test. */
uint64_t clock_boottime(void);

/* ns that the host has spent in suspend since it was started: the difference between the two. */
uint64_t clock_suspended(void);

/* Nanoseconds since 1970 of CLOCK_REALTIME: for what a person or another host sees. */
uint64_t clock_realtime(void);

/* RFC 3339 in UTC with microseconds: "2026-11-22T18:17:53.000001Z". */
enum { CLOCK_TEXT_SIZE = 28 };
void clock_format(char text[CLOCK_TEXT_SIZE], uint64_t realtime);

struct timeval clock_timeval(uint64_t ns);

#endif
