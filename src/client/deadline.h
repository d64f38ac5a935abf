#ifndef CLIENT_DEADLINE_H
#define CLIENT_DEADLINE_H

#include <stdint.h>

#define WSGATE_NS_PER_MS UINT64_C(1000000)

/* The time `timeout_ms` milliseconds from now, for wsgate_left_ms(); -1: never. */
uint64_t wsgate_deadline(int timeout_ms);

/* Milliseconds left, rounded up, as poll(2) takes them; 0: the deadline has passed, -1: no limit.
 */
int wsgate_left_ms(uint64_t deadline);

#endif
