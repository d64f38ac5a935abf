#include "outlet/outlet_private.h"

/*
 * Room in a `wait` outlet, and who waits for it. A turn is taken only by who can go on: each either
 * publishes, or makes way at once and then waits for another outlet, one that is full or has a queue
 * of its own. So an outlet with an empty queue gets one only by refusing a message, and room comes
 * only from subscribers that have read: without either, turns come to an end. tests/model walks
 * through all orders of them.
 */

enum { ROOM_RESERVE = 16 }; /* this part of the ring is for what cannot be held up */

/*
 * From where on the ring must not be overwritten: in a `wait` outlet what a subscriber still reads, in
 * another what those have not been offered whose sockets may take it.
 */
static uint64_t room_kept(const struct outlet *outlet)
{
	return outlet->settings.on_lag == OUTLET_WAIT ? outlet_slowest(outlet)
						      : outlet_slowest_ready(outlet);
}

/*
 * Up to where the ring can be filled before any of that is overwritten, with the reserve kept free.
 * The first record of it stays whole, even if its reader is in the middle. Who catches up later is at
 * the head, or behind it.
 */
static void room_measure(struct outlet *outlet)
{
	const struct ring *ring = &outlet->ring;
	uint64_t kept = room_kept(outlet) < ring->head ? room_kept(outlet) : ring->head;
	uint64_t seq = ring_seq_from(ring, kept);

	if (seq > ring->first && ring_start(ring, seq) > kept)
		seq--;
	outlet->room_head = ring_start(ring, seq) + ring->size - ring->size / ROOM_RESERVE;
	outlet->room_next = seq + ring_records(ring) - ring_records(ring) / ROOM_RESERVE;
}

/* What has to be free for a record of that length; at most the ring. A record that is larger is
 * dropped, and leaves only a notice. */
static size_t room_needed(const struct outlet *outlet, size_t length)
{
	size_t size = outlet->ring.size;
	size_t needed = (length > size ? FORMAT_GAP_MAX : length) + size / ROOM_RESERVE;

	return needed < size ? needed : size;
}

bool outlet_has_space(const struct outlet *outlet, size_t length)
{
	const struct ring *ring = &outlet->ring;

	return ring_start(ring, ring_kept_by(ring, length)) <= room_kept(outlet);
}

bool outlet_find_room(struct outlet *outlet, size_t length)
{
	size_t needed = room_needed(outlet, length);

	if (!outlet_has_space(outlet, needed)) {
		outlet_send_ready(outlet, 0); /* for more of them there is the flush */
		if (outlet_has_waiters(outlet)) /* that may be enough for who is in front */
			outlet_schedule_flush(outlet);
	}
	if (!outlet_has_space(outlet, needed))
		return false;
	room_measure(outlet);
	return true;
}

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

/* The turn may now be that of one that was behind it, and needs less. */
void outlet_forget_waiter(struct outlet_waiter *waiter)
{
	struct outlet *outlet = waiter->outlet;

	if (!outlet)
		return;
	TAILQ_REMOVE(&outlet->waiters, waiter, entry);
	waiter->outlet = NULL;
	if (outlet_has_waiters(outlet))
		outlet_schedule_flush(outlet);
}

/*
 * A turn begins with a quarter of the ring free, or with what was refused if that is more: else
 * sources would be stopped and resumed for every message.
 */
static bool room_is_plenty(struct outlet *outlet, size_t wanted)
{
	size_t needed = room_needed(outlet, wanted);
	size_t quarter = outlet->ring.size / 4;

	return outlet_has_space(outlet, quarter > needed ? quarter : needed);
}

void outlet_give_room(struct outlet *outlet)
{
	struct outlet_waiter *waiter;

	while ((waiter = TAILQ_FIRST(&outlet->waiters)) && room_is_plenty(outlet, waiter->wanted)) {
		TAILQ_REMOVE(&outlet->waiters, waiter, entry);
		waiter->outlet = NULL;
		if (waiter->room(outlet, waiter->context)) {
			outlet_schedule_flush(outlet); /* behind what it has activated */
			return;
		}
	}
}
