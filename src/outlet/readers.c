#include "outlet/readers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void readers_init(struct readers *readers, const struct ring *ring)
{
	*readers = (struct readers){.ring = ring};
	TAILQ_INIT(&readers->ready);
	TAILQ_INIT(&readers->lapped);
	TAILQ_INIT(&readers->overtaken);
}

void readers_release(struct readers *readers)
{
	cursors_release(&readers->blocked);
}

/* --- losses ------------------------------------------------------------------------------------- */

/* Puts it into the list of the overtaken. */
static void readers_note(struct readers *readers, struct reader *reader)
{
	if (reader->overtaken)
		return;
	reader->overtaken = true;
	TAILQ_INSERT_TAIL(&readers->overtaken, reader, overtaken_link);
}

static void readers_unlist(struct readers *readers, struct reader *reader)
{
	if (!reader->overtaken)
		return;
	reader->overtaken = false;
	TAILQ_REMOVE(&readers->overtaken, reader, overtaken_link);
}

struct reader *readers_next_overtaken(struct readers *readers)
{
	struct reader *reader = TAILQ_FIRST(&readers->overtaken);

	if (reader)
		readers_unlist(readers, reader);
	return reader;
}

struct reader_losses readers_take_losses(struct readers *readers, struct reader *reader)
{
	struct reader_losses losses = reader->losses;

	readers_unlist(readers, reader);
	reader->losses = (struct reader_losses){0};
	return losses;
}

static void readers_count_lost(struct readers *readers, struct reader *reader, uint64_t lost)
{
	reader->lost += lost;
	readers->lost += lost;
	readers_note(readers, reader);
}

static void readers_count_lag(struct readers *readers, struct reader *reader, uint64_t lost)
{
	readers_count_lost(readers, reader, lost);
	reader->lags++;
	readers->lags++;
	reader->losses.lags++;
	reader->losses.lost += lost;
}

void readers_refuse(struct readers *readers, struct reader *reader, size_t length)
{
	readers_count_lost(readers, reader, 1);
	reader->losses.refused++;
	reader->losses.refused_length = length;
}

static uint64_t readers_lose_one(struct readers *readers, struct reader *reader, uint64_t messages)
{
	reader->lost += messages;
	readers->lost += messages;
	return messages;
}

uint64_t readers_lose(struct readers *readers, uint64_t messages)
{
	struct reader *reader;
	uint64_t sum = 0;

	TAILQ_FOREACH (reader, &readers->ready, link)
		sum += readers_lose_one(readers, reader, messages);
	TAILQ_FOREACH (reader, &readers->lapped, link)
		sum += readers_lose_one(readers, reader, messages);
	for (size_t i = 0; i < readers->blocked.count; i++)
		sum += readers_lose_one(readers, readers->blocked.entries[i].reader, messages);
	return sum;
}

/*
 * The place where a reader continues after losing records: half of the ring is still to be read,
 * and the other half is its lead, so that it is not lapped again at once. Measured after `length`
 * bytes have been added, for which the records before `first` go.
 */
static uint64_t readers_target(const struct readers *readers, uint64_t first, size_t length)
{
	const struct ring *ring = readers->ring;
	uint64_t half = ring->size / 2;
	uint64_t end = ring->head + length;
	uint64_t target = end > half ? ring_seq_from(ring, end - half) : first;

	return target > first ? target : first;
}

static uint64_t readers_target_now(const struct readers *readers)
{
	return readers_target(readers, readers->ring->first, 0);
}

uint64_t readers_lost(const struct readers *readers)
{
	if (!readers->lapped_count)
		return readers->lost;
	return readers->lost + readers->lapped_count * readers_target_now(readers) -
		readers->lapped_lost_to;
}

uint64_t reader_lost(const struct readers *readers, const struct reader *reader)
{
	if (reader->state != READER_LAPPED)
		return reader->lost;
	return reader->lost + readers_target_now(readers) - reader->lost_to;
}

uint64_t reader_behind(const struct readers *readers, const struct reader *reader)
{
	const struct ring *ring = readers->ring;

	switch (reader->state) {
	case READER_OUT:
		return reader->rest_left;
	case READER_LAPPED:
		return ring->head - ring_start(ring, readers_target_now(readers)) +
			reader->rest_left;
	case READER_READY:
	case READER_BLOCKED:
		break;
	}
	return ring->head - reader->cursor + reader->rest_left;
}

/* A partly taken record does not count as read. */
uint64_t reader_unread(const struct readers *readers, const struct reader *reader)
{
	const struct ring *ring = readers->ring;
	uint64_t parts = reader->rest != NULL;
	uint64_t seq;

	switch (reader->state) {
	case READER_OUT:
		return parts;
	case READER_LAPPED:
		return ring->next - reader->lost_to + parts;
	case READER_READY:
	case READER_BLOCKED:
		break;
	}
	seq = ring_seq_from(ring, reader->cursor);
	return ring->next - seq + (ring_start(ring, seq) > reader->cursor) + parts;
}

