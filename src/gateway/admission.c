#include "gateway/admission.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/rate.h"

/*
 * Tokens come one by one, but a timer fires only every few milliseconds: a hundredth of a second's
 * tokens may be used together, lest a high rate cannot be reached. That is taken off the rate, and
 * more for calls that take longer to arrive than those behind them: the server, too, shall see no
 * second with more than the limit.
 */
#define ADMISSION_RATE 0.97 /* of the limit */
enum { ADMISSION_BURST_SHARE = 100 };

TAILQ_HEAD(admission_queue, admission_ticket);

struct admission {
	struct event timer; /* for the head of the queue, if only the rate holds it up */
	struct rate rate;
	unsigned at_once;   /* 0: any number */
	unsigned inside;
	struct admission_queue urgent;
	struct admission_queue ordinary;
};

static struct admission_queue *admission_queue(struct admission *admission, bool urgent)
{
	return urgent ? &admission->urgent : &admission->ordinary;
}

static struct admission_ticket *admission_first(struct admission *admission)
{
	return TAILQ_EMPTY(&admission->urgent) ? TAILQ_FIRST(&admission->ordinary)
					       : TAILQ_FIRST(&admission->urgent);
}

static bool admission_is_full(const struct admission *admission)
{
	return admission->at_once && admission->inside >= admission->at_once;
}

static bool admission_take_in(struct admission *admission, struct admission_ticket *ticket)
{
	uint64_t delay = rate_delay(&admission->rate, clock_monotonic());
	struct timeval left = clock_timeval(delay + CLOCK_NS_PER_US); /* it must not fire early */

	if (delay) {
		event_add(&admission->timer, &left);
		return false;
	}
	ticket->place = ADMISSION_INSIDE;
	admission->inside++;
	return true;
}

/* A place, or the limits, may have changed: the queue is looked at in the next turn of the loop. */
static void admission_look_again(struct admission *admission)
{
	if (admission_first(admission) && !admission_is_full(admission))
		event_active(&admission->timer, EV_TIMEOUT, 0);
}

static void admission_on_timer(evutil_socket_t fd, short what, void *context)
{
	struct admission *admission = context;
	struct admission_ticket *ticket;

	(void)fd, (void)what;
	while ((ticket = admission_first(admission)) && !admission_is_full(admission)) {
		if (!admission_take_in(admission, ticket))
			break;
		TAILQ_REMOVE(admission_queue(admission, ticket->urgent), ticket, entry);
		ticket->admitted(ticket->context);
	}
}

struct admission *admission_new(struct event_base *base)
{
	struct admission *admission = alloc_zero(1, sizeof(*admission));

	admission->rate.burst = 1;
	TAILQ_INIT(&admission->urgent);
	TAILQ_INIT(&admission->ordinary);
	evtimer_assign(&admission->timer, base, admission_on_timer, admission);
	return admission;
}

void admission_free(struct admission *admission)
{
	if (!admission)
		return;
	event_del(&admission->timer);
	free(admission);
}

void admission_limit(struct admission *admission, unsigned at_once, unsigned per_second)
{
	admission->at_once = at_once;
	admission->rate.per_second = ADMISSION_RATE * per_second;
	admission->rate.burst = 1 + per_second / ADMISSION_BURST_SHARE;
	admission_look_again(admission);
}

bool admission_enter(struct admission *admission, struct admission_ticket *ticket, bool urgent)
{
	if (!admission_first(admission) && !admission_is_full(admission) &&
		admission_take_in(admission, ticket))
		return true;
	ticket->place = ADMISSION_QUEUED;
	ticket->urgent = urgent;
	TAILQ_INSERT_TAIL(admission_queue(admission, urgent), ticket, entry);
	return false;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
	if (ticket->place == ADMISSION_QUEUED)
		TAILQ_REMOVE(admission_queue(admission, ticket->urgent), ticket, entry);
	if (ticket->place == ADMISSION_INSIDE)
		admission->inside--;
	ticket->place = ADMISSION_OUTSIDE;
	admission_look_again(admission);
}
