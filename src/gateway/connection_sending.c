#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/connection_private.h"

/* Messages to the server: sent at once, each time it opens, or held until then. */

/* The previous session may return messages that it has not sent. */
static bool connection_may_get_back(const struct connection *connection)
{
	return connection->leaving && connection->config->settings->hold.bytes > 0 &&
		session_unsent(connection->leaving).messages;
}

/* Also while others must leave before: messages stay in order. */
static bool connection_holds(const struct connection *connection)
{
	if (!connection->hold)
		return false;
	if (connection_is_open(connection))
		return connection->opening || hold_count(connection->hold) ||
			connection_may_get_back(connection);
	return connection->config->settings->hold.bytes > 0 && !connection_is_retired(connection);
}

/* `since`: how long they were held. */
static void connection_tell_dropped(struct connection *connection, const char *since,
	size_t messages)
{
	struct event_members members = {0};

	connection->stats.send_expired += messages;
	connection_log(connection, LOG_WARNING,
		"messages to the server were held %s and are dropped: %zu", since, messages);
	event_add_number(&members, "messages", messages);
	connection_emit(connection, EVENT_TYPE_EXPIRED, &members);
}

void connection_tell_expired(struct connection *connection, size_t messages)
{
	char since[TEXT_DURATION_SIZE + sizeof("for ")] = "for ";

	text_format_duration(since + strlen(since),
		connection->config->settings->endpoint.keep_age);
	connection_tell_dropped(connection, since, messages);
}

static void connection_on_expired(size_t messages, void *context)
{
	connection_tell_expired(context, messages);
}

/* Without a hold, messages that wait behind those of on_open are limited by send_queue. */
void connection_configure_hold(struct connection *connection)
{
	const struct connection_settings *settings = connection->config->settings;
	bool queues = connection->opening || (connection->session && connection_holds(connection));

	if (!connection->hold && (settings->hold.bytes || queues)) {
		connection->hold = alloc_zero(1, sizeof(*connection->hold));
		hold_init(connection->hold, connection->host->shared->timers, connection_on_expired,
			connection);
	}
	if (!connection->hold)
		return;
	if (queues && !settings->hold.bytes)
		hold_set_limits(connection->hold, "send_queue", settings->endpoint.send_queue,
			settings->endpoint.keep_age);
	else
		hold_set_limits(connection->hold, "hold.bytes", settings->hold.bytes,
			settings->endpoint.keep_age);
}

/* False: it is not open. */
static bool connection_expect_open(const struct connection *connection, struct error *error)
{
	if (connection_is_open(connection))
		return true;
	return error_set(error, ERROR_SOCKET_NOT_OPEN, "connection '%s' is not open: it is %s",
		connection_name(connection), connection_state_name(connection_state(connection)));
}

/* An empty queue would take any message, but the sender cannot know when it is empty. */
static bool connection_check_size(const struct connection *connection, size_t length,
	struct error *error)
{
	uint64_t limit = connection->config->settings->endpoint.send_queue;

	return length <= limit ||
		error_set(error, ERROR_WEBSOCKET,
			"a message of %zu bytes is larger than send_queue (%llu bytes)", length,
			(unsigned long long)limit);
}

static bool connection_hand_over(struct connection *connection, struct ws_outgoing *message,
	struct error *error)
{
	if (!connection_check_size(connection, message->length, error))
		return false;
	message->keep = connection->config->settings->hold.bytes > 0;
	if (message->keep && !message->time)
		message->time = timers_now(connection->host->shared->timers);
	if (connection_holds(connection))
		return hold_take(connection->hold, message, error);
	return connection_expect_open(connection, error) &&
		session_send(connection->session, message, error);
}

bool connection_send(struct connection *connection, struct ws_outgoing *message,
	struct error *error)
{
	bool sent = connection_hand_over(connection, message, error);

	connection->stats.send_refused += !sent;
	return sent;
}

