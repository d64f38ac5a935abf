#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/connection_private.h"
#include "ws/utf8.h"

/* What a connection sends to the server: at once, when it opens, and what was held until then. */

static bool connection_check_text(enum ws_opcode opcode, const void *data, size_t length,
	struct error *error)
{
	if (opcode == WS_TEXT && !ws_utf8_valid(data, length))
		return error_set(error, ERROR_WEBSOCKET,
			"the text is not valid UTF-8: send it as binary");
	return true;
}

/* To the session, past what is held. */
static bool connection_send_now(struct connection *connection, enum ws_opcode opcode,
	const void *data, size_t length, struct error *error)
{
	if (!connection_is_open(connection))
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "connection '%s' is not open: it is %s",
			connection_name(connection),
			connection_state_name(connection_state(connection)));
	if (opcode == WS_PING)
		return session_ping(connection->session, error);
	return connection_check_text(opcode, data, length, error) &&
		session_send(connection->session, opcode, data, length, error);
}

/* While those held are not all sent, others wait behind them. */
static bool connection_holds(const struct connection *connection)
{
	if (!connection->hold)
		return false;
	if (connection_is_open(connection))
		return connection->hold->messages.count > 0;
	return connection->settings->hold.bytes > 0 && !connection->retired;
}

bool connection_send(struct connection *connection, enum ws_opcode opcode, const void *data,
	size_t length, struct error *error)
{
	bool sent;

	if (opcode != WS_PING && connection_holds(connection))
		sent = connection_check_text(opcode, data, length, error) &&
			hold_take(connection->hold, opcode, data, length, error);
	else
		sent = connection_send_now(connection, opcode, data, length, error);
	connection->stats.send_refused += !sent;
	return sent;
}

bool connection_has_room(struct connection *connection, size_t length)
{
	return !connection_is_open(connection) ||
		(!connection_holds(connection) && session_has_room(connection->session, length));
}

void connection_send_held(struct connection *connection)
{
	struct queued_message message;
	struct error error;

	while (connection->hold && connection_is_open(connection) &&
		hold_first(connection->hold, &message) &&
		session_has_room(connection->session, message.length)) {
		if (!session_send(connection->session, message.opcode, message.data, message.length,
			    &error)) {
			connection->stats.send_refused++;
			connection_log(connection, LOG_ERR, "a held message was not sent: %s",
				error.text);
		}
		hold_drop_first(connection->hold);
	}
}

/* `since`: why they are no longer held. */
static void connection_tell_dropped(struct connection *connection, const char *since,
	size_t messages)
{
	struct buffer details = {0};

	connection->stats.send_expired += messages;
	connection_log(connection, LOG_WARNING,
		"messages to the server were held %s and are dropped: %zu", since, messages);
	buffer_append_format(&details, "{\"messages\":%zu", messages);
	connection_end_object(&details);
	connection_emit(connection, "expired", &details);
	buffer_release(&details);
}

void connection_on_expired(size_t messages, void *context)
{
	struct connection *connection = context;
	char since[TEXT_DURATION_SIZE + sizeof("for ")] = "for ";

	text_format_duration(since + strlen(since), connection->hold->age_max);
	connection_tell_dropped(connection, since, messages);
}

void connection_drop_held(struct connection *connection)
{
	size_t messages = connection->hold ? connection->hold->messages.count : 0;

	if (!messages)
		return;
	connection_tell_dropped(connection, "until the connection ended", messages);
	while (connection->hold->messages.count)
		hold_drop_first(connection->hold);
}

static bool connection_send_on_open_message(const char *text, size_t length, struct error *error,
	void *context)
{
	return connection_send_now(context, WS_TEXT, text, length, error);
}

static void connection_warn_on_open(const char *text, void *context)
{
	struct connection *connection = context;

	connection_log(connection, LOG_WARNING, "%s", text);
}

static void connection_on_open_failed(const struct error *error, void *context)
{
	struct connection *connection = context;

	connection->stats.send_refused++;
	connection_log(connection, LOG_ERR, "%s", error->text);
	connection_emit_error(connection, "on-open-error", error);
}

static struct on_open_sender connection_on_open_sender(struct connection *connection)
{
	return (struct on_open_sender){
		.context = connection,
		.name = connection_name(connection),
		.send = connection_send_on_open_message,
		.warn = connection_warn_on_open,
		.failed = connection_on_open_failed,
	};
}

void connection_send_on_open(struct connection *connection)
{
	const struct on_open_sender sender = connection_on_open_sender(connection);

	on_open_send_all(&sender, connection->settings, &connection->on_open);
}

bool connection_add_on_open(struct connection *connection, const char *message,
	struct error *error)
{
	const struct on_open_sender sender = connection_on_open_sender(connection);

	if (on_open_has(&connection->on_open, message))
		return true;
	if (!on_open_add(&connection->on_open, message, error))
		return false;
	if (!connection_is_open(connection) || on_open_send(&sender, message, error))
		return true;
	on_open_remove(&connection->on_open, message, &(struct error){0});
	return false;
}

bool connection_remove_on_open(struct connection *connection, const char *message,
	struct error *error)
{
	return on_open_remove(&connection->on_open, message, error);
}

const struct string_list *connection_on_open(const struct connection *connection)
{
	return &connection->on_open.messages;
}
