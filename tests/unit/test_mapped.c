#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "outlet/outlet_private.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

/* The daemon's side of subscribers that map the ring. Reading is the client library's to test. */

enum { PAGE = 4096, RING = 64 << 10 };

static struct harness harness;

/* A subscriber that has mapped the ring. */
struct mapping {
	int socket;
	int memory;
	const struct frames_ring *ring;
	const uint8_t *records;
};

static void setup(void)
{
	harness_setup(&harness, "frames");
}

static void teardown(void)
{
	harness_teardown(&harness);
}

/* Takes the hello record, and the descriptor that comes with its first byte. */
static int take_hello(int fd, struct buffer *stream)
{
	char space[CMSG_SPACE(sizeof(int))];
	struct iovec part = {buffer_reserve(stream, PAGE), PAGE};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *control;
	ssize_t got;
	int memory;

	harness_until(&harness, (got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC)) > 0);
	buffer_commit(stream, (size_t)got);
	control = CMSG_FIRSTHDR(&message);
	ck_assert_ptr_nonnull(control);
	ck_assert_int_eq(control->cmsg_type, SCM_RIGHTS);
	memcpy(&memory, CMSG_DATA(control), sizeof(memory));
	return memory;
}

static struct mapping join(enum frames_mode mode, enum frames_start start, const char *answer)
{
	struct mapping mapping = {.socket = harness_connect(&harness)};
	struct buffer stream = {0};
	uint8_t *base;
	char expected[256];
	char found[256];

	harness_send_hello(mapping.socket, start, mode, 0);
	mapping.memory = take_hello(mapping.socket, &stream);
	harness_take_record(&stream, found, sizeof(found));
	snprintf(expected, sizeof(expected),
		"{\"outlet\":\"test\",\"begun\":42,\"connections\":[\"ticker\",\"trades\"],%s}",
		answer);
	ck_assert_str_eq(found, expected);
	ck_assert_uint_eq(stream.length, 0);
	buffer_release(&stream);
	base = mmap(NULL, PAGE + RING, PROT_READ, MAP_SHARED, mapping.memory, 0);
	ck_assert_ptr_ne(base, MAP_FAILED);
	mapping.ring = (const struct frames_ring *)(const void *)base;
	mapping.records = base + PAGE;
	ck_assert_mem_eq(mapping.ring->magic, FRAMES_RING_MAGIC, 8);
	ck_assert_uint_eq(mapping.ring->size, RING);
	return mapping;
}

static void leave(struct mapping *mapping)
{
	ck_assert_int_eq(munmap((void *)(uintptr_t)mapping->ring, PAGE + RING), 0);
	close(mapping->memory);
	close(mapping->socket);
}

#define NEW "\"next\":1,\"missing\":0,\"ahead\":false,\"ring\":{\"size\":65536,\"position\":0}"

START_TEST(test_records_are_in_the_ring)
{
	struct mapping mapping, second;
	const struct frames_header *header;
	struct outlet_stats stats;

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	ck_assert_uint_eq(mapping.ring->head, 0);
	harness_publish_text(&harness, 1, "hello");
	ck_assert_uint_eq(mapping.ring->head, 0);
	harness_turn(&harness);
	ck_assert_uint_eq(mapping.ring->head, 40);
	header = (const struct frames_header *)(const void *)mapping.records;
	ck_assert_uint_eq(header->size, 40);
	ck_assert_uint_eq(header->length, 5);
	ck_assert_uint_eq(header->seq, 1);
	ck_assert_uint_eq(header->connection, 1);
	ck_assert_mem_eq(mapping.records + 32, "hello\0\0", 8);

	second = join(FRAMES_MODE_RING, FRAMES_START_LIVE,
		"\"next\":2,\"missing\":0,\"ahead\":false,\"ring\":{\"size\":65536,\"position\":"
		"40}");
	leave(&second);
	second = join(FRAMES_MODE_RING, FRAMES_START_OLDEST, NEW);
	leave(&second);
	outlet_stats(harness.outlet, &stats);
	ck_assert_uint_eq(stats.counts.lost, 0);
	leave(&mapping);
}
END_TEST

