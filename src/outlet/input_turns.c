#include "outlet/input_turns.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Time limit for input between two polls, for all subscribers of all outlets together. */
#define INPUT_TURNS_TIME (2 * CLOCK_NS_PER_MS)

struct input_turns {
	struct event event; /* active, or due, while somebody waits */
	TAILQ_HEAD(, input_turn) waiting;
	unsigned number; /* of the turn */
};

void input_turns_await(struct input_turns *turns, struct input_turn *turn)
{
	if (turn->waits)
		return;
	turn->waits = true;
	turn->since = turns->number;
	TAILQ_INSERT_TAIL(&turns->waiting, turn, entry);
	event_active(&turns->event, EV_TIMEOUT, 0);
}

void input_turns_forget(struct input_turns *turns, struct input_turn *turn)
{
	if (!turn->waits)
		return;
	turn->waits = false;
	TAILQ_REMOVE(&turns->waiting, turn, entry);
}

/* Subscribers with more input, and new ones, have their turn after the next poll and the events
 * that it finds: libevent checks timers then. */
static void input_turns_on_event(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};
	struct input_turns *turns = context;
	uint64_t end = clock_monotonic() + INPUT_TURNS_TIME;
	struct input_turn *turn;

	(void)fd, (void)what;
	turns->number++;
	while ((turn = TAILQ_FIRST(&turns->waiting)) && turn->since != turns->number &&
		clock_monotonic() < end) {
		input_turns_forget(turns, turn);
		turn->take(turn);
	}
	if (!TAILQ_EMPTY(&turns->waiting))
		event_add(&turns->event, &next);
}

struct input_turns *input_turns_new(struct event_base *base)
{
	struct input_turns *turns = alloc_zero(1, sizeof(*turns));

	TAILQ_INIT(&turns->waiting);
	evtimer_assign(&turns->event, base, input_turns_on_event, turns);
	return turns;
}

void input_turns_free(struct input_turns *turns)
{
	if (!turns)
		return;
	event_del(&turns->event);
	free(turns);
}
