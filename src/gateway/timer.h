#ifndef GATEWAY_TIMER_H
#define GATEWAY_TIMER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Something to be done later. While it is not set it is one pointer, where libevent's event is
 * always whole: each connection has several timers, and most of them are not set most of the time.
 * Zero-initialised is not set. It must stay where it is while it is set.
 */
struct timer {
	struct timer_alarm *alarm; /* private; NULL: not set */
};

/* Calls back once, from the event loop and not before `ns` have passed; then it is not set. If it
 * is set already, the base, the callback and the context must be the same as then. */
void timer_set(struct timer *timer, struct event_base *base, uint64_t ns,
	void (*callback)(void *context), void *context);

/* The same, not before that moment of the monotonic clock (ns). */
void timer_set_at(struct timer *timer, struct event_base *base, uint64_t due,
	void (*callback)(void *context), void *context);

/* Not set: nothing happens. */
void timer_clear(struct timer *timer);

bool timer_is_set(const struct timer *timer);

/* When it is due, monotonic ns; UINT64_MAX: it is not set. */
uint64_t timer_due(const struct timer *timer);

#endif
