/*
 * K subscribers in one process that read as fast as they can and look at nothing, until each has
 * had the expected number of bytes. Standard output: "connected", then "done NS": nanoseconds from
 * the first byte that any of them got to the last byte of all.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum {
	READ_BYTES = 256 * 1024,
	EVENTS = 256,
	PATIENCE_MS = 60000, /* without a byte; then something is wrong */
};

struct options {
	const char *socket;
	size_t subscribers;
	uint64_t bytes; /* that each subscriber is to receive */
};

struct subscriber {
	int fd;
	uint64_t left; /* bytes still to come */
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	errno = 0;
	if (strlen(path) >= sizeof(address.sun_path))
		bench_die("%s: the path is too long", path);
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		bench_die("%s", path);
	return fd;
}

static int connect_subscribers(struct subscriber *subscribers, const struct options *options)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		bench_die("epoll_create1");
	for (size_t i = 0; i < options->subscribers; i++) {
		struct subscriber *subscriber = &subscribers[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};

		subscriber->fd = connect_unix(options->socket);
		subscriber->left = options->bytes;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, subscriber->fd, &event))
			bench_die("epoll_ctl");
	}
	return epoll;
}

static void subscriber_read(struct subscriber *subscriber)
{
	static char data[READ_BYTES];
	ssize_t length = read(subscriber->fd, data, sizeof(data));

	if (length < 0)
		bench_die("read");
	errno = 0;
	if (length == 0)
		bench_die("closed with %" PRIu64 " bytes to come", subscriber->left);
	if ((uint64_t)length > subscriber->left)
		bench_die("%" PRIu64 " bytes more than expected",
			(uint64_t)length - subscriber->left);
	subscriber->left -= (uint64_t)length;
}

/* Returns the nanoseconds from the first byte to the last. */
static uint64_t drain(int epoll, size_t unfinished)
{
	struct epoll_event events[EVENTS];
	uint64_t first = 0;

	while (unfinished) {
		int count = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);

		if (count <= 0)
			bench_die("%zu subscribers wait for more", unfinished);
		if (!first)
			first = now();
		for (int i = 0; i < count; i++) {
			struct subscriber *subscriber = events[i].data.ptr;

			subscriber_read(subscriber);
			if (!subscriber->left)
				unfinished--;
		}
	}
	return now() - first;
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"subscribers", required_argument, NULL, 'k'},
		{"bytes", required_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.subscribers = 1};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 's')
			options.socket = optarg;
		else if (choice == 'k')
			options.subscribers = bench_number("subscribers", optarg, 1);
		else if (choice == 'b')
			options.bytes = bench_number("bytes", optarg, 1);
		else
			exit(2);
	}
	errno = 0;
	if (!options.socket || !options.bytes)
		bench_die("--socket and --bytes are needed");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct subscriber *subscribers = calloc(options.subscribers, sizeof(*subscribers));
	int epoll;

	if (!subscribers)
		bench_die("calloc");
	bench_raise_file_limit();
	epoll = connect_subscribers(subscribers, &options);
	bench_say("connected");
	bench_say("done %" PRIu64, drain(epoll, options.subscribers));
	free(subscribers);
	return EXIT_SUCCESS;
}
