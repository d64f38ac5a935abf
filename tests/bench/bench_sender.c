/*
 * A WebSocket server for N clients: answers their opening handshakes, and when it is told to, sends
 * its messages to all of them at the same time, as fast as they are taken. With --cert over TLS,
 * with --deflate compressed. With --rate at a steady rate, each message with the time of sending.
 * Standard output: the port, "open" when all are connected, and "sent". It begins when a line comes
 * on standard input.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "block.h"
#include "stream.h"

enum { NS_PER_SECOND = 1000000000 };

struct options {
	uint64_t messages; /* for each client */
	uint64_t clients;
	uint64_t size;    /* bytes of payload */
	uint64_t rate;    /* messages a second; 0: as fast as they are taken */
	const char *cert; /* PEM file; NULL: without TLS */
	bool deflate;
};

struct client {
	const struct options *options;
	const struct block *block;
	struct stream stream;
	pthread_t thread;
};

static void send_frames(const struct client *client)
{
	const struct block *block = client->block;
	uint64_t left = client->options->messages;

	while (left) {
		uint64_t batch = left < block->frames ? left : block->frames;

		stream_write(&client->stream, block->data, block->ends[batch - 1]);
		left -= batch;
	}
}

/* One message at a time, each when it is due. One that is late does not delay the others. */
static void send_at_rate(const struct client *client)
{
	const struct block *block = client->block;
	uint64_t interval = NS_PER_SECOND / client->options->rate;
	uint64_t due = bench_now();

	prctl(PR_SET_TIMERSLACK, 1);
	for (uint64_t sent = 0; sent < client->options->messages; sent++) {
		struct timespec time;

		due += interval;
		time.tv_sec = (time_t)(due / NS_PER_SECOND);
		time.tv_nsec = (long)(due % NS_PER_SECOND);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
		bench_stamp_write(block->data + block->ends[0] - client->options->size,
			bench_now());
		stream_write(&client->stream, block->data, block->ends[0]);
	}
}

static void *client_run(void *argument)
{
	const struct client *client = argument;

	if (client->options->rate)
		send_at_rate(client);
	else
		send_frames(client);
	return NULL;
}

static void client_accept(struct client *client, int listener, SSL_CTX *context)
{
	static const char extension[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
	char request[BENCH_HEAD_MAX], answer[BENCH_HEAD_MAX];
	bool deflate = client->options->deflate;
	size_t length = 0;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		bench_die("accept");
	client->stream = stream_accept(fd, context);
	do {
		size_t got = stream_read(&client->stream, request + length,
			sizeof(request) - 1 - length);

		if (got == 0)
			bench_die("no complete request");
		length += got;
		request[length] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	if (deflate && !strstr(request, "permessage-deflate"))
		bench_die("the client does not offer permessage-deflate");
	stream_write(&client->stream, answer,
		bench_upgrade_answer(request, deflate ? extension : "", answer));
}

static void send_to_all(struct client *clients, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		errno = pthread_create(&clients[i].thread, NULL, client_run, &clients[i]);
		if (errno)
			bench_die("pthread_create");
	}
	for (uint64_t i = 0; i < count; i++)
		pthread_join(clients[i].thread, NULL);
}

static void options_check(const struct options *options)
{
	errno = 0;
	if (options->rate && (options->clients > 1 || options->deflate))
		bench_die("--rate is for a single client, and not for --deflate");
	if (options->rate && options->size < BENCH_STAMP_SIZE)
		bench_die("--rate: --size is at least %d", BENCH_STAMP_SIZE);
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"messages", required_argument, NULL, 'm'},
		{"clients", required_argument, NULL, 'n'},
		{"cert", required_argument, NULL, 'c'},
		{"size", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
		{"deflate", no_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.messages = 1000000, .clients = 1, .size = 128};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 'm')
			options.messages = bench_number("messages", optarg, 1);
		else if (choice == 'n')
			options.clients = bench_number("clients", optarg, 1);
		else if (choice == 'c')
			options.cert = optarg;
		else if (choice == 's')
			options.size = bench_number("size", optarg, 0);
		else if (choice == 'r')
			options.rate = bench_number("rate", optarg, 1);
		else if (choice == 'd')
			options.deflate = true;
		else
			exit(2);
	}
	options_check(&options);
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct block block =
		options.deflate ? block_deflated(options.size) : block_plain(options.size);
	SSL_CTX *context = options.cert ? stream_server_context(options.cert) : NULL;
	struct client *clients = calloc(options.clients, sizeof(*clients));
	int listener = bench_listen_loopback();

	if (!clients)
		bench_die("calloc");
	for (uint64_t i = 0; i < options.clients; i++) {
		clients[i] = (struct client){.options = &options, .block = &block};
		client_accept(&clients[i], listener, context);
	}
	bench_say("open");
	if (getchar() == EOF)
		return EXIT_SUCCESS;
	send_to_all(clients, options.clients);
	bench_say("sent");
	bench_wait_for_end();
	return EXIT_SUCCESS;
}
