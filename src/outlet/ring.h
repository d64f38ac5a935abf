#ifndef OUTLET_RING_H
#define OUTLET_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct frames_ring;

/*
 * The newest records of an outlet, in a fixed amount of memory. The memory is mapped twice, back to
 * back, so that any range of up to `size` bytes is contiguous wherever it starts. A position is the
 * number of bytes ever written before it: it only grows, and its lower bits say where in memory.
 *
 * Records are numbered without a hole from `first` to `next` - 1. Where each starts is known, so
 * that what a reader has lost can be said exactly; a record of less than 16 bytes takes up room
 * for 16 of them, so that this list, too, has a limit: half the size of the ring. Until the first
 * record is written a ring has no memory at all.
 *
 * A shareable ring has a page in front of its memory that tells other processes what there is to
 * read: see frames.h. They see what has been published.
 */
struct ring {
	uint8_t *memory; /* NULL until ring_open() */
	size_t size;     /* a power of two, at least a page */
	uint64_t head;   /* position behind the newest record */
	uint64_t tail;   /* position of the oldest whole record; `head` when there is none */
	uint64_t first;  /* its number; `next` when there is none */
	uint64_t next;   /* number of the next record; begins at 1 */
	uint64_t *starts; /* of records first to next - 1, each at its number modulo `capacity` */
	size_t capacity;  /* of `starts`: a power of two that grows with the number of records */

	struct frames_ring *shared; /* the page in front, once opened; NULL: not shareable */
	int fd;                     /* of the memory, to be handed out; -1: not shareable */
	bool shareable;
};

/* Rounds `size` up. */
void ring_init(struct ring *ring, uint64_t size, bool shareable);
void ring_release(struct ring *ring);

/* Maps the memory. To be called once, before the first record. */
bool ring_open(struct ring *ring, struct error *error);

static inline const uint8_t *ring_at(const struct ring *ring, uint64_t position)
{
	return ring->memory + (position & (ring->size - 1));
}

/* The position where record `seq`, of first to next, starts; that of `next` is the head. */
static inline uint64_t ring_start(const struct ring *ring, uint64_t seq)
{
	return seq == ring->next ? ring->head : ring->starts[seq & (ring->capacity - 1)];
}

/* Bytes of the ring that even the smallest record takes up, and how many records so fit at most. */
enum { RING_RECORD_SPACE = 16 };

static inline uint64_t ring_records(const struct ring *ring)
{
	return ring->size / RING_RECORD_SPACE;
}

/* How many of the records that fit at most `length` bytes take the place of; at least one. */
static inline uint64_t ring_places(size_t length)
{
	return length / RING_RECORD_SPACE + (length < RING_RECORD_SPACE);
}

/* The number of the first record that starts at `position` or behind it; `next` if none does. */
uint64_t ring_seq_from(const struct ring *ring, uint64_t position);

/*
 * A record of `length` bytes, at most the size, is appended in steps, between which the caller can
 * save what is about to be overwritten:
 *
 *     if (!ring_fits(ring, length))
 *             ring_drop(ring, seq);    of ring_kept_by(ring, length), or a later one
 *     write to ring_room(ring);
 *     ring_commit(ring, length);
 */
static inline bool ring_fits(const struct ring *ring, size_t length)
{
	return ring->head + length - ring->tail <= ring->size &&
		ring->next - ring->first + ring_places(length) <= ring_records(ring);
}

/* The number of the oldest record that can stay. */
uint64_t ring_kept_by(const struct ring *ring, size_t length);

/* Forgets the records before number `first`. Who reads a shared ring is told before they go. */
void ring_drop(struct ring *ring, uint64_t first);

static inline uint8_t *ring_room(const struct ring *ring)
{
	return ring->memory + (ring->head & (ring->size - 1));
}

/* For ring_commit(): room for more starts. */
void ring_grow(struct ring *ring);

static inline void ring_commit(struct ring *ring, size_t length)
{
	if (ring->next - ring->first == ring->capacity)
		ring_grow(ring);
	ring->starts[ring->next & (ring->capacity - 1)] = ring->head;
	ring->next++;
	ring->head += length;
}

/* Uses up a number without a record. Forgets the records before it: there is to be no hole. */
void ring_skip(struct ring *ring);

/* Shows all records to who reads a shared ring, but wakes nobody. */
void ring_publish(struct ring *ring);

/* Wakes who sleeps on a shared ring. */
void ring_wake(struct ring *ring);

#endif
