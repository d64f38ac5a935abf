#include "control/control_turns.h"

#include "base/clock.h"

enum { CONTROL_TURN_MS = 5 };

static void control_turns_schedule(struct control_turns *turns)
{
	const struct timeval now = {0};

	/* Adding it again once it is due would delay it, and every new client does so. */
	if (!TAILQ_EMPTY(&turns->queue) && !event_pending(&turns->event, EV_TIMEOUT, NULL))
		event_add(&turns->event, &now);
}

static void control_turns_on_event(evutil_socket_t fd, short what, void *context)
{
	uint64_t end = clock_monotonic() + CONTROL_TURN_MS * CLOCK_NS_PER_MS;
	struct control_turns *turns = context;
	struct control_turn *turn;

	(void)fd, (void)what;
	while ((turn = TAILQ_FIRST(&turns->queue)) && clock_monotonic() < end) {
		control_turns_forget(turns, turn);
		if (turns->step(turn))
			control_turns_await(turns, turn);
	}
	control_turns_schedule(turns);
}

void control_turns_init(struct control_turns *turns, struct event_base *base, control_step step)
{
	TAILQ_INIT(&turns->queue);
	evtimer_assign(&turns->event, base, control_turns_on_event, turns);
	turns->step = step;
}

void control_turns_release(struct control_turns *turns)
{
	event_del(&turns->event);
}

void control_turns_await(struct control_turns *turns, struct control_turn *turn)
{
	if (turn->queued)
		return;
	TAILQ_INSERT_TAIL(&turns->queue, turn, entry);
	turn->queued = true;
	control_turns_schedule(turns);
}

void control_turns_forget(struct control_turns *turns, struct control_turn *turn)
{
	if (!turn->queued)
		return;
	TAILQ_REMOVE(&turns->queue, turn, entry);
	turn->queued = false;
}
