#ifndef WS_ENDPOINT_H
#define WS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "ws/deflate.h"
#include "ws/message_queue.h"
#include "ws/outgoing.h"
#include "ws/protocol.h"
#include "ws/receiver.h"
#include "ws/sender.h"
#include "ws/watch.h"

/*
 * The client's end of an open WebSocket: frames in and out, pings and heartbeats, the rate of
 * sending, the closing handshake (RFC 6455, sections 5 to 7), and the deadlines of all of them. It
 * does no I/O and reads no clock: the owner hands in what it has read and writes out what it is
 * given; `now` is in nanoseconds and never decreases. After every call that takes `now`,
 * look at ws_endpoint_wants_write(), ws_endpoint_wants_traffic() and ws_endpoint_deadline().
 */

/* Settings of an open WebSocket, which may change while it is open. Times are nanoseconds. */
struct ws_endpoint_settings {
	uint64_t close_timeout; /* longest time without a sign of life while closing */
	struct {
		uint64_t interval; /* 0: no pings */
		uint64_t timeout;  /* longest time without a pong or a sign of life (ws/watch.h),
		                      from a ping on; 0: no limit */
		char *payload;     /* at most WS_CONTROL_MAX bytes; NULL: the time, in digits */
	} ping;
	uint64_t idle_timeout; /* longest time without a message from the server, or a part of
	                          one; 0: no limit */
	uint64_t max_message;  /* bytes of a message received, after inflating */
	enum ws_utf8_policy utf8;
	uint64_t send_queue; /* bytes that may wait for the server */
	uint64_t keep_age;   /* longest time that a message to be kept waits until it is encoded */
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

/* Traffic of an open WebSocket. The owner counts bytes_recv. */
struct ws_endpoint_counts {
#define COUNTER(field, kind, unit, description) uint64_t field;
#include "ws/endpoint_counts.def"
#undef COUNTER
};

/* Shared by the endpoints of a process. Zero-initialise. */
struct ws_endpoint_shared {
	struct ws_mask_pool masks;
	uint64_t drain_timeout; /* ns; limits the closing of an endpoint as a whole, unless
	                           close_timeout is longer */
	size_t encoded;         /* cost of the messages sent since the owner last set it to 0 */
};

enum ws_endpoint_state {
	WS_ENDPOINT_OPEN,
	WS_ENDPOINT_CLOSING, /* our close frame is queued or sent, the server's is awaited */
	WS_ENDPOINT_LOST,    /* output has failed; what the server has sent is still read */
	/* those above take input, those below drop it */
	WS_ENDPOINT_CLOSED, /* both close frames were seen: the server ends the stream now */
	WS_ENDPOINT_FAILED, /* the server broke the protocol; it is to end the stream */
};

struct ws_endpoint_throttle; /* messages that wait: endpoint_private.h */

struct ws_endpoint {
	struct ws_endpoint_shared *shared;
	const struct ws_endpoint_settings *settings;
	struct ws_endpoint_counts *counts;
	enum ws_endpoint_state state;
	bool paused;  /* by the owner */
	bool opening; /* by the owner: its messages come first, so no heartbeat is sent */
	/* private from here on */
	bool close_waits;      /* the close frame, behind all messages that wait */
	bool close_remote;     /* the server began to close */
	bool watched;          /* `watch` has begun */
	bool asked_anew;       /* after a late look; since then there was no sign of life */
	bool idle_anew;        /* the same for idle_timeout, since then no part of a message */
	unsigned close_code;   /* 0: none yet */
	uint32_t unsent;       /* messages not written whole, except those that are transient, */
	uint32_t committed;    /* bytes of `out` that are not written, but cannot be taken back */
	uint64_t unsent_bytes; /* in the unsent messages */
	char *close_reason;    /* NULL: none */
	struct error *error;   /* the first, which the others follow from; NULL: none */

	struct ws_receiver receiver; /* owns its inflater */
	struct ws_deflater *deflater;
	struct buffer out;
	struct buffer out_marks; /* struct endpoint_mark: ends of the messages in `out` */
	uint64_t out_written;    /* position in the output: bytes written so far */
	uint64_t out_start;      /* when the message at the front began to leave */
	struct ws_endpoint_throttle *throttle; /* NULL until a message waits or there is a rate */

