#include "base/clock.h"
#include "gateway/connection_private.h"
#include "ws/protocol.h"

/* Callbacks of outlets, sessions and calls. */

/* --- outlets --------------------------------------------------------------------------------- */

static bool connection_on_room(void *context)
{
	struct connection *connection = context;
	bool left = connection->leaving && session_resume(connection->leaving);

	return (connection->session && session_resume(connection->session)) || left;
}

/* A session is gone: the other one may still wait for room. */
static void connection_settle_waiting(struct connection *connection)
{
	if ((!connection->session || !session_paused(connection->session)) &&
		(!connection->leaving || !session_paused(connection->leaving)))
		routes_stop_waiting(&connection->routes);
}

/* --- sessions -------------------------------------------------------------------------------- */

static bool connection_on_message(struct session *session, const struct ws_message *received,
	uint64_t time, uint64_t us, void *context)
{
	struct connection *connection = context;
	struct outlet_encoded encoded = {0};
	struct outlet_message message = {
		.type = received->opcode == WS_TEXT ? OUTLET_TEXT : OUTLET_BINARY,
		.time = time,
		.data = received->data,
		.length = received->length,
		.unchecked = connection->config->settings->endpoint.utf8 == WS_UTF8_PASS,
		.encoded = &encoded,
	};

	(void)session;
	if (!routes_offer(&connection->routes, &message))
		return false;
	connection->stats.messages_recv++;
	if (us) {
		connection->stats.us_recv += us;
		connection_judge_transfer(connection, "recv", received->length, us);
	}
	return true;
}

static bool connection_on_held_up(struct session *session, void *context)
{
	struct connection *connection = context;

	(void)session;
	return routes_held_up(&connection->routes);
}

/* The session that was replaced has nothing left to send: the other one goes on. */
static void connection_follow(struct connection *connection, const struct session *session)
{
	if (session == connection->leaving && !session_unsent(session).messages)
		connection_go_on_sending(connection);
}

static void connection_on_sent(struct session *session, size_t bytes, uint64_t us, void *context)
{
	struct connection *connection = context;

	connection->stats.us_sent += us;
	connection_judge_transfer(connection, "send", bytes, us);
	connection_follow(connection, session);
}

static void connection_on_session_expired(struct session *session, size_t messages, void *context)
{
	struct connection *connection = context;

	connection_tell_expired(connection, messages);
	connection_follow(connection, session);
}

static void connection_on_writable(struct session *session, void *context)
{
	(void)session;
	connection_go_on_sending(context);
}

/* The session that was replaced has ended. */
static void connection_left(struct connection *connection)
{
	connection->leaving = NULL;
	connection_settle_waiting(connection);
	connection_decide(connection, NULL);
	connection_go_on_sending(connection);
}

static void connection_lost(struct connection *connection, unsigned code)
{
	bool unusable = connection->opening_failed;
	const struct connection_failure failure = {.code = unusable ? 0 : code};
	uint64_t stable = connection->config->settings->reconnect.stable;
	bool closed = connection->closing; /* as decided, so nothing has failed */

	connection->session = NULL;
	connection->closing = connection->opening_failed = false;
	timer_clear(&connection->renewal);
	connection_end_sending(connection);
	connection_settle_waiting(connection);
	if (!unusable &&
		timers_now(connection->host->shared->timers) - connection->opened >= stable)
		dialer_reset_backoff(&connection->dialer);
	if (connection->goal == GOAL_RENEW && !closed)
		connection->goal = GOAL_OPEN; /* there is nothing left to renew */
	connection_decide(connection, closed ? NULL : &failure);
	connection_go_on_sending(connection); /* messages that waited for room are now refused */
	connection_answer(connection, CONNECTION_FOR_CLOSE, NULL, NULL);
}

