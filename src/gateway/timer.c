#include "gateway/timer.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

struct timer_alarm {
	struct event event;
	struct timer *timer;
	void (*callback)(void *context);
	void *context;
	uint64_t due; /* monotonic ns */
};

/* The callback may free the timer or set it again. */
static void timer_on_alarm(evutil_socket_t fd, short what, void *context)
{
	struct timer_alarm alarm = *(struct timer_alarm *)context;

	(void)fd, (void)what;
	timer_clear(alarm.timer);
	alarm.callback(alarm.context);
}

void timer_set_at(struct timer *timer, struct event_base *base, uint64_t due,
	void (*callback)(void *context), void *context)
{
	uint64_t now = clock_monotonic();
	struct timeval delay;

	/* One that is due may be about to run: event_add() would put it off to the next poll, and a
	 * caller that sets it before each poll would put it off for ever. */
	if (timer->alarm && timer->alarm->due <= now && due <= now)
		return;
	if (!timer->alarm) {
		timer->alarm = alloc_zero(1, sizeof(*timer->alarm));
		timer->alarm->timer = timer;
		timer->alarm->callback = callback;
		timer->alarm->context = context;
		evtimer_assign(&timer->alarm->event, base, timer_on_alarm, timer->alarm);
	}
	timer->alarm->due = due;
	/* Rounded up to microseconds: it must not be early. */
	delay = clock_timeval((due > now ? due - now : 0) + CLOCK_NS_PER_US);
	event_add(&timer->alarm->event, &delay);
}

void timer_set(struct timer *timer, struct event_base *base, uint64_t ns,
	void (*callback)(void *context), void *context)
{
	timer_set_at(timer, base, clock_monotonic() + ns, callback, context);
}

void timer_clear(struct timer *timer)
{
	if (!timer->alarm)
		return;
	event_del(&timer->alarm->event);
	free(timer->alarm);
	timer->alarm = NULL;
}

bool timer_is_set(const struct timer *timer)
{
	return timer->alarm != NULL;
}

uint64_t timer_due(const struct timer *timer)
{
	return timer->alarm ? timer->alarm->due : UINT64_MAX;
}
