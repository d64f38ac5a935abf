#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/connection_private.h"

/* State, log lines, events, and records in the outlets. */

const char *connection_state_name(enum connection_state state)
{
	static const char *const names[] = {
		[CONNECTION_IDLE] = "idle",
		[CONNECTION_WAITING] = "waiting",
		[CONNECTION_CONNECTING] = "connecting",
		[CONNECTION_UPGRADING] = "upgrading",
		[CONNECTION_OPEN] = "open",
		[CONNECTION_CLOSING] = "closing",
	};

	return names[state];
}

const char *connection_name(const struct connection *connection)
{
	return connection->config->name;
}

const char *connection_url(const struct connection *connection)
{
	return connection->shown_url ? connection->shown_url : connection->config->url;
}

uint64_t connection_send_max(const struct connection *connection)
{
	return connection->config->settings->endpoint.send_queue;
}

const struct connection_config *connection_config(const struct connection *connection)
{
	return connection->config;
}

enum connection_state connection_state(const struct connection *connection)
{
	if (connection->session)
		return session_is_open(connection->session) ? CONNECTION_OPEN : CONNECTION_CLOSING;
	switch (dialer_state(&connection->dialer)) {
	case DIALER_IDLE:
		return CONNECTION_IDLE;
	case DIALER_WAITING:
	case DIALER_QUEUED:
		return CONNECTION_WAITING;
	case DIALER_CALLING:
		break;
	}
	return dialer_upgrading(&connection->dialer) ? CONNECTION_UPGRADING : CONNECTION_CONNECTING;
}

bool connection_is_retired(const struct connection *connection)
{
	return connection->goal >= GOAL_RETIRE;
}

bool connection_is_open(const struct connection *connection)
{
	return connection_state(connection) == CONNECTION_OPEN;
}

void connection_emit(struct connection *connection, enum event_type type,
	const struct event_members *members)
{
	connection->host->event(connection, type, members, NULL, connection->host->context);
}

static void connection_add_error(struct event_members *members, const struct error *error)
{
	event_add_own_text(members, "err", error->name);
	event_add_text(members, "desc", error->text);
}

/* Records of openings and closings are among the messages of the outlets. */
static void connection_publish_record(struct connection *connection, enum outlet_message_type type,
	const struct event_members *members)
{
	struct buffer details = {0};
	struct outlet_message message = {.type = type, .time = clock_realtime()};

	if (connection->routes.count == 0)
		return;
	event_members_append(&details, members);
	message.data = buffer_data(&details);
	message.length = details.length;
	routes_publish(&connection->routes, &message);
	buffer_release(&details);
}

/* --- the last failure and closing ------------------------------------------------------------ */

struct connection_last *connection_last(struct connection *connection)
{
	if (!connection->last)
		connection->last = alloc_zero(1, sizeof(*connection->last));
	return connection->last;
}

bool connection_gave_up(const struct connection *connection)
{
	return connection->last && connection->last->gave_up;
}

void connection_note_error(struct connection *connection, const struct error *error)
{
	struct connection_last *last = connection_last(connection);

	free(last->error_text);
	last->error = error->name;
	last->error_text = alloc_string(error->text);
	last->error_time = clock_realtime();
}

static void connection_note_close(struct connection *connection, const struct session_end *end)
{
	struct connection_last *last = connection_last(connection);

	last->close_code = end->code;
	last->close_remote = end->remote;
	free(last->close_reason);
	last->close_reason = alloc_string(end->reason);
}

void connection_release_last(struct connection *connection)
{
	if (!connection->last)
		return;
	free(connection->last->gave_up);
	free(connection->last->error_text);
	free(connection->last->close_reason);
	free(connection->last);
}

/* A server that is down for hours gets one warning, not one for each attempt. */
static void connection_log_failure(struct connection *connection, const struct error *error)
{
	const struct connection_last *last = connection->last;
	unsigned attempt = connection->dialer.attempt;
	bool known =
		attempt > 1 && last && last->error && strcmp(last->error_text, error->text) == 0;

	connection_log(connection, known ? LOG_DEBUG : LOG_WARNING, "%s (attempt %u)", error->text,
		attempt);
}

void connection_report_failure(struct connection *connection, enum event_type type,
	const struct error *error)
{
	struct event_members members = {0};

	connection_log_failure(connection, error);
	connection_note_error(connection, error);
	connection_add_error(&members, error);
	connection_emit(connection, type, &members);
}

