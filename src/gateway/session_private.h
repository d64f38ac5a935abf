#ifndef GATEWAY_SESSION_PRIVATE_H
#define GATEWAY_SESSION_PRIVATE_H

#include <event2/event_struct.h>

#include "base/timers.h"
#include "gateway/session.h"
#include "ws/endpoint.h"

/* The inside of a session. Its files, each of which calls only those before it: session_sending.c,
 * session_receiving.c, session.c. */

struct session {
	struct session_shared *shared;
	const struct session_callbacks *callbacks;
	void *context; /* theirs */
	struct stream *stream;

	/* Flags of the parts below, beside each other: a session is one of thousands. */
	bool read_wants_write; /* TLS: a read waits for the socket to take bytes, */
	bool write_wants_read; /* or a write for it to bring some */
	bool busy;             /* counted in the shared `busy` */
	bool turn;             /* reads once without asking whether it is held up */
	bool backlog_counted;  /* `backlog_messages` is right */
	bool send_refused;     /* the owner waits for `writable` */
	struct turn write;     /* to write output; of the shared `writes` */

	struct event io;        /* input has arrived */
	struct event *writable; /* while the socket takes no more; otherwise NULL */
	struct timer timer;     /* for the endpoint's deadline */

	struct ws_endpoint endpoint;

	struct ws_message held; /* refused by the owner; all 0: none */
	uint64_t held_us;
	struct buffer backlog; /* input not parsed yet */
	size_t backlog_messages;
	uint64_t message_start; /* of the message under way; of session_now() */
	uint64_t received_at;   /* of the batch being parsed, ns since 1970; 0: none yet */
};

/* The time that the endpoint's deadlines refer to. */
static inline uint64_t session_now(const struct session *session)
{
	return timers_now(session->shared->timers);
}

/* --- session_sending.c ----------------------------------------------------------------------- */

/* Output leaves at the end of this turn of the event loop, or in the next ones if there is too
 * much. */
void session_schedule_write(struct session *session);
void session_await_writable(struct session *session);

/* Writes as much output as the socket takes, within limits that are fair to others. */
void session_write(struct session *session);

/* --- session_receiving.c --------------------------------------------------------------------- */

/* Continues with the backlog, or otherwise with what has arrived. At most one read.
 * False: the session is over. */
bool session_receive(struct session *session);

/* Hands the endpoint what has moved. */
void session_measure(struct session *session);

/* Offers the message again that the owner has refused. False: it is refused again. */
bool session_offer_held(struct session *session);

/* Counts the session among those that had no time to parse all they have read, or no longer. */
void session_set_busy(struct session *session, bool busy);

#endif
