#include "gateway/admission.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rate.h"

/*
 * Tokens come one by one, but a timer fires only every few milliseconds: to reach high rates, the
 * tokens of a hundredth of a second may be used together. The rate is lower for that, and because
 * some calls take longer to arrive than those behind them: the server must not see more than the
 * limit in any second either.
 */
#define ADMISSION_RATE 0.97 /* of the limit */
enum { ADMISSION_BURST_SHARE = 100 };

/* A healthy server has answered by then, or the work is on its side. */
#define ADMISSION_HOLD (500 * CLOCK_NS_PER_MS)

enum {
	ADMISSION_TURN = 16,    /* let in before other events get their turn */
	ADMISSION_OVERTAKE = 7, /* so that the doubtful ones do not starve */
};

TAILQ_HEAD(admission_queue, admission_ticket);

struct admission {
	struct timers *timers;
	struct event look;  /* at the queues: a place may be free, or the limits others */
	struct timer rated; /* until the rate allows a call */
	struct timer hold;  /* for the place that has been held longest */
	struct rate rate;
	unsigned at_once;               /* 0: no limit */
	unsigned held;                  /* places */
	unsigned doubtful;              /* of these */
	unsigned turn;                  /* let in since the last look */
	unsigned overtaken;             /* times in a row, the first of the doubtful ones */
	struct admission_queue holders; /* the longest first */
	struct admission_queue queues[ADMISSION_RANKS];
};

static bool admission_is_full(const struct admission *admission)
{
	return admission->at_once && admission->held >= admission->at_once;
}

/* The doubtful ones have half of the places, and at least one. */
static bool admission_has_room_for_doubtful(const struct admission *admission)
{
	return !admission->at_once || admission->doubtful < (admission->at_once + 1) / 2;
}

/* Next in line for a free place; NULL: none. */
static struct admission_ticket *admission_next(const struct admission *admission)
{
	struct admission_ticket *urgent = TAILQ_FIRST(&admission->queues[ADMISSION_URGENT]);
	struct admission_ticket *hopeful = TAILQ_FIRST(&admission->queues[ADMISSION_HOPEFUL]);
	struct admission_ticket *doubtful = TAILQ_FIRST(&admission->queues[ADMISSION_DOUBTFUL]);

	if (admission_is_full(admission))
		return NULL;
	if (urgent)
		return urgent;
	if (doubtful && !admission_has_room_for_doubtful(admission))
		doubtful = NULL;
	if (doubtful && admission->overtaken == ADMISSION_OVERTAKE)
		return doubtful;
	return hopeful ? hopeful : doubtful;
}

static void admission_on_hold(void *context);

static void admission_set_hold_timer(struct admission *admission)
{
	const struct admission_ticket *first = TAILQ_FIRST(&admission->holders);

	if (first)
		timer_set_at(&admission->hold, admission->timers, first->entered + ADMISSION_HOLD,
			admission_on_hold, admission);
}

static void admission_hold_place(struct admission *admission, struct admission_ticket *ticket)
{
	ticket->holds = true;
	ticket->entered = timers_now(admission->timers);
	admission->held++;
	admission->doubtful += ticket->rank == ADMISSION_DOUBTFUL;
	TAILQ_INSERT_TAIL(&admission->holders, ticket, entry);
	if (TAILQ_FIRST(&admission->holders) == ticket)
		admission_set_hold_timer(admission);
}

static void admission_release_place(struct admission *admission, struct admission_ticket *ticket)
{
	ticket->holds = false;
	admission->held--;
	admission->doubtful -= ticket->rank == ADMISSION_DOUBTFUL;
	TAILQ_REMOVE(&admission->holders, ticket, entry);
}

static void admission_let_in(void *context);

/* Takes the ticket out of its queue, unless the rate holds it up. */
static bool admission_take_in(struct admission *admission, struct admission_ticket *ticket)
{
	uint64_t delay = rate_delay(&admission->rate, timers_now(admission->timers));

	if (delay) {
		timer_set(&admission->rated, admission->timers, delay, admission_let_in, admission);
		return false;
	}
	TAILQ_REMOVE(&admission->queues[ticket->rank], ticket, entry);
	ticket->place = ADMISSION_INSIDE;
	if (ticket->rank == ADMISSION_DOUBTFUL)
		admission->overtaken = 0;
	else if (ticket->rank == ADMISSION_HOPEFUL && admission->overtaken < ADMISSION_OVERTAKE &&
		!TAILQ_EMPTY(&admission->queues[ADMISSION_DOUBTFUL]))
		admission->overtaken++;
	admission_hold_place(admission, ticket);
	return true;
}

/* Places or limits may have changed: looks at the queues in the next turn. */
static void admission_look_again(struct admission *admission)
{
	if (admission_next(admission))
		event_active(&admission->look, EV_TIMEOUT, 0);
}

static void admission_let_in(void *context)
{
	struct admission *admission = context;
	struct admission_ticket *ticket;

	for (admission->turn = 0; admission->turn < ADMISSION_TURN; admission->turn++) {
		ticket = admission_next(admission);
		if (!ticket || !admission_take_in(admission, ticket))
			return;
		ticket->admitted(ticket->context);
	}
	admission_look_again(admission);
}

static void admission_on_look(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	admission_let_in(context);
}

static void admission_on_hold(void *context)
{
	struct admission *admission = context;
	uint64_t now = timers_now(admission->timers);
	struct admission_ticket *ticket;

	while ((ticket = TAILQ_FIRST(&admission->holders)) &&
		ticket->entered + ADMISSION_HOLD <= now)
		admission_release_place(admission, ticket);
	admission_set_hold_timer(admission);
	admission_look_again(admission);
}

struct admission *admission_new(struct event_base *base, struct timers *timers)
{
	struct admission *admission = alloc_zero(1, sizeof(*admission));

	admission->timers = timers;
	admission->rate.burst = 1;
	TAILQ_INIT(&admission->holders);
	for (int rank = 0; rank < ADMISSION_RANKS; rank++)
		TAILQ_INIT(&admission->queues[rank]);
	evtimer_assign(&admission->look, base, admission_on_look, admission);
	return admission;
}

void admission_free(struct admission *admission)
{
	if (!admission)
		return;
	event_del(&admission->look);
	timer_clear(&admission->rated);
	timer_clear(&admission->hold);
	free(admission);
}

void admission_limit(struct admission *admission, unsigned at_once, unsigned per_second)
{
	admission->at_once = at_once;
	admission->rate.per_second = ADMISSION_RATE * per_second;
	admission->rate.burst = 1 + per_second / ADMISSION_BURST_SHARE;
	admission_look_again(admission);
}

bool admission_enter(struct admission *admission, struct admission_ticket *ticket,
	enum admission_rank rank)
{
	ticket->place = ADMISSION_QUEUED;
	ticket->rank = rank;
	TAILQ_INSERT_TAIL(&admission->queues[rank], ticket, entry);
	if (admission->turn++ < ADMISSION_TURN)
		return admission_next(admission) == ticket && admission_take_in(admission, ticket);
	admission_look_again(admission);
	return false;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
	if (ticket->place == ADMISSION_QUEUED)
		TAILQ_REMOVE(&admission->queues[ticket->rank], ticket, entry);
	else if (ticket->holds)
		admission_release_place(admission, ticket);
	ticket->place = ADMISSION_OUTSIDE;
	admission_look_again(admission);
}
