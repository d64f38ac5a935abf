/*
 * The floor: what passing the bytes on costs when nothing is parsed. Waits for K subscribers on a
 * UNIX socket, connects to the sender with a canned handshake, then writes whatever it reads to
 * each of them, waiting for any that is full. Standard output: "ready" when it listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"

enum { READ_BYTES = 256 * 1024 };

struct options {
	uint16_t port;
	const char *socket;
	size_t subscribers;
};

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	errno = 0;
	if (strlen(path) >= sizeof(address.sun_path))
		bench_die("%s: the path is too long", path);
	strcpy(address.sun_path, path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
		listen(listener, SOMAXCONN))
		bench_die("%s", path);
	return listener;
}

static int *accept_subscribers(int listener, size_t count)
{
	int *subscribers = calloc(count, sizeof(*subscribers));

	if (!subscribers)
		bench_die("calloc");
	for (size_t i = 0; i < count; i++) {
		subscribers[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (subscribers[i] < 0)
			bench_die("accept");
	}
	return subscribers;
}

/* Reads byte by byte up to the end of the answer's head: what follows is relayed. */
static int connect_sender(uint16_t port)
{
	static const char request[] = "GET / HTTP/1.1\r\n"
				      "Host: 127.0.0.1\r\n"
				      "Upgrade: websocket\r\n"
				      "Connection: Upgrade\r\n"
				      "Sec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
				      "\r\n";
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	int sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char last[5] = "";

	if (sender < 0 || connect(sender, (struct sockaddr *)&address, sizeof(address)))
		bench_die("127.0.0.1:%u", port);
	bench_write(sender, request, strlen(request));
	while (strcmp(last, "\r\n\r\n") != 0) {
		memmove(last, last + 1, 3);
		if (read(sender, last + 3, 1) != 1)
			bench_die("no answer from the sender");
	}
	return sender;
}

static void relay(int sender, const int *subscribers, size_t count)
{
	static char data[READ_BYTES];
	ssize_t length;

	while ((length = read(sender, data, sizeof(data))) > 0) {
		for (size_t i = 0; i < count; i++)
			bench_write(subscribers[i], data, (size_t)length);
	}
	if (length < 0)
		bench_die("read");
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"port", required_argument, NULL, 'p'},
		{"socket", required_argument, NULL, 's'},
		{"subscribers", required_argument, NULL, 'k'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.subscribers = 1};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 'p')
			options.port = (uint16_t)bench_number("port", optarg, 1);
		else if (choice == 's')
			options.socket = optarg;
		else if (choice == 'k')
			options.subscribers = bench_number("subscribers", optarg, 1);
		else
			exit(2);
	}
	errno = 0;
	if (!options.port || !options.socket)
		bench_die("--port and --socket are needed");
	return options;
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	int listener = listen_unix(options.socket);
	int *subscribers;

	bench_raise_file_limit();
	bench_say("ready");
	subscribers = accept_subscribers(listener, options.subscribers);
	relay(connect_sender(options.port), subscribers, options.subscribers);
	free(subscribers);
	return EXIT_SUCCESS;
}
