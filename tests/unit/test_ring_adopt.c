#include <check.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ring.h"
#include "outlet/outlet_private.h"
#include "outlet/ring_ledger.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

/* A successor continues the ring of its predecessor, and readers do not notice. */

enum {
	PAGE = 4096,
	RING = 64 << 10,
	BATCH = 300, /* records: as many as fit before the reader is waited for */
	BATCHES = 20,
};

static void open_ring(struct ring *ring, size_t size)
{
	struct error error;

	ring_init(ring, size, 42);
	ck_assert_msg(ring_open(ring, &error), "%s", error.text);
}

/* The payload is the number of the record. */
static void append(struct ring *ring)
{
	struct frames_header header = {
		.size = htole32(FRAMES_HEADER_SIZE + 8),
		.length = htole32(8),
		.seq = htole64(ring->next),
		.type = FRAMES_BINARY,
	};
	uint64_t payload = htole64(ring->next);

	if (!ring_fits(ring, FRAMES_HEADER_SIZE + 8))
		ring_drop(ring, ring_kept_by(ring, FRAMES_HEADER_SIZE + 8));
	memcpy(ring_room(ring), &header, sizeof(header));
	memcpy(ring_room(ring) + sizeof(header), &payload, sizeof(payload));
	ring_commit(ring, FRAMES_HEADER_SIZE + 8);
}

static void append_batch(struct ring *ring)
{
	for (int i = 0; i < BATCH; i++)
		append(ring);
	ring_publish(ring);
	ring_wake(ring);
}

/* --- two processes and a reader ----------------------------------------------------------------
 */

static void send_descriptors(int socket, const int fds[2])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec part = {"r", 1};
	const struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
	ck_assert_int_eq((int)sendmsg(socket, &message, 0), 1);
}

static void take_descriptors(int socket, int fds[2])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	ck_assert_int_eq((int)recvmsg(socket, &message, 0), 1);
	memcpy(fds, CMSG_DATA(&control.header), 2 * sizeof(int));
}

static void await_peer(int socket)
{
	char byte;

	ck_assert_int_eq((int)recv(socket, &byte, 1, 0), 1);
}

static void tell_peer(int socket)
{
	ck_assert_int_eq((int)send(socket, "g", 1, MSG_NOSIGNAL), 1);
}

static void succeed(int socket)
{
	struct ring ring;
	struct error error;
	int fds[2];

	take_descriptors(socket, fds);
	ck_assert_msg(ring_adopt(&ring, fds[0], fds[1], &error), "%s", error.text);
	ck_assert_uint_eq(ring.begun, 42);
	ck_assert_uint_eq(ring.next, BATCH + 1);
	ck_assert_msg(ring_share(&ring, &error), "%s", error.text); /* for new readers */
	for (int i = 0; i < BATCHES; i++) {
		await_peer(socket);
		append_batch(&ring);
	}
	ring_release(&ring);
}

static uint64_t read_batch(struct wsgate_ring *reader, uint64_t expected)
{
	struct wsgate_frame frame;

	for (int i = 0; i < BATCH; i++) {
		uint64_t payload;

		while (wsgate_ring_look(reader, &frame) == WSGATE_LOOK_NOTHING)
			wsgate_ring_sleep(reader, 10 * CLOCK_NS_PER_SECOND);
		memcpy(&payload, wsgate_ring_payload(reader), sizeof(payload));
		ck_assert_uint_eq(frame.seq, expected);
		ck_assert_uint_eq(le64toh(payload), expected);
		ck_assert(wsgate_ring_intact(reader, reader->position));
		reader->position += frame.size;
		expected++;
	}
	return expected;
}

