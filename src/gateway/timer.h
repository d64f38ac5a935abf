#ifndef GATEWAY_TIMER_H
#define GATEWAY_TIMER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A call in the future. Unset it is one pointer, where libevent's event is always whole: each
 * connection has several timers, and most of them are unset most of the time. Zero-initialised is
 * unset. It must not move while it is set.
 */
struct timer {
	struct timer_alarm *alarm; /* private; NULL: unset */
};

/* Calls back once, from the event loop, not before `ns` have passed; before that call it is unset.
 * If it is set already, base, callback and context must be the same. */
void timer_set(struct timer *timer, struct event_base *base, uint64_t ns,
	void (*callback)(void *context), void *context);

/* The same, not before that monotonic time (ns). */
void timer_set_at(struct timer *timer, struct event_base *base, uint64_t due,
	void (*callback)(void *context), void *context);

/* If it is unset, nothing happens. */
void timer_clear(struct timer *timer);

bool timer_is_set(const struct timer *timer);

/* The time at which it is due, monotonic ns; UINT64_MAX: unset. */
uint64_t timer_due(const struct timer *timer);

#endif
