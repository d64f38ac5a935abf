#include "gateway_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_harness.h"
#include "handshake_harness.h"

struct gateway_server server;

void hang_up(struct peer *peer)
{
	if (peer->fd < 0)
		return;
	event_free(peer->reading);
	close(peer->fd);
	peer->fd = -1;
}

void send_bytes(struct peer *peer, const void *data, size_t length)
{
	ck_assert_int_eq(write(peer->fd, data, length), (ssize_t)length);
}

void send_close(struct peer *peer, unsigned code)
{
	const unsigned char frame[] = {0x88, 2, (unsigned char)(code >> 8), (unsigned char)code};

	peer->closing = true;
	send_bytes(peer, frame, sizeof(frame));
}

static void accept_call(struct peer *peer)
{
	char line[HANDSHAKE_LINE_SIZE];

	handshake_accept(line, (const char *)peer->got);
	send_bytes(peer, line, strlen(line));
	peer->open = true;
	peer->length = 0;
}

void answer(struct peer *peer)
{
	if (!server.answer)
		return;
	send_bytes(peer, server.answer, strlen(server.answer));
	if (strcmp(server.answer, OPEN) == 0)
		accept_call(peer);
	else
		hang_up(peer);
}

static void skip_pings(struct peer *peer)
{
	while (peer->length > 1 && peer->got[0] == 0x89) {
		size_t size = 6 + (peer->got[1] & 0x7fu);

		if (peer->length < size)
			return;
		peer->length -= size;
		memmove(peer->got, peer->got + size, peer->length);
	}
}

/* The gateway sends nothing but pings and close frames, which are masked. */
static void take_close(struct peer *peer)
{
	const unsigned char *mask = peer->got + 2, *code = peer->got + 6;

	skip_pings(peer);
	if (peer->length < 8)
		return;
	ck_assert_uint_eq(peer->got[0], 0x88);
	peer->close_code = (unsigned)((code[0] ^ mask[0]) << 8 | (code[1] ^ mask[1]));
	if (!peer->closing && server.keeps_open)
		return;
	if (!peer->closing)
		send_close(peer, peer->close_code);
	hang_up(peer);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct peer *peer = context;
	ssize_t got = read(fd, peer->got + peer->length, sizeof(peer->got) - 1 - peer->length);

	(void)what;
	if (got <= 0) {
		hang_up(peer);
		return;
	}
	peer->length += (size_t)got;
	peer->got[peer->length] = '\0';
	if (peer->open)
		take_close(peer);
	else if (strstr((const char *)peer->got, "\r\n\r\n"))
		answer(peer);
}

static void on_call(evutil_socket_t fd, short what, void *context)
{
	struct peer *peer = &server.peers[server.calls];

	(void)what, (void)context;
	ck_assert_uint_lt(server.calls, COUNT(server.peers));
	peer->fd = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer->fd, 0);
	peer->reading = event_new(fixture.base, peer->fd, EV_READ | EV_PERSIST, on_readable, peer);
	event_add(peer->reading, NULL);
	server.calls++;
}

void start_server(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);

	memset(&server, 0, sizeof(server));
	for (int i = 0; i < COUNT(server.peers); i++)
		server.peers[i].fd = -1;
	server.answer = OPEN;
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(server.listener, 8), 0);
	ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &length), 0);
	server.port = ntohs(address.sin_port);
	server.accepting =
		event_new(fixture.base, server.listener, EV_READ | EV_PERSIST, on_call, NULL);
	event_add(server.accepting, NULL);
}

void refuse_calls(void)
{
	if (!server.accepting)
		return;
	event_free(server.accepting);
	server.accepting = NULL;
	close(server.listener);
}
