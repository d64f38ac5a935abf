#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <event2/event.h>

/* Time limit for running callbacks before the event loop polls again. */
enum { LOOP_DISPATCH_MS = 2 };

/*
 * An event loop that always comes back to the poll: callbacks may make events active as often as
 * they like (event_active()), and after LOOP_DISPATCH_MS the rest wait their turn after what the
 * poll finds. libevent's default runs active events, and those that they make active, until there
 * are none: two that activate each other then shut out every socket, timer and signal. A single
 * callback is not interrupted: what it does has to be bounded by itself. NULL: no memory, or no
 * descriptors.
 */
struct event_base *loop_new(void);

#endif
