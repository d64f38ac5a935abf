/*
 * A WebSocket server for one client: answers its opening handshake, then sends N text messages as
 * fast as they are taken, or at a steady rate. Standard output: the port, then "sent".
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

enum {
	BLOCK_BYTES = 1 << 20, /* about so much goes into one write */
	FRAME_HEADER_MAX = 10,
	NS_PER_SECOND = 1000000000,
	TICK_NS = 1000000, /* with --rate: from one batch to the next */
};

struct options {
	uint64_t messages;
	uint64_t size; /* bytes of payload */
	uint64_t rate; /* messages a second; 0: as fast as they are taken */
};

/* The same frame over and over: whole frames only, so that any prefix of n frames can be sent. */
struct block {
	uint8_t *data;
	size_t frame_length;
	size_t frames;
};

/* An unmasked, final text frame: RFC 6455, section 5.2. Returns the length of its header. */
static size_t frame_header(uint8_t header[FRAME_HEADER_MAX], uint64_t size)
{
	size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;

	header[0] = 0x81;
	header[1] = (uint8_t)(bytes == 0 ? size : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++)
		header[2 + i] = (uint8_t)(size >> 8 * (bytes - 1 - i));
	return 2 + bytes;
}

static struct block block_make(uint64_t size)
{
	uint8_t header[FRAME_HEADER_MAX];
	size_t header_length = frame_header(header, size);
	struct block block = {.frame_length = header_length + size};
	uint8_t *frame;

	block.frames = block.frame_length < BLOCK_BYTES ? BLOCK_BYTES / block.frame_length : 1;
	frame = block.data = malloc(block.frames * block.frame_length);
	if (!frame)
		bench_die("malloc");
	for (size_t i = 0; i < block.frames; i++, frame += block.frame_length) {
		memcpy(frame, header, header_length);
		for (size_t at = 0; at < size; at++)
			frame[header_length + at] = (uint8_t)('a' + at % 26);
	}
	return block;
}

static void send_frames(int client, const struct block *block, uint64_t count)
{
	while (count) {
		uint64_t batch = count < block->frames ? count : block->frames;

		bench_write(client, block->data, batch * block->frame_length);
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

static int accept_client(int listener)
{
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
	bench_write(client, answer, bench_upgrade_answer(request, answer));
	return client;
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"messages", required_argument, NULL, 'm'},
		{"size", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
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
		else
			exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct block block = block_make(options.size);
	int listener = bench_listen_loopback();
	int client = accept_client(listener);
	char rest[4096];

	if (options.rate)
		send_at_rate(client, &block, &options);
	else
		send_frames(client, &block, options.messages);
	bench_say("sent");
	while (read(client, rest, sizeof(rest)) > 0)
		; /* were the server to close, the client would reconnect while it is measured */
	free(block.data);
	return EXIT_SUCCESS;
}
