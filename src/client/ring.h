#ifndef CLIENT_RING_H
#define CLIENT_RING_H

#include "client/frame.h"

/*
 * The ring of an outlet, mapped for reading: the protocol is that of outlet/frames.h. Nothing in the
 * memory is trusted, for a daemon may write anything into it at any time: whatever it holds, nothing
 * is read outside of the mapping, and no call loops without end.
 */
struct wsgate_ring {
	const struct frames_ring *shared; /* NULL: not mapped */
	const uint8_t *records;           /* twice, back to back */
	size_t page;                      /* in front of the records */
	uint64_t size;                    /* of the records' memory: a power of two */
	uint64_t position;                /* where the next record to be read starts */
};

/*
 * Maps the ring behind the descriptor, which stays the caller's. `size` and `position` are what the
 * daemon has said. Returns NULL, or why it cannot be: static; errno is 0 if it is the daemon's fault.
 */
const char *wsgate_ring_map(struct wsgate_ring *ring, int fd, uint64_t size, uint64_t position);

void wsgate_ring_unmap(struct wsgate_ring *ring);

/* Whether there is something to read. */
bool wsgate_ring_ready(const struct wsgate_ring *ring);

/* Whether all that has been read at that position or behind it was whole up to now. */
static inline bool wsgate_ring_intact(const struct wsgate_ring *ring, uint64_t position)
{
	/* Behind all that was read: pairs with the daemon's fence between `tail` and its writing. */
	atomic_thread_fence(memory_order_acquire);
	return position >= atomic_load_explicit(&ring->shared->tail, memory_order_relaxed);
}

/* Reads the head of the next record. Goes on where the daemon says if it has been lapped. */
enum wsgate_look wsgate_ring_look(struct wsgate_ring *ring, struct wsgate_frame *frame);

/* The payload of the record at the position; readable up to the size of the ring. */
static inline const uint8_t *wsgate_ring_payload(const struct wsgate_ring *ring)
{
	return ring->records + (ring->position & (ring->size - 1)) + FRAMES_HEADER_SIZE;
}

/* Sleeps until the daemon has published, at most `ns` nanoseconds. False: a signal has come. */
bool wsgate_ring_sleep(const struct wsgate_ring *ring, uint64_t ns);

/* Keeps looking for some microseconds. */
void wsgate_ring_spin(const struct wsgate_ring *ring);

#endif
