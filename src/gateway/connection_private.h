#ifndef GATEWAY_CONNECTION_PRIVATE_H
#define GATEWAY_CONNECTION_PRIVATE_H

#include "base/buffer.h"
#include "base/timers.h"
#include "gateway/connection.h"
#include "gateway/connection_plan.h"
#include "gateway/dialer.h"
#include "gateway/hold.h"
#include "gateway/on_open.h"
#include "gateway/routes.h"

/*
 * The inside of a connection. Its files, each of which uses only those above it:
 *
 *     connection_report    what it tells: state, log, events, records
 *     connection_warnings  what was slow
 *     connection_sending   messages to the server
 *     connection_steps     decides and takes the next step
 *     connection_events    what outlets, sessions and calls tell it
 *     connection_demand    open while there are subscribers
 *     connection_check     before a `connect` touches anything
 *     connection           what its owner asks for
 */

LIST_HEAD(connection_waiters, connection_waiter);

/* The last failure, and the last closing. */
struct connection_last {
	char *gave_up;     /* why; NULL: it has not */
	const char *error; /* its name: static; NULL: none yet */
	char *error_text;
	uint64_t error_time; /* ns since 1970 */
	unsigned close_code; /* 0: none yet */
	bool close_remote;   /* the server began it */
	char *close_reason;
};

struct connection {
	const struct connection_host *host;
	struct connection_config *config; /* owned */
	char *shown_url;                  /* without the password; NULL: the URL has none */

	/* Small fields together: a connection is one of thousands. */
	enum connection_goal goal : 8;
	enum connection_state state : 8; /* see connection_note_state() */
	bool closing;                    /* the session, because the connection decided so */
	bool opening_failed; /* so the session is closing: not all of on_open was sent */
	bool demanded;       /* WHEN_SUBSCRIBED: there are subscribers */
	uint64_t since;      /* of `state`, ns since 1970 */

	struct session *session;
	struct session *leaving; /* the one before, until its closing handshake has ended */
	uint64_t opened;         /* of timers_now() */
	struct timer renewal;    /* until the session is of age, or can be renewed */
	struct timer linger;     /* WHEN_SUBSCRIBED: since the last subscriber has left */
	struct dialer dialer;    /* while there is a session: calls for one to replace it */
	struct routes routes;    /* they wait for room while a session is held up */

	struct connection_check *check; /* before a `connect` touches anything; NULL: none */
	struct connection_waiters waiters;

	struct hold *hold; /* NULL until the settings ask for it */
	struct on_open_added on_open;
	struct on_open_run *opening; /* messages of on_open being sent; NULL: all have been */

	struct stats stats;
	struct warnings *warnings;    /* NULL until there are thresholds */
	struct connection_last *last; /* NULL: nothing has failed or been closed yet */
};

/* --- connection_report.c --------------------------------------------------------------------- */

#define connection_log(connection, priority, ...)                                                  \
	log_write((connection)->host->log, (priority),                                             \
		&(struct log_subject){"connection", connection_name(connection),                   \
			(connection)->config->untrusted},                                          \
		__VA_ARGS__)

/* The state as it is now: sessions and calls know best how far they are. */
enum connection_state connection_state(const struct connection *connection);

/* The URL without password. */
const char *connection_url(const struct connection *connection);

/* Made when it is first needed. */
struct connection_last *connection_last(struct connection *connection);
void connection_release_last(struct connection *connection);
bool connection_gave_up(const struct connection *connection);

void connection_emit(struct connection *connection, enum event_type type,
	const struct event_members *members);

/* To the log, as events, and into the outlets. `type`: EVENT_TYPE_ERROR or EVENT_TYPE_ON_OPEN_ERROR;
 * `renewed`: only because of the session's age. */
void connection_report_failure(struct connection *connection, enum event_type type,
	const struct error *error);
void connection_report_open(struct connection *connection, bool renewed);
void connection_report_close(struct connection *connection, const struct session_end *end,
	bool renewed);

/* --- connection_warnings.c ------------------------------------------------------------------- */

/* From the settings. */
void connection_configure_warnings(struct connection *connection);

void connection_judge_transfer(struct connection *connection, const char *direction, uint64_t bytes,
	uint64_t us);
void connection_judge_call(struct connection *connection);

/* --- connection_sending.c -------------------------------------------------------------------- */

/* Sets the limits of the hold. Messages that are held already stay. */
void connection_configure_hold(struct connection *connection);

/* A session has opened: sends the messages of on_open, then those held, as far as there is room and
 * time. */
void connection_begin_sending(struct connection *connection);

/* Messages have waited for too long, and are dropped. */
void connection_tell_expired(struct connection *connection, size_t messages);

/* There is room and time again, or no session: continues, and lets subscribers send. */
void connection_go_on_sending(struct connection *connection);

/* A session has ended: holds what it has not sent for the next one, if the settings say so, and reports
 * what is lost. */
void connection_keep_unsent(struct connection *connection, struct session *session);

/* The session that sends has ended. */
void connection_end_sending(struct connection *connection);

/* Held messages will never be sent: drops and reports them. */
void connection_drop_held(struct connection *connection);

/* --- connection_steps.c ---------------------------------------------------------------------- */

/* A call has failed, or a session that was to stay open has ended. */
struct connection_failure {
	unsigned code;        /* HTTP status or close code; 0: none */
	uint64_t retry_after; /* ns that the server asks to wait */
};

/* Takes the steps that lead to the goal, up to one that an event will follow. `failure`: what has
 * just failed; NULL: nothing. */
void connection_decide(struct connection *connection, const struct connection_failure *failure);

/* Notes since when the state, as decisions see it, is what it is. */
void connection_note_state(struct connection *connection);

/* Forgets the failures so far. */
void connection_start_anew(struct connection *connection);

/* Whatever there is makes way for a new call. */
void connection_reopen(struct connection *connection);

/* Goes to GOAL_REST or GOAL_RETIRE: ends what is under way. Whoever waits for it to open gets the
 * error. */
void connection_end(struct connection *connection, enum connection_goal goal, unsigned code,
	const char *reason, const struct error *error);

/* Sets the timer for the session's age. */
void connection_await_age(struct connection *connection);

void connection_wait(struct connection *connection, struct connection_waiter *waiter,
	enum connection_waits waits);

/* Answers all who wait for that. */
void connection_answer(struct connection *connection, enum connection_waits waits,
	const struct call_report *report, const struct error *error);

static inline bool connection_is_wanted(const struct connection *connection)
{
	return connection->goal >= GOAL_OPEN && connection->goal <= GOAL_RENEW;
}

/* --- connection_events.c --------------------------------------------------------------------- */

/* Sets up dialer and routes. */
void connection_listen(struct connection *connection);

/* --- connection_demand.c --------------------------------------------------------------------- */

/* The settings were others before. */
void connection_configure_demand(struct connection *connection,
	const struct connection_settings *before);

/* --- connection_check.c ---------------------------------------------------------------------- */

/* Whoever waits for it gets the error. */
void connection_cancel_check(struct connection *connection, const struct error *error);

#endif
