#include <string.h>

#include "outlet/mapped.h"
#include "outlet/outlet_private.h"

/* From a message to a record of the ring. */

enum { OUTLET_CHUNK = 32 }; /* this part of a ring is forgotten at a time */

static inline struct format_record outlet_record(const struct outlet *outlet,
	const struct outlet_message *message)
{
	const struct source *source = &outlet->core.sources.items[message->source];

	return (struct format_record){
		.seq = outlet->core.ring.next,
		.message = message,
		.source = source->name ? source->name : "",
		.source_length = source->length,
		.announce = !source->announced,
	};
}

/* --- room --------------------------------------------------------------------------------------- */

/* A record that is larger than the ring is dropped, and leaves only a notice. */
static inline size_t outlet_kept_length(const struct outlet *outlet, size_t length)
{
	return length > outlet->core.ring.size ? FORMAT_GAP_MAX : length;
}

/* Sends to a few ready subscribers, if that may make room. */
static bool outlet_find_room(struct outlet *outlet, size_t length)
{
	struct readers *readers = &outlet->subscribers.readers;

	if (readers_find_room(readers, length))
		return true;
	subscribers_send_ready(&outlet->subscribers, 0); /* the flush serves the others */
	if (!TAILQ_EMPTY(&outlet->waiters)) /* there may be room now for the first of them */
		flush_schedule(&outlet->core.flush);
	return readers_find_room(readers, length);
}

static inline bool outlet_has_room_for(struct outlet *outlet, size_t length)
{
	const struct ring *ring = &outlet->core.ring;

	return readers_have_room(&outlet->subscribers.readers, ring->head + length,
		       ring->next + ring_places(length)) ||
		outlet_find_room(outlet, outlet_kept_length(outlet, length));
}

size_t outlet_record_length(const struct outlet *outlet, const struct outlet_message *message)
{
	const struct format_record record = outlet_record(outlet, message);

	return outlet_kept_length(outlet, outlet->core.format->length(&record));
}

/* There is a subscriber, or history to keep for the next one. */
static inline bool outlet_encodes(const struct outlet *outlet)
{
	return outlet->subscribers.readers.count || outlet->keeps;
}

bool outlet_has_room(struct outlet *outlet, const struct outlet_message *message)
{
	return !outlet_encodes(outlet) ||
		outlet_has_room_for(outlet, outlet_record_length(outlet, message));
}

/* --- the ring ----------------------------------------------------------------------------------- */

/* Readers that still need the records before `first` have had their last chance to get them. */
static void outlet_overtake(struct outlet *outlet, uint64_t first, size_t length)
{
	struct readers *readers = &outlet->subscribers.readers;

	/* Published without asking for room. */
	if (readers_slowest_ready(readers) < ring_start(&outlet->core.ring, first))
		subscribers_send_ready(&outlet->subscribers, OUTLET_TURN_TIME);
	readers_overtake(readers, first, length);
}

/*
 * Forgets the oldest records in favour of a new one: more than necessary, unless a subscriber still
 * needs them, so that most appends touch no old records.
 */
static void outlet_forget(struct outlet *outlet, size_t length)
{
	struct ring *ring = &outlet->core.ring;
	const struct readers *readers = &outlet->subscribers.readers;
	uint64_t first = ring_kept_by(ring, length);
	size_t ahead = length + ring->size / OUTLET_CHUNK;
	uint64_t later = ahead <= ring->size ? ring_kept_by(ring, ahead) : first;

	if (ring_start(ring, first) > readers_slowest(readers))
		outlet_overtake(outlet, first, length);
	ring_drop(ring, ring_start(ring, later) <= readers_slowest(readers) ? later : first);
	mapped_catch_up(&outlet->subscribers);
}

/* Room for a record at the head, whose old content no subscriber needs any more. */
static inline uint8_t *outlet_make_room(struct outlet *outlet, size_t length)
{
	if (!ring_fits(&outlet->core.ring, length))
		outlet_forget(outlet, length);
	return ring_room(&outlet->core.ring);
}

static inline void outlet_commit(struct outlet *outlet, size_t length)
{
	ring_commit(&outlet->core.ring, length);
	outlet->core.counts.bytes += length;
	flush_schedule(&outlet->core.flush);
}

/* A message that is too large is replaced by a notice of its loss. */
static void outlet_drop_oversize(struct outlet *outlet, size_t length)
{
	const struct outlet_format *format = outlet->core.format;
	uint64_t seq = outlet->core.ring.next;
	uint8_t notice[FORMAT_GAP_MAX];
	size_t notice_length;

	outlet->core.counts.oversize++;
	outlet->oversize++;
	outlet->oversize_length = length;
	flush_schedule(&outlet->core.flush);
	if (!format->gap)
		return;
	notice_length = format->gap(notice, seq, seq);
	memcpy(outlet_make_room(outlet, notice_length), notice, notice_length);
	outlet_commit(outlet, notice_length);
}

