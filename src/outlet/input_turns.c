#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "outlet/outlet_private.h"

/* How long input is taken between two polls, of all subscribers of all outlets together. */
#define INPUT_TURNS_TIME (2 * CLOCK_NS_PER_MS)

struct input_turns {
	struct event event; /* active, or due, while somebody waits */
	struct subscriber_list waiting;
	unsigned number; /* of the turn */
};

void input_await_turn(struct subscriber *subscriber)
{
	struct input_turns *turns = subscriber->outlet->input_turns;

	if (subscriber->awaits_turn)
		return;
	subscriber->awaits_turn = true;
	subscriber->turn = turns->number;
	TAILQ_INSERT_TAIL(&turns->waiting, subscriber, turn_link);
	event_active(&turns->event, EV_TIMEOUT, 0);
}

void input_forget_turn(struct subscriber *subscriber)
{
	if (!subscriber->awaits_turn)
		return;
	subscriber->awaits_turn = false;
	TAILQ_REMOVE(&subscriber->outlet->input_turns->waiting, subscriber, turn_link);
}

static void input_take_turn(struct subscriber *subscriber)
{
	if (subscriber->ended)
		return;
	if (subscriber->paused || subscriber->unfinished)
		input_resume(subscriber);
	else if (subscriber->reading)
		input_read(subscriber);
}

/* Those that have more, or come meanwhile, have their next turn after a poll, and behind what that
 * finds: libevent looks at timers then. */
static void input_turns_on_event(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};
	struct input_turns *turns = context;
	uint64_t end = clock_monotonic() + INPUT_TURNS_TIME;
	struct subscriber *subscriber;

	(void)fd, (void)what;
	turns->number++;
	while ((subscriber = TAILQ_FIRST(&turns->waiting)) && subscriber->turn != turns->number &&
		clock_monotonic() < end) {
		input_forget_turn(subscriber);
		input_take_turn(subscriber);
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
