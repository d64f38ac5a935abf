#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "outlet/outlet_private.h"

/* From the ring to the subscribers: the flush, and what becomes of those that are too slow. */

enum {
	OUTLET_CLOCK_EVERY = 16,        /* units of work, between looks at the clock */
	OUTLET_SEND_UNIT = 256 << 10,   /* bytes; a subscriber is a unit as well */
};

void outlet_schedule_flush(struct outlet *outlet)
{
	if (outlet->flush_scheduled)
		return;
	outlet->flush_scheduled = true;
	if (!outlet->flush)
		outlet->flush = evtimer_new(outlet->base, outlet_on_flush, outlet);
	/* It goes behind the events that are already waiting in this turn of the loop. */
	event_active(outlet->flush, EV_TIMEOUT, 0);
}

static struct subscriber *outlet_next_ready(const struct outlet *outlet)
{
	struct subscriber *first = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_READY]);

	return first && first->cursor < outlet->ring.head ? first : NULL;
}

bool outlet_send_ready(struct outlet *outlet, uint64_t time)
{
	long credit = OUTLET_CLOCK_EVERY;
	struct subscriber *subscriber;
	uint64_t end = 0;

	while ((subscriber = outlet_next_ready(outlet))) {
		uint64_t before = outlet->stats.sent;

		subscriber_send(subscriber); /* it may be the next again, but then it has been sent much */
		credit -= 1 + (long)((outlet->stats.sent - before) / OUTLET_SEND_UNIT);
		if (credit > 0)
			continue;
		credit = OUTLET_CLOCK_EVERY;
		if (!end)
			end = clock_monotonic() + time;
		if (time == 0 || clock_monotonic() >= end)
			break;
	}
	return !outlet_next_ready(outlet);
}

/*
 * Where a subscriber goes on that has lost records: with half of the ring still to read, and the
 * other half as a lead, so that it is not lapped again at once. That is once `length` bytes have been
 * added, for which the records before `first` have to go.
 */
static uint64_t outlet_skip_target_with(const struct outlet *outlet, uint64_t first, size_t length)
{
	const struct ring *ring = &outlet->ring;
	uint64_t half = ring->size / 2;
	uint64_t end = ring->head + length;
	uint64_t target = end > half ? ring_seq_from(ring, end - half) : first;

	return target > first ? target : first;
}

uint64_t outlet_skip_target(const struct outlet *outlet)
{
	return outlet_skip_target_with(outlet, outlet->ring.first, 0);
}

/* Its last chance to get what is about to be overwritten has passed. */
static void outlet_overtake_subscriber(struct outlet *outlet, struct subscriber *subscriber,
	uint64_t target)
{
	if (outlet->settings.on_lag == OUTLET_CLOSE)
		subscriber_drop(subscriber);
	else
		subscriber_skip(subscriber, target);
}

/* Of those that have a place in the ring, one that is furthest behind. */
static struct subscriber *outlet_last(const struct outlet *outlet)
{
	struct subscriber *ready = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_READY]);
	struct subscriber *blocked = cursors_first(&outlet->behind);

	return !ready || (blocked && blocked->cursor < ready->cursor) ? blocked : ready;
}

uint64_t outlet_slowest(const struct outlet *outlet)
{
	const struct subscriber *last = outlet_last(outlet);

	return last ? last->cursor : UINT64_MAX;
}

/* Who is visited here has been sent something since it was here last. */
void outlet_overtake(struct outlet *outlet, uint64_t first, size_t length)
{
	uint64_t tail = ring_start(&outlet->ring, first);
	uint64_t target = outlet_skip_target_with(outlet, first, length);
	struct subscriber *last;

	if (outlet_slowest_ready(outlet) < tail) /* it is published without asking for room */
		outlet_send_ready(outlet, OUTLET_TURN_TIME);
	while ((last = outlet_last(outlet)) && last->cursor < tail)
		outlet_overtake_subscriber(outlet, last, target);
}

void outlet_update_encodes(struct outlet *outlet)
{
	outlet->encodes = outlet->format->shareable ||
		outlet->settings.start == OUTLET_OLDEST ||
		outlet_slowest(outlet) != UINT64_MAX || outlet->lapped;
}

/* One that is to get nothing any more. The ring stays with those that have mapped it. */
static struct subscriber *outlet_next_drained(const struct outlet *outlet)
{
	struct subscriber *latest =
		TAILQ_LAST(&outlet->subscribers[SUBSCRIBER_READY], subscriber_list);

	if (latest && latest->cursor == outlet->ring.head)
		return latest;
	latest = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_MAPPED]);
	return latest ? latest : TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_AWAITING]);
}

static void outlet_end_drained(struct outlet *outlet)
{
	struct subscriber *subscriber;
	uint64_t end;

	if (!outlet->draining || sources_remain(&outlet->sources))
		return;
	end = clock_monotonic() + OUTLET_TURN_TIME;
	while ((subscriber = outlet_next_drained(outlet)) && clock_monotonic() < end)
		subscriber_leave(subscriber, "drained"); /* which the next flush looks after */
}

static void outlet_tell_lost(struct outlet *outlet, const char *source, uint64_t messages)
{
	struct event_members members = {0};

	if (source)
		event_add_own_text(&members, "connection", source);
	event_add_number(&members, "messages", messages);
	log_write(outlet->log, LOG_WARNING, &outlet->subject, "messages lost: %llu%s%s",
		(unsigned long long)messages, source ? ", of connection " : "",
		source ? source : "");
	outlet->callbacks->event(outlet, EVENT_TYPE_UNDELIVERED, &members,
		outlet->callbacks->context);
}

