/*
 * A WebSocket server for thousands of clients that are told nothing: answers their opening
 * handshakes and holds the connections. Standard output: the port, then "open" when N are open at
 * the same time.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { EVENTS = 256 };

struct client {
	int fd;
	char *request; /* as far as it has come; NULL once it is answered */
	size_t length;
};

struct server {
	int epoll;
	int listener;
	uint64_t expected;
	uint64_t open;
};

static void server_watch(struct server *server, int fd, struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		bench_die("epoll_ctl");
}

static void server_accept(struct server *server)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client || !(client->request = malloc(BENCH_HEAD_MAX)))
		bench_die("malloc");
	client->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	if (client->fd < 0)
		bench_die("accept");
	server_watch(server, client->fd, client);
}

static void client_upgrade(struct server *server, struct client *client)
{
	char answer[BENCH_HEAD_MAX];

	client->request[client->length] = '\0';
	if (!strstr(client->request, "\r\n\r\n"))
		return;
	bench_write(client->fd, answer, bench_upgrade_answer(client->request, "", answer));
	free(client->request);
	client->request = NULL;
	if (++server->open == server->expected)
		bench_say("open");
}

static void client_gone(struct server *server, struct client *client)
{
	if (!client->request)
		server->open--;
	close(client->fd);
	free(client->request);
	free(client);
}

/* What an open connection sends (pings, the closing handshake) is read and dropped. */
static void client_read(struct server *server, struct client *client)
{
	char dropped[4096];
	char *into = client->request ? client->request + client->length : dropped;
	size_t room = client->request ? BENCH_HEAD_MAX - 1 - client->length : sizeof(dropped);
	ssize_t length = read(client->fd, into, room);

	if (length <= 0) {
		client_gone(server, client);
		return;
	}
	if (client->request) {
		client->length += (size_t)length;
		client_upgrade(server, client);
	}
}

static void server_run(struct server *server)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(server->epoll, events, EVENTS, -1);

		if (count < 0)
			bench_die("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				client_read(server, events[i].data.ptr);
			else
				server_accept(server);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"connections", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct server server = {.expected = 1000};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice != 'c')
			return 2;
		server.expected = bench_number("connections", optarg, 1);
	}
	bench_raise_file_limit();
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		bench_die("epoll_create1");
	server.listener = bench_listen_loopback();
	server_watch(&server, server.listener, NULL);
	server_run(&server);
}