static int compare_positions(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Before a byte is overwritten, the tail has moved; the restart is where a record starts. */
START_TEST(test_announced_before_overwritten)
{
	static char text[9000];
	struct mapping mapping;
	uint64_t end = 0, starts[4000] = {0};

	memset(text, 'x', sizeof(text));
	srand(5);
	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING_QUIET, FRAMES_START_DEFAULT, NEW);
	for (unsigned i = 0; i < 4000; i++) {
		size_t length = (size_t)rand() % (i % 500 ? 300 : sizeof(text));

		harness_publish(&harness, 0, OUTLET_TEXT, text, length);
		starts[i] = end;
		end += (32 + length + 7) & ~7UL;
		ck_assert_uint_ge(mapping.ring->tail + RING, end);
		ck_assert_uint_le(mapping.ring->tail, mapping.ring->restart);
		ck_assert_uint_le(mapping.ring->restart, mapping.ring->head);
		ck_assert_uint_le(mapping.ring->head, end);
		if (mapping.ring->restart < end)
			ck_assert_ptr_nonnull(bsearch(&(uint64_t){mapping.ring->restart}, starts,
				i + 1, sizeof(*starts), compare_positions));
	}
	ck_assert_uint_gt(mapping.ring->restart, end - RING);
	leave(&mapping);
}
END_TEST

