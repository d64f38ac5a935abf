/*
 * K subscribers in one process that map the ring of a `frames` outlet and read every record in
 * place, by the steps in src/outlet/frames.h. Each has a thread and sleeps on the futex when there
 * is nothing to read; with --spin one thread goes around all of them and never sleeps. Ends when
 * each has seen the last of N messages. Standard output: "connected"; at the end
 * "lost N": records that were overwritten before they were read, of all subscribers together;
 * "latency P50 P99 P99.9 MAX" with --stamps; "done NS" as bench_drain says it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "latency.h"
#include "outlet/frames.h"

enum {
	ANSWER_MAX = 65536,
	PATIENCE_S = 60, /* without a record; then something is wrong */
};

struct options {
	const char *socket;
	size_t subscribers;
	uint64_t messages;
	bool stamps;
	bool spin;
};

struct reader {
	const struct frames_ring *ring;
	const uint8_t *records; /* mapped twice, back to back */
	uint64_t position;
	uint64_t expected; /* seq of the next record */
	uint64_t last;     /* seq of the last record that is waited for */
	uint64_t lost;
	uint64_t first_ns; /* when the first record was seen; 0: not yet */
	size_t which;
	struct latency *latency; /* NULL: no stamps */
	pthread_t thread;
	int fd;
};

/* The daemon's answer to the hello. Returns the descriptor of the memory that came with it. */
static int receive_answer(int fd, char answer[ANSWER_MAX])
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct frames_header header;
	struct iovec part = {.iov_base = &header, .iov_len = sizeof(header)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	size_t rest;
	int memory;

	errno = 0;
	if (got != sizeof(header) || header.type != FRAMES_HELLO || header.size > ANSWER_MAX)
		bench_die("no answer to the hello");
	rest = header.size - sizeof(header);
	if (recv(fd, answer, rest, MSG_WAITALL) != (ssize_t)rest)
		bench_die("half an answer to the hello");
	answer[header.length] = '\0';
	if (!rights || rights->cmsg_type != SCM_RIGHTS)
		bench_die("no memory came along");
	memcpy(&memory, CMSG_DATA(rights), sizeof(memory));
	return memory;
}

/* The page in front, and behind it the records twice, so that each record is contiguous. */
static void reader_map(struct reader *reader, int memory, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *base = mmap(NULL, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED ||
		mmap(base, page + size, PROT_READ, MAP_SHARED | MAP_FIXED, memory, 0) ==
			MAP_FAILED ||
		mmap(base + page + size, size, PROT_READ, MAP_SHARED | MAP_FIXED, memory,
			(off_t)page) == MAP_FAILED)
		bench_die("mmap");
	reader->ring = (const struct frames_ring *)(const void *)base;
	reader->records = base + page;
}

static void reader_open(struct reader *reader, const struct options *options)
{
	struct frames_hello hello = {.magic = FRAMES_MAGIC,
		.version = FRAMES_VERSION,
		.start = FRAMES_START_LIVE,
		.mode = options->spin ? FRAMES_MODE_RING_QUIET : FRAMES_MODE_RING};
	char answer[ANSWER_MAX];
	json_int_t next, size, position;
	json_t *root;
	int memory;

	reader->fd = bench_connect_unix(options->socket, SOCK_STREAM);
	bench_write(reader->fd, &hello, sizeof(hello));
	memory = receive_answer(reader->fd, answer);
	root = json_loads(answer, 0, NULL);
	errno = 0;
	if (json_unpack(root, "{s:I, s:{s:I, s:I}}", "next", &next, "ring", "size", &size,
		    "position", &position))
		bench_die("the answer to the hello is not understood: %s", answer);
	json_decref(root);
	reader_map(reader, memory, (size_t)size);
	close(memory);
	reader->position = (uint64_t)position;
	reader->expected = (uint64_t)next;
	reader->last = (uint64_t)next + options->messages - 1;
}

static const uint8_t *reader_at(const struct reader *reader, uint64_t position)
{
	return reader->records + (position & (reader->ring->size - 1));
}

/* What has been read from the reader's position may be anything if the tail has passed it. */
static bool reader_lapped(const struct reader *reader)
{
	atomic_thread_fence(memory_order_acquire);
	return reader->position < atomic_load_explicit(&reader->ring->tail, memory_order_relaxed);
}

