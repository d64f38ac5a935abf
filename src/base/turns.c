#include "base/turns.h"

#include <event2/event.h>

#include "base/clock.h"

/* Time limit for a round, between two polls. */
#define TURNS_TIME (2 * CLOCK_NS_PER_MS)

void turns_await(struct turns *turns, struct turn *turn)
{
	if (turn->waits)
		return;
	turn->waits = true;
	turn->round = turns->round;
	TAILQ_INSERT_TAIL(&turns->waiting, turn, entry);
	event_active(&turns->event, EV_TIMEOUT, 0);
}

void turns_forget(struct turns *turns, struct turn *turn)
{
	if (!turn->waits)
		return;
	turn->waits = false;
	TAILQ_REMOVE(&turns->waiting, turn, entry);
}

static void turns_reset(struct turns *turns)
{
	if (turns->callbacks->reset)
		turns->callbacks->reset(turns->context);
}

/* The next round is a timer of 0, as libevent checks timers after the poll. */
static void turns_on_event(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};
	struct turns *turns = context;
	uint64_t end = clock_monotonic() + TURNS_TIME;
	struct turn *turn;
	bool more = true;

	(void)fd, (void)what;
	turns->round++;
	turns_reset(turns);
	while (more && (turn = TAILQ_FIRST(&turns->waiting)) && turn->round != turns->round &&
		clock_monotonic() < end) {
		turns_forget(turns, turn);
		more = turns->callbacks->take(turn, turns->context);
	}
	turns_reset(turns);
	if (!TAILQ_EMPTY(&turns->waiting))
		event_add(&turns->event, &next);
}

void turns_init(struct turns *turns, struct event_base *base,
	const struct turns_callbacks *callbacks, void *context)
{
	*turns = (struct turns){.callbacks = callbacks, .context = context};
	TAILQ_INIT(&turns->waiting);
	evtimer_assign(&turns->event, base, turns_on_event, turns);
}

void turns_release(struct turns *turns)
{
	event_del(&turns->event);
}
