#include "gateway/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/connection_private.h"
#include "net/url.h"
#include "ws/utf8.h"

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

const struct connection_config *connection_config(const struct connection *connection)
{
	return connection->config;
}

/* --- telling what happens ------------------------------------------------------------------ */

void connection_enter(struct connection *connection, enum connection_state state)
{
	connection->state = state;
	connection->since = clock_realtime();
}

void connection_emit(struct connection *connection, enum event_type type,
	const struct event_members *members)
{
	connection->host->event(connection, type, members, NULL, connection->host->context);
}

static void connection_warn(struct connection *connection, const struct warning *warning)
{
	if (!warning)
		return;
	if (warning->type == WARNING_OPERATION)
		connection_log(connection, LOG_WARNING, "%s took %llu us (threshold %llu us)",
			warning->operation, (unsigned long long)warning->us,
			(unsigned long long)warning->timeout);
	else
		connection_log(connection, LOG_WARNING,
			"%s of %llu bytes at %.0f bytes/s (threshold %llu bytes/s)",
			warning->operation, (unsigned long long)warning->bytes, warning->bytes_sec,
			(unsigned long long)warning->threshold);
	connection->host->event(connection, EVENT_TYPE_WARNING, NULL, warning,
		connection->host->context);
}

static bool connection_warns(const struct connection *connection)
{
	return connection->warnings && warnings_active(connection->warnings);
}

static void connection_judge_transfer(struct connection *connection, const char *direction,
	uint64_t bytes, uint64_t us)
{
	if (!connection_warns(connection))
		return;
	connection_warn(connection, warnings_operation(connection->warnings, direction, us));
	connection_warn(connection, warnings_transfer(connection->warnings, direction, bytes, us));
}

void connection_judge_call(struct connection *connection)
{
	const struct call_report *report = &connection->report;
	const struct {
		const char *operation;
		uint64_t us;
	} phases[] = {
		{"resolve", report->dial.resolve_us},
		{"connect", report->dial.connect_us},
		{"proxy", report->dial.proxy_us},
		{"tls", report->dial.tls_us},
		{"upgrade", report->upgrade_us},
	};

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		if (phases[i].us && connection_warns(connection))
			connection_warn(connection, warnings_operation(connection->warnings,
				phases[i].operation, phases[i].us));
	}
}

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

static void connection_release_last(struct connection *connection)
{
	if (!connection->last)
		return;
	free(connection->last->gave_up);
	free(connection->last->error_text);
	free(connection->last->close_reason);
	free(connection->last);
}

/* Open and close stand in the outlets, between the messages before and after. */
static void connection_publish_record(struct connection *connection,
	enum outlet_message_type type, const struct event_members *members)
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

static void connection_add_error(struct event_members *members, const struct error *error)
{
	event_add_own_text(members, "err", error->name);
	event_add_text(members, "desc", error->text);
}

void connection_emit_error(struct connection *connection, enum event_type type,
	const struct error *error)
{
	struct event_members members = {0};

	connection_add_error(&members, error);
	connection_emit(connection, type, &members);
}

/* --- those who wait ------------------------------------------------------------------------ */

void connection_answer(struct connection *connection, enum connection_waits waits,
	const struct call_report *report, const struct error *error)
{
	struct connection_waiter *waiter, *next;

	for (waiter = LIST_FIRST(&connection->waiters); waiter; waiter = next) {
		next = LIST_NEXT(waiter, entry);
		if (waiter->waits != waits)
			continue;
		LIST_REMOVE(waiter, entry);
		waiter->done(waiter, report, error);
	}
}

void connection_wait(struct connection *connection, struct connection_waiter *waiter,
	enum connection_waits waits)
{
	if (!waiter)
		return;
	waiter->waits = waits;
	LIST_INSERT_HEAD(&connection->waiters, waiter, entry);
}

void connection_forget(struct connection_waiter *waiter)
{
	LIST_REMOVE(waiter, entry);
}

