#ifndef OUTLET_RING_H
#define OUTLET_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct frames_ring;
struct ring_ledger;

/*
 * The newest records of an outlet, in a fixed amount of memory. The memory is mapped twice, back to
 * back, so that any range of up to `size` bytes is contiguous wherever it starts. A position is the
 * number of bytes ever written before it: it only grows, and its lower bits are the place in
 * memory.
 *
 * Records are numbered without a hole from `first` to `next` - 1. The start of each is known, so
 * that the losses of a reader can be counted exactly; a record of less than 16 bytes takes up room
 * for 16 of them, which limits this index, too: to half the size of the ring. Until the first
 * record is written a ring has no memory at all.
 *
 * A ring is two files in memory, which its descriptors keep, so that a successor process can map
 * and continue it:
 *
 *     the memory   a page in front, then the records. A reader in another process may map it, but
 *                  only for reading; the page tells it what is there (frames.h).
 *     the ledger   all that the writer goes by: positions, numbers, index, names of the sources
 *                  (ring_ledger.h). No reader ever gets it, so nothing that a reader could do to
 *                  the memory can mislead the writer.
 */
struct ring {
	uint8_t *memory; /* NULL until ring_open() */
	size_t size; /* a power of two, at least a page */
	uint64_t head; /* position after the newest record */
	uint64_t tail; /* position of the oldest whole record; `head` when there is none */
	uint64_t first; /* its number; `next` when there is none */
	uint64_t next; /* number of the next record; begins at 1 */
	uint64_t *starts; /* of records first to next - 1, each at its number modulo `capacity` */
	size_t capacity; /* of `starts`: a power of two that grows with the number of records */
	uint64_t begun; /* when numbering began, microseconds since 1970 */

	struct ring_ledger *ledger;
	struct frames_ring *front; /* the page in front; NULL until ring_share() */
	int memory_fd; /* -1 until ring_open() */
	int ledger_fd; /* -1 until ring_open() */
	int reader_fd; /* the memory, open for reading only; -1 until ring_share() */
};

/* The size of a ring that has room for at least `size` bytes. */
uint64_t ring_rounded(uint64_t size);

/* Rounds `size` up. */
void ring_init(struct ring *ring, uint64_t size, uint64_t begun);
void ring_release(struct ring *ring);

/* Creates the memory and the ledger. Call it once, before the first record. */
bool ring_open(struct ring *ring, struct error *error);

/*
 * Continues the ring of a predecessor, which has published and writes no more. Initialises *ring,
 * and takes over both descriptors, even on failure. Readers go on as if nothing had happened.
 */
bool ring_adopt(struct ring *ring, int memory_fd, int ledger_fd, struct error *error);

/*
 * Prepares an open ring for readers in other processes: from then on the page in front is kept up
 * to date, and `reader_fd` can be handed out.
 */
bool ring_share(struct ring *ring, struct error *error);

/* Appends the name of a source, or NULL once it has been removed, to what ring_write_names() takes.
 */
void ring_append_name(struct buffer *names, uint32_t source, const char *name);

/* Records names in the ledger of an open ring, for a successor. */
bool ring_write_names(struct ring *ring, const struct buffer *names, struct error *error);

/* Visits the names in the ledger in the order of recording. A name is not terminated, and valid
 * during the call; NULL: the source has been removed. */
bool ring_each_name(const struct ring *ring,
	void (*visit)(uint32_t source, const char *name, size_t length, void *context),
	void *context, struct error *error);

static inline const uint8_t *ring_at(const struct ring *ring, uint64_t position)
{
	return ring->memory + (position & (ring->size - 1));
}

/* The position where record `seq`, of first to next, starts; that of `next` is the head. */
static inline uint64_t ring_start(const struct ring *ring, uint64_t seq)
{
	return seq == ring->next ? ring->head : ring->starts[seq & (ring->capacity - 1)];
}

/* Bytes of the ring that even the smallest record takes up. */
enum { RING_RECORD_SPACE = 16 };

/* The largest number of records that a ring can hold. */
static inline uint64_t ring_records(const struct ring *ring)
{
	return ring->size / RING_RECORD_SPACE;
}

/* The number of smallest records that a record of `length` bytes takes the place of; at least one.
 */
static inline uint64_t ring_places(size_t length)
{
	return length / RING_RECORD_SPACE + (length < RING_RECORD_SPACE);
}

/* The number of the first record that starts at `position` or after it; `next` if none does. */
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

/* Forgets the records before number `first`. Readers of a shared ring are told before they go. */
void ring_drop(struct ring *ring, uint64_t first);

static inline uint8_t *ring_room(const struct ring *ring)
{
	return ring->memory + (ring->head & (ring->size - 1));
}

/* For ring_commit(): doubles the part of the index that is in use. */
void ring_grow(struct ring *ring);

static inline void ring_commit(struct ring *ring, size_t length)
{
	if (ring->next - ring->first == ring->capacity)
		ring_grow(ring);
	ring->starts[ring->next & (ring->capacity - 1)] = ring->head;
	ring->next++;
	ring->head += length;
}

/* Uses up a number without a record. Forgets the records before it, as numbers have no hole. */
void ring_skip(struct ring *ring);

/* Shows all records to readers of a shared ring, and to a successor, but wakes nobody. */
void ring_publish(struct ring *ring);

/* Wakes sleeping readers of a shared ring. */
void ring_wake(struct ring *ring);

#endif
