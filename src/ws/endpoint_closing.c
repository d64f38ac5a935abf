#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ws/endpoint_private.h"

/* The closing handshake: RFC 6455, section 7. */

void endpoint_note_error(struct ws_endpoint *endpoint, const struct error *error)
{
	if (endpoint->error)
		return;
	endpoint->error = alloc_zero(1, sizeof(*error));
	*endpoint->error = *error;
}

static void endpoint_forget_error(struct ws_endpoint *endpoint)
{
	free(endpoint->error);
	endpoint->error = NULL;
}

static void endpoint_note_close(struct ws_endpoint *endpoint, unsigned code, const void *reason,
	size_t length, bool remote)
{
	free(endpoint->close_reason);
	endpoint->close_reason = alloc_format("%.*s", (int)length, (const char *)reason);
	endpoint->close_code = code;
	endpoint->close_remote = remote;
}

/* From here on the server has the close timeout to end the stream, and again after each sign of
 * life. While its messages are held up only the time to drain runs, which begins once. */
static void endpoint_enter(struct ws_endpoint *endpoint, enum ws_endpoint_state state, uint64_t now)
{
	uint64_t close = endpoint->settings->close_timeout;
	uint64_t drain = endpoint->shared->drain_timeout;

	endpoint->state = state;
	endpoint->close_deadline = now + close;
	if (!endpoint->drain_deadline)
		endpoint->drain_deadline = now + (close > drain ? close : drain);
}

void ws_endpoint_close(struct ws_endpoint *endpoint, unsigned code, const char *reason,
	uint64_t now)
{
	if (endpoint->state != WS_ENDPOINT_OPEN)
		return;
	endpoint_note_close(endpoint, code, reason, strlen(reason), false);
	endpoint_queue_close(endpoint);
	endpoint_enter(endpoint, WS_ENDPOINT_CLOSING, now);
}

void endpoint_take_close(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now)
{
	if (endpoint->state != WS_ENDPOINT_CLOSING)
		endpoint_note_close(endpoint, message->close_code, message->data, message->length,
			true);
	if (endpoint->state == WS_ENDPOINT_OPEN || endpoint->close_waits)
		endpoint_queue_last_close(endpoint);
	else if (endpoint->state == WS_ENDPOINT_LOST)
		endpoint_forget_error(endpoint); /* the server had closed before output failed */
	endpoint_enter(endpoint, WS_ENDPOINT_CLOSED, now);
}

/*
 * RFC 6455, section 7.1.7. Closing the socket with input unread would reset the connection, and the
 * close frame could be lost with it: so the rest of the input is read and dropped.
 */
void ws_endpoint_fail(struct ws_endpoint *endpoint, const struct ws_failure *failure, uint64_t now)
{
	struct error error;

	error_set(&error, ERROR_WEBSOCKET, "%s", failure->text);
	endpoint_note_error(endpoint, &error);
	endpoint->counts->bombs += failure->bomb;
	if (endpoint->state == WS_ENDPOINT_OPEN) {
		endpoint_note_close(endpoint, failure->code, failure->text, strlen(failure->text),
			false);
		endpoint_queue_last_close(endpoint);
	}
	endpoint_enter(endpoint, WS_ENDPOINT_FAILED, now);
}

/* After both close frames, or a failure, it does not matter how the stream ends. */
void ws_endpoint_lose_input(struct ws_endpoint *endpoint, const struct error *error)
{
	if (endpoint->state != WS_ENDPOINT_OPEN && endpoint->state != WS_ENDPOINT_CLOSING)
		return;
	endpoint_note_error(endpoint, error);
	endpoint->close_code = WS_CLOSE_ABNORMAL;
	endpoint->close_remote = endpoint->state == WS_ENDPOINT_OPEN;
}

/* What the server has sent before, which is on its way or held up, can still be read. */
void ws_endpoint_lose_output(struct ws_endpoint *endpoint, const struct error *error, uint64_t now)
{
	buffer_release(&endpoint->out);
	endpoint->close_waits = false;
	endpoint_watch(endpoint, 0);
	if (endpoint->state > WS_ENDPOINT_LOST)
		return;
	endpoint_note_error(endpoint, error);
	if (endpoint->state == WS_ENDPOINT_OPEN)
		endpoint_note_close(endpoint, WS_CLOSE_ABNORMAL, "", 0, true);
	endpoint_enter(endpoint, WS_ENDPOINT_LOST, now);
}

void ws_endpoint_give_up(struct ws_endpoint *endpoint)
{
	struct error error;

	if (endpoint->state != WS_ENDPOINT_CLOSING)
		return;
	error_set(&error, ERROR_SOCKET_TIMEOUT,
		endpoint->paused ? "its last messages were held up for too long (drain_timeout)"
				 : "the closing handshake did not end in time");
	endpoint_note_error(endpoint, &error);
}

void ws_endpoint_end(const struct ws_endpoint *endpoint, struct ws_endpoint_end *end)
{
	*end = (struct ws_endpoint_end){
		.code = endpoint->close_code ? endpoint->close_code : WS_CLOSE_ABNORMAL,
		.reason = endpoint->close_reason ? endpoint->close_reason : "",
		.remote = endpoint->close_remote,
		.error = endpoint->error,
	};
}
