#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/timers.h"
#include "base/turns.h"
#include "gateway/call.h"
#include "gateway/settings.h"
#include "ws/endpoint.h"
#include "ws/outgoing.h"
#include "ws/receiver.h"

/*
 * An open WebSocket over a stream: lets the endpoint (ws/endpoint) read and write in turns that are
 * fair to other sessions, and stops reading while its owner is held up. It ends once, and does not
 * come back.
 */
struct session;

/* Shared by the sessions of a daemon, which run one after the other. */
enum { SESSION_READ_SIZE = 512 * 1024 };
struct session_shared {
	struct event_base *base;
	struct timers *timers;
	struct ws_endpoint_shared endpoints;
	uint8_t *read_buffer; /* of SESSION_READ_SIZE; NULL until a session reads */
	unsigned busy;        /* sessions that had no time to parse all that they have read */
	struct turns writes;  /* sessions that have output */
};

/* Of a shared part that is zero. */
void session_shared_init(struct session_shared *shared, struct event_base *base,
	struct timers *timers);
void session_shared_release(struct session_shared *shared);

/* The end of a session. */
struct session_end {
	unsigned code;             /* of the close frames; 1005, 1006: RFC 6455, section 7.1.5 */
	const char *reason;        /* UTF-8, never NULL */
	bool remote;               /* the server began to close */
	size_t lost;               /* messages received, but not delivered */
	const struct error *error; /* NULL: an orderly close */
};

/* Called from the event loop, but for `message` from session_resume() and `ended` from
 * session_abort(). */
struct session_callbacks {
	/*
	 * A text or binary message from the server, borrowed for the time of the call: `time` of
	 * receipt, ns since 1970; `us` from its first byte to its last. False: not now; the session
	 * keeps the message, stops reading, and offers it again with session_resume().
	 */
	bool (*message)(struct session *session, const struct ws_message *message, uint64_t time,
		uint64_t us, void *context);

	/* True: do not read now. The session is then resumed like one whose message was refused. */
	bool (*held_up)(struct session *session, void *context);

	/* A message to the server has left: bytes, and µs from its first byte to its last. */
	void (*sent)(struct session *session, size_t bytes, uint64_t us, void *context);

	/* Messages to the server have waited for too long, and are dropped. */
	void (*expired)(struct session *session, size_t messages, void *context);

	/* The queue to the server, which had no room or no time, is at most half full. */
	void (*writable)(struct session *session, void *context);

	/* The session is over; free it. */
	void (*ended)(struct session *session, const struct session_end *end, void *context);
};

/* Takes over the stream and the rest of the call's result; borrows everything else, and counts into
 * `counts`. Reading begins with the next turn of the event loop. */
struct session *session_new(struct session_shared *shared,
	const struct connection_settings *settings, struct ws_endpoint_counts *counts,
	struct call_result *result, bool deflate, const struct session_callbacks *callbacks,
	void *context);
void session_free(struct session *session);

/* Takes other settings. */
void session_set_settings(struct session *session, const struct connection_settings *settings);

/* Queues one message, which leaves when the rate permits. Fails when the queue is full or the
 * session is closing. */
bool session_send(struct session *session, struct ws_outgoing *message, struct error *error);

/* True if the queue takes a message of that size now. If not, `writable` follows. */
bool session_has_room(struct session *session, size_t length);

/* For senders of many messages: true if there is also time for one more in this turn of the event
 * loop. If not, `writable` follows. */
bool session_has_turn(struct session *session, size_t length);

/* Has `writable` called, in a later turn. */
void session_ask(struct session *session);

/* No heartbeat is sent while the owner's first messages are. */
void session_set_opening(struct session *session, bool opening);

bool session_ping(struct session *session, struct error *error);

/*
 * Begins the closing handshake. Messages are delivered until the server's close frame. `ended`
 * follows within the close timeout, or the time to drain if that is longer and messages are held
 * up.
 */
void session_close(struct session *session, unsigned code, const char *reason);

/* Ends the session at once. Messages that are held up are lost. */
void session_abort(struct session *session);

/* Continues a session that is held up. False: it is not, or is again at once. */
bool session_resume(struct session *session);

/* True while no close frame has been sent or received. */
bool session_is_open(const struct session *session);

/* True while it is held up. */
bool session_paused(const struct session *session);

/* Messages that have been received and not delivered. */
size_t session_undelivered(struct session *session);

size_t session_queued(const struct session *session); /* bytes to the server */

/* Messages that have not left whole, as of ws_endpoint_unsent(); and when it has ended, those among
 * them that were to be kept, as of ws_endpoint_take_unsent(). */
struct ws_endpoint_unsent session_unsent(const struct session *session);
void session_take_unsent(struct session *session, struct ws_message_queue *queue);

#endif
