#ifndef GATEWAY_CONNECTION_PRIVATE_H
#define GATEWAY_CONNECTION_PRIVATE_H

#include "base/buffer.h"
#include "gateway/admission.h"
#include "gateway/backoff.h"
#include "gateway/connection.h"
#include "gateway/hold.h"
#include "gateway/on_open.h"
#include "gateway/routes.h"
#include "gateway/timer.h"

/* The inside of a connection, for the files that it is made of. */

LIST_HEAD(connection_waiters, connection_waiter);

/* What has failed, and how a session has ended, the last time. */
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
	struct connection_config *config;           /* owned */
	const struct connection_settings *settings; /* its */
	char *shown_url; /* without the password; NULL: the configuration's has none */

	uint64_t since;              /* of the state, ns since 1970 */
	enum connection_state state; /* never UPGRADING or CLOSING: see connection_state() */
	bool wanted;                 /* to be opened again when it is lost */
	bool redial;                 /* call again as soon as the session has closed */
	bool started; /* it may open by itself, or somebody has told it what to do */
	bool retired;

	/* Beside each other: a connection is one of thousands. */
	unsigned attempt;
	bool urgent;   /* somebody waits for the next call */
	bool renewing; /* the session is closed, or has been, only for its age */
	bool demanded; /* WHEN_SUBSCRIBED: there are subscribers */

	struct admission_ticket ticket; /* for the call that is under way or waits for its turn */
	struct connection_check *check; /* before a `connect` touches what there is; NULL: none */
	struct call *call;        /* with a session: it renews that */
	struct failures failures; /* of the addresses that calls went to */
	struct header_list extra; /* of the call that is under way or comes next; owned */
	struct session *session;
	struct session *leaving;  /* the one before, until its closing handshake has ended */
	struct timer timer;       /* until the next attempt, or until the session is of age */
	uint64_t next_try;        /* monotonic ns */
	uint64_t opened;          /* monotonic ns */
	struct backoff backoff;

	struct timer linger; /* WHEN_SUBSCRIBED: since the last subscriber has left */

	struct routes routes; /* wait for room while a session is held up */
	struct connection_waiters waiters;

	struct hold *hold; /* NULL until the settings ask for it */
	struct on_open_added on_open;
	struct on_open_run *opening; /* what is sent first; NULL: all has been */

	struct call_report report;
	struct stats stats;
	struct warnings *warnings; /* NULL until there are thresholds */
	struct connection_last *last; /* NULL: nothing has failed or ended yet */
};

/* --- connection.c ---------------------------------------------------------------------------- */

#define connection_log(connection, priority, ...)                                                  \
	log_write((connection)->host->log, (priority),                                             \
		&(struct log_subject){"connection", connection_name(connection),                    \
			(connection)->config->untrusted},                                          \
		__VA_ARGS__)

void connection_enter(struct connection *connection, enum connection_state state);

/* The state as it is now: the call and the session know best how far they are. */
enum connection_state connection_state(const struct connection *connection);

/* Made when it is first needed. */
struct connection_last *connection_last(struct connection *connection);
void connection_note_error(struct connection *connection, const struct error *error);
bool connection_gave_up(const struct connection *connection);

void connection_emit(struct connection *connection, enum event_type type,
	const struct event_members *members);

/* An event that tells the error's name and text. */
void connection_emit_error(struct connection *connection, enum event_type type,
	const struct error *error);

/* Wants it to be open, and calls. */
void connection_open(struct connection *connection);

/* Answers those who wait for that. */
void connection_wait(struct connection *connection, struct connection_waiter *waiter,
	enum connection_waits waits);
void connection_answer(struct connection *connection, enum connection_waits waits,
	const struct call_report *report, const struct error *error);

void connection_judge_call(struct connection *connection);

/* A call has succeeded. */
void connection_opened(struct connection *connection, struct call_result *result);

/* As a person may see it. */
const char *connection_url(const struct connection *connection);

/* How much is held, and for how long; what is held already stays. */
void connection_configure_hold(struct connection *connection);

/* --- connection_check.c: before a `connect` -------------------------------------------------- */

/* Those who have asked get the error. */
void connection_cancel_check(struct connection *connection, const struct error *error);

/* The extra headers of a call that is over. */
void connection_release_extra(struct connection *connection);

/* --- connection_attempts.c: when to call, and when to stop ----------------------------------- */

/* Calls as soon as it is admitted. */
void connection_call(struct connection *connection);
void connection_cancel_call(struct connection *connection);

/* Whether a call is under way, or waits for its turn. */
bool connection_calls(const struct connection *connection);

/* After a failure or the end of a session: tries again later, or not at all. `code` is the close
 * code or HTTP status behind it, 0 if there is none; not before `retry_after` ns have passed. */
void connection_retry(struct connection *connection, unsigned code, uint64_t retry_after);

/* Neither open nor wanted any more. */
void connection_rest(struct connection *connection);

/* Forgets the failures up to now. */
void connection_start_anew(struct connection *connection);

/* Sets `timer`: it says that the connection is to be called, renewed or freed. */
void connection_set_timer(struct connection *connection, uint64_t ns);
void connection_on_admitted(void *context);

/* --- connection_sending.c: messages to the server --------------------------------------------- */

/* Sends what is for the beginning of each session, then what is held, as far as there is room and
 * time. */
void connection_begin_sending(struct connection *connection);

/* There is room and time again, or no session: goes on, and has subscribers do so. */
void connection_go_on_sending(struct connection *connection);

/* The session has ended. */
void connection_end_sending(struct connection *connection);

/* What is held will never be sent: drops it, and tells. */
void connection_drop_held(struct connection *connection);

/* Messages were held for too long. */
void connection_on_expired(size_t messages, void *context);

/* --- connection_demand.c: open while there are subscribers ----------------------------------- */

/* The settings were others before. */
void connection_configure_demand(struct connection *connection,
	const struct connection_settings *before);

/* --- connection_renewal.c: no older than max_age --------------------------------------------- */

/* Sets the timer for the session's age. */
void connection_await_age(struct connection *connection);

/* The session is of age. */
void connection_renew(struct connection *connection);

/* A call has succeeded while there still is a session: that one leaves. */
void connection_let_leave(struct connection *connection);

#endif