/* --- an open session ----------------------------------------------------------------------- */

static enum outlet_message_type connection_message_type(enum ws_opcode opcode)
{
	return opcode == WS_TEXT ? OUTLET_TEXT : OUTLET_BINARY;
}

static bool connection_on_message(struct session *session, const struct ws_message *received,
	uint64_t time, uint64_t us, void *context)
{
	struct connection *connection = context;
	struct outlet_encoded encoded = {0};
	struct outlet_message message = {
		.type = connection_message_type(received->opcode),
		.time = time,
		.data = received->data,
		.length = received->length,
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

static bool connection_held_up(struct session *session, void *context)
{
	struct connection *connection = context;

	(void)session;
	return routes_held_up(&connection->routes);
}

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

static void connection_on_sent(struct session *session, size_t bytes, uint64_t us, void *context)
{
	struct connection *connection = context;

	(void)session;
	connection->stats.us_sent += us;
	connection_judge_transfer(connection, "send", bytes, us);
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

static void connection_log_close(struct connection *connection, const struct session *session,
	const struct session_end *end)
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
			"messages received that an outlet had no room for were given up: %zu",
			end->lost);
	if (session_unsent(session))
		connection_log(connection, LOG_WARNING, "messages to the server were given up: %zu",
			session_unsent(session));
}

/* Counts, logs and tells that the session is over. */
static void connection_closed(struct connection *connection, const struct session *session,
	const struct session_end *end, bool renewed)
{
	connection->stats.closes++;
	connection_note_close(connection, end);
	if (end->error)
		connection_note_error(connection, end->error);
	connection_log_close(connection, session, end);
	if (end->lost)
		routes_lose(&connection->routes, end->lost);
	connection_announce_close(connection, end, renewed);
}

/* The session that another one has renewed. */
static void connection_left(struct connection *connection)
{
	connection->leaving = NULL;
	connection_settle_waiting(connection);
	if (connection->retired && connection->state == CONNECTION_IDLE)
		connection_rest(connection);
}

static void connection_lost(struct connection *connection, unsigned code)
{
	connection->session = NULL;
	connection_end_sending(connection);
	connection_settle_waiting(connection);

	if (clock_monotonic() - connection->opened >= connection->settings->reconnect.stable)
		backoff_reset(&connection->backoff);
	if (connection_calls(connection)) /* what was to renew it replaces it */
		connection_enter(connection,
			connection->call ? CONNECTION_CONNECTING : CONNECTION_WAITING);
	else if (connection->redial)
		connection_call(connection);
	else
		connection_retry(connection, code, 0);
	connection_go_on_sending(connection); /* what waited for room is now refused */
	connection_answer(connection, CONNECTION_FOR_CLOSE, NULL, NULL);
}

static void connection_on_ended(struct session *session, const struct session_end *end,
	void *context)
{
	struct connection *connection = context;
	bool leaving = session == connection->leaving;
	unsigned code = end->code;

	connection_closed(connection, session, end, leaving || connection->renewing);
	session_free(session); /* and with it `end` */
	if (leaving)
		connection_left(connection);
	else
		connection_lost(connection, code);
}

static void connection_on_writable(struct session *session, void *context)
{
	(void)session;
	connection_go_on_sending(context);
}

static void connection_announce_open(struct connection *connection)
{
	const struct dial_report *dial = &connection->report.dial;
	const char *version = dial->tls ? dial->tls->version : "";
	uint64_t us = dial->resolve_us + dial->connect_us + dial->proxy_us + dial->tls_us +
		connection->report.upgrade_us;
	struct event_members members = {0};

	connection_log(connection, LOG_NOTICE, "open: %s at %s%s%s, in %.1f ms",
		connection_url(connection), dial->peer, *version ? ", " : "", version,
		(double)us / 1000);
	event_add_url(&members, "url", connection_url(connection));
	event_add_own_text(&members, "peer", dial->peer);
	if (connection->report.protocol_number)
		event_add_number(&members, "protocol_number", connection->report.protocol_number);
	if (connection->renewing)
		event_add_boolean(&members, "renewed", true);
	connection_publish_record(connection, OUTLET_OPENED, &members);
	connection_emit(connection, EVENT_TYPE_OPEN, &members);
}

void connection_opened(struct connection *connection, struct call_result *result)
{
	static const struct session_callbacks callbacks = {
		.message = connection_on_message,
		.held_up = connection_held_up,
		.sent = connection_on_sent,
		.writable = connection_on_writable,
		.ended = connection_on_ended,
	};

	if (connection->session)
		connection_let_leave(connection);
	connection->session = session_new(connection->host->shared, connection->settings,
		&connection->stats.wire, result, connection->report.deflate, &callbacks,
		connection);
	connection->opened = clock_monotonic();
	connection->attempt = 0;
	connection->stats.opens++;
	connection_enter(connection, CONNECTION_OPEN);
	connection_announce_open(connection);
	connection->renewing = false;
	connection_await_age(connection);
	connection_begin_sending(connection);
	connection_answer(connection, CONNECTION_FOR_OPEN, &connection->report, NULL);
}

/* --- what others ask for ------------------------------------------------------------------- */

enum connection_state connection_state(const struct connection *connection)
{
	if (connection->session)
		return session_is_open(connection->session) ? CONNECTION_OPEN : CONNECTION_CLOSING;
	if (connection->call && call_upgrading(connection->call))
		return CONNECTION_UPGRADING;
	return connection->state;
}

void connection_open(struct connection *connection)
{
	connection->wanted = true;
	connection->renewing = false;
	connection_start_anew(connection);
	connection_cancel_call(connection);
	if (!connection->session) {
		connection_call(connection);
		return;
	}
	timer_clear(&connection->timer);
	connection->redial = true;
	session_close(connection->session, WS_CLOSE_GOING_AWAY, "");
}

void connection_disconnect(struct connection *connection, unsigned code, const char *reason,
	struct connection_waiter *waiter)
{
	struct error error;

	connection->started = true;
	connection->wanted = false;
	connection->redial = false;
	connection->renewing = false;
	connection->urgent = false;
	error_set(&error, ERROR_SOCKET_NOT_OPEN, "the connection was told to disconnect");
	connection_cancel_check(connection, &error);
	connection_answer(connection, CONNECTION_FOR_OPEN, NULL, &error);
	connection_cancel_call(connection);
	connection_release_extra(connection);
	timer_clear(&connection->timer);
	if (connection->session) {
		connection_wait(connection, waiter, CONNECTION_FOR_CLOSE);
		session_close(connection->session, code, reason);
		return;
	}
	connection_rest(connection);
	if (waiter)
		waiter->done(waiter, NULL, NULL);
}

bool connection_is_open(const struct connection *connection)
{
	return connection_state(connection) == CONNECTION_OPEN;
}

void connection_clear_stats(struct connection *connection)
{
	connection->stats = (struct stats){.since = clock_realtime()};
}

bool connection_set_warnings(struct connection *connection, const struct warn_settings *thresholds,
	struct error *error)
{
	if (!connection->warnings)
		connection->warnings = alloc_zero(1, sizeof(*connection->warnings));
	return warnings_set(connection->warnings, thresholds, error);
}

void connection_clear_warnings(struct connection *connection)
{
	if (connection->warnings)
		warnings_clear(connection->warnings);
}

void connection_take_warnings(struct connection *connection, uint64_t seq)
{
	if (connection->warnings)
		warnings_take(connection->warnings, seq);
}

static uint64_t connection_next_try(const struct connection *connection)
{
	uint64_t now = clock_monotonic();

	return connection->state == CONNECTION_WAITING && !connection_calls(connection) &&
			connection->next_try > now
		? connection->next_try - now
		: 0;
}

void connection_status(const struct connection *connection, struct connection_status *status)
{
	static const struct warnings no_warnings;
	static const struct connection_last nothing;
	const struct connection_last *last = connection->last ? connection->last : &nothing;
	const struct hold *hold = connection->hold;

	*status = (struct connection_status){
		.settings = connection->settings,
		.url = connection_url(connection),
		.state = connection_state(connection),
		.since = connection->since,
		.queued = !connection->session &&
			connection->ticket.place == ADMISSION_QUEUED,
		.next_try_ns = connection_next_try(connection),
		.attempt = connection->attempt,
		.gave_up = last->gave_up,
		.paused = connection->session && session_paused(connection->session),
		.send_queued = connection->session ? session_queued(connection->session) : 0,
		.held = hold ? hold->messages.count : 0,
		.held_bytes = hold ? ws_message_queue_size(&hold->messages) : 0,
		.call = &connection->report,
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

/* --- what the gateway asks for ------------------------------------------------------------- */

/* The settings were checked when they were read; thresholds of 0 mean none. */
static void connection_configure_warnings(struct connection *connection)
{
	const struct warn_settings *warn = &connection->settings->warn;
	struct error error;

	if (warn->warning_ms == 0 && warn->warning_bs == 0)
		connection_clear_warnings(connection);
	else if (!connection_set_warnings(connection, warn, &error))
		connection_log(connection, LOG_ERR, "warn: %s", error.text);
}

static void connection_configure_url(struct connection *connection)
{
	struct url url = {0};
	struct error error;
	const char *shown;

	free(connection->shown_url);
	connection->shown_url = NULL;
	shown = url_parse(&url, connection->config->url, &error) ? url.shown : "(invalid)";
	if (strcmp(shown, connection->config->url) != 0)
		connection->shown_url = alloc_string(shown);
	url_release(&url);
}

/* Takes it over; the one before is the caller's. */
static void connection_use(struct connection *connection, struct connection_config *config)
{
	connection->config = config;
	connection->settings = config->settings;
	connection_configure_url(connection);
	connection_configure_hold(connection);
}

struct connection *connection_new(const struct connection_host *host,
	struct connection_config *config)
{
	static const struct routes_callbacks routes_callbacks = {.room = connection_on_room};
	struct connection *connection = alloc_zero(1, sizeof(*connection));

	connection->host = host;
	LIST_INIT(&connection->waiters);
	connection->ticket.admitted = connection_on_admitted;
	connection->ticket.context = connection;
	routes_init(&connection->routes, &routes_callbacks, connection);
	connection_use(connection, config);
	connection_clear_stats(connection);
	connection_configure_warnings(connection);
	connection_enter(connection, CONNECTION_IDLE);
	return connection;
}

void connection_free(struct connection *connection)
{
	struct error error;

	connection->started = false; /* without its outlets it is not to be opened or closed */
	error_set(&error, ERROR_NOT_FOUND, "the connection has been removed");
	connection_cancel_check(connection, &error);
	connection_answer(connection, CONNECTION_FOR_OPEN, NULL, &error);
	connection_answer(connection, CONNECTION_FOR_CLOSE, NULL, NULL);
	session_free(connection->session);
	session_free(connection->leaving);
	connection->session = connection->leaving = NULL;
	while (connection->routes.count)
		connection_detach(connection,
			routes_outlet(&connection->routes, connection->routes.count - 1));
	routes_release(&connection->routes);
	timer_clear(&connection->timer);
	timer_clear(&connection->linger);
	connection_cancel_call(connection);
	if (connection->hold)
		hold_release(connection->hold);
	free(connection->hold);
	on_open_end(connection->opening);
	on_open_release(&connection->on_open);
	failures_release(&connection->failures);
	connection_release_extra(connection);
	call_report_release(&connection->report);
	connection_clear_warnings(connection);
	free(connection->warnings);
	connection_release_last(connection);
	connection_config_free(connection->config);
	free(connection->shown_url);
	free(connection);
}

void connection_start(struct connection *connection)
{
	if (connection->started)
		return;
	connection->started = true;
	if (connection->settings->when == WHEN_ALWAYS)
		connection_open(connection);
	else
		connection_update_demand(connection);
}

static bool connection_warn_differs(const struct warn_settings *a, const struct warn_settings *b)
{
	return a->warning_ms != b->warning_ms || a->warning_bs != b->warning_bs ||
		a->min_ms != b->min_ms || a->queue != b->queue ||
		strcmp(a->arg ? a->arg : "", b->arg ? b->arg : "") != 0;
}

/* Whether other settings are a reason to open what is not wanted now. */
static bool connection_opens_now(const struct connection *connection, bool gave_up,
	enum connection_when before)
{
	switch (connection->settings->when) {
	case WHEN_ALWAYS:
		return gave_up || before != WHEN_ALWAYS;
	case WHEN_SUBSCRIBED:
		return gave_up && connection->demanded;
	case WHEN_MANUAL:
		return gave_up;
	}
	return false;
}

/* What is going on goes on with the other settings. */
static void connection_carry_on(struct connection *connection)
{
	if (connection_calls(connection)) { /* a call borrows from the settings before */
		connection_cancel_call(connection);
		connection_call(connection);
	} else if (connection->session && session_is_open(connection->session)) {
		connection_await_age(connection);
	} else if (connection->state == CONNECTION_WAITING) {
		connection_retry(connection, 0, connection->report.retry_after);
	}
}

void connection_change(struct connection *connection, struct connection_config *config,
	enum settings_change change)
{
	const struct connection_settings *settings = config->settings;
	struct connection_config *former = connection->config;
	const struct connection_settings *before = former->settings;
	bool gave_up = connection_gave_up(connection);

	if (change == SETTINGS_SAME) {
		former->untrusted = config->untrusted;
		connection_config_free(config);
		return;
	}
	connection_use(connection, config);
	if (connection_warn_differs(&before->warn, &settings->warn))
		connection_configure_warnings(connection); /* else what `warn` has set stays */
	if (connection->session)
		session_set_settings(connection->session, settings);
	if (connection->leaving)
		session_set_settings(connection->leaving, settings);
	connection_start_anew(connection);
	if (connection->wanted ? change == SETTINGS_RECONNECT
			       : connection_opens_now(connection, gave_up, before->when))
		connection_open(connection);
	else
		connection_carry_on(connection);
	connection_configure_demand(connection, before);
	connection_config_free(former);
}

void connection_retire(struct connection *connection)
{
	connection->retired = true;
	connection_drop_held(connection);
	connection_disconnect(connection, WS_CLOSE_GOING_AWAY, "", NULL);
}

bool connection_is_retired(const struct connection *connection)
{
	return connection->retired;
}

void connection_abort(struct connection *connection)
{
	if (connection->leaving)
		session_abort(connection->leaving);
	if (connection->session)
		session_abort(connection->session);
}

void connection_attach(struct connection *connection, struct outlet *outlet)
{
	routes_attach(&connection->routes, outlet, connection_name(connection), connection);
	connection_update_demand(connection);
}

static size_t connection_undelivered(const struct connection *connection)
{
	return (connection->session ? session_undelivered(connection->session) : 0) +
		(connection->leaving ? session_undelivered(connection->leaving) : 0);
}

void connection_detach(struct connection *connection, struct outlet *outlet)
{
	if (!routes_has(&connection->routes, outlet))
		return;
	routes_detach(&connection->routes, outlet, connection_undelivered(connection));
	connection_update_demand(connection);
}

struct outlet *connection_outlet(const struct connection *connection, size_t index)
{
	return routes_outlet(&connection->routes, index);
}