START_TEST(test_readers_go_on)
{
	struct wsgate_ring reader;
	struct ring ring;
	struct error error;
	uint64_t expected = 1;
	int sockets[2], status;
	pid_t successor;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	successor = fork();
	if (successor == 0) {
		close(sockets[0]);
		succeed(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	open_ring(&ring, RING);
	ck_assert_msg(ring_share(&ring, &error), "%s", error.text);
	ck_assert_ptr_null(wsgate_ring_map(&reader, ring.reader_fd, ring.size, 0));
	append_batch(&ring);
	send_descriptors(sockets[0], (int[]){ring.memory_fd, ring.ledger_fd});
	ring_release(&ring);
	expected = read_batch(&reader, expected);
	for (int i = 0; i < BATCHES; i++) {
		tell_peer(sockets[0]);
		expected = read_batch(&reader, expected);
	}
	ck_assert_int_eq(waitpid(successor, &status, 0), successor);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_gt(reader.position, RING);
	wsgate_ring_unmap(&reader);
	close(sockets[0]);
}
END_TEST

/* --- what is handed over ------------------------------------------------------------------------
 */

static bool adopt(struct ring *ring, const struct ring *from, struct error *error)
{
	return ring_adopt(ring, dup(from->memory_fd), dup(from->ledger_fd), error);
}

START_TEST(test_numbers_and_index)
{
	static const unsigned counts[] = {0, 1, 64, 65, 1500, 5000};
	struct ring ring, heir;
	struct error error;

	open_ring(&ring, RING);
	for (unsigned i = 0; i < counts[_i]; i++)
		append(&ring);
	ring_publish(&ring);
	ck_assert_msg(adopt(&heir, &ring, &error), "%s", error.text);
	ck_assert_uint_eq(heir.size, ring.size);
	ck_assert_uint_eq(heir.first, ring.first);
	ck_assert_uint_eq(heir.next, ring.next);
	ck_assert_uint_eq(heir.head, ring.head);
	ck_assert_uint_eq(heir.tail, ring.tail);
	for (unsigned i = 0; i < 3000; i++)
		append(&heir);
	for (uint64_t seq = heir.first; seq < heir.next; seq++) {
		uint64_t payload;

		memcpy(&payload, ring_at(&heir, ring_start(&heir, seq)) + FRAMES_HEADER_SIZE, 8);
		ck_assert_uint_eq(le64toh(payload), seq);
	}
	ring_release(&heir);
	ring_release(&ring);
}
END_TEST

/* A skipped number leaves nothing to be handed over but itself. */
START_TEST(test_empty_but_numbered)
{
	struct ring ring, heir;
	struct error error;

	open_ring(&ring, RING);
	append(&ring);
	ring_skip(&ring);
	ring_publish(&ring);
	ck_assert_msg(adopt(&heir, &ring, &error), "%s", error.text);
	ck_assert_uint_eq(heir.first, 3);
	ck_assert_uint_eq(heir.next, 3);
	ck_assert_uint_eq(heir.tail, heir.head);
	ring_release(&heir);
	ring_release(&ring);
}
END_TEST

static void note_name(uint32_t source, const char *name, size_t length, void *context)
{
	buffer_append_format(context, "%u %.*s\n", source, name ? (int)length : 1,
		name ? name : "-");
}

START_TEST(test_names)
{
	struct harness harness;
	struct buffer names = {0};
	struct error error;
	struct ring heir;

	harness_setup(&harness, "lines");
	harness_open(&harness);
	outlet_add_source(harness.outlet, "early", &harness);
	outlet_remove_source(harness.outlet, 0);
	ck_assert(outlet_core_open_ring(&harness.outlet->core));
	for (int i = 0; i < 10000; i++)
		outlet_remove_source(harness.outlet,
			outlet_add_source(harness.outlet, "passing", &harness));
	outlet_add_source(harness.outlet, "late", &harness);
	ck_assert_msg(adopt(&heir, &harness.outlet->core.ring, &error), "%s", error.text);
	ck_assert(ring_each_name(&heir, note_name, &names, &error));
	ck_assert(harness_contains(&names, "1 trades\n2 early\n0 passing\n0 -\n0 passing\n"));
	ck_assert(harness_contains(&names, "0 passing\n0 -\n0 late\n"));
	ck_assert_uint_lt(names.length, 64 << 10); /* what is gone does not pile up */
	buffer_release(&names);
	ring_release(&heir);
	harness_teardown(&harness);
}
END_TEST

/* --- memory -------------------------------------------------------------------------------------
 */

static long pages(int fd)
{
	struct stat status;

	ck_assert_int_eq(fstat(fd, &status), 0);
	return status.st_blocks * 512 / PAGE;
}

/* Until a reader comes, there is no page in front, and of the index only what is in use. */
START_TEST(test_only_what_is_used_takes_memory)
{
	struct ring ring;

	open_ring(&ring, 16 << 20);
	ck_assert_int_eq(pages(ring.memory_fd), 0);
	append(&ring);
	ring_publish(&ring);
	ck_assert_int_eq(pages(ring.memory_fd), 1);
	ck_assert_int_eq(pages(ring.ledger_fd), 1);
	while (ring.next <= 1000)
		append(&ring);
	ck_assert_int_le(pages(ring.ledger_fd), 3);
	/* Numbers move on, the index stays where it is. */
	for (unsigned i = 0; i < 2000000; i++) {
		if (ring.next - ring.first > 1000)
			ring_drop(&ring, ring.next - 1000);
		append(&ring);
	}
	ck_assert_int_le(pages(ring.ledger_fd), 3);
	ring_release(&ring);
}
END_TEST

/* --- what cannot be adopted ---------------------------------------------------------------------
 */

static void spoil_magic(struct ring *ring)
{
	ring->ledger->magic[0]++;
}

static void spoil_size(struct ring *ring)
{
	ring->ledger->size += PAGE;
}

static void spoil_double_size(struct ring *ring)
{
	ring->ledger->size *= 2;
}

static void spoil_names(struct ring *ring)
{
	ring->ledger->names = UINT64_MAX;
}

static void spoil_first(struct ring *ring)
{
	ring->ledger->first = ring->next + 1;
}

static void spoil_tail(struct ring *ring)
{
	ring->ledger->tail = ring->head + 1;
}

static void spoil_length(struct ring *ring)
{
	ring->ledger->head += RING;
}

static void spoil_capacity(struct ring *ring)
{
	ring->ledger->capacity = ring->capacity - 1;
}

static void spoil_huge_capacity(struct ring *ring)
{
	ring->ledger->capacity = UINT64_C(1) << 62;
}

static void spoil_index(struct ring *ring)
{
	ring->starts[ring->first & (ring->capacity - 1)]++;
}

static void swap_descriptors(struct ring *ring)
{
	int fd = ring->memory_fd;

	ring->memory_fd = ring->ledger_fd;
	ring->ledger_fd = fd;
}

static void (*const spoil[])(struct ring *) = {spoil_magic, spoil_size, spoil_double_size,
	spoil_names, spoil_first, spoil_tail, spoil_length, spoil_capacity, spoil_huge_capacity,
	spoil_index, swap_descriptors};

START_TEST(test_spoilt)
{
	struct ring ring, heir;
	struct error error;
	int memory, ledger;

	open_ring(&ring, RING);
	append_batch(&ring);
	spoil[_i](&ring);
	memory = dup(ring.memory_fd);
	ledger = dup(ring.ledger_fd);
	ck_assert(!ring_adopt(&heir, memory, ledger, &error));
	ck_assert_str_eq(error.name, ERROR_SYSTEM);
	ck_assert_ptr_null(heir.memory);
	ck_assert_int_eq(fcntl(memory, F_GETFD), -1);
	ck_assert_int_eq(fcntl(ledger, F_GETFD), -1);
	ring_release(&heir);
	ring_release(&ring);
}
END_TEST

Suite *ring_adopt_suite(void)
{
	Suite *suite = suite_create("ring_adopt");
	TCase *tests = tcase_create("ring_adopt");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_readers_go_on);
	tcase_add_loop_test(tests, test_numbers_and_index, 0, 6);
	tcase_add_test(tests, test_empty_but_numbered);
	tcase_add_test(tests, test_names);
	tcase_add_test(tests, test_only_what_is_used_takes_memory);
	tcase_add_loop_test(tests, test_spoilt, 0, sizeof(spoil) / sizeof(*spoil));
	suite_add_tcase(suite, tests);
	return suite;
}
