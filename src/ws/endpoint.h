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

/* Traffic of an open WebSocket; names as in the statistics. */
struct ws_endpoint_counts {
	uint64_t bytes_sent; /* of the stream */
	uint64_t bytes_recv;
	uint64_t messages_sent;
	uint64_t frames_sent;
	uint64_t frames_recv;
	uint64_t pings_sent;
	uint64_t pongs_recv;
	uint64_t pings_recv;
	uint64_t rtt_us; /* of the last ping, the least, the most; 0: none measured yet */
	uint64_t rtt_min_us;
	uint64_t rtt_max_us;
	uint64_t compressed_sent;   /* payload of compressed messages, as sent */
	uint64_t uncompressed_sent; /* and before */
	uint64_t compressed_recv;   /* payload of compressed messages, as received */
	uint64_t uncompressed_recv; /* and inflated */
	uint64_t bombs; /* messages refused with 1009 only once inflated */
	uint64_t heartbeats_sent;
};

#endif
