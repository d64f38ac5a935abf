#include "outlet/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

enum { RING_STARTS_FIRST = 64 };

void ring_init(struct ring *ring, uint64_t size)
{
	uint64_t rounded = (uint64_t)sysconf(_SC_PAGESIZE);

	while (rounded < size)
		rounded *= 2;
	*ring = (struct ring){.size = rounded, .first = 1, .next = 1};
}

void ring_release(struct ring *ring)
{
	if (ring->memory)
		munmap(ring->memory, 2 * ring->size);
	free(ring->starts);
	*ring = (struct ring){0};
}

/* Reserves addresses for both halves first, so that nothing else can come to lie between them. */
static uint8_t *ring_map_twice(int fd, size_t size)
{
	uint8_t *memory = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int failure;

	if (memory == MAP_FAILED)
		return NULL;
	for (int half = 0; half < 2; half++) {
		if (mmap(memory + (size_t)half * size, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
			continue;
		failure = errno;
		munmap(memory, 2 * size);
		errno = failure;
		return NULL;
	}
	return memory;
}

bool ring_open(struct ring *ring, struct error *error)
{
	int fd = memfd_create("wsgated-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)ring->size) == 0)
		ring->memory = ring_map_twice(fd, ring->size);
	if (!ring->memory)
		error_set(error, ERROR_SYSTEM, "no memory for a ring of %zu bytes: %s", ring->size,
			strerror(errno));
	if (fd >= 0)
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

void ring_skip(struct ring *ring)
{
	ring->next++;
	ring->first = ring->next;
}