/* What arrives through the socket is the descriptor for readers; test_ring_hostile.c tries it. */
START_TEST(test_cannot_write)
{
	struct mapping mapping;

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	ck_assert_int_eq(fcntl(mapping.memory, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(fcntl(mapping.memory, F_GET_SEALS),
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(mprotect((void *)(uintptr_t)mapping.ring, PAGE, PROT_READ | PROT_WRITE),
		-1);
	harness_publish_text(&harness, 0, "whole");
	harness_turn(&harness);
	ck_assert_mem_eq(mapping.records + 32, "whole", 5);
	leave(&mapping);
}
END_TEST

/* The first to ask may come when the ring has long been in use. */
START_TEST(test_late_reader)
{
	static char text[1000];
	struct mapping mapping;
	char answer[128];

	harness_open(&harness);
	close(harness_connect(&harness)); /* so that there is something to keep */
	for (int i = 0; i < 100; i++)
		harness_publish(&harness, 0, OUTLET_TEXT, text, sizeof(text));
	ck_assert_ptr_null(harness.outlet->core.ring.front);
	snprintf(answer, sizeof(answer),
		"\"next\":101,\"missing\":0,\"ahead\":false,\"ring\":{\"size\":65536,\"position\":%"
		"llu}",
		(unsigned long long)harness.outlet->core.ring.head);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_LIVE, answer);
	ck_assert_uint_eq(mapping.ring->head, harness.outlet->core.ring.head);
	ck_assert_uint_eq(mapping.ring->tail, harness.outlet->core.ring.tail);
	ck_assert_uint_gt(mapping.ring->restart, mapping.ring->tail);
	leave(&mapping);
}
END_TEST

static const char proc_text[] =
	"mode ring is not available: cannot open the memory of the ring for reading: "
	"No such file or directory (needs a mounted /proc)";

static void join_without_proc(int fd)
{
	struct buffer stream = {0};

	ck_assert_int_eq(chroot(harness.directory), 0);
	harness_send_hello(fd, FRAMES_START_DEFAULT, FRAMES_MODE_RING, 0);
	harness_drain(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, proc_text);
	buffer_release(&stream);
}

START_TEST(test_without_proc)
{
	int fd, status;
	pid_t child;

	if (geteuid() != 0)
		return; /* chroot() takes privileges */
	harness_open(&harness);
	fd = harness_connect(&harness);
	child = fork();
	if (child == 0) {
		event_reinit(harness.base);
		join_without_proc(fd);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	close(fd);
}
END_TEST

static const char wait_text[] = "mode ring is not available: this outlet waits for its subscribers "
				"(on_lag), and cannot see where one is that reads the ring";

START_TEST(test_wait_refuses)
{
	struct buffer stream = {0};
	int fd;

	harness.settings.on_lag = OUTLET_WAIT;
	harness_open(&harness);
	fd = harness_connect(&harness);
	harness_send_hello(fd, FRAMES_START_DEFAULT, FRAMES_MODE_RING, 0);
	harness_expect_end(&harness, fd, &stream);
	harness_expect_record(&stream, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, wait_text);
	ck_assert(!harness_contains(&harness.events, "input-error"));
	buffer_release(&stream);
	close(fd);
}
END_TEST

START_TEST(test_wait_ends_those_that_are_there)
{
	struct mapping mapping;
	struct buffer stream = {0};
	struct error error;

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	harness.settings.on_lag = OUTLET_WAIT;
	ck_assert(outlet_reconfigure(harness.outlet, &harness.settings, &error));
	harness_expect_end(&harness, mapping.socket, &stream);
	harness_expect_record(&stream, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION,
		"the outlet now waits for its subscribers (on_lag), and cannot see where one is "
		"that reads the ring");
	ck_assert_uint_eq(mapping.ring->wake, 1);
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 0);
	buffer_release(&stream);
	leave(&mapping);
}
END_TEST

static void send_record(int fd, enum frames_type type, uint64_t seq, const char *payload)
{
	struct buffer record = {0};

	harness_append_record(&record, (uint8_t)type, seq, FRAMES_NO_CONNECTION, payload,
		strlen(payload));
	ck_assert_int_eq(send(fd, buffer_data(&record), record.length, 0), (int)record.length);
	buffer_release(&record);
}

START_TEST(test_await)
{
	struct mapping mapping;
	struct buffer stream = {0};

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING_QUIET, FRAMES_START_DEFAULT, NEW);
	send_record(mapping.socket, FRAMES_AWAIT, 2, "");
	harness_drain(&harness, mapping.socket, &stream);
	harness_publish_text(&harness, 0, "one");
	harness_drain(&harness, mapping.socket, &stream);
	ck_assert_uint_eq(stream.length, 0);
	harness_publish_text(&harness, 0, "two");
	harness_publish_text(&harness, 0, "three");
	harness_drain(&harness, mapping.socket, &stream);
	harness_publish_text(&harness, 0, "four");
	harness_drain(&harness, mapping.socket, &stream);
	harness_expect_record(&stream, FRAMES_ARRIVED, 2, FRAMES_NO_CONNECTION, "");
	ck_assert_uint_eq(stream.length, 0);

	send_record(mapping.socket, FRAMES_AWAIT, 4, "");
	harness_drain(&harness, mapping.socket, &stream);
	harness_expect_record(&stream, FRAMES_ARRIVED, 4, FRAMES_NO_CONNECTION, "");
	ck_assert_uint_eq(stream.length, 0);
	ck_assert_uint_eq(harness_counts(&harness).input_errors, 0);
	buffer_release(&stream);
	leave(&mapping);
}
END_TEST

/* Who asks again and again but never reads does not have the answers pile up. */
START_TEST(test_await_flood)
{
	struct mapping mapping;

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING_QUIET, FRAMES_START_DEFAULT, NEW);
	harness_narrow(&harness);
	harness_publish_text(&harness, 0, "one");
	for (int i = 0; i < 20000; i++) {
		send_record(mapping.socket, FRAMES_AWAIT, 1, "");
		harness_turn(&harness);
		ck_assert_uint_le(harness_info(&harness).behind, 64);
	}
	leave(&mapping);
}
END_TEST

START_TEST(test_names_come_by_socket)
{
	struct mapping mapping;
	struct buffer stream = {0};
	unsigned added;

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	added = outlet_add_source(harness.outlet, "late", &harness);
	harness_drain(&harness, mapping.socket, &stream);
	ck_assert_uint_eq(stream.length, 0);
	harness_publish_text(&harness, added, "first");
	ck_assert(harness_read(mapping.socket, &stream, SIZE_MAX));
	ck_assert_uint_eq(mapping.ring->head, 0);
	harness_publish_text(&harness, added, "second");
	harness_drain(&harness, mapping.socket, &stream);
	harness_expect_record(&stream, FRAMES_NAME, 1, added, "late");
	ck_assert_uint_eq(stream.length, 0);
	buffer_release(&stream);
	leave(&mapping);
}
END_TEST