bool connection_ping(struct connection *connection, struct error *error)
{
	bool sent = connection_expect_open(connection, error) &&
		session_ping(connection->session, error);

	connection->stats.send_refused += !sent;
	return sent;
}

bool connection_has_room(struct connection *connection, size_t length)
{
	return !connection_is_open(connection) ||
		(!connection_holds(connection) && session_has_room(connection->session, length));
}

static void connection_send_held(struct connection *connection)
{
	struct ws_outgoing message;
	struct error error;

	if (!connection->hold || !connection_is_open(connection) ||
		connection_may_get_back(connection))
		return;
	while (hold_first(connection->hold, &message)) {
		if (!session_has_turn(connection->session, message.length))
			return;
		if (!session_send(connection->session, &message, &error)) {
			connection->stats.send_refused++;
			connection_log(connection, LOG_ERR, "a held message was not sent: %s",
				error.text);
		}
		hold_drop_first(connection->hold);
	}
	if (hold_count(connection->hold))
		session_ask(connection->session);
}

void connection_drop_held(struct connection *connection)
{
	size_t messages = connection->hold ? hold_count(connection->hold) : 0;

	if (!messages)
		return;
	connection_tell_dropped(connection, "until the connection ended", messages);
	hold_drop_all(connection->hold);
}

static bool connection_send_on_open_message(const char *text, size_t length, struct error *error,
	void *context)
{
	struct ws_outgoing message = {
		.opcode = WS_TEXT,
		.data = text,
		.length = length,
		.transient = true,
	};
	struct connection *connection = context;
	bool sent = session_send(connection->session, &message, error);

	ws_outgoing_release(&message);
	return sent;
}

static bool connection_on_open_has_turn(size_t length, void *context)
{
	struct connection *connection = context;

	return session_has_turn(connection->session, length);
}

static void connection_ask_for_on_open(void *context)
{
	struct connection *connection = context;

	session_ask(connection->session);
}

static void connection_warn_on_open(const char *text, void *context)
{
	struct connection *connection = context;

	connection_log(connection, LOG_WARNING, "%s", text);
}

static struct on_open_sender connection_on_open_sender(struct connection *connection)
{
	return (struct on_open_sender){
		.context = connection,
		.name = connection_name(connection),
		.has_turn = connection_on_open_has_turn,
		.ask = connection_ask_for_on_open,
		.send = connection_send_on_open_message,
		.warn = connection_warn_on_open,
	};
}

static void connection_forget_opening(struct connection *connection)
{
	on_open_end(connection->opening);
	connection->opening = NULL;
}

static void connection_end_opening(struct connection *connection)
{
	connection_forget_opening(connection);
	session_set_opening(connection->session, false);
	dialer_forget_attempts(&connection->dialer);
}

/* Messages may make no sense to the server without those of on_open: it gets nothing else, and the
 * next session sends all of them again. */
static void connection_fail_opening(struct connection *connection, const struct error *error)
{
	connection_forget_opening(connection);
	connection->opening_failed = true;
	connection_report_failure(connection, EVENT_TYPE_ON_OPEN_ERROR, error);
	session_close(connection->session, WS_CLOSE_INTERNAL_ERROR, "");
}

/* False: others must still wait. */
static bool connection_send_first(struct connection *connection)
{
	const struct on_open_sender sender = connection_on_open_sender(connection);
	struct error error;

	if (!connection->opening || !connection_is_open(connection))
		return true;
	switch (on_open_go_on(connection->opening, &sender, &connection->on_open, &error)) {
	case ON_OPEN_COMPLETE:
		connection_end_opening(connection);
		break;
	case ON_OPEN_LATER:
		return false;
	case ON_OPEN_FAILED:
		connection_fail_opening(connection, &error);
		break;
	}
	return true;
}

/* Takes over the run; NULL: nothing to send. */
static void connection_begin_opening(struct connection *connection, struct on_open_run *run)
{
	connection->opening = run;
	session_set_opening(connection->session, run != NULL);
	if (!run)
		dialer_forget_attempts(&connection->dialer);
	if (connection_send_first(connection))
		connection_send_held(connection);
	connection_configure_hold(connection);
}