/* --- the rest of a record ----------------------------------------------------------------------- */

static void readers_release_rest(struct readers *readers, struct reader *reader)
{
	struct reader_rest *rest = reader->rest;

	reader->rest = NULL;
	reader->rest_left = 0;
	if (!rest || --rest->users)
		return;
	if (readers->rest == rest)
		readers->rest = NULL;
	free(rest);
}

static struct reader_rest *readers_copy_rest(const struct ring *ring, uint64_t from, uint64_t end)
{
	struct reader_rest *rest = alloc_resize(NULL, sizeof(*rest) + (end - from));

	*rest = (struct reader_rest){.end = end, .length = end - from};
	memcpy(rest->bytes, ring_at(ring, from), rest->length);
	return rest;
}

/*
 * If the reader has taken part of the record before `next`, keeps the rest of it. Thousands may be
 * in the middle of the same record: the reader furthest behind comes first, and the others share
 * its copy.
 */
static void readers_keep_rest(struct readers *readers, struct reader *reader, uint64_t next)
{
	uint64_t end = ring_start(readers->ring, next);
	uint64_t left = end - reader->cursor;

	if (left == 0)
		return;
	if (!readers->rest || readers->rest->end != end || readers->rest->length < left)
		readers->rest = readers_copy_rest(readers->ring, reader->cursor, end);
	readers->rest->users++;
	reader->rest = readers->rest;
	reader->rest_left = left;
	reader->cursor = end;
}

size_t reader_rest(const struct reader *reader, const uint8_t **bytes)
{
	if (reader->rest)
		*bytes = reader->rest->bytes + reader->rest->length - reader->rest_left;
	return reader->rest_left;
}

size_t readers_take_rest(struct readers *readers, struct reader *reader, size_t length)
{
	size_t taken = reader->rest_left < length ? reader->rest_left : length;

	reader->rest_left -= taken;
	if (reader->rest && reader->rest_left == 0)
		readers_release_rest(readers, reader);
	return taken;
}

/* --- places in the ring ------------------------------------------------------------------------- */

/* Takes the reader out of its list or heap; the caller counts its losses. */
static void readers_remove(struct readers *readers, struct reader *reader)
{
	switch (reader->state) {
	case READER_OUT:
		return;
	case READER_READY:
		TAILQ_REMOVE(&readers->ready, reader, link);
		break;
	case READER_BLOCKED:
		cursors_remove(&readers->blocked, reader);
		break;
	case READER_LAPPED:
		TAILQ_REMOVE(&readers->lapped, reader, link);
		readers->lapped_count--;
		readers->lapped_lost_to -= reader->lost_to;
		break;
	}
	reader->state = READER_OUT;
	readers->count--;
}

/* Messages that a lapped reader has lost since. */
static void readers_end_lap(struct readers *readers, struct reader *reader)
{
	uint64_t lost = readers_target_now(readers) - reader->lost_to;

	if (lost == 0)
		return;
	readers_count_lost(readers, reader, lost);
	reader->losses.lost += lost;
}

static void readers_move(struct readers *readers, struct reader *reader, enum reader_state state)
{
	bool lapped = reader->state == READER_LAPPED;

	readers_remove(readers, reader);
	if (lapped)
		readers_end_lap(readers, reader);
	reader->state = state;
	readers->count += state != READER_OUT;
	if (state == READER_READY)
		TAILQ_INSERT_TAIL(&readers->ready, reader, link);
	else if (state == READER_BLOCKED)
		cursors_add(&readers->blocked, reader);
	else if (state == READER_LAPPED)
		TAILQ_INSERT_TAIL(&readers->lapped, reader, link);
}

void readers_attach(struct readers *readers, struct reader *reader, uint64_t cursor)
{
	reader->cursor = cursor;
	readers->room_head = 0; /* measured without this one */
	readers_move(readers, reader, READER_READY);
}

void readers_finish(struct readers *readers, struct reader *reader)
{
	if (reader->state == READER_READY || reader->state == READER_BLOCKED)
		readers_keep_rest(readers, reader, ring_seq_from(readers->ring, reader->cursor));
	reader->gap_from = 0;
	readers_move(readers, reader, READER_OUT);
}

void readers_detach(struct readers *readers, struct reader *reader)
{
	readers_move(readers, reader, READER_OUT);
}

void readers_forget(struct readers *readers, struct reader *reader)
{
	readers_remove(readers, reader);
	readers_unlist(readers, reader);
	readers_release_rest(readers, reader);
}

