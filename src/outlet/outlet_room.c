#include "outlet/outlet_private.h"

/*
 * The queue for room in an outlet. Only a waiter that can go on uses its turn: each either
 * publishes, or makes way at once and then waits for another outlet, one that is full or has a
 * queue of its own. So an outlet with an empty queue gets one only by refusing a message, and room
 * comes only from subscribers that have read: without either, turns come to an end. tests/model
 * explores all their orders.
 */

bool outlet_has_waiters(const struct outlet *outlet)
{
	return !TAILQ_EMPTY(&outlet->waiters);
}

void outlet_await_room(struct outlet *outlet, struct outlet_waiter *waiter,
	const struct outlet_message *message)
{
	struct outlet_waiter *behind = message ? TAILQ_FIRST(&outlet->waiters) : NULL;

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
		if (waiter->room(outlet, waiter->context)) {
			flush_schedule(&outlet->core.flush); /* behind what it has activated */
			return;
		}
	}
}
