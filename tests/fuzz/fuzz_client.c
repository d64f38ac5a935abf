/*
 * libwsgate against a daemon that sends, or writes into the ring, whatever it likes: it reads nothing
 * that is not there, its calls end, and the numbers that it hands out grow by one, gaps included.
 *
 * Input: a byte of options; then what comes by the socket, or with OPTION_RING what is in the ring:
 * tail, head, restart and position of the reader, each 8 bytes, and the records.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/gate.h"

enum {
	OPTION_RING = 1,
	OPTION_IN_PLACE = 2,
	OPTION_HELLO = 4, /* the input begins with the daemon's answer */

	FUZZ_RING = 4096,
	FUZZ_SENT_MAX = 64 << 10, /* what a socket holds for sure */
	FUZZ_CALLS = 10000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The byte can be read. */
static void touch(const volatile uint8_t *byte)
{
	(void)*byte;
}

/* Reads as long as there is something; the daemon has hung up already. */
static void read_all(struct wsgate *gate)
{
	const struct wsgate_record *record;

	for (int calls = 0; calls < FUZZ_CALLS; calls++) {
		uint64_t position = wsgate_position(gate);

		if (wsgate_next(gate, &record, 0) != WSGATE_OK)
			return;
		require(record->seq == wsgate_position(gate) && record->seq > position);
		if (record->type == WSGATE_GAP)
			require(record->from == position + 1 && record->to == record->seq);
		else
			require(record->seq == position + 1);
		if (record->length)
			touch((const uint8_t *)record->payload + record->length - 1);
	}
}

static void map_ring(struct wsgate *gate, const uint8_t *data, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct {
		uint64_t tail, head, restart, position;
	} places = {0};
	struct frames_ring ring = {.magic = FRAMES_RING_MAGIC, .size = FUZZ_RING};
	size_t first = size < sizeof(places) ? size : sizeof(places);

	memcpy(&places, data, first);
	ring.tail = places.tail;
	ring.head = places.head;
	ring.restart = places.restart;
	size -= first;
	require(ftruncate(fd, (off_t)(page + FUZZ_RING)) == 0);
	require(pwrite(fd, &ring, sizeof(ring), 0) == (ssize_t)sizeof(ring));
	require(pwrite(fd, data + first, size < FUZZ_RING ? size : FUZZ_RING, (off_t)page) >= 0);
	require(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	require(wsgate_ring_map(&gate->ring, fd, FUZZ_RING, places.position & ~UINT64_C(7)) ==
		NULL);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct wsgate_options options = WSGATE_OPTIONS_INIT;
	uint8_t choice = size ? data[0] : 0;
	struct wsgate *gate = calloc(1, sizeof(*gate));
	int sockets[2];

	if (size < 1 || size > FUZZ_SENT_MAX) {
		free(gate);
		return 0;
	}
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	gate->fd = sockets[0];
	gate->unnamed = WSGATE_NO_CONNECTION;
	gate->expected = gate->known = 1;
	gate->in_place = choice & OPTION_IN_PLACE;
	if (choice & OPTION_RING)
		map_ring(gate, data + 1, size - 1);
	else
		require(send(sockets[1], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)size - 1);
	shutdown(sockets[1], SHUT_WR);
	if (!(choice & OPTION_HELLO) ||
		wsgate_hello(gate, &options, FRAMES_MODE_BYTES, wsgate_deadline(0)) == WSGATE_OK)
		read_all(gate);
	close(sockets[1]);
	wsgate_close(gate);
	return 0;
}
