#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outlet/frames.h"
#include "outlet/ring_ledger.h"

/*
 * The files behind a ring. The seals keep everybody from truncating them, which would make mappings
 * fatal. Readers cannot write because their descriptor was opened read-only, and the mode keeps
 * them from opening it again for writing. A successor gets the writable descriptors.
 */

enum { RING_MODE = 0400 }; /* the daemon's user could change it: see doc/architecture.md */

static size_t ring_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t ring_rounded(uint64_t size)
{
	uint64_t rounded = ring_page();

	while (rounded < size)
		rounded *= 2;
	return rounded;
}

size_t ring_ledger_size(uint64_t size)
{
	size_t length = sizeof(struct ring_ledger) + size / RING_RECORD_SPACE * sizeof(uint64_t);
	size_t mask = ring_page() - 1;

	return (length + mask) & ~mask;
}

void ring_init(struct ring *ring, uint64_t size, uint64_t begun)
{
	*ring = (struct ring){
		.size = ring_rounded(size),
		.first = 1,
		.next = 1,
		.begun = begun,
		.memory_fd = -1,
		.ledger_fd = -1,
		.reader_fd = -1,
	};
}

static struct frames_ring *ring_page_in_front(const struct ring *ring)
{
	return (struct frames_ring *)(void *)(ring->memory - ring_page());
}

static void ring_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Keeps errno. */
static void ring_close(struct ring *ring)
{
	int failure = errno;

	if (ring->memory)
		munmap(ring_page_in_front(ring), ring_page() + 2 * ring->size);
	if (ring->ledger)
		munmap(ring->ledger, ring_ledger_size(ring->size));
	ring->memory = NULL;
	ring->ledger = NULL;
	ring->starts = NULL;
	ring->front = NULL;
	ring_close_fd(&ring->memory_fd);
	ring_close_fd(&ring->ledger_fd);
	ring_close_fd(&ring->reader_fd);
	errno = failure;
}

void ring_release(struct ring *ring)
{
	ring_close(ring);
	*ring = (struct ring){.memory_fd = -1, .ledger_fd = -1, .reader_fd = -1};
}

static int ring_create(const char *name, size_t size, int seals)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 &&
		(ftruncate(fd, (off_t)size) < 0 || fchmod(fd, RING_MODE) < 0 ||
			fcntl(fd, F_ADD_SEALS, seals) < 0)) {
		int failure = errno;

		close(fd);
		errno = failure;
		return -1;
	}
	return fd;
}

/*
 * Maps the page in front and the records, then the records again. Reserves all the addresses first,
 * so that nothing else can end up between them.
 */
