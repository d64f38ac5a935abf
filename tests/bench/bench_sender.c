/*
 * A WebSocket server for one client: answers its opening handshake, then sends N text messages as
 * fast as they are taken, or at a steady rate; with --deflate, compressed. Standard output: the
 * port, then "sent".
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "block.h"

enum {
	NS_PER_SECOND = 1000000000,
	TICK_NS = 1000000, /* with --rate: from one batch to the next */
};

struct options {
	uint64_t messages;
	uint64_t size; /* bytes of payload */
	uint64_t rate; /* messages a second; 0: as fast as they are taken */
	bool deflate;
};

static void send_frames(int client, const struct block *block, uint64_t count)
{
	while (count) {
		uint64_t batch = count < block->frames ? count : block->frames;

		bench_write(client, block->data, block->ends[batch - 1]);
		count -= batch;
	}
}

/* Sends at each tick what is due by then; a client that does not keep up is not waited for. */
static void send_at_rate(int client, const struct block *block, const struct options *options)
{
	struct timespec next;
	uint64_t sent = 0;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (uint64_t tick = 1; sent < options->messages; tick++) {
		uint64_t due = tick * options->rate / (NS_PER_SECOND / TICK_NS);

		if (due > options->messages)
			due = options->messages;
		next.tv_nsec += TICK_NS;
		if (next.tv_nsec >= NS_PER_SECOND) {
			next.tv_nsec -= NS_PER_SECOND;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		send_frames(client, block, due - sent);
		sent = due;
	}
}

static int accept_client(int listener, bool deflate)
{
	static const char extension[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
	char request[BENCH_HEAD_MAX], answer[BENCH_HEAD_MAX];
	size_t length = 0;
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		bench_die("accept");
	do {
		ssize_t got = read(client, request + length, sizeof(request) - 1 - length);

		if (got <= 0)
			bench_die("no complete request");
		length += (size_t)got;
		request[length] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	errno = 0;
	if (deflate && !strstr(request, "permessage-deflate"))
		bench_die("the client does not offer permessage-deflate");
	bench_write(client, answer, bench_upgrade_answer(request, deflate ? extension : "", answer));
	return client;
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"messages", required_argument, NULL, 'm'},
		{"size", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
		{"deflate", no_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.messages = 1000000, .size = 128};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 'm')
			options.messages = bench_number("messages", optarg, 1);
		else if (choice == 's')
			options.size = bench_number("size", optarg, 0);
		else if (choice == 'r')
			options.rate = bench_number("rate", optarg, 1);
		else if (choice == 'd')
			options.deflate = true;
		else
			exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct block block =
		options.deflate ? block_deflated(options.size) : block_plain(options.size);
	int listener = bench_listen_loopback();
	int client = accept_client(listener, options.deflate);
	char rest[4096];

	if (options.rate)
		send_at_rate(client, &block, &options);
	else
		send_frames(client, &block, options.messages);
	bench_say("sent");
	while (read(client, rest, sizeof(rest)) > 0)
		; /* were the server to close, the client would reconnect while it is measured */
	block_free(&block);
	return EXIT_SUCCESS;
}
