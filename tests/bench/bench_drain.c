/*
 * K subscribers in one process that read as fast as they can and look at nothing, until each has
 * had N records of a known size. With --frames each begins with the hello of that format, with
 * --packets a record is a packet. With --stamp each record has the time of its sending at that
 * offset. Standard output: "connected"; at the end "latency P50 P99 P99.9 MAX" if there are stamps;
 * then "done NS": nanoseconds from the first byte that any of them got to the last byte of all.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "latency.h"
#include "outlet/frames.h"

enum {
	READ_BYTES = 256 * 1024,
	EVENTS = 256,
	PACKETS = 64,
	PATIENCE_MS = 60000, /* without a byte; then something is wrong */
	NO_STAMP = -1,
};

struct options {
	const char *socket;
	size_t subscribers;
	uint64_t records; /* that each subscriber is to receive */
	uint64_t size;    /* of a record, in bytes */
	int64_t stamp;    /* where in a record, or NO_STAMP */
	bool frames;
	bool packets;
};

struct subscriber {
	int fd;
	uint64_t left;                   /* bytes still to come */
	uint8_t stamp[BENCH_STAMP_SIZE]; /* of the record that is coming, as far as it is there */
};

struct drain {
	const struct options *options;
	struct subscriber *subscribers;
	struct latency latency; /* unused without stamps */
	int epoll;
};

/* The answer to the hello names the connections: no other record comes before the messages. */
static void frames_begin(int fd)
{
	struct frames_hello hello = {.magic = FRAMES_MAGIC,
		.version = FRAMES_VERSION,
		.start = FRAMES_START_LIVE,
		.mode = FRAMES_MODE_BYTES};
	struct frames_header header;
	char payload[65536];

	bench_write(fd, &hello, sizeof(hello));
	errno = 0;
	if (recv(fd, &header, sizeof(header), MSG_WAITALL) != sizeof(header) ||
		header.type != FRAMES_HELLO || header.size - sizeof(header) > sizeof(payload) ||
		recv(fd, payload, header.size - sizeof(header), MSG_WAITALL) !=
			(ssize_t)(header.size - sizeof(header)))
		bench_die("no answer to the hello");
}

static struct drain drain_new(const struct options *options)
{
	struct drain drain = {.options = options,
		.subscribers = calloc(options->subscribers, sizeof(*drain.subscribers)),
		.epoll = epoll_create1(EPOLL_CLOEXEC)};

	if (!drain.subscribers || drain.epoll < 0)
		bench_die("no memory for the subscribers");
	if (options->stamp != NO_STAMP)
		drain.latency = latency_new(options->subscribers, options->records);
	return drain;
}

static void drain_connect(struct drain *drain)
{
	const struct options *options = drain->options;

	for (size_t i = 0; i < options->subscribers; i++) {
		struct subscriber *subscriber = &drain->subscribers[i];
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

		subscriber->fd = bench_connect_unix(options->socket,
			options->packets ? SOCK_SEQPACKET : SOCK_STREAM);
		subscriber->left = options->records * options->size;
		if (options->frames)
			frames_begin(subscriber->fd);
		if (epoll_ctl(drain->epoll, EPOLL_CTL_ADD, subscriber->fd, &event))
			bench_die("epoll_ctl");
	}
}

/* All records have the same size, so it is known where in the bytes the stamps are. */
static void stamps_take(struct drain *drain, size_t which, const uint8_t *data, size_t length)
{
	uint64_t size = drain->options->size, begin = (uint64_t)drain->options->stamp;
	struct subscriber *subscriber = &drain->subscribers[which];
	uint64_t at = (drain->options->records * size - subscriber->left) % size;
	uint64_t now = bench_now();

	while (length) {
		uint64_t stop = at < begin              ? begin
			: at < begin + BENCH_STAMP_SIZE ? begin + BENCH_STAMP_SIZE
							: size;
		size_t part = stop - at < length ? (size_t)(stop - at) : length;

		if (at >= begin && at < begin + BENCH_STAMP_SIZE) {
			memcpy(subscriber->stamp + (at - begin), data, part);
			if (at + part == begin + BENCH_STAMP_SIZE)
				latency_add(&drain->latency, which,
					now - bench_stamp_read(subscriber->stamp));
		}
		data += part;
		length -= part;
		at = (at + part) % size;
	}
}