static void connection_on_ended(struct session *session, const struct session_end *end,
	void *context)
{
	struct connection *connection = context;
	bool leaving = session == connection->leaving;
	bool renewed = leaving || (connection->closing && connection->goal == GOAL_RENEW);
	unsigned code = end->code;

	connection_report_close(connection, end, renewed);
	connection_keep_unsent(connection, session);
	session_free(session); /* and with it `end` */
	if (leaving)
		connection_left(connection);
	else
		connection_lost(connection, code);
}

/* --- calls ----------------------------------------------------------------------------------- */

static void connection_on_started(void *context)
{
	struct connection *connection = context;

	connection->stats.attempts++;
	connection_note_state(connection);
}

static void connection_on_redirected(const char *from, const char *to, void *context)
{
	struct connection *connection = context;
	struct event_members members = {0};

	connection_log(connection, LOG_INFO, "redirected from %s to %s", from, to);
	event_add_text(&members, "from", from);
	event_add_text(&members, "to", to);
	connection_emit(connection, EVENT_TYPE_REDIRECT, &members);
}

/* The session delivers until its closing handshake has ended. */
static void connection_let_leave(struct connection *connection)
{
	connection->leaving = connection->session;
	connection->session = NULL;
	session_close(connection->leaving, WS_CLOSE_GOING_AWAY, "");
}

/* One that could not send its first messages is already closing. */
static void connection_answer_opened(struct connection *connection)
{
	const struct connection_last *last = connection->last;
	struct error error;

	if (connection->opening_failed)
		error_set(&error, last->error, "%s", last->error_text);
	connection_answer(connection, CONNECTION_FOR_OPEN, &connection->dialer.report,
		connection->opening_failed ? &error : NULL);
}

static void connection_on_opened(struct call_result *result, void *context)
{
	static const struct session_callbacks callbacks = {
		.message = connection_on_message,
		.held_up = connection_on_held_up,
		.sent = connection_on_sent,
		.expired = connection_on_session_expired,
		.writable = connection_on_writable,
		.ended = connection_on_ended,
	};
	struct connection *connection = context;
	const struct call_report *report = &connection->dialer.report;
	bool renewed = connection->session || connection->goal == GOAL_RENEW;

	connection_judge_call(connection);
	if (connection->session)
		connection_let_leave(connection);
	connection->session = session_new(connection->host->shared, connection->config->settings,
		&connection->stats.wire, result, report->deflate, &callbacks, connection);
	connection->goal = GOAL_OPEN;
	connection->opened = timers_now(connection->host->shared->timers);
	connection->since = clock_realtime();
	connection->stats.opens++;
	connection_report_open(connection, renewed);
	connection_await_age(connection);
	connection_begin_sending(connection);
	connection_decide(connection, NULL);
	connection_answer_opened(connection);
}

static void connection_on_failed(const struct error *error, void *context)
{
	struct connection *connection = context;
	const struct call_report *report = &connection->dialer.report;
	const struct connection_failure failure = {
		.code = report->response.status,
		.retry_after = report->retry_after,
	};

	connection_judge_call(connection);
	connection->stats.failures++;
	connection_report_failure(connection, EVENT_TYPE_ERROR, error);
	if (connection->goal == GOAL_RENEW && !connection->session)
		connection->goal = GOAL_OPEN; /* what the next call opens renews nothing */
	connection_decide(connection, &failure);
	connection_answer(connection, CONNECTION_FOR_OPEN, report, error);
}

static void connection_on_due(void *context)
{
	connection_decide(context, NULL);
}

void connection_listen(struct connection *connection)
{
	static const struct routes_callbacks routes_callbacks = {.room = connection_on_room};
	static const struct dialer_callbacks dialer_callbacks = {
		.started = connection_on_started,
		.redirected = connection_on_redirected,
		.opened = connection_on_opened,
		.failed = connection_on_failed,
		.due = connection_on_due,
	};

	routes_init(&connection->routes, &routes_callbacks, connection);
	dialer_init(&connection->dialer, &connection->host->dialer, connection->config,
		&dialer_callbacks, connection);
}
