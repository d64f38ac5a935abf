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
 * Records are numbered without a hole from `first` to `next` - 1. The index says where each starts,
 * so that the losses of a reader can be counted exactly. A record of less than 16 bytes takes up
 * 16 of them, which limits the index to half the size of the ring. Until the first record is
 * written, a ring has no memory at all.
 *
 * A ring is two memfds, so that a successor process can map and continue it:
 *
 *     the memory   a page in front, then the records. Readers in other processes may map it, for
 *                  reading only; the page tells them what is there (frames.h).
 *     the ledger   everything that the writer relies on: positions, numbers, index, names of the
 *                  sources (ring_ledger.h). No reader gets its descriptor, so nothing that is done
 *                  to the memory can mislead the writer.
 */
struct ring {
	uint8_t *memory; /* the records; NULL until ring_open() */
	size_t size;     /* a power of two, at least a page */
	uint64_t head;   /* position after the newest record */
	uint64_t tail;   /* position of the oldest whole record; `head` if the ring is empty */
	uint64_t first;  /* its number; `next` if the ring is empty */
	uint64_t next;   /* number of the next record; begins at 1 */
	uint64_t *
		starts; /* the index: of each record the position, at its number modulo `capacity` */
	size_t capacity; /* of `starts`: a power of two that grows with the number of records */
	uint64_t begun;  /* when numbering began, microseconds since 1970 */

	struct ring_ledger *ledger; /* NULL until ring_open() */
	struct frames_ring *front;  /* the page in front; NULL until ring_share() */
	int memory_fd;              /* -1 until ring_open() */
	int ledger_fd;              /* -1 until ring_open() */
	int reader_fd;              /* the memory, read-only; -1 until ring_share() */
};

/* Bytes of a ring that has room for at least `size` bytes. */
uint64_t ring_rounded(uint64_t size);

/* Rounds `size` up. */
void ring_init(struct ring *ring, uint64_t size, uint64_t begun);

/* Unmaps the memory and closes the descriptors; readers and a successor keep theirs. */
void ring_release(struct ring *ring);

/* Creates the memory and the ledger. Call it once, before the first record; after a failure, try
 * again. */
bool ring_open(struct ring *ring, struct error *error);

/*
 * Continues the ring of a predecessor that has called ring_publish() and writes no more.
 * Initialises *ring, and takes over both descriptors, even on failure. Readers of a shared ring do
 * not notice; for new ones, share it again.
 */
bool ring_adopt(struct ring *ring, int memory_fd, int ledger_fd, struct error *error);

/* Prepares an open ring for readers in other processes: sets `reader_fd`, which they may get, and
 * keeps the page in front up to date from now on. */
bool ring_share(struct ring *ring, struct error *error);

/* Appends the name of a source, or NULL if it has been removed, in the layout of the ledger. */
void ring_append_name(struct buffer *names, uint32_t source, const char *name);

/* Bytes of the names in the ledger of an open ring; forgets them, as all are about to be recorded. */
uint64_t ring_names_size(const struct ring *ring);
void ring_clear_names(struct ring *ring);

/* Records such names in the ledger of an open ring, for a successor. */
bool ring_write_names(struct ring *ring, const struct buffer *names, struct error *error);

/* Visits the names in the ledger in the order of recording. `name` is not terminated, and valid
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

/* The number of smallest records whose place a record of `length` bytes takes; at least one. */
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