static void subscriber_got(struct drain *drain, size_t which, const uint8_t *data, size_t length)
{
	struct subscriber *subscriber = &drain->subscribers[which];

	errno = 0;
	if (length == 0)
		bench_die("closed with %" PRIu64 " bytes to come", subscriber->left);
	if (length > subscriber->left)
		bench_die("%" PRIu64 " bytes more than expected", length - subscriber->left);
	if (drain->options->stamp != NO_STAMP)
		stamps_take(drain, which, data, length);
	subscriber->left -= length;
}

static void subscriber_read(struct drain *drain, size_t which)
{
	static uint8_t data[READ_BYTES];
	ssize_t length = read(drain->subscribers[which].fd, data, sizeof(data));

	if (length < 0)
		bench_die("read");
	subscriber_got(drain, which, data, (size_t)length);
}

static void subscriber_read_packets(struct drain *drain, size_t which)
{
	static uint8_t data[PACKETS][READ_BYTES];
	struct mmsghdr packets[PACKETS];
	struct iovec parts[PACKETS];
	int count;

	for (size_t i = 0; i < PACKETS; i++) {
		parts[i] = (struct iovec){.iov_base = data[i], .iov_len = sizeof(data[i])};
		packets[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	count = recvmmsg(drain->subscribers[which].fd, packets, PACKETS, MSG_DONTWAIT, NULL);
	if (count < 0)
		bench_die("recvmmsg");
	for (int i = 0; i < count && drain->subscribers[which].left; i++) {
		if (packets[i].msg_len && packets[i].msg_len != drain->options->size)
			bench_die("a packet of %u bytes", packets[i].msg_len);
		subscriber_got(drain, which, data[i], packets[i].msg_len);
	}
}

/* Returns the nanoseconds from the first byte to the last. */
static uint64_t drain_run(struct drain *drain)
{
	size_t unfinished = drain->options->subscribers;
	struct epoll_event events[EVENTS];
	uint64_t first = 0;

	while (unfinished) {
		int count = epoll_wait(drain->epoll, events, EVENTS, PATIENCE_MS);

		if (count <= 0)
			bench_die("%zu subscribers wait for more", unfinished);
		if (!first)
			first = bench_now();
		for (int i = 0; i < count; i++) {
			size_t which = events[i].data.u64;

			if (drain->options->packets)
				subscriber_read_packets(drain, which);
			else
				subscriber_read(drain, which);
			if (!drain->subscribers[which].left)
				unfinished--;
		}
	}
	return bench_now() - first;
}

static void options_check(const struct options *options)
{
	errno = 0;
	if (!options->socket || !options->records || !options->size)
		bench_die("--socket, --records and --size are needed");
	if (options->stamp != NO_STAMP &&
		(uint64_t)options->stamp + BENCH_STAMP_SIZE > options->size)
		bench_die("--stamp: beyond the record");
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"subscribers", required_argument, NULL, 'k'},
		{"records", required_argument, NULL, 'n'},
		{"size", required_argument, NULL, 'b'},
		{"stamp", required_argument, NULL, 't'},
		{"frames", no_argument, NULL, 'f'},
		{"packets", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.subscribers = 1, .stamp = NO_STAMP};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 's')
			options.socket = optarg;
		else if (choice == 'k')
			options.subscribers = bench_number("subscribers", optarg, 1);
		else if (choice == 'n')
			options.records = bench_number("records", optarg, 1);
		else if (choice == 'b')
			options.size = bench_number("size", optarg, 1);
		else if (choice == 't')
			options.stamp = (int64_t)bench_number("stamp", optarg, 0);
		else if (choice == 'f')
			options.frames = true;
		else if (choice == 'p')
			options.packets = true;
		else
			exit(2);
	}
	options_check(&options);
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct drain drain = drain_new(&options);
	uint64_t passed;

	bench_raise_file_limit();
	drain_connect(&drain);
	bench_say("connected");
	passed = drain_run(&drain);
	if (options.stamp != NO_STAMP)
		latency_say(&drain.latency);
	bench_say("done %" PRIu64, passed);
	bench_wait_for_end();
	return EXIT_SUCCESS;
}