size_t readers_pending(const struct readers *readers, const struct reader *reader,
	const uint8_t **bytes)
{
	if (reader->state == READER_OUT || reader->state == READER_LAPPED || reader->gap_from)
		return 0;
	*bytes = ring_at(readers->ring, reader->cursor);
	return readers->ring->head - reader->cursor;
}

void readers_return(struct readers *readers, struct reader *reader)
{
	uint64_t target = readers_target_now(readers);

	reader->cursor = ring_start(readers->ring, target);
	reader->gap_to = target - 1;
	readers_move(readers, reader, READER_BLOCKED);
}

void readers_set_lag(struct readers *readers, bool waits, bool drops)
{
	struct reader *reader;

	if (readers->waits == waits && readers->drops == drops)
		return;
	readers->waits = waits;
	readers->drops = drops;
	while ((reader = TAILQ_FIRST(&readers->lapped)))
		readers_return(readers, reader);
	readers->room_head = 0; /* measured for the other one */
}

void readers_ready(struct readers *readers, struct reader *reader)
{
	if (reader->state != READER_OUT)
		readers_move(readers, reader, READER_READY);
}

/* To its place among those that are ready. */
void readers_requeue(struct readers *readers, struct reader *reader)
{
	struct reader *ahead;

	readers_move(readers, reader, READER_READY);
	ahead = TAILQ_FIRST(&readers->ready);
	while (ahead->cursor < reader->cursor)
		ahead = TAILQ_NEXT(ahead, link);
	if (ahead != reader) {
		TAILQ_REMOVE(&readers->ready, reader, link);
		TAILQ_INSERT_BEFORE(ahead, reader, link);
	}
	readers->room_head = 0; /* measured without this one, if it was blocked */
}

void readers_block(struct readers *readers, struct reader *reader)
{
	if (reader->state == READER_BLOCKED)
		cursors_update(&readers->blocked, reader);
	else if (reader->state == READER_READY)
		readers_move(readers, reader, READER_BLOCKED);
}

struct reader *readers_next(const struct readers *readers)
{
	struct reader *first = TAILQ_FIRST(&readers->ready);

	return first && first->cursor < readers->ring->head ? first : NULL;
}

struct reader *readers_complete(const struct readers *readers)
{
	struct reader *latest = TAILQ_LAST(&readers->ready, reader_list);

	return latest && latest->cursor == readers->ring->head ? latest : NULL;
}

/* --- being overtaken ---------------------------------------------------------------------------- */

/* A reader furthest behind, of those with a place in the ring. */
static struct reader *readers_last(const struct readers *readers)
{
	struct reader *ready = TAILQ_FIRST(&readers->ready);
	struct reader *blocked = cursors_first(&readers->blocked);

	return !ready || (blocked && blocked->cursor < ready->cursor) ? blocked : ready;
}

uint64_t readers_slowest(const struct readers *readers)
{
	const struct reader *last = readers_last(readers);

	return last ? last->cursor : UINT64_MAX;
}

/* The reader loses its records before number `end`, and gets no others. */
static void readers_drop(struct readers *readers, struct reader *reader, uint64_t end)
{
	uint64_t from = ring_seq_from(readers->ring, reader->cursor);

	readers_finish(readers, reader);
	readers_count_lag(readers, reader, end - from);
	reader->dropped = true;
}

/*
 * The reader loses the ring before record `target`, but gets no place there yet: it costs nothing
 * until it takes more, however often it would be lapped by then.
 */
static void readers_skip(struct readers *readers, struct reader *reader, uint64_t target)
{
	uint64_t from = ring_seq_from(readers->ring, reader->cursor);

	readers_keep_rest(readers, reader, from);
	if (target == from) {
		readers_block(readers, reader);
		readers_note(readers, reader);
		return;
	}
	readers_move(readers, reader, READER_LAPPED);
	if (!reader->gap_from)
		reader->gap_from = from;
	reader->lost_to = target;
	readers->lapped_count++;
	readers->lapped_lost_to += target;
	readers_count_lag(readers, reader, target - from);
}

void readers_overtake(struct readers *readers, uint64_t first, size_t length)
{
	uint64_t tail = ring_start(readers->ring, first);
	uint64_t target = readers_target(readers, first, length);
	struct reader *last;

	while ((last = readers_last(readers)) && last->cursor < tail) {
		if (readers->drops)
			readers_drop(readers, last, readers->ring->next);
		else
			readers_skip(readers, last, target);
	}
}

void readers_miss(struct readers *readers)
{
	const uint64_t seq = readers->ring->next;
	struct reader *reader;

	while ((reader = readers_last(readers))) {
		if (readers->drops)
			readers_drop(readers, reader, seq + 1);
		else
			readers_skip(readers, reader, seq + 1);
	}
}
