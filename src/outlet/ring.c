#include "outlet/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "outlet/frames.h"

enum {
	RING_STARTS_FIRST = 64,
	RING_STEPS = 8, /* records to look at one by one before searching by halves */
};

static size_t ring_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes in front of the memory. */
static size_t ring_front(const struct ring *ring)
{
	return ring->shareable ? ring_page() : 0;
}

void ring_init(struct ring *ring, uint64_t size, bool shareable)
{
	uint64_t rounded = ring_page();

	while (rounded < size)
		rounded *= 2;
	*ring = (struct ring){
		.size = rounded,
		.first = 1,
		.next = 1,
		.shareable = shareable,
		.fd = -1,
	};
}

void ring_release(struct ring *ring)
{
	if (ring->memory)
		munmap(ring->memory - ring_front(ring), ring_front(ring) + 2 * ring->size);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring->starts);
	*ring = (struct ring){.fd = -1};
}

/*
 * Maps what is in front and the memory, then the memory again. Reserves all the addresses first, so
 * that nothing else can come to lie between.
 */
static uint8_t *ring_map(int fd, size_t front, size_t size)
{
	const int access = PROT_READ | PROT_WRITE;
	size_t once = front + size;
	uint8_t *memory = mmap(NULL, once + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int failure;

	if (memory == MAP_FAILED)
		return NULL;
	if (mmap(memory, once, access, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED &&
		mmap(memory + once, size, access, MAP_SHARED | MAP_FIXED, fd, (off_t)front) !=
			MAP_FAILED)
		return memory + front;
	failure = errno;
	munmap(memory, once + size);
	errno = failure;
	return NULL;
}

/*
 * What is handed out must not become a way to disturb this process or the other readers: a
 * shorter file would make reading it fatal, and only the mapping that is there already may write.
 */
static bool ring_share(struct ring *ring, int fd)
{
	if (fcntl(fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		return false;
	ring->fd = fd;
	ring->shared = (struct frames_ring *)(void *)(ring->memory - ring_front(ring));
	memcpy(ring->shared->magic, FRAMES_RING_MAGIC, sizeof(ring->shared->magic));
	ring->shared->size = ring->size;
	return true;
}

bool ring_open(struct ring *ring, struct error *error)
{
	size_t front = ring_front(ring);
	int fd = memfd_create("wsgated-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)(front + ring->size)) == 0)
		ring->memory = ring_map(fd, front, ring->size);
	if (!ring->memory)
		error_set(error, ERROR_SYSTEM, "no memory for a ring of %zu bytes: %s", ring->size,
			strerror(errno));
	if (fd >= 0 && !(ring->memory && ring->shareable && ring_share(ring, fd)))
		close(fd);
	return ring->memory;
}

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

void ring_grow(struct ring *ring)
{
	size_t capacity = ring->capacity ? 2 * ring->capacity : RING_STARTS_FIRST;
	uint64_t *starts = alloc_zero(capacity, sizeof(*starts));

	for (uint64_t seq = ring->first; seq < ring->next; seq++)
		starts[seq & (capacity - 1)] = ring_start(ring, seq);
	free(ring->starts);
	ring->starts = starts;
	ring->capacity = capacity;
}

uint64_t ring_kept_by(const struct ring *ring, size_t length)
{
	uint64_t end = ring->head + length;
	uint64_t oldest = end > ring->size ? end - ring->size : 0; /* position that can stay */
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
 * Tells the readers in other processes that what lies before the tail is about to be overwritten,
 * and where they go on if it catches them. The release fence lets no later write to the memory
 * be seen without the new tail: a reader that has seen such a write, and then issues an acquire
 * fence, finds the tail behind what it has read. The restart only has to be a record's start, and
 * is stored first so that who sees this tail does not find one that lies before it.
 */
static void ring_announce(struct ring *ring)
{
	uint64_t half = ring->size / 2;
	uint64_t restart = ring->tail;

	if (ring->head - ring->tail > half)
		restart = ring_start(ring, ring_seq_from(ring, ring->head - half));
	atomic_store_explicit(&ring->shared->restart, restart, memory_order_relaxed);
	atomic_store_explicit(&ring->shared->tail, ring->tail, memory_order_release);
	atomic_thread_fence(memory_order_release);
}

void ring_drop(struct ring *ring, uint64_t first)
{
	ring->first = first;
	ring->tail = ring_start(ring, first);
	if (!ring->shared)
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

/* Release: who sees this head sees the records before it. */
void ring_publish(struct ring *ring)
{
	if (ring->shared)
		atomic_store_explicit(&ring->shared->head, ring->head, memory_order_release);
}

/*
 * Release: who sees the new count sees the head that was published before, so a reader either finds
 * the records when it looks once more, or is refused to sleep by futex(2), or is woken here.
 */
void ring_wake(struct ring *ring)
{
	if (!ring->shared)
		return;
	atomic_fetch_add_explicit(&ring->shared->wake, 1, memory_order_release);
	syscall(SYS_futex, &ring->shared->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
