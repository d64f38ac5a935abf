#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "outlet/outlet_private.h"

/* From the ring to the subscribers: the flush, and what becomes of those that are too slow. */

enum { OUTLET_CLOCK_EVERY = 16 }; /* subscribers sent to, between looks at the clock */

/* How long subscribers are sent to at a time: thousands of them would hold up all else. */
#define OUTLET_SEND_TIME CLOCK_NS_PER_MS

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

/* Those behind `next` have waited longest: they are the first another time. */
static void outlet_rotate_ready(struct subscriber_list *ready, struct subscriber *next)
{
	struct subscriber *first;

	while ((first = TAILQ_FIRST(ready)) != next) {
		TAILQ_REMOVE(ready, first, link);
		TAILQ_INSERT_TAIL(ready, first, link);
	}
}

bool outlet_send_ready(struct outlet *outlet)
{
	struct subscriber_list *ready = &outlet->subscribers[SUBSCRIBER_READY];
	uint64_t start = 0;
	unsigned sent = 0;
	struct subscriber *next;

	for (struct subscriber *s = TAILQ_FIRST(ready); s; s = next) {
		next = TAILQ_NEXT(s, link);
		subscriber_send(s);
		if (++sent % OUTLET_CLOCK_EVERY || !next)
			continue;
		if (!start)
			start = clock_monotonic();
		else if (clock_monotonic() - start >= OUTLET_SEND_TIME) {
			outlet_rotate_ready(ready, next);
			return false;
		}
	}
	if (TAILQ_EMPTY(&outlet->subscribers[SUBSCRIBER_BLOCKED]))
		outlet->slowest = TAILQ_EMPTY(ready) ? UINT64_MAX : outlet->ring.head;
	return true;
}

static void outlet_find_slowest(struct outlet *outlet)
{
	static const enum subscriber_state reading[] = {SUBSCRIBER_READY, SUBSCRIBER_BLOCKED};
	const struct subscriber *subscriber;

	outlet->slowest = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		TAILQ_FOREACH (subscriber, &outlet->subscribers[reading[i]], link) {
			if (subscriber->cursor < outlet->slowest)
				outlet->slowest = subscriber->cursor;
		}
	}
}

bool outlet_has_space(struct outlet *outlet, size_t length)
{
	uint64_t tail;

	if (outlet->slowest == UINT64_MAX)
		return true;
	tail = ring_start(&outlet->ring, ring_kept_by(&outlet->ring, length));
	if (tail <= outlet->slowest)
		return true;
	outlet_find_slowest(outlet);
	return tail <= outlet->slowest;
}

/*
 * Where a subscriber goes on that has lost records: with half of the ring still to read, and the
 * other half as a lead, so that it is not lapped again at once.
 */
static uint64_t outlet_skip_target(const struct outlet *outlet, uint64_t first, size_t length)
{
	const struct ring *ring = &outlet->ring;
	uint64_t half = ring->size / 2;
	uint64_t end = ring->head + length;
	uint64_t target = end > half ? ring_seq_from(ring, end - half) : first;

	return target > first ? target : first;
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

void outlet_overtake(struct outlet *outlet, uint64_t first, size_t length)
{
	uint64_t tail = ring_start(&outlet->ring, first);
	uint64_t target = outlet_skip_target(outlet, first, length);
	struct subscriber *next;

	outlet_find_slowest(outlet);
	if (outlet->slowest >= tail)
		return;
	for (struct subscriber *s = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_READY]); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->cursor < tail)
			subscriber_send(s);
	}
	for (struct subscriber *s = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_BLOCKED]); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->cursor < tail)
			outlet_overtake_subscriber(outlet, s, target);
	}
	outlet_find_slowest(outlet);
}

void outlet_update_encodes(struct outlet *outlet)
{
	outlet->encodes = outlet->settings.format == OUTLET_FRAMES ||
		outlet->settings.start == OUTLET_OLDEST ||
		!TAILQ_EMPTY(&outlet->subscribers[SUBSCRIBER_READY]) ||
		!TAILQ_EMPTY(&outlet->subscribers[SUBSCRIBER_BLOCKED]);
}