/* Each subscriber that is sent messages loses so many; returns the sum. */
static uint64_t outlet_count_lost(struct outlet *outlet, uint64_t messages)
{
	uint64_t before = outlet->stats.lost;

	for (int state = SUBSCRIBER_READY; state <= SUBSCRIBER_LAPPED; state++) {
		struct subscriber *subscriber;

		TAILQ_FOREACH (subscriber, &outlet->subscribers[state], link) {
			subscriber->lost += messages;
			outlet->stats.lost += messages;
		}
	}
	return outlet->stats.lost - before;
}

void outlet_lose(struct outlet *outlet, unsigned source, uint64_t messages)
{
	if (outlet_count_lost(outlet, messages))
		outlet_tell_lost(outlet, outlet->sources.items[source].name, messages);
}

/* One that it has been sent a part of is lost as well. */
static uint64_t outlet_unsent(const struct outlet *outlet, const struct subscriber *subscriber)
{
	const struct ring *ring = &outlet->ring;
	uint64_t parts = subscriber->rest != NULL;
	uint64_t seq;

	if (subscriber->state == SUBSCRIBER_FINISHING)
		return parts;
	if (subscriber->state == SUBSCRIBER_LAPPED)
		return ring->next - subscriber->lost_to + parts;
	seq = ring_seq_from(ring, subscriber->cursor);
	return ring->next - seq + (ring_start(ring, seq) > subscriber->cursor) + parts;
}

bool outlet_give_up(struct outlet *outlet, uint64_t end)
{
	for (int state = 0; state < SUBSCRIBER_STATES; state++) {
		bool reading = (state >= SUBSCRIBER_READY && state <= SUBSCRIBER_LAPPED) ||
			state == SUBSCRIBER_FINISHING;
		struct subscriber *subscriber;

		while ((subscriber = TAILQ_FIRST(&outlet->subscribers[state]))) {
			if (clock_monotonic() >= end)
				return false;
			if (reading)
				outlet->given_up += outlet_unsent(outlet, subscriber);
			if (state != SUBSCRIBER_GONE)
				outlet->subscriber_count--;
			subscriber_free(subscriber);
		}
	}
	outlet->stats.lost += outlet->given_up;
	if (outlet->given_up)
		outlet_tell_lost(outlet, NULL, outlet->given_up);
	outlet->given_up = 0;
	return true;
}

/* As long as there is time: somebody may want to hear of each. */
static void outlet_report_laggards(struct outlet *outlet)
{
	uint64_t end = clock_monotonic() + OUTLET_TURN_TIME;
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(&outlet->laggards))) {
		if (clock_monotonic() >= end) {
			outlet_schedule_flush(outlet);
			return;
		}
		subscriber_report_losses(subscriber);
	}
}

static void outlet_report_oversize(struct outlet *outlet)
{
	struct event_members members = {0};

	event_add_number(&members, "messages", outlet->oversize);
	event_add_number(&members, "length", outlet->oversize_length);
	event_add_number(&members, "ring", outlet->ring.size);
	outlet->oversize = 0;
	outlet->callbacks->event(outlet, EVENT_TYPE_OVERSIZE, &members,
		outlet->callbacks->context);
}

static void outlet_report(struct outlet *outlet)
{
	if (!TAILQ_EMPTY(&outlet->laggards))
		outlet_report_laggards(outlet);
	if (outlet->unpublished) {
		unsigned messages = outlet->unpublished;

		outlet->unpublished = 0;
		if (outlet_count_lost(outlet, messages))
			outlet_tell_lost(outlet, NULL, messages);
	}
	if (outlet->oversize)
		outlet_report_oversize(outlet);
}

static void outlet_tell_attended(struct outlet *outlet)
{
	bool attended = outlet->subscriber_count > 0;

	if (attended == outlet->attended)
		return;
	outlet->attended = attended;
	if (outlet->callbacks->attended)
		outlet->callbacks->attended(outlet, outlet->callbacks->context);
}

/* Those that are gone, as long as there is time: each may have left much to read. */
static void outlet_reap(struct outlet *outlet)
{
	struct subscriber_list *gone = &outlet->subscribers[SUBSCRIBER_GONE];
	uint64_t end = clock_monotonic() + OUTLET_TURN_TIME;
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(gone))) {
		if (clock_monotonic() >= end) {
			outlet_schedule_flush(outlet);
			return;
		}
		if (!subscriber_reap(subscriber)) {
			TAILQ_REMOVE(gone, subscriber, link);
			TAILQ_INSERT_TAIL(gone, subscriber, link);
		}
	}
}

void outlet_on_flush(evutil_socket_t fd, short what, void *context)
{
	struct outlet *outlet = context;

	(void)fd;
	(void)what;
	outlet->flush_scheduled = false;
	mapped_flush(outlet);
	if (!outlet_send_ready(outlet, OUTLET_TURN_TIME))
		outlet_schedule_flush(outlet);
	outlet_end_drained(outlet);
	outlet_report(outlet);
	outlet_reap(outlet);
	mapped_left(outlet);
	outlet_update_encodes(outlet);
	outlet_give_room(outlet);
	outlet_tell_attended(outlet);
}
