/*
 * A WebSocket server for thousands of clients that are told nothing: answers their opening
 * handshakes and holds the connections. Standard output: the port, then "open" whenever N have come
 * to be open at the same time. SIGUSR1 has it close all of them at once. `--tls FILE` speaks TLS,
 * with the certificate and the private key in that PEM file.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum {
	EVENTS = 256,
	CLOSE_FRAME = 0x88, /* its first byte: RFC 6455, section 5.2 */
};

struct client {
	int fd;
	SSL *ssl;      /* NULL: plain */
	char *request; /* as far as it has come; NULL once it is answered */
	size_t length;
	LIST_ENTRY(client) entry;
};

struct server {
	int epoll;
	int listener;
	int signals;
	SSL_CTX *tls; /* NULL: plain */
	LIST_HEAD(, client) clients;
	uint64_t expected;
	uint64_t open;
};

/* `thing` tells the events apart: a client, or the address of the descriptor in the server. */
static void server_watch(struct server *server, int fd, void *thing)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = thing};

	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		bench_die("epoll_ctl");
}

static void client_gone(struct server *server, struct client *client)
{
	if (!client->request)
		server->open--;
	LIST_REMOVE(client, entry);
	SSL_free(client->ssl);
	close(client->fd);
	free(client->request);
	free(client);
}

/* Waits for the handshake: who comes is known to go on with it. */
static void client_start_tls(struct server *server, struct client *client)
{
	client->ssl = SSL_new(server->tls);
	if (!client->ssl || !SSL_set_fd(client->ssl, client->fd))
		bench_die("OpenSSL");
	if (SSL_accept(client->ssl) == 1)
		server_watch(server, client->fd, client);
	else
		client_gone(server, client);
}

static void server_accept(struct server *server)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client || !(client->request = malloc(BENCH_HEAD_MAX)))
		bench_die("malloc");
	client->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	if (client->fd < 0)
		bench_die("accept");
	LIST_INSERT_HEAD(&server->clients, client, entry);
	if (server->tls)
		client_start_tls(server, client);
	else
		server_watch(server, client->fd, client);
}

static void server_close_all(struct server *server)
{
	struct signalfd_siginfo taken;

	if (read(server->signals, &taken, sizeof(taken)) != sizeof(taken))
		bench_die("signalfd");
	while (!LIST_EMPTY(&server->clients))
		client_gone(server, LIST_FIRST(&server->clients));
}

static ssize_t client_receive(struct client *client, void *into, size_t room)
{
	if (client->ssl)
		return SSL_read(client->ssl, into, (int)room);
	return read(client->fd, into, room);
}

static void client_answer(struct client *client, const char *answer, size_t length)
{
	if (!client->ssl)
		bench_write(client->fd, answer, length);
	else if (SSL_write(client->ssl, answer, (int)length) <= 0)
		bench_die("SSL_write");
}

static void client_upgrade(struct server *server, struct client *client)
{
	char answer[BENCH_HEAD_MAX];

	client->request[client->length] = '\0';
	if (!strstr(client->request, "\r\n\r\n"))
		return;
	client_answer(client, answer, bench_upgrade_answer(client->request, "", answer));
	free(client->request);
	client->request = NULL;
	if (++server->open == server->expected)
		bench_say("open");
}

/* What an open connection sends (pings) is read and dropped, until it begins to close. */
static void client_read(struct server *server, struct client *client)
{
	unsigned char dropped[4096];
	void *into = client->request ? client->request + client->length : (void *)dropped;
	size_t room = client->request ? BENCH_HEAD_MAX - 1 - client->length : sizeof(dropped);
	ssize_t length = client_receive(client, into, room);

	if (length <= 0 || (!client->request && dropped[0] == CLOSE_FRAME)) {
		client_gone(server, client);
		return;
	}
	if (client->request) {
		client->length += (size_t)length;
		client_upgrade(server, client);
	}
}

/* Whether the other events of the same turn can still be used. */
static bool server_handle(struct server *server, void *thing)
{
	if (thing == &server->signals) {
		server_close_all(server);
		return false;
	}
	if (thing == &server->listener)
		server_accept(server);
	else
		client_read(server, thing);
	return true;
}

static void server_run(struct server *server)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(server->epoll, events, EVENTS, -1);

		if (count < 0)
			bench_die("epoll_wait");
		for (int i = 0; i < count && server_handle(server, events[i].data.ptr); i++) {
		}
	}
}

static SSL_CTX *server_tls(const char *file)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	errno = 0;
	if (!tls || SSL_CTX_use_certificate_chain_file(tls, file) != 1 ||
		SSL_CTX_use_PrivateKey_file(tls, file, SSL_FILETYPE_PEM) != 1)
		bench_die("%s: cannot be used for TLS", file);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	return tls;
}

static int server_catch(int number)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, number);
	fd = sigprocmask(SIG_BLOCK, &signals, NULL) ? -1 : signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		bench_die("signalfd");
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"connections", required_argument, NULL, 'c'},
		{"tls", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct server server = {.expected = 1000};
	int choice;

	while ((choice = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (choice == 'c')
			server.expected = bench_number("connections", optarg, 1);
		else if (choice == 't')
			server.tls = server_tls(optarg);
		else
			return 2;
	}
	bench_raise_file_limit();
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to whoever has gone */
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		bench_die("epoll_create1");
	server.signals = server_catch(SIGUSR1);
	server_watch(&server, server.signals, &server.signals);
	server.listener = bench_listen_loopback();
	server_watch(&server, server.listener, &server.listener);
	server_run(&server);
}
