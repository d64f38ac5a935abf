#include "outlet/ring.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "outlet/frames.h"
#include "outlet/ring_ledger.h"

enum {
	RING_STARTS_FIRST = 64,
	RING_STEPS = 8, /* records to look at one by one before a binary search */
};

uint64_t ring_seq_from(const struct ring *ring, uint64_t position)
{
	uint64_t low = ring->first;
	uint64_t high = ring->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (ring_start(ring, middle) < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* All entries are in use; a record stays where it is or moves up by the old capacity. */
void ring_grow(struct ring *ring)
{
	size_t before = ring->capacity;

	ring->capacity = before ? 2 * before : RING_STARTS_FIRST;
	for (uint64_t seq = ring->first; seq < ring->next; seq++) {
		if (seq & before)
			ring->starts[seq & (ring->capacity - 1)] = ring->starts[seq & (before - 1)];
	}
}

uint64_t ring_kept_by(const struct ring *ring, size_t length)
{
	uint64_t end = ring->head + length;
	uint64_t oldest = end > ring->size ? end - ring->size : 0;  /* position that can stay */
	uint64_t others = ring_records(ring) - ring_places(length); /* records that can stay */
	uint64_t seq = ring->first;

	if (ring->next - seq > others)
		seq = ring->next - others;
	for (int steps = 0; ring_start(ring, seq) < oldest; seq++) {
		if (++steps == RING_STEPS)
			return ring_seq_from(ring, oldest);
	}
	return seq;
}

/*
 * Tells the readers in other processes that the bytes before the tail are about to be overwritten,
 * and where they continue if that catches them. The release fence lets no later write to the memory
 * be seen without the new tail: a reader that has seen such a write, and then issues an acquire
 * fence, finds the tail past what it has read. The restart only has to be a record's start, and
 * is stored first so that a reader of this tail does not find one that lies before it.
 */
static void ring_announce(struct ring *ring)
{
	uint64_t half = ring->size / 2;
	uint64_t restart = ring->tail;

	if (ring->head - ring->tail > half)
		restart = ring_start(ring, ring_seq_from(ring, ring->head - half));
	atomic_store_explicit(&ring->front->restart, restart, memory_order_relaxed);
	atomic_store_explicit(&ring->front->tail, ring->tail, memory_order_release);
	atomic_thread_fence(memory_order_release);
}

void ring_drop(struct ring *ring, uint64_t first)
{
	ring->first = first;
	ring->tail = ring_start(ring, first);
	if (!ring->front)
		return;
	ring_publish(ring);
	ring_announce(ring);
}

void ring_skip(struct ring *ring)
{
	ring->next++;
	ring->first = ring->next;
	ring->tail = ring->head;
}

/* Release: a reader of this head sees the records before it. */
void ring_publish(struct ring *ring)
{
	if (ring->ledger)
		ring_update_ledger(ring);
	if (ring->front)
		atomic_store_explicit(&ring->front->head, ring->head, memory_order_release);
}

/*
 * Release: a reader of the new count sees the head that was published before, so it either finds
 * the records when it looks once more, or is refused to sleep by futex(2), or is woken here.
 */
void ring_wake(struct ring *ring)
{
	if (!ring->front)
		return;
	atomic_fetch_add_explicit(&ring->front->wake, 1, memory_order_release);
	syscall(SYS_futex, &ring->front->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
