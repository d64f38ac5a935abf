#ifndef GATEWAY_SESSION_PRIVATE_H
#define GATEWAY_SESSION_PRIVATE_H

#include <event2/event_struct.h>

#include "base/rate.h"
#include "gateway/session.h"
#include "gateway/timer.h"
#include "ws/message_queue.h"

/* The inside of a session, for its files: session.c, session_receiving.c and session_sending.c. */

enum session_state {
	SESSION_OPEN,
	SESSION_CLOSING,  /* our close frame is queued or sent, the server's is awaited */
	SESSION_LOST,     /* cannot be written to; what the server has sent is still read */
	/* those above take input, those below do not */
	SESSION_CLOSED,   /* both close frames were seen: the server now ends the stream */
	SESSION_FAILED,   /* broken: what still arrives is thrown away until the server ends it */
};

/* Where a message ends in the output. */
struct session_mark {
	uint64_t end; /* position */
	size_t bytes; /* of its frame */
};

/* Messages behind those in the output: for the rate of sending, or to be encoded in a later turn. */
struct session_throttle {
	struct rate rate;
	struct ws_message_queue waiting;
	uint64_t next; /* when the first that waits may leave; monotonic ns; 0: none waits for that */
};

struct session {
	struct session_shared *shared;
	const struct connection_settings *settings;
	struct stats *stats;
	const struct session_callbacks *callbacks;
	void *context; /* theirs */
	struct stream *stream;
	enum session_state state;

	/* Flags of the parts below, beside each other: a session is one of thousands. */
	bool read_wants_write; /* TLS: a read waits for the socket to take bytes, */
	bool write_wants_read; /* or a write for it to bring some */
	bool paused;           /* the owner has refused a message, or is to be asked before the next */
	bool busy;             /* counted in the shared `busy` */
	bool turn;             /* reads once without asking whether it is held up */
	bool backlog_counted;  /* `backlog_messages` is how many messages it has */
	bool send_refused;     /* the owner waits for `writable` */
	bool close_waits;      /* behind all that waits to be sent: the close frame */
	bool writes;           /* is among the shared `writers` */
	bool close_remote;     /* the server began to close */

	struct event io;        /* what has arrived */
	struct event *writable; /* while the socket takes no more; else NULL */
	struct timer timer; /* for the nearest of the deadlines below */

	/* receiving */
	struct ws_receiver receiver;
	struct ws_inflater *inflater;
	struct ws_message held;   /* refused by the owner; all 0 if there is none */
	uint64_t held_us;
	struct buffer backlog;    /* input not parsed yet */
	size_t backlog_messages;
	uint64_t message_start;   /* of the message under way; monotonic ns */
	uint64_t received_at;     /* of the batch being parsed, ns since 1970 */

	/* sending */
	struct ws_deflater *deflater;
	struct buffer out;
	struct buffer out_marks;  /* struct session_mark: the messages in `out` */
	uint64_t out_queued;      /* positions: bytes ever queued, */
	uint64_t out_written;     /* and ever written */
	uint64_t out_start;       /* when the message at the front began to leave; monotonic ns */
	struct session_throttle *throttle; /* NULL until a message has to wait, or the settings have a rate */
	TAILQ_ENTRY(session) writer;

	/* deadlines in monotonic ns; 0: none */
	uint64_t next_ping;
	uint64_t ping_sent;       /* when the last ping was sent; 0: it has been answered */
	uint64_t pong_deadline;
	uint64_t last_message;
	uint64_t next_heartbeat;
	uint64_t last_sent;       /* when a message last left; not a deadline */
	uint64_t close_deadline;  /* for the server, while its messages are taken */
	uint64_t drain_deadline;  /* for all of the end */

	unsigned write_turn; /* among the shared `writers` since that turn of theirs */

	/* how it ends */
	unsigned close_code;
	char *close_reason; /* NULL: none */
	struct error *error; /* the first one, which the others follow from; NULL: none */
};

/* The first error is the cause; what else goes wrong while the session ends only hides it. */
void session_note_error(struct session *session, const struct error *error);

void session_forget_error(struct session *session);

/* What the close frames say. */
void session_note_close(struct session *session, unsigned code, const void *reason, size_t length,
	bool remote);

/*
 * In that state the server has the close timeout to end the stream. While the owner holds its messages
 * up the server is not to blame: only the time to drain then goes on.
 */
void session_close_within_timeout(struct session *session, enum session_state state);

/* Of what the server could not do while the owner held its messages up. */
void session_restart_deadlines(struct session *session);

void session_arm_timer(struct session *session);

/* --- session_sending.c ----------------------------------------------------------------------- */

/* Encodes a frame, past what waits. */
void session_queue(struct session *session, enum ws_opcode opcode, const void *data,
	size_t length);

/* Has the close frame leave, behind all that is to be sent: it says what has been noted. */
void session_queue_close(struct session *session);

/* What is to be sent leaves at the end of this turn of the event loop, or in the next ones when there
 * is too much of it; */
void session_schedule_write(struct session *session);
void session_forget_write(struct session *session);

/* what is encoded, as much at once as the socket takes, and is fair to others. */
void session_write_all(struct session *session);
void session_await_writable(struct session *session);

/* How many messages are not encoded yet. */
static inline size_t session_waiting(const struct session *session)
{
	return session->throttle ? session->throttle->waiting.count : 0;
}

/* --- session.c ------------------------------------------------------------------------------- */

/* That of the last ping. */
const void *session_ping_payload(const struct session *session, size_t *length);

/* --- session_receiving.c --------------------------------------------------------------------- */

/* Goes on with what is left over, or else with what has arrived. At most one read.
 * False: the session is over. */
bool session_receive(struct session *session);

/* Counts it among those that had no time, or no longer. */
void session_set_busy(struct session *session, bool busy);

#endif
