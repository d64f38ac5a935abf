#include "client/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_LAPS = 4,    /* in one look; then the caller does other things first */
	RING_SPINS = 256, /* before the caller looks at anything else */
};

/* A file that can be mapped, and cannot shrink below the mapping later: returns NULL. */
static const char *ring_descriptor_fault(int fd, uint64_t page, uint64_t size)
{
	struct stat status;
	int seals;

	errno = 0;
	if (size < page || (size & (size - 1)) != 0 || size > SIZE_MAX / 4)
		return "the size of the ring is not a power of two of at least a page";
	seals = fcntl(fd, F_GET_SEALS);
	errno = 0;
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "the memory of the ring is not sealed against shrinking";
	if (fstat(fd, &status) < 0 || (uint64_t)status.st_size != page + size)
		return "the size of the ring's memory does not match the daemon's answer";
	return NULL;
}

/* Maps the page and the records, then the records again, at addresses reserved first. */
static uint8_t *ring_map(int fd, size_t page, size_t size)
{
	uint8_t *memory =
		mmap(NULL, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int failure;

	if (memory == MAP_FAILED)
		return NULL;
	if (mmap(memory, page + size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED &&
		mmap(memory + page + size, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
			(off_t)page) != MAP_FAILED)
		return memory;
	failure = errno;
	munmap(memory, page + 2 * size);
	errno = failure;
	return NULL;
}

const char *wsgate_ring_map(struct wsgate_ring *ring, int fd, uint64_t size, uint64_t position)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const char *fault = ring_descriptor_fault(fd, page, size);
	uint8_t *memory;

	if (fault)
		return fault;
	memory = ring_map(fd, page, size);
	if (!memory)
		return "cannot map the ring";
	*ring = (struct wsgate_ring){
		.shared = (const struct frames_ring *)memory,
		.records = memory + page,
		.page = page,
		.size = size,
		.position = position,
	};
	errno = 0;
	if (memcmp(ring->shared->magic, FRAMES_RING_MAGIC, sizeof(ring->shared->magic)) == 0 &&
		ring->shared->size == size && position % FRAMES_ALIGNMENT == 0)
		return NULL;
	wsgate_ring_unmap(ring);
	errno = 0;
	return "the descriptor from the daemon is not the memory of a ring";
}

void wsgate_ring_unmap(struct wsgate_ring *ring)
{
	if (ring->shared)
		munmap((void *)ring->shared, ring->page + 2 * ring->size);
	*ring = (struct wsgate_ring){0};
}

bool wsgate_ring_ready(const struct wsgate_ring *ring)
{
	return ring->position < atomic_load_explicit(&ring->shared->head, memory_order_acquire);
}

/*
 * Loads each word once, so that the values checked are the values used. Relaxed: the caller checks
 * afterwards whether they were intact.
 */
static bool ring_read_frame(const struct wsgate_ring *ring, struct wsgate_frame *frame)
{
	const _Atomic uint64_t *words =
		(const _Atomic uint64_t *)(ring->records + (ring->position & (ring->size - 1)));
	union {
		uint64_t words[FRAMES_HEADER_SIZE / sizeof(uint64_t)];
		struct frames_header header;
	} copy;

	for (size_t i = 0; i < sizeof(copy.words) / sizeof(*copy.words); i++)
		copy.words[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
	return wsgate_frame_read(frame, &copy.header) && frame->size <= ring->size;
}

/*
 * After a load of the tail: the fence makes sure that the restart belongs to that tail or to a later
 * one. False: it makes no sense.
 */
static bool ring_restart(struct wsgate_ring *ring)
{
	uint64_t restart;

	atomic_thread_fence(memory_order_acquire);
	restart = atomic_load_explicit(&ring->shared->restart, memory_order_relaxed);
	if (restart <= ring->position || restart % FRAMES_ALIGNMENT != 0)
		return false;
	ring->position = restart;
	return true;
}

enum wsgate_look wsgate_ring_look(struct wsgate_ring *ring, struct wsgate_frame *frame)
{
	for (int laps = 0; laps < RING_LAPS && wsgate_ring_ready(ring); laps++) {
		bool fits = ring_read_frame(ring, frame);

		if (wsgate_ring_intact(ring, ring->position))
			return fits ? WSGATE_LOOK_FRAME : WSGATE_LOOK_BROKEN;
		if (!ring_restart(ring))
			break;
	}
	return WSGATE_LOOK_NOTHING;
}

bool wsgate_ring_sleep(const struct wsgate_ring *ring, uint64_t ns)
{
	const struct timespec limit = {
		.tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000),
	};
	/* Before loading head: a daemon that publishes after that load changes this count. */
	uint32_t wake = atomic_load_explicit(&ring->shared->wake, memory_order_acquire);

	if (wsgate_ring_ready(ring))
		return true;
	return syscall(SYS_futex, &ring->shared->wake, FUTEX_WAIT, wake, &limit, NULL, 0) == 0 ||
		errno != EINTR;
}

void wsgate_ring_spin(const struct wsgate_ring *ring)
{
	for (int spins = 0; spins < RING_SPINS && !wsgate_ring_ready(ring); spins++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
		__asm__ volatile("yield");
#endif
	}
}
