#ifndef WS_ENDPOINT_H
#define WS_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

/* Settings of an open WebSocket, which may change while it is open. Times are nanoseconds. */
struct ws_endpoint_settings {
	uint64_t close_timeout; /* for the server, to end the stream after the closing handshake */
	struct {
		uint64_t interval; /* 0: no pings */
		uint64_t timeout;  /* from a ping to its pong; 0: none */
		char *payload;     /* at most WS_CONTROL_MAX bytes; NULL: a time stamp */
	} ping;
	uint64_t idle_timeout; /* longest time without a message from the server; 0: none */
	uint64_t max_message;  /* bytes of a message received, after inflating */
	uint64_t send_queue;   /* bytes that may wait for the server */
	struct {
		double messages; /* per second; 0: no limit */
		unsigned burst;  /* messages that may leave at once, at least 1 */
	} send_rate;
	struct {
		uint64_t every; /* 0: no heartbeats; otherwise there is a message */
		char *message;
		bool binary;    /* `message` is base64, and valid */
		bool only_idle; /* only when no message has left for that time */
	} heartbeat;
};

/* Traffic of an open WebSocket. */
struct ws_endpoint_counts {
#define COUNTER(field, kind, unit, description) uint64_t field;
#include "ws/endpoint_counts.def"
#undef COUNTER
};

#endif