	/* moments; 0: none */
	uint64_t ping_sent;    /* the last ping, until it is answered */
	uint64_t last_message; /* received, or a part of one, */
	uint64_t last_sent;    /* and sent */
	uint64_t next_ping;
	uint64_t next_heartbeat;
	uint64_t pong_deadline;  /* for a sign of life */
	uint64_t close_deadline; /* for one while closing, unless it is held up */
	uint64_t drain_deadline; /* for closing as a whole */
	struct ws_watch watch;   /* since pong_deadline was set, or closing began */
};

/* Borrows all its arguments. */
void ws_endpoint_init(struct ws_endpoint *endpoint, struct ws_endpoint_shared *shared,
	const struct ws_endpoint_settings *settings, struct ws_endpoint_counts *counts,
	uint64_t now);

/* Compresses from now on; `level` and `threshold` as of ws_deflater_new(). */
void ws_endpoint_compress(struct ws_endpoint *endpoint, const struct ws_deflate_parameters *agreed,
	int level, size_t threshold);

void ws_endpoint_release(struct ws_endpoint *endpoint);

/* Takes other settings. Pings and heartbeats begin their intervals anew. */
void ws_endpoint_configure(struct ws_endpoint *endpoint,
	const struct ws_endpoint_settings *settings, uint64_t now);

/* --- input ------------------------------------------------------------------------------------ */

/* False: whatever still arrives is dropped. */
static inline bool ws_endpoint_takes_input(const struct ws_endpoint *endpoint)
{
	return endpoint->state <= WS_ENDPOINT_LOST;
}

/* True if it takes input now. */
static inline bool ws_endpoint_reads(const struct ws_endpoint *endpoint)
{
	return !endpoint->paused && ws_endpoint_takes_input(endpoint);
}

/* For ws_endpoint_next() only. */
enum ws_received ws_endpoint_inflate(struct ws_endpoint *endpoint, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure);
void ws_endpoint_take_control(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now);
void ws_endpoint_fail(struct ws_endpoint *endpoint, const struct ws_failure *failure, uint64_t now);

/*
 * Parses up to the next message or control frame. A message is the caller's; control frames and
 * failures have been dealt with. Call again while ws_endpoint_reads(): compressed input is taken in
 * small pieces, so that even WS_RECEIVED_NOTHING can leave some.
 */
static inline enum ws_received ws_endpoint_next(struct ws_endpoint *endpoint,
	struct ws_input *input, struct ws_message *message, uint64_t now)
{
	struct ws_failure failure;
	enum ws_received received = endpoint->receiver.inflater
		? ws_endpoint_inflate(endpoint, input, message, &failure)
		: ws_receiver_next(&endpoint->receiver, input, message, &failure);

