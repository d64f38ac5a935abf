#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "base/error.h"
#include "gateway/call.h"
#include "gateway/settings.h"
#include "gateway/stats.h"
#include "ws/outgoing.h"
#include "ws/protocol.h"
#include "ws/receiver.h"
#include "ws/sender.h"

/*
 * An open WebSocket over a stream: frames in and out, pings and their deadline, the closing
 * handshake. It ends once, and does not come back.
 */
struct session;

/* What the sessions of a daemon share: they run one after the other. */
enum { SESSION_READ_SIZE = 512 * 1024 };
TAILQ_HEAD(session_writers, session);
struct session_shared {
	struct event_base *base;
	uint8_t *read_buffer; /* of SESSION_READ_SIZE; NULL until a session reads */
	unsigned busy; /* sessions that had no time to parse all that they have read */
	uint64_t drain_timeout; /* ns; for the end of a session that is held up */
	struct ws_mask_pool masks;
	struct session_writers writers; /* in the order in which they write */
	struct event write;  /* active while there are some */
	unsigned write_turn; /* which one this is, or the last was */
	size_t encoded; /* since then: what encoding has cost, or will for what has been put off */
};

/* The rest of it is zero. */
void session_shared_init(struct session_shared *shared, struct event_base *base);
void session_shared_release(struct session_shared *shared);

/* How a session ended. */
struct session_end {
	unsigned code;        /* what the close frames said; 1005, 1006: RFC 6455, section 7.1.5 */
	const char *reason;   /* UTF-8, never NULL */
	bool remote;          /* the server began to close */
	size_t lost;          /* messages received, but held up until the end */
	const struct error *error; /* NULL: an orderly close */
};

/* Of the session's functions only session_resume() calls one of them: `message`. */
struct session_callbacks {
	/*
	 * A text or binary message from the server, borrowed for the time of the call: `time` of
	 * receipt, ns since 1970; `us` from its first byte to its last. False: not now. The session
	 * keeps the message, stops reading, and offers it again after session_resume().
	 */
	bool (*message)(struct session *session, const struct ws_message *message, uint64_t time,
		uint64_t us, void *context);

	/* True: do not read now. The session is then resumed like one whose message was refused. */
	bool (*held_up)(struct session *session, void *context);

	/* A message to the server has left: bytes, and µs from its first byte to its last. */
	void (*sent)(struct session *session, size_t bytes, uint64_t us, void *context);

	/* The queue to the server, which had no room or no time, is at most half full. */
	void (*writable)(struct session *session, void *context);

	/* The session is over; free it. */
	void (*ended)(struct session *session, const struct session_end *end, void *context);
};

/* Takes over what the call gave. The settings, the statistics (which it counts into), the callbacks
 * and the shared part are borrowed. Reading begins with the next turn of the event loop. */
struct session *session_new(struct session_shared *shared,
	const struct connection_settings *settings, struct stats *stats,
	struct call_result *result, bool deflate, const struct session_callbacks *callbacks,
	void *context);
void session_free(struct session *session);

/* Other settings from now on. */
void session_set_settings(struct session *session, const struct connection_settings *settings);

/* Queues one message, which leaves when the rate lets it. Fails when the queue is full or the session
 * is closing. */
bool session_send(struct session *session, struct ws_outgoing *message, struct error *error);

/* Whether the queue takes a message of that size now. If not, `writable` tells when to try again. */
bool session_has_room(struct session *session, size_t length);

/* The same for who has many: nor is there time for more in this turn of the event loop. */
bool session_has_turn(struct session *session, size_t length);

/* `writable` is to be called in any case, but not in this turn. */
void session_ask(struct session *session);

bool session_ping(struct session *session, struct error *error);

/*
 * Begins the closing handshake. Messages go on to be delivered until the server's close frame. `ended`
 * follows within the close timeout, or the time to drain if that is longer and messages are held up.
 */
void session_close(struct session *session, unsigned code, const char *reason);

/* Ends the session at once: `ended` is called from within. What is held up is lost. */
void session_abort(struct session *session);

/* Goes on with a session that is held up. False: it is not, or again at once. */
bool session_resume(struct session *session);

/* No close frame has been sent or received yet. */
bool session_is_open(const struct session *session);

bool session_paused(const struct session *session);

/* Messages that have been received and that the owner has not had yet. */
size_t session_undelivered(struct session *session);

size_t session_queued(const struct session *session); /* bytes to the server */
size_t session_unsent(const struct session *session); /* messages that have not left whole */

#endif
