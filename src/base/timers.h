#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The time base of the daemon, and calls in the future. Deadlines and ages count the time that the
 * host is suspended, because the servers at the other end do: libevent's own timers do not.
 */
struct timers;

/* `clock`: ns of any clock that does not run backwards; NULL: clock_boottime(). NULL: the system has
 * no descriptor left, see errno. */
struct timers *timers_new(struct event_base *base, uint64_t (*clock)(void *context), void *context);

/* All timers must be unset. Before the event base is freed. NULL is ignored. */
void timers_free(struct timers *timers);

/* ns; the time that all deadlines refer to. */
uint64_t timers_now(const struct timers *timers);

/* Calls what is due, as far as there is time; the event loop calls the rest. It does all of this by
 * itself, unless an invented clock jumps. */
void timers_run(struct timers *timers);

/*
 * A call in the future. Unset it is one pointer: each connection has several timers, and most of
 * them are unset most of the time. Zero-initialised is unset. It must not move while it is set.
 */
struct timer {
	struct timer_alarm *alarm; /* private; NULL: unset */
};

/* Calls back once, from the event loop, not before `ns` have passed; before that call it is unset.
 * If it is set already, timers, callback and context must be the same. */
void timer_set(struct timer *timer, struct timers *timers, uint64_t ns,
	void (*callback)(void *context), void *context);

/* The same, not before that time of timers_now(). */
void timer_set_at(struct timer *timer, struct timers *timers, uint64_t due,
	void (*callback)(void *context), void *context);

/* If it is unset, nothing happens. */
void timer_clear(struct timer *timer);

bool timer_is_set(const struct timer *timer);

/* The time of timers_now() at which it is due; UINT64_MAX: unset. */
uint64_t timer_due(const struct timer *timer);

#endif