/* Subscribers that waited for room in the session before have to be told. */
void connection_begin_sending(struct connection *connection)
{
	connection_forget_opening(connection); /* of the session that this one renews */
	connection_begin_opening(connection,
		on_open_begin(connection->config->settings, &connection->on_open));
	routes_resume_input(&connection->routes);
}

/* --- the end of a session -------------------------------------------------------------------- */

static void connection_tell_unsent(struct connection *connection,
	const struct ws_endpoint_unsent *lost)
{
	struct event_members members = {0};

	connection->stats.send_lost += lost->messages;
	connection_log(connection, LOG_WARNING, "messages to the server lost: %zu (%zu bytes)",
		lost->messages, lost->bytes);
	event_add_number(&members, "messages", lost->messages);
	event_add_number(&members, "bytes", lost->bytes);
	connection_emit(connection, EVENT_TYPE_UNSENT, &members);
}

static struct ws_endpoint_unsent connection_hold_unsent(struct connection *connection,
	struct session *session)
{
	struct ws_message_queue queue = {0};
	struct ws_endpoint_unsent held;

	session_take_unsent(session, &queue);
	held = hold_return(connection->hold, &queue);
	if (held.messages)
		connection_log(connection, LOG_INFO,
			"messages to the server held until it is open again: %zu (%zu bytes)",
			held.messages, held.bytes);
	return held;
}

/* Without a hold, messages that only waited behind those of on_open are lost, too. */
static struct ws_endpoint_unsent connection_drop_waiting(struct connection *connection)
{
	struct ws_endpoint_unsent waiting = {0};

	if (!connection->hold)
		return waiting;
	waiting.messages = hold_count(connection->hold);
	waiting.bytes = hold_size(connection->hold) - waiting.messages * WS_MESSAGE_QUEUE_OVERHEAD;
	hold_drop_all(connection->hold);
	return waiting;
}

void connection_keep_unsent(struct connection *connection, struct session *session)
{
	bool holds = connection->config->settings->hold.bytes > 0;
	struct ws_endpoint_unsent lost = session_unsent(session), part = {0};

	if (holds && !connection_is_retired(connection)) {
		part = connection_hold_unsent(connection, session);
		lost.messages -= part.messages;
		lost.bytes -= part.bytes;
	} else if (!holds && session == connection->session) {
		part = connection_drop_waiting(connection);
		lost.messages += part.messages;
		lost.bytes += part.bytes;
	}
	if (lost.messages)
		connection_tell_unsent(connection, &lost);
}

void connection_end_sending(struct connection *connection)
{
	if (connection->opening)
		dialer_forget_attempts(&connection->dialer); /* the last was not to blame */
	connection_forget_opening(connection);
	connection_configure_hold(connection);
}

void connection_go_on_sending(struct connection *connection)
{
	if (connection_send_first(connection))
		connection_send_held(connection);
	if (!connection_is_open(connection) || !connection_holds(connection))
		routes_resume_input(&connection->routes);
}

bool connection_add_on_open(struct connection *connection, const char *message, struct error *error)
{
	struct on_open_added *added = &connection->on_open;

	if (on_open_has(added, message))
		return true;
	if (!on_open_add(added, message, connection_name(connection), error))
		return false;
	if (connection_is_open(connection) && !connection->opening) /* else it comes to this one */
		connection_begin_opening(connection,
			on_open_begin_added(connection->config->settings,
				added->messages.count - 1));
	return true;
}

bool connection_remove_on_open(struct connection *connection, const char *message,
	struct error *error)
{
	size_t index;

	if (!on_open_remove(&connection->on_open, message, &index, error))
		return false;
	on_open_removed(connection->opening, index);
	return true;
}

const struct string_list *connection_on_open(const struct connection *connection)
{
	return &connection->on_open.messages;
}