static inline void outlet_append(struct outlet *outlet, const struct format_record *record,
	size_t length)
{
	unsigned source = record->message->source;

	if (length > outlet->core.ring.size) {
		outlet_drop_oversize(outlet, record->message->length);
		return;
	}
	outlet->core.format->write(outlet_make_room(outlet, length), record, outlet->clock);
	outlet->core.sources.items[source].last = record->seq;
	if (record->announce) {
		mapped_tell_name(&outlet->subscribers, record->seq, source);
		outlet->core.sources.items[source].announced = true;
	}
	outlet_commit(outlet, length);
}

/* --- publishing --------------------------------------------------------------------------------- */

/* True if the message becomes a record; if not, its number is used up where it would have had
 * one. */
static inline bool outlet_admit(struct outlet *outlet, const struct outlet_message *message)
{
	struct ring *ring = &outlet->core.ring;

	if (message->type >= OUTLET_OPENED && !outlet->core.format->lifecycle)
		return false;
	if (outlet_encodes(outlet)) {
		if (ring->memory || outlet_core_open_ring(&outlet->core))
			return true;
		readers_miss(&outlet->subscribers.readers);
		flush_schedule(&outlet->core.flush);
	}
	ring_skip(ring);
	return false;
}

/* Openings and closings that found the reserve used up are dropped, rather than messages. */
static bool outlet_find_reserve(struct outlet *outlet, size_t length)
{
	const struct ring *ring = &outlet->core.ring;

	if (outlet->core.settings.on_lag != OUTLET_WAIT || ring_fits(ring, length) ||
		length > ring->size || readers_spare(&outlet->subscribers.readers, length))
		return true;
	outlet->unpublished++;
	flush_schedule(&outlet->core.flush);
	return false;
}

void outlet_publish(struct outlet *outlet, const struct outlet_message *message)
{
	struct format_record record;
	size_t length;

	if (!outlet_admit(outlet, message))
		return;
	record = outlet_record(outlet, message);
	length = outlet->core.format->length(&record);
	if (outlet_find_reserve(outlet, length))
		outlet_append(outlet, &record, length);
}

bool outlet_offer(struct outlet *outlet, const struct outlet_message *message)
{
	struct format_record record;
	size_t length;

	if (!outlet_admit(outlet, message))
		return true;
	record = outlet_record(outlet, message);
	length = outlet->core.format->length(&record);
	if (!outlet_has_room_for(outlet, length))
		return false;
	outlet_append(outlet, &record, length);
	return true;
}

/* --- losses ------------------------------------------------------------------------------------- */

static void outlet_tell_lost(struct outlet *outlet, const char *source, uint64_t messages)
{
	struct event_members members = {0};

	if (source)
		event_add_own_text(&members, "connection", source);
	event_add_number(&members, "messages", messages);
	log_write(outlet->core.log, LOG_WARNING, &outlet->core.subject, "messages lost: %llu%s%s",
		(unsigned long long)messages, source ? ", of connection " : "",
		source ? source : "");
	outlet->callbacks->event(outlet, EVENT_TYPE_UNDELIVERED, &members,
		outlet->callbacks->context);
}

void outlet_lose(struct outlet *outlet, unsigned source, uint64_t messages)
{
	if (readers_lose(&outlet->subscribers.readers, messages))
		outlet_tell_lost(outlet, outlet->core.sources.items[source].name, messages);
}

bool outlet_give_up(struct outlet *outlet, uint64_t end)
{
	if (!subscribers_give_up(&outlet->subscribers, end, &outlet->given_up))
		return false;
	outlet->core.counts.lost += outlet->given_up;
	if (outlet->given_up)
		outlet_tell_lost(outlet, NULL, outlet->given_up);
	outlet->given_up = 0;
	return true;
}

static void outlet_report_oversize(struct outlet *outlet)
{
	struct event_members members = {0};

	log_write(outlet->core.log, LOG_WARNING, &outlet->core.subject,
		"messages larger than the ring (%zu bytes) are lost: %u, the last of %zu bytes (%llu "
		"in total)",
		outlet->core.ring.size, outlet->oversize, outlet->oversize_length,
		(unsigned long long)outlet->core.counts.oversize);
	event_add_number(&members, "messages", outlet->oversize);
	event_add_number(&members, "length", outlet->oversize_length);
	event_add_number(&members, "ring", outlet->core.ring.size);
	outlet->oversize = 0;
	outlet->callbacks->event(outlet, EVENT_TYPE_OVERSIZE, &members, outlet->callbacks->context);
}

void outlet_report_unpublished(struct outlet *outlet)
{
	unsigned messages = outlet->unpublished;

	outlet->unpublished = 0;
	if (messages && readers_lose(&outlet->subscribers.readers, messages))
		outlet_tell_lost(outlet, NULL, messages);
	if (outlet->oversize)
		outlet_report_oversize(outlet);
}