static void reader_take(struct reader *reader, const struct frames_header *header,
	const uint8_t stamp[BENCH_STAMP_SIZE])
{
	reader->lost += header->seq - reader->expected;
	reader->expected = header->seq + 1;
	reader->position += header->size;
	if (reader->latency)
		latency_add(reader->latency, reader->which, bench_now() - bench_stamp_read(stamp));
}

/* Reads what is there. Returns whether there was anything. */
static bool reader_read(struct reader *reader)
{
	uint64_t head = atomic_load_explicit(&reader->ring->head, memory_order_acquire);

	if (reader->position == head)
		return false;
	if (!reader->first_ns)
		reader->first_ns = bench_now();
	while (reader->position < head) {
		const uint8_t *record = reader_at(reader, reader->position);
		uint8_t stamp[BENCH_STAMP_SIZE];
		struct frames_header header;

		memcpy(&header, record, sizeof(header));
		if (reader->latency)
			memcpy(stamp, record + sizeof(header), sizeof(stamp));
		if (reader_lapped(reader))
			reader->position =
				atomic_load_explicit(&reader->ring->restart, memory_order_acquire);
		else
			reader_take(reader, &header, stamp);
	}
	return true;
}

static bool reader_finished(const struct reader *reader)
{
	return reader->expected > reader->last;
}

static void reader_sleep(const struct reader *reader)
{
	static const struct timespec patience = {.tv_sec = PATIENCE_S};
	uint32_t wake = atomic_load_explicit(&reader->ring->wake, memory_order_acquire);

	if (reader->position != atomic_load_explicit(&reader->ring->head, memory_order_acquire))
		return;
	if (syscall(SYS_futex, &reader->ring->wake, FUTEX_WAIT, wake, &patience, NULL, 0) &&
		errno == ETIMEDOUT)
		bench_die("subscriber %zu waits for record %" PRIu64, reader->which,
			reader->expected);
}

static void *reader_run(void *argument)
{
	struct reader *reader = argument;

	while (!reader_finished(reader))
		if (!reader_read(reader))
			reader_sleep(reader);
	return NULL;
}

static void run_sleeping(struct reader *readers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		errno = pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]);
		if (errno)
			bench_die("pthread_create");
	}
	bench_say("connected");
	for (size_t i = 0; i < count; i++)
		pthread_join(readers[i].thread, NULL);
}

static void run_spinning(struct reader *readers, size_t count)
{
	size_t unfinished;

	bench_say("connected");
	do {
		bool idle = true;

		unfinished = 0;
		for (size_t i = 0; i < count; i++) {
			if (reader_read(&readers[i]))
				idle = false;
			if (!reader_finished(&readers[i]))
				unfinished++;
		}
		if (idle)
			sched_yield(); /* where there are fewer cores than programs */
	} while (unfinished);
}

static void say_results(const struct reader *readers, const struct options *options,
	struct latency *latency)
{
	uint64_t end = bench_now(), first = end, lost = 0;

	for (size_t i = 0; i < options->subscribers; i++) {
		lost += readers[i].lost;
		if (readers[i].first_ns < first)
			first = readers[i].first_ns;
	}
	bench_say("lost %" PRIu64, lost);
	if (options->stamps)
		latency_say(latency);
	bench_say("done %" PRIu64, end - first);
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"subscribers", required_argument, NULL, 'k'},
		{"messages", required_argument, NULL, 'm'},
		{"stamps", no_argument, NULL, 't'},
		{"spin", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.subscribers = 1};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 's')
			options.socket = optarg;
		else if (choice == 'k')
			options.subscribers = bench_number("subscribers", optarg, 1);
		else if (choice == 'm')
			options.messages = bench_number("messages", optarg, 1);
		else if (choice == 't')
			options.stamps = true;
		else if (choice == 'p')
			options.spin = true;
		else
			exit(2);
	}
	errno = 0;
	if (!options.socket || !options.messages)
		bench_die("--socket and --messages are needed");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct reader *readers = calloc(options.subscribers, sizeof(*readers));
	struct latency latency = {0};

	if (!readers)
		bench_die("calloc");
	bench_raise_file_limit();
	if (options.stamps)
		latency = latency_new(options.subscribers, options.messages);
	for (size_t i = 0; i < options.subscribers; i++) {
		readers[i].which = i;
		readers[i].latency = options.stamps ? &latency : NULL;
		reader_open(&readers[i], &options);
	}
	if (options.spin)
		run_spinning(readers, options.subscribers);
	else
		run_sleeping(readers, options.subscribers);
	say_results(readers, &options, &latency);
	bench_wait_for_end();
	return EXIT_SUCCESS;
}
