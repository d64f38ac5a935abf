#include <event2/event.h>

#include "outlet/outlet_private.h"

/*
 * The queue for room in an outlet. Only a waiter that can go on uses its turn: each either
 * publishes, or makes way at once and then waits for another outlet, one that is full or has a
 * queue of its own. So an outlet with an empty queue gets one only by refusing a message, and room
 * comes only from subscribers that have read: without either, turns come to an end. tests/model
 * explores all their orders.
 */

/* A reader that is late is logged after this time. */
#define OUTLET_HELD_UP CLOCK_NS_PER_SECOND

static void outlet_on_held_up(evutil_socket_t fd, short what, void *context)
{
	struct outlet *outlet = context;
	uint64_t now = clock_monotonic();
	struct timeval rest;

	(void)fd, (void)what;
	if (!outlet->held_up_since || outlet->held_up_told)
		return;
	if (now - outlet->held_up_since < OUTLET_HELD_UP) {
		rest = clock_timeval(OUTLET_HELD_UP - (now - outlet->held_up_since));
		event_add(outlet->held_up, &rest);
		return;
	}
	outlet->held_up_told = true;
	outlet->core.counts.held_up++;
	subscribers_log_slowest(&outlet->subscribers);
}

static void outlet_begin_hold_up(struct outlet *outlet)
{
	const struct timeval moment = clock_timeval(OUTLET_HELD_UP);

	outlet->held_up_since = clock_monotonic();
	if (!outlet->held_up)
		outlet->held_up = evtimer_new(outlet->core.flush.base, outlet_on_held_up, outlet);
	if (!event_pending(outlet->held_up, EV_TIMEOUT, NULL))
		event_add(outlet->held_up, &moment);
}

/* Call it whenever the queue may have become empty, or be no more. */
static void outlet_note_hold_up(struct outlet *outlet)
{
	uint64_t time = clock_monotonic() - outlet->held_up_since;

	if (!outlet->held_up_since || outlet_has_waiters(outlet))
		return;
	if (outlet->held_up_told) {
		outlet->core.counts.held_up_us += time / CLOCK_NS_PER_US;
		log_write(outlet->core.log, LOG_NOTICE, &outlet->core.subject,
			"no longer holds up its connections, after %llu.%llu s (%llu times so far)",
			(unsigned long long)(time / CLOCK_NS_PER_SECOND),
			(unsigned long long)(time % CLOCK_NS_PER_SECOND /
				(CLOCK_NS_PER_SECOND / 10)),
			(unsigned long long)outlet->core.counts.held_up);
	}
	outlet->held_up_told = false;
	outlet->held_up_since = 0;
}

void outlet_release_room(struct outlet *outlet)
{
	while (outlet_has_waiters(outlet))
		outlet_forget_waiter(TAILQ_FIRST(&outlet->waiters));
	if (outlet->held_up)
		event_free(outlet->held_up);
}

bool outlet_has_waiters(const struct outlet *outlet)
{
	return !TAILQ_EMPTY(&outlet->waiters);
}

void outlet_await_room(struct outlet *outlet, struct outlet_waiter *waiter,
	const struct outlet_message *message)
{
	struct outlet_waiter *behind = message ? TAILQ_FIRST(&outlet->waiters) : NULL;

	if (!outlet->held_up_since)
		outlet_begin_hold_up(outlet);
	waiter->outlet = outlet;
	waiter->wanted = message ? outlet_record_length(outlet, message) : 0;
	while (behind && behind->wanted)
		behind = TAILQ_NEXT(behind, entry);
	if (behind)
		TAILQ_INSERT_BEFORE(behind, waiter, entry);
	else
		TAILQ_INSERT_TAIL(&outlet->waiters, waiter, entry);
}

/* The next waiter may need less room, and get its turn now. */
void outlet_forget_waiter(struct outlet_waiter *waiter)
{
	struct outlet *outlet = waiter->outlet;

	if (!outlet)
		return;
	TAILQ_REMOVE(&outlet->waiters, waiter, entry);
	waiter->outlet = NULL;
	outlet_note_hold_up(outlet);
	if (outlet_has_waiters(outlet))
		flush_schedule(&outlet->core.flush);
}

/*
 * A turn begins with a quarter of the ring free, or with what was refused if that is more: else
 * sources would be stopped and resumed for every message.
 */
void outlet_give_room(struct outlet *outlet)
{
	const struct readers *readers = &outlet->subscribers.readers;
	struct outlet_waiter *waiter;

	while ((waiter = TAILQ_FIRST(&outlet->waiters)) &&
		readers_have_plenty(readers, waiter->wanted)) {
		TAILQ_REMOVE(&outlet->waiters, waiter, entry);
		waiter->outlet = NULL;
		outlet_note_hold_up(outlet);
		if (waiter->room(outlet, waiter->context)) {
			flush_schedule(&outlet->core.flush); /* behind what it has activated */
			return;
		}
	}
}
