#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

/* A WebSocket server in the event loop of the gateway under test (gateway_harness.h), which answers as
 * it is told to. */

#define OPEN   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define BUSY   "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#define HANGUP ""

/* One call. */
struct peer {
	int fd; /* -1: closed */
	struct event *reading;
	unsigned char got[4096];
	size_t length;
	bool open;           /* the opening handshake is over */
	bool closing;        /* it has sent a close frame */
	unsigned close_code; /* from the gateway; 0: none yet */
};

struct gateway_server {
	int listener;
	unsigned port;
	struct event *accepting;
	struct peer peers[32]; /* in the order of their calls */
	unsigned calls;
	const char *answer; /* to the request; NULL: none */
	bool keeps_open;    /* does not answer a close frame */
};
extern struct gateway_server server;

/* After gateway_setup(). The answer is OPEN. */
void start_server(void);

/* Calls are refused from now on; sessions stay open. */
void refuse_calls(void);

/* Answers the request, also later if there was no answer at first. */
void answer(struct peer *peer);

void send_bytes(struct peer *peer, const void *data, size_t length);
void send_close(struct peer *peer, unsigned code);

/* Ends the call, unless it has ended. */
void hang_up(struct peer *peer);

#endif
