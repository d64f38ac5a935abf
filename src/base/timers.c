#include "base/timers.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Of calls, before the loop polls again: after a suspend, thousands may be due. */
#define TIMERS_TURN (2 * CLOCK_NS_PER_MS)

struct timer_alarm {
	struct timers *timers;
	struct timer *timer;
	void (*callback)(void *context);
	void *context;
	uint64_t due;
	size_t index; /* in the heap */
};

/* One timerfd wakes the loop for the first alarm. It counts time in suspend, so after a resume it is
 * readable at once if an alarm has become due. */
struct timers {
	uint64_t (*clock)(void *context);
	void *clock_context;
	int fd;
	struct event readable;     /* pending while there are alarms */
	uint64_t wake;             /* when `fd` becomes readable; UINT64_MAX: it is not armed */
	struct timer_alarm **heap; /* binary; the first is due first */
	size_t count;
};

/* --- the heap -------------------------------------------------------------------------------- */

static void heap_put(struct timers *timers, size_t index, struct timer_alarm *alarm)
{
	timers->heap[index] = alarm;
	alarm->index = index;
}

/* Puts the alarm where it belongs, from a free place on. */
static void heap_rise(struct timers *timers, size_t index, struct timer_alarm *alarm)
{
	size_t parent;

	while (index > 0) {
		parent = (index - 1) / 2;
		if (timers->heap[parent]->due <= alarm->due)
			break;
		heap_put(timers, index, timers->heap[parent]);
		index = parent;
	}
	heap_put(timers, index, alarm);
}

static void heap_settle(struct timers *timers, size_t index, struct timer_alarm *alarm)
{
	size_t child;

	while ((child = 2 * index + 1) < timers->count) {
		if (child + 1 < timers->count &&
			timers->heap[child + 1]->due < timers->heap[child]->due)
			child++;
		if (timers->heap[child]->due >= alarm->due)
			break;
		heap_put(timers, index, timers->heap[child]);
		index = child;
	}
	heap_rise(timers, index, alarm);
}

static void heap_add(struct timers *timers, struct timer_alarm *alarm)
{
	timers->heap = alloc_one_more(timers->heap, timers->count, sizeof(struct timer_alarm *));
	heap_rise(timers, timers->count++, alarm);
}

static void heap_remove(struct timers *timers, const struct timer_alarm *alarm)
{
	struct timer_alarm *last = timers->heap[--timers->count];

	if (last != alarm)
		heap_settle(timers, alarm->index, last);
}

/* --- waking up ------------------------------------------------------------------------------- */

/* A wake that has become too early stays: it costs less than to move it. One that is due stays, too:
 * to arm it anew would put it off, and before each poll for ever. */
static void timers_arm(struct timers *timers)
{
	struct itimerspec spec = {0};
	uint64_t due, now, left;

	if (timers->count == 0) {
		timers->wake = UINT64_MAX;
		event_del(&timers->readable);
		return;
	}
	due = timers->heap[0]->due;
	if (due >= timers->wake)
		return;
	now = timers_now(timers);
	if (timers->wake <= now)
		return;
	if (timers->wake == UINT64_MAX)
		event_add(&timers->readable, NULL);
	left = due > now ? due - now : 1;
	spec.it_value.tv_sec = (time_t)(left / CLOCK_NS_PER_SECOND);
	spec.it_value.tv_nsec = (long)(left % CLOCK_NS_PER_SECOND);
	timerfd_settime(timers->fd, 0, &spec, NULL);
	timers->wake = due;
}

/* At most as many calls as alarms were set before: those that the calls set cannot go on for ever. */
void timers_run(struct timers *timers)
{
	uint64_t now = timers_now(timers), end = clock_monotonic() + TIMERS_TURN;
	struct timer_alarm alarm;

	for (size_t left = timers->count; left && timers->count; left--) {
		alarm = *timers->heap[0];
		if (alarm.due > now)
			break;
		timer_clear(alarm.timer);
		alarm.callback(alarm.context); /* may free the timer, or set it again */
		if (clock_monotonic() >= end)
			break;
	}
	timers->wake = UINT64_MAX;
	timers_arm(timers);
}

static void timers_on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	timers_run(context);
}

/* --- life ------------------------------------------------------------------------------------ */

static uint64_t timers_boottime(void *context)
{
	(void)context;
	return clock_boottime();
}

struct timers *timers_new(struct event_base *base, uint64_t (*clock)(void *context), void *context)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	struct timers *timers;

	if (fd < 0)
		return NULL;
	timers = alloc_zero(1, sizeof(*timers));
	timers->clock = clock ? clock : timers_boottime;
	timers->clock_context = context;
	timers->fd = fd;
	timers->wake = UINT64_MAX;
	event_assign(&timers->readable, base, fd, EV_READ | EV_PERSIST, timers_on_readable, timers);
	return timers;
}

void timers_free(struct timers *timers)
{
	if (!timers)
		return;
	event_del(&timers->readable);
	close(timers->fd);
	free(timers->heap);
	free(timers);
}

uint64_t timers_now(const struct timers *timers)
{
	return timers->clock(timers->clock_context);
}

/* --- a timer --------------------------------------------------------------------------------- */

void timer_set_at(struct timer *timer, struct timers *timers, uint64_t due,
	void (*callback)(void *context), void *context)
{
	struct timer_alarm *alarm = timer->alarm;

	if (alarm) {
		alarm->due = due;
		heap_settle(timers, alarm->index, alarm);
	} else {
		alarm = timer->alarm = alloc_zero(1, sizeof(*alarm));
		*alarm = (struct timer_alarm){timers, timer, callback, context, due, 0};
		heap_add(timers, alarm);
	}
	timers_arm(timers);
}

void timer_set(struct timer *timer, struct timers *timers, uint64_t ns,
	void (*callback)(void *context), void *context)
{
	timer_set_at(timer, timers, timers_now(timers) + ns, callback, context);
}

void timer_clear(struct timer *timer)
{
	struct timers *timers;

	if (!timer->alarm)
		return;
	timers = timer->alarm->timers;
	heap_remove(timers, timer->alarm);
	free(timer->alarm);
	timer->alarm = NULL;
	timers_arm(timers);
}

bool timer_is_set(const struct timer *timer)
{
	return timer->alarm != NULL;
}

uint64_t timer_due(const struct timer *timer)
{
	return timer->alarm ? timer->alarm->due : UINT64_MAX;
}