static uint8_t *ring_map_memory(int fd, size_t size)
{
	const int access = PROT_READ | PROT_WRITE;
	size_t front = ring_page();
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

static struct ring_ledger *ring_map_ledger(int fd, size_t size)
{
	void *ledger =
		mmap(NULL, ring_ledger_size(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return ledger == MAP_FAILED ? NULL : ledger;
}

static bool ring_map(struct ring *ring)
{
	ring->memory = ring_map_memory(ring->memory_fd, ring->size);
	if (!ring->memory)
		return false;
	ring->ledger = ring_map_ledger(ring->ledger_fd, ring->size);
	if (!ring->ledger)
		return false;
	ring->starts = ring->ledger->starts;
	return true;
}

bool ring_open(struct ring *ring, struct error *error)
{
	ring->memory_fd = ring_create("wsgated-ring", ring_page() + ring->size,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (ring->memory_fd >= 0)
		ring->ledger_fd = ring_create("wsgated-ledger", ring_ledger_size(ring->size),
			F_SEAL_SHRINK | F_SEAL_SEAL);
	if (ring->ledger_fd < 0 || !ring_map(ring)) {
		ring_close(ring);
		return error_set(error, ERROR_SYSTEM, "no memory for a ring of %zu bytes: %s",
			ring->size, strerror(errno));
	}
	memcpy(ring->ledger->magic, RING_LEDGER_MAGIC, sizeof(ring->ledger->magic));
	ring->ledger->size = ring->size;
	ring->ledger->begun = ring->begun;
	ring_update_ledger(ring);
	return true;
}

/* --- sharing ------------------------------------------------------------------------------- */

/* Only a new open file description can be more restricted. */
static int ring_reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Brings the page in front up to date, and keeps it so from now on. */
static void ring_update_front(struct ring *ring)
{
	ring->front = ring_page_in_front(ring);
	ring_drop(ring, ring->first);
}

/* Readers may already be there if the ring has been adopted. */
static void ring_begin_front(struct ring *ring)
{
	struct frames_ring *front = ring_page_in_front(ring);

	if (ring->front)
		return;
	memcpy(front->magic, FRAMES_RING_MAGIC, sizeof(front->magic));
	front->size = ring->size;
	ring->ledger->shared = true;
	ring_update_front(ring);
}

bool ring_share(struct ring *ring, struct error *error)
{
	if (ring->reader_fd >= 0)
		return true;
	ring->reader_fd = ring_reopen(ring->memory_fd);
	if (ring->reader_fd < 0)
		return error_set(error, ERROR_SYSTEM,
			"cannot open the memory of the ring for reading: %s%s", strerror(errno),
			errno == ENOENT ? " (needs a mounted /proc)" : "");
	ring_begin_front(ring);
	return true;
}

/* --- adopting ------------------------------------------------------------------------------ */

static bool ring_fd_has(int fd, uint64_t size, bool exactly)
{
	struct stat status;

	return fstat(fd, &status) == 0 &&
		(exactly ? (uint64_t)status.st_size == size : (uint64_t)status.st_size >= size);
}

/* Does not check each entry of the index: the ledger comes from a process like this one. */
static bool ring_ledger_holds(const struct ring_ledger *ledger, uint64_t records)
{
	uint64_t count = ledger->next - ledger->first;
	uint64_t length = ledger->head - ledger->tail;

	if (ledger->first == 0 || ledger->first > ledger->next || ledger->tail > ledger->head ||
		length > ledger->size || (count == 0) != (length == 0) ||
		count > ledger->capacity || ledger->capacity > records ||
		(ledger->capacity & (ledger->capacity - 1)) != 0)
		return false;
	return count == 0 || ledger->starts[ledger->first & (ledger->capacity - 1)] == ledger->tail;
}

/* Maps the descriptors in *ring. Returns NULL, or the problem. */
static const char *ring_take_over(struct ring *ring)
{
	struct ring_ledger head;

	if (pread(ring->ledger_fd, &head, sizeof(head), 0) != sizeof(head) ||
		memcmp(head.magic, RING_LEDGER_MAGIC, sizeof(head.magic)) != 0)
		return "invalid ledger";
	if (head.size > SIZE_MAX / 4 || head.size < ring_page() ||
		(head.size & (head.size - 1)) != 0)
		return "the size is not a power of two of at least a page";
	if (head.names > SIZE_MAX / 4 ||
		!ring_fd_has(ring->ledger_fd, ring_ledger_size(head.size) + head.names, false) ||
		!ring_fd_has(ring->memory_fd, ring_page() + head.size, true))
		return "the sizes of the files do not match";
	ring->size = head.size;
	if (!ring_map(ring))
		return strerror(errno);
	if (!ring_ledger_holds(ring->ledger, ring_records(ring)))
		return "the ledger contradicts itself";
	return NULL;
}

bool ring_adopt(struct ring *ring, int memory_fd, int ledger_fd, struct error *error)
{
	const char *problem;

	ring_init(ring, 0, 0);
	ring->memory_fd = memory_fd;
	ring->ledger_fd = ledger_fd;
	problem = ring_take_over(ring);
	if (problem) {
		ring_release(ring);
		return error_set(error, ERROR_SYSTEM, "cannot take over a ring: %s", problem);
	}
	ring->head = ring->ledger->head;
	ring->tail = ring->ledger->tail;
	ring->first = ring->ledger->first;
	ring->next = ring->ledger->next;
	ring->capacity = ring->ledger->capacity;
	ring->begun = ring->ledger->begun;
	if (ring->ledger->shared)
		ring_update_front(ring);
	return true;
}
