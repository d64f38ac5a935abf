#include "outlet/mapped.h"

/*
 * The daemon does not know the positions of these subscribers, as it could not rely on their
 * reports. It publishes records, wakes them, and sends everything that is not in the ring through
 * the socket.
 */

bool mapped_allow(struct subscribers *subscribers, struct error *error)
{
	struct outlet_core *core = subscribers->core;

	if (core->settings.on_lag == OUTLET_WAIT)
		error_set(error, ERROR_SETTINGS,
			"this outlet waits for its subscribers (on_lag), and cannot see where one "
			"is that reads the ring");
	else if (!outlet_core_open_ring(core))
		error_set(error, ERROR_SYSTEM, "there is no memory for the ring");
	else if (ring_share(&core->ring, error))
		return true;
	return error_prefix(error, "mode ring is not available: ");
}

static void mapped_wake(struct subscribers *subscribers)
{
	struct ring *ring = &subscribers->core->ring;

	subscribers->woken = ring->head;
	ring_wake(ring);
}

void mapped_catch_up(struct subscribers *subscribers)
{
	const struct ring *ring = &subscribers->core->ring;

	if (subscribers->sleepers && ring->head - subscribers->woken >= ring->size / 2)
		mapped_wake(subscribers);
}

static void mapped_answer_subscriber(struct subscriber *subscriber)
{
	subscriber->all->core->format->arrived(&subscriber->aside, subscriber->awaited);
	subscriber_move(subscriber, SUBSCRIBER_MAPPED);
	subscriber_send(subscriber);
}

/* While there is time. A subscriber whose last notice has not left yet gets no other: notices would
 * pile up. */
static void mapped_answer(struct subscribers *subscribers)
{
	struct subscriber *next, *s = TAILQ_FIRST(&subscribers->lists[SUBSCRIBER_AWAITING]);
	uint64_t end = s ? clock_monotonic() + OUTLET_TURN_TIME : 0;

	for (; s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->awaited >= subscribers->core->ring.next || s->aside.length)
			continue;
		mapped_answer_subscriber(s);
		if (clock_monotonic() >= end) {
			flush_schedule(&subscribers->core->flush);
			return;
		}
	}
}

void mapped_flush(struct subscribers *subscribers)
{
	struct ring *ring = &subscribers->core->ring;

	ring_publish(ring);
	mapped_answer(subscribers);
	if (subscribers->sleepers && subscribers->woken != ring->head)
		mapped_wake(subscribers);
}

void mapped_tell_name(struct subscribers *subscribers, uint64_t seq, unsigned source)
{
	const struct outlet_core *core = subscribers->core;

	for (int state = SUBSCRIBER_MAPPED; state <= SUBSCRIBER_AWAITING; state++) {
		struct subscriber *next, *s = TAILQ_FIRST(&subscribers->lists[state]);

		for (; s; s = next) {
			next = TAILQ_NEXT(s, link);
			if (core->sources.items[source].version < s->named)
				continue; /* by the greeting */
			core->format->name(&s->aside, seq, source, &core->sources.items[source]);
			subscriber_send(s);
		}
	}
}

void mapped_refuse(struct subscribers *subscribers)
{
	if (subscribers->core->settings.on_lag != OUTLET_WAIT)
		return;
	for (int state = SUBSCRIBER_MAPPED; state <= SUBSCRIBER_AWAITING; state++) {
		struct subscriber *s;

		while ((s = TAILQ_FIRST(&subscribers->lists[state])))
			subscriber_fail(s,
				"the outlet now waits for its subscribers (on_lag), and "
				"cannot see where one is that reads the ring",
				"on_lag has become wait");
	}
}

void mapped_left(struct subscribers *subscribers)
{
	if (!subscribers->ended_mapped)
		return;
	subscribers->ended_mapped = false;
	mapped_wake(subscribers);
}
