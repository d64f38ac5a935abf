#ifndef CLIENT_RING_H
#define CLIENT_RING_H

#include "client/frame.h"

/*
 * The ring of an outlet, mapped for reading, with the protocol of outlet/frames.h. The memory is not
 * trusted, as a daemon may write anything to it at any time: whatever it holds, nothing outside of the
 * mapping is read, and every call returns.
 */
struct wsgate_ring {
	const struct frames_ring *shared; /* NULL: not mapped */
	const uint8_t *records;           /* twice, back to back */
	size_t page;                      /* bytes before the records */
	uint64_t size;                    /* of the records' memory: a power of two */
	uint64_t position;                /* of the next record to read */
};

/*
 * Maps the ring of the descriptor, which the caller still owns. `size` and `position` come from the
 * daemon. Returns NULL, or a static text of the problem; errno is 0 if the daemon is at fault.
 */
const char *wsgate_ring_map(struct wsgate_ring *ring, int fd, uint64_t size, uint64_t position);

void wsgate_ring_unmap(struct wsgate_ring *ring);

/* True if there is a record to read. */
bool wsgate_ring_ready(const struct wsgate_ring *ring);

/* True if everything read so far from `position` on was intact. */
static inline bool wsgate_ring_intact(const struct wsgate_ring *ring, uint64_t position)
{
	/* After all reads; pairs with the daemon's fence between storing `tail` and overwriting. */
	atomic_thread_fence(memory_order_acquire);
	return position >= atomic_load_explicit(&ring->shared->tail, memory_order_relaxed);
}

/* Reads the header of the next record. After a lap, continues where the daemon says. */
enum wsgate_look wsgate_ring_look(struct wsgate_ring *ring, struct wsgate_frame *frame);

/* The payload of the record at the position; readable up to the size of the ring. */
static inline const uint8_t *wsgate_ring_payload(const struct wsgate_ring *ring)
{
	return ring->records + (ring->position & (ring->size - 1)) + FRAMES_HEADER_SIZE;
}

/* Sleeps until the daemon publishes, at most `ns` nanoseconds. False: interrupted by a signal. */
bool wsgate_ring_sleep(const struct wsgate_ring *ring, uint64_t ns);

/* Polls the ring for some microseconds. */
void wsgate_ring_spin(const struct wsgate_ring *ring);

#endif