	if (received == WS_RECEIVED_MESSAGE)
		endpoint->last_message = now;
	else if (received == WS_RECEIVED_CONTROL)
		ws_endpoint_take_control(endpoint, message, now);
	else if (received == WS_RECEIVED_FAILURE)
		ws_endpoint_fail(endpoint, &failure, now);
	return received;
}

/* Counts what has been received since the last such call: after each batch of input. */
void ws_endpoint_count_received(struct ws_endpoint *endpoint, uint64_t now);

/* Bytes have arrived that cannot be read yet, and may be part of a message: of a record of TLS that
 * is not whole. */
void ws_endpoint_note_arrival(struct ws_endpoint *endpoint, uint64_t now);

/* Stops taking input: while its owner is busy the server is not to blame for missing pongs and
 * messages, nor for a close that takes long. */
void ws_endpoint_pause(struct ws_endpoint *endpoint);

/* The server has all its time again. */
void ws_endpoint_resume(struct ws_endpoint *endpoint, uint64_t now);

/* The stream has ended, in the way that the error says. */
void ws_endpoint_lose_input(struct ws_endpoint *endpoint, const struct error *error);

/* --- output ----------------------------------------------------------------------------------- */

/* Queues a message: encodes it, or keeps it to be encoded later, as it always does if it is to be
 * kept. Fails when the endpoint is closing
 * or has no room: see ws_endpoint_has_room(). */
bool ws_endpoint_send(struct ws_endpoint *endpoint, struct ws_outgoing *message, uint64_t now,
	struct error *error);

/* True if the queue takes a message of that size. An empty one takes any. */
bool ws_endpoint_has_room(const struct ws_endpoint *endpoint, size_t length);

/* False: enough has been encoded for one turn of the owner's; more is kept for later. */
bool ws_endpoint_has_turn(const struct ws_endpoint_shared *shared);

/* Encodes some of the messages that wait, as far as the rate permits, and drops those that are to be
 * kept and have waited for too long. Returns how many it has dropped. */
size_t ws_endpoint_encode(struct ws_endpoint *endpoint, uint64_t now);

/* True if there is output, or messages that ws_endpoint_encode() would make output of. */
bool ws_endpoint_wants_write(const struct ws_endpoint *endpoint);

/* Output that has not been written, valid until the next call; NULL: none. */
static inline const uint8_t *ws_endpoint_output(const struct ws_endpoint *endpoint, size_t *length)
{
	*length = endpoint->out.length;
	return buffer_data(&endpoint->out);
}

/* That much of it has been written. */
void ws_endpoint_wrote(struct ws_endpoint *endpoint, size_t length);

/* Nor can that much of the rest be taken back: TLS has encrypted it. */
static inline void ws_endpoint_commit(struct ws_endpoint *endpoint, size_t length)
{
	endpoint->committed = (uint32_t)length;
}

/* A message whose last byte has been written. */
struct ws_endpoint_sent {
	size_t bytes; /* of its frame */
	uint64_t us;  /* from its first byte to its last */
};

/* The next one, each once, in their order; false: no more. */
bool ws_endpoint_next_sent(struct ws_endpoint *endpoint, struct ws_endpoint_sent *sent,
	uint64_t now);

/* The stream takes no more output, for the reason that the error says. */
void ws_endpoint_lose_output(struct ws_endpoint *endpoint, const struct error *error, uint64_t now);

size_t ws_endpoint_queued(const struct ws_endpoint *endpoint); /* bytes */

/* Messages of which the last byte has not been written, without those that are transient. */
struct ws_endpoint_unsent {
	size_t messages;
	size_t bytes; /* of the messages, not of their frames */
};
struct ws_endpoint_unsent ws_endpoint_unsent(const struct ws_endpoint *endpoint);

/*
 * When the WebSocket is over: moves messages that are not written whole into the queue, which is
 * empty, in their order. All that are to be kept are among them; others have to be dropped.
 */
void ws_endpoint_take_unsent(struct ws_endpoint *endpoint, struct ws_message_queue *queue);

bool ws_endpoint_ping(struct ws_endpoint *endpoint, uint64_t now, struct error *error);

/* --- the end ---------------------------------------------------------------------------------- */

/*
 * Begins the closing handshake, unless it has begun. The close frame follows the messages that
 * wait, but not one that the rate holds back. Once the server has sent one, or has broken the
 * protocol, it may not read on: then messages that are to be kept are not begun any more.
 */
void ws_endpoint_close(struct ws_endpoint *endpoint, unsigned code, const char *reason,
	uint64_t now);

/* Notes that the owner ends the stream before the closing handshake has ended. */
void ws_endpoint_give_up(struct ws_endpoint *endpoint);

/* Result of the closing handshake, as if the stream ended now. */
struct ws_endpoint_end {
	unsigned code;             /* of the close frames; 1005, 1006: RFC 6455, section 7.1.5 */
	const char *reason;        /* UTF-8, never NULL */
	bool remote;               /* the server began to close */
	const struct error *error; /* NULL: an orderly close */
};
void ws_endpoint_end(const struct ws_endpoint *endpoint, struct ws_endpoint_end *end);

/* --- time ------------------------------------------------------------------------------------- */

#define WS_ENDPOINT_NEVER UINT64_MAX

/* When to call ws_endpoint_expire(). Each message received moves it back, so it need not be asked
 * for after every one: it does no harm to call too early. */
uint64_t ws_endpoint_deadline(const struct ws_endpoint *endpoint);

/* True if it begins to watch the server: hand in the traffic before anything is written. */
bool ws_endpoint_wants_traffic(const struct ws_endpoint *endpoint);

/* True if ws_endpoint_expire() would judge the server: first read once what has arrived, and hand in
 * the traffic. */
bool ws_endpoint_judges(const struct ws_endpoint *endpoint, uint64_t now);

/* Traffic since the last call gives the server its time anew. */
void ws_endpoint_take_traffic(struct ws_endpoint *endpoint, const struct ws_traffic *traffic,
	uint64_t now);

/*
 * Does what is due. A deadline that is noticed late (after a suspend, or a long turn of its owner's)
 * is no proof against the server: it is asked again and has all its time, but only once without a
 * sign of life. False: the WebSocket is over. Then the owner writes what output it can at once, and
 * ends the stream.
 */
bool ws_endpoint_expire(struct ws_endpoint *endpoint, uint64_t now);

#endif
