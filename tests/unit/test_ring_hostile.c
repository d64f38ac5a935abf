#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "outlet/outlet_private.h"
#include "outlet_harness.h"
#include "outlet_suites.h"

/*
 * What a reader can do with the descriptor that it gets: nothing but read, whoever it is. A process
 * of the daemon's own user owns the memory, though, and can change its mode; it can then write to
 * the records, and nothing that the daemon goes by.
 */

enum { PAGE = 4096, RING = 64 << 10, NOBODY = 65534 };

static void open_shared(struct ring *ring)
{
	struct error error;

	ring_init(ring, RING, 0);
	ck_assert_msg(ring_open(ring, &error) && ring_share(ring, &error), "%s", error.text);
}

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* Another process, with no privileges but those of that user. */
static void as_user(uid_t uid, void (*act)(struct ring *), struct ring *ring)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (geteuid() == 0) {
			ck_assert_int_eq(setresgid(uid, uid, uid), 0);
			ck_assert_int_eq(setresuid(uid, uid, uid), 0);
		}
		act(ring);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static void expect_no_resize(int fd)
{
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	ck_assert_int_eq(fallocate(fd, 0, 0, 1 << 20), -1);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(errno, EPERM);
}

static void expect_read_only(int fd)
{
	void *mapped = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(mapped, MAP_FAILED);
	ck_assert_int_eq(mprotect(mapped, PAGE, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(madvise(mapped, PAGE, MADV_REMOVE), -1);
	ck_assert_ptr_eq(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq((int)pwrite(fd, "x", 1, 0), -1);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), -1);
	munmap(mapped, PAGE);
	expect_no_resize(fd);
}

static void expect_no_reopening(const struct ring *ring)
{
	ck_assert_int_eq(reopen(ring->reader_fd, O_RDWR), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(reopen(ring->reader_fd, O_WRONLY), -1);
	ck_assert_int_eq(errno, EACCES);
}

START_TEST(test_descriptor)
{
	struct ring ring;

	open_shared(&ring);
	expect_read_only(ring.reader_fd);
	ring_release(&ring);
}
END_TEST

static void act_as_another(struct ring *ring)
{
	expect_no_reopening(ring);
	ck_assert_int_eq(fchmod(ring->reader_fd, 0600), -1);
	ck_assert_int_eq(errno, EPERM);
	expect_read_only(ring->reader_fd);
}

START_TEST(test_another_user)
{
	struct ring ring;

	if (geteuid() != 0)
		return; /* nobody else can be acted as */
	open_shared(&ring);
	as_user(NOBODY, act_as_another, &ring);
	ring_release(&ring);
}
END_TEST

/* The daemon and the reader are of this user. */
static void act_as_the_same(struct ring *ring)
{
	int writer;

	open_shared(ring);
	expect_no_reopening(ring);
	expect_read_only(ring->reader_fd);

	/* The owner can make it writable, but can still not make it fatal to others. */
	ck_assert_int_eq(fchmod(ring->reader_fd, 0600), 0);
	writer = reopen(ring->reader_fd, O_RDWR);
	ck_assert_int_ge(writer, 0);
	expect_no_resize(writer);
}

START_TEST(test_the_same_user)
{
	struct ring ring;

	as_user(NOBODY, act_as_the_same, &ring);
}
END_TEST

/* --- what a process of the daemon's user can do to the daemon ----------------------------------
 */

static struct harness harness;

static void setup(void)
{
	harness_setup(&harness, "frames");
}

static void teardown(void)
{
	harness_teardown(&harness);
}

/* Owns the memory, so it gets at the descriptor that it wants. */
static uint8_t *map_for_writing(const struct ring *ring)
{
	int writer;
	uint8_t *memory;

	ck_assert_int_eq(fchmod(ring->reader_fd, 0600), 0);
	writer = reopen(ring->reader_fd, O_RDWR);
	ck_assert_int_ge(writer, 0);
	memory = mmap(NULL, PAGE + RING, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(writer);
	return memory;
}

static void scribble(uint8_t *memory, unsigned round)
{
	if (round % 16 == 0)
		ck_assert_int_eq(madvise(memory, PAGE + RING, MADV_REMOVE), 0);
	else
		memset(memory, (int)round, PAGE + RING);
}

/*
 * Everything that readers can map is overwritten again and again: the daemon still knows where each
 * record is, and who has been sent what, and what is left alone arrives as it was.
 */
START_TEST(test_scribbling)
{
	static char text[3000];
	struct buffer stream = {0};
	struct error error;
	uint8_t *memory;
	size_t sent = 0;
	int reading, stalled;

	harness_open(&harness);
	reading = harness_connect(&harness);
	stalled = harness_connect(&harness);
	harness_narrow(&harness);
	harness_send_hello(reading, FRAMES_START_DEFAULT, FRAMES_MODE_BYTES, 0);
	harness_send_hello(stalled, FRAMES_START_DEFAULT, FRAMES_MODE_BYTES, 0);
	harness_drain(&harness, reading, &stream);
	buffer_clear(&stream);
	ck_assert(outlet_core_open_ring(&harness.outlet->core));
	ck_assert(ring_share(&harness.outlet->core.ring, &error));
	memory = map_for_writing(&harness.outlet->core.ring);
	for (unsigned round = 0; round < 500; round++) {
		size_t length = (size_t)rand() % sizeof(text);

		harness_publish(&harness, 0, OUTLET_TEXT, text, length);
		sent += (FRAMES_HEADER_SIZE + length + 7) & ~7UL;
		scribble(memory, round);
		harness_drain(&harness, reading, &stream);
		ck_assert_uint_eq(stream.length, sent);
	}
	ck_assert(harness_contains(&harness.events, "lag"));
	ck_assert_uint_eq(harness.outlet->core.ring.head, sent);
	buffer_clear(&stream);
	harness_publish_text(&harness, 0, "left alone");
	harness_drain(&harness, reading, &stream);
	harness_expect_record(&stream, FRAMES_TEXT, 501, 0, "left alone");
	munmap(memory, PAGE + RING);
	buffer_release(&stream);
	close(reading);
	close(stalled);
}
END_TEST

Suite *ring_hostile_suite(void)
{
	Suite *suite = suite_create("ring_hostile");
	TCase *descriptors = tcase_create("descriptors");
	TCase *scribbling = tcase_create("scribbling");

	tcase_add_test(descriptors, test_descriptor);
	tcase_add_test(descriptors, test_another_user);
	tcase_add_test(descriptors, test_the_same_user);
	suite_add_tcase(suite, descriptors);
	tcase_set_timeout(scribbling, 60);
	tcase_add_checked_fixture(scribbling, setup, teardown);
	tcase_add_test(scribbling, test_scribbling);
	suite_add_tcase(suite, scribbling);
	return suite;
}