/* --- openings and closings ------------------------------------------------------------------- */

void connection_report_open(struct connection *connection, bool renewed)
{
	const struct call_report *call = &connection->dialer.report;
	const struct dial_report *dial = &call->dial;
	const char *version = dial->tls ? dial->tls->version : "";
	uint64_t us = dial->resolve_us + dial->connect_us + dial->proxy_us + dial->tls_us +
		call->upgrade_us;
	struct event_members members = {0};

	connection_log(connection, LOG_NOTICE, "open: %s at %s%s%s, in %.1f ms",
		connection_url(connection), dial->peer, *version ? ", " : "", version,
		(double)us / 1000);
	event_add_url(&members, "url", connection_url(connection));
	event_add_own_text(&members, "peer", dial->peer);
	if (call->protocol_number)
		event_add_number(&members, "protocol_number", call->protocol_number);
	if (renewed)
		event_add_boolean(&members, "renewed", true);
	connection_publish_record(connection, OUTLET_OPENED, &members);
	connection_emit(connection, EVENT_TYPE_OPEN, &members);
}

static void connection_log_close(struct connection *connection, const struct session_end *end)
{
	const char *who = end->remote ? "closed by the server" : "closed";
	const char *meaning = end->reason[0] ? end->reason : ws_close_code_text(end->code);

	if (end->error)
		connection_log(connection, LOG_WARNING, "%s: %u: %s", who, end->code,
			end->error->text);
	else
		connection_log(connection, LOG_NOTICE, "%s: %u%s%s", who, end->code,
			meaning[0] ? ": " : "", meaning);
	if (end->lost)
		connection_log(connection, LOG_WARNING,
			"received messages lost, as an outlet had no room for them: %zu",
			end->lost);
}

static void connection_announce_close(struct connection *connection, const struct session_end *end,
	bool renewed)
{
	struct event_members members = {0};

	event_add_number(&members, "code", end->code);
	event_add_text(&members, "reason", end->reason);
	event_add_boolean(&members, "remote", end->remote);
	if (end->error)
		connection_add_error(&members, end->error);
	if (renewed)
		event_add_boolean(&members, "renewed", true);
	if (end->lost)
		event_add_number(&members, "lost", end->lost);
	connection_publish_record(connection, OUTLET_CLOSED, &members);
	connection_emit(connection, EVENT_TYPE_CLOSE, &members);
}

void connection_report_close(struct connection *connection, const struct session_end *end,
	bool renewed)
{
	connection->stats.closes++;
	connection_note_close(connection, end);
	if (end->error)
		connection_note_error(connection, end->error);
	connection_log_close(connection, end);
	if (end->lost)
		routes_lose(&connection->routes, end->lost);
	connection_announce_close(connection, end, renewed);
}

/* --- status ---------------------------------------------------------------------------------- */

void connection_status(const struct connection *connection, struct connection_status *status)
{
	static const struct warnings no_warnings;
	static const struct connection_last nothing;
	const struct connection_last *last = connection->last ? connection->last : &nothing;
	const struct dialer *dialer = &connection->dialer;
	const struct hold *hold = connection->hold;

	*status = (struct connection_status){
		.settings = connection->config->settings,
		.url = connection_url(connection),
		.state = connection_state(connection),
		.since = connection->since,
		.queued = !connection->session && dialer_state(dialer) == DIALER_QUEUED,
		.next_try_ns = connection->session ? 0 : dialer_wait(dialer),
		.attempt = dialer->attempt,
		.gave_up = last->gave_up,
		.paused = connection->session && session_paused(connection->session),
		.send_queued = connection->session ? session_queued(connection->session) : 0,
		.held = hold ? hold_count(hold) : 0,
		.held_bytes = hold ? hold_size(hold) : 0,
		.call = &dialer->report,
		.last_error = last->error,
		.last_error_text = last->error_text,
		.last_error_time = last->error_time,
		.last_close_code = last->close_code,
		.last_close_reason = last->close_reason ? last->close_reason : "",
		.last_close_remote = last->close_remote,
		.stats = &connection->stats,
		.warnings = connection->warnings ? connection->warnings : &no_warnings,
		.outlet_count = connection->routes.count,
	};
}