START_TEST(test_input)
{
	struct mapping mapping;

	harness.settings.writable = _i == 1;
	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	send_record(mapping.socket, FRAMES_TEXT, 0, "up");
	harness_turn(&harness);
	harness_turn(&harness);
	if (_i == 1)
		harness_expect(&harness.inputs, "-1 text up\n");
	else
		ck_assert(harness_contains(&harness.events, "the outlet is not writable"));
	ck_assert_uint_eq(outlet_subscribers(harness.outlet), 1);
	leave(&mapping);
}
END_TEST

/* Returns when woken, or at once if that has been before. */
static void *sleep_on_wake(void *context)
{
	const struct mapping *mapping = context;
	const struct timespec limit = {.tv_sec = 10};

	if (syscall(SYS_futex, &mapping->ring->wake, FUTEX_WAIT, 0, &limit, NULL, 0) == 0)
		return NULL;
	return errno == EAGAIN ? NULL : context;
}

START_TEST(test_wakes_once_a_batch)
{
	struct mapping mapping, quiet;
	pthread_t thread;
	void *woken;

	harness_open(&harness);
	quiet = join(FRAMES_MODE_RING_QUIET, FRAMES_START_DEFAULT, NEW);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	ck_assert_int_eq(pthread_create(&thread, NULL, sleep_on_wake, &mapping), 0);
	for (int i = 0; i < 100; i++)
		harness_publish_text(&harness, 0, "a batch");
	harness_turn(&harness);
	ck_assert_uint_eq(mapping.ring->wake, 1);
	ck_assert_int_eq(pthread_join(thread, &woken), 0);
	ck_assert_ptr_null(woken);
	harness_turn(&harness);
	ck_assert_uint_eq(mapping.ring->wake, 1);
	leave(&mapping);
	harness_until(&harness, outlet_subscribers(harness.outlet) == 1);
	harness_turn(&harness);
	ck_assert_uint_eq(quiet.ring->wake, 2);
	harness_publish_text(&harness, 0, "nobody sleeps");
	harness_turn(&harness);
	ck_assert_uint_eq(quiet.ring->wake, 2);
	leave(&quiet);
}
END_TEST

/* The ring outlives the outlet: what was published before the end can still be read. */
START_TEST(test_end)
{
	struct mapping mapping;
	struct buffer stream = {0};

	harness_open(&harness);
	mapping = join(FRAMES_MODE_RING, FRAMES_START_DEFAULT, NEW);
	harness_publish_text(&harness, 0, "last");
	harness_drain_outlet(&harness);
	harness_expect_end(&harness, mapping.socket, &stream);
	ck_assert_uint_eq(stream.length, 0);
	ck_assert(outlet_drained(harness.outlet));
	ck_assert_uint_ge(mapping.ring->wake, 1);
	outlet_free(harness.outlet);
	harness.outlet = NULL;
	ck_assert_uint_eq(mapping.ring->head, 40);
	ck_assert_mem_eq(mapping.records + 32, "last", 4);
	buffer_release(&stream);
	leave(&mapping);
}
END_TEST

Suite *mapped_suite(void)
{
	Suite *suite = suite_create("mapped");
	TCase *tests = tcase_create("mapped");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_records_are_in_the_ring);
	tcase_add_test(tests, test_announced_before_overwritten);
	tcase_add_test(tests, test_cannot_write);
	tcase_add_test(tests, test_late_reader);
	tcase_add_test(tests, test_without_proc);
	tcase_add_test(tests, test_wait_refuses);
	tcase_add_test(tests, test_wait_ends_those_that_are_there);
	tcase_add_test(tests, test_await);
	tcase_add_test(tests, test_await_flood);
	tcase_add_test(tests, test_names_come_by_socket);
	tcase_add_loop_test(tests, test_input, 0, 2);
	tcase_add_test(tests, test_wakes_once_a_batch);
	tcase_add_test(tests, test_end);
	suite_add_tcase(suite, tests);
	return suite;
}