static bool outlet_has_sources(const struct outlet *outlet)
{
	for (unsigned i = 0; i < outlet->source_count; i++) {
		if (outlet->sources[i].thing)
			return true;
	}
	return false;
}

static void outlet_end_drained(struct outlet *outlet)
{
	struct subscriber *next;

	if (!outlet->draining || outlet_has_sources(outlet))
		return;
	mapped_end(outlet, "drained"); /* the ring stays with them */
	for (struct subscriber *s = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_READY]); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->cursor == outlet->ring.head)
			subscriber_leave(s, "drained");
	}
}

static void outlet_tell_lost(struct outlet *outlet, const char *source, uint64_t messages)
{
	char *json = alloc_format("{%s%s%s\"messages\":%llu}", source ? "\"connection\":\"" : "",
		source ? source : "", source ? "\"," : "", (unsigned long long)messages);

	log_write(outlet->log, LOG_WARNING, &outlet->subject, "messages lost: %llu%s%s",
		(unsigned long long)messages, source ? ", of connection " : "",
		source ? source : "");
	outlet->callbacks->event(outlet, "undelivered", json, outlet->callbacks->context);
	free(json);
}

/* Has each subscriber that is sent messages lose what `lost` says; returns the sum. */
static uint64_t outlet_count_lost(struct outlet *outlet,
	uint64_t (*lost)(const struct subscriber *subscriber, uint64_t messages), uint64_t messages)
{
	uint64_t before = outlet->stats.lost;

	for (int state = SUBSCRIBER_READY; state <= SUBSCRIBER_BLOCKED; state++) {
		struct subscriber *subscriber;

		TAILQ_FOREACH (subscriber, &outlet->subscribers[state], link) {
			uint64_t count = lost(subscriber, messages);

			subscriber->lost += count;
			outlet->stats.lost += count;
		}
	}
	return outlet->stats.lost - before;
}

static uint64_t outlet_lost_unpublished(const struct subscriber *subscriber, uint64_t messages)
{
	(void)subscriber;
	return messages;
}

/* One that it has been sent a part of is lost as well. */
static uint64_t outlet_lost_unsent(const struct subscriber *subscriber, uint64_t messages)
{
	const struct ring *ring = &subscriber->outlet->ring;
	uint64_t seq = ring_seq_from(ring, subscriber->cursor);

	(void)messages;
	return ring->next - seq + (ring_start(ring, seq) > subscriber->cursor);
}

void outlet_lose(struct outlet *outlet, unsigned source, uint64_t messages)
{
	if (outlet_count_lost(outlet, outlet_lost_unpublished, messages))
		outlet_tell_lost(outlet, outlet->sources[source].name, messages);
}

void outlet_give_up(struct outlet *outlet)
{
	uint64_t lost = outlet_count_lost(outlet, outlet_lost_unsent, 0);

	if (lost)
		outlet_tell_lost(outlet, NULL, lost);
}

static void outlet_report(struct outlet *outlet)
{
	uint64_t oversize = outlet->stats.oversize - outlet->oversize_reported;
	struct subscriber *subscriber;
	char *json;

	while ((subscriber = TAILQ_FIRST(&outlet->laggards)))
		subscriber_report_losses(subscriber);
	if (outlet->unpublished) {
		uint64_t messages = outlet->unpublished;

		outlet->unpublished = 0;
		if (outlet_count_lost(outlet, outlet_lost_unpublished, messages))
			outlet_tell_lost(outlet, NULL, messages);
	}
	if (oversize) {
		outlet->oversize_reported = outlet->stats.oversize;
		json = alloc_format("{\"messages\":%llu,\"length\":%zu,\"ring\":%zu}",
			(unsigned long long)oversize, outlet->oversize_length, outlet->ring.size);
		outlet->callbacks->event(outlet, "oversize", json, outlet->callbacks->context);
		free(json);
	}
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
	uint64_t end = clock_monotonic() + OUTLET_SEND_TIME;
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
	if (!outlet_send_ready(outlet))
		outlet_schedule_flush(outlet);
	outlet_end_drained(outlet);
	outlet_report(outlet);
	outlet_reap(outlet);
	mapped_left(outlet);
	outlet_update_encodes(outlet);
	outlet_give_room(outlet);
	outlet_tell_attended(outlet);
}
