#include "gateway/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

void session_note_error(struct session *session, const struct error *error)
{
	if (session->error)
		return;
	session->error = alloc_zero(1, sizeof(*error));
	*session->error = *error;
}

void session_forget_error(struct session *session)
{
	free(session->error);
	session->error = NULL;
}

static void session_finish(struct session *session)
{
	struct session_end end = {
		.lost = session_undelivered(session),
		.code = session->close_code ? session->close_code : WS_CLOSE_ABNORMAL,
		.reason = session->close_reason ? session->close_reason : "",
		.remote = session->close_remote,
		.error = session->error,
	};

	session->callbacks->ended(session, &end, session->context);
}

void session_note_close(struct session *session, unsigned code, const void *reason,
	size_t length, bool remote)
{
	free(session->close_reason);
	session->close_reason = alloc_format("%.*s", (int)length, (const char *)reason);
	session->close_code = code;
	session->close_remote = remote;
}

/* --- deadlines ----------------------------------------------------------------------------- */

static uint64_t session_earlier(uint64_t deadline, uint64_t other)
{
	return deadline && deadline < other ? deadline : other;
}

static uint64_t session_idle_deadline(const struct session *session)
{
	return session->settings->endpoint.idle_timeout
		? session->last_message + session->settings->endpoint.idle_timeout
		: 0;
}

static void session_on_timer(void *context);

/* While the owner holds reading up, neither pongs nor messages can arrive: nobody is to blame. */
void session_arm_timer(struct session *session)
{
	uint64_t nearest = UINT64_MAX, now = clock_monotonic();

	if (session->state != SESSION_OPEN) {
		nearest = session->drain_deadline;
		if (!session->paused)
			nearest = session_earlier(session->close_deadline, nearest);
	} else {
		nearest = session_earlier(session->next_ping, nearest);
		if (session->throttle)
			nearest = session_earlier(session->throttle->next, nearest);
		nearest = session_earlier(session->next_heartbeat, nearest);
		if (!session->paused) {
			nearest = session_earlier(session->pong_deadline, nearest);
			nearest = session_earlier(session_idle_deadline(session), nearest);
		}
	}
	if (nearest == UINT64_MAX) {
		timer_clear(&session->timer);
		return;
	}
	timer_set(&session->timer, session->shared->base, nearest > now ? nearest - now : 0,
		session_on_timer, session);
}

/* --- pings -------------------------------------------------------------------------------- */

/* Our own is a stamp, so that an answer tells to which ping it belongs. */
const void *session_ping_payload(const struct session *session, size_t *length)
{
	const char *payload = session->settings->endpoint.ping.payload;

	*length = payload ? strlen(payload) : sizeof(session->ping_sent);
	return payload ? (const void *)payload : &session->ping_sent;
}

static void session_send_ping(struct session *session)
{
	uint64_t now = clock_monotonic();
	const void *payload;
	size_t length;

	session->ping_sent = now;
	if (session->settings->endpoint.ping.timeout && !session->pong_deadline)
		session->pong_deadline = now + session->settings->endpoint.ping.timeout;
	session->stats->wire.pings_sent++;
	payload = session_ping_payload(session, &length);
	session_queue(session, WS_PING, payload, length);
}

bool session_ping(struct session *session, struct error *error)
{
	if (session->state != SESSION_OPEN)
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "the connection is closing");
	session_send_ping(session);
	session_arm_timer(session);
	return true;
}

/* --- closing ------------------------------------------------------------------------------- */

void session_close_within_timeout(struct session *session, enum session_state state)
{
	uint64_t close = session->settings->endpoint.close_timeout, drain = session->shared->drain_timeout;
	uint64_t now = clock_monotonic();

	session->state = state;
	session->close_deadline = now + close;
	if (!session->drain_deadline)
		session->drain_deadline = now + (close > drain ? close : drain);
	session_arm_timer(session);
}

void session_restart_deadlines(struct session *session)
{
	uint64_t now = clock_monotonic();

	session->last_message = now;
	if (session->pong_deadline)
		session->pong_deadline = now + session->settings->endpoint.ping.timeout;
	if (session->close_deadline)
		session->close_deadline = now + session->settings->endpoint.close_timeout;
}

void session_close(struct session *session, unsigned code, const char *reason)
{
	if (session->state != SESSION_OPEN)
		return;
	session_note_close(session, code, reason, strlen(reason), false);
	session_queue_close(session);
	session_close_within_timeout(session, SESSION_CLOSING);
}

/* --- the socket is ready ------------------------------------------------------------------- */

static void session_on_io(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd, (void)what;
	if (!session_receive(session))
		session_finish(session);
}

bool session_is_open(const struct session *session)
{
	return session->state == SESSION_OPEN;
}

/* --- the deadlines pass -------------------------------------------------------------------- */

static void session_expire(struct session *session, const char *what, uint64_t timeout)
{
	char text[TEXT_DURATION_SIZE];
	struct error error;

	text_format_duration(text, timeout);
	error_set(&error, ERROR_SOCKET_TIMEOUT, "%s %s", what, text);
	session_note_error(session, &error);
	session_close(session, WS_CLOSE_GOING_AWAY, "");
}

/* A server that does not answer a ping will not answer a close frame either: no handshake. */
static void session_give_up(struct session *session)
{
	session_expire(session, "no answer to a ping within", session->settings->endpoint.ping.timeout);
	session->close_code = WS_CLOSE_ABNORMAL;
	session_write_all(session);
	session_finish(session);
}

static bool session_send_own(struct session *session, enum ws_opcode opcode, const void *data,
	size_t length)
{
	struct ws_outgoing message = {.opcode = opcode, .data = data, .length = length};
	struct error error;
	bool sent = session_send(session, &message, &error);

	ws_outgoing_release(&message);
	return sent;
}

/* Base64, where it is binary, was checked when the settings were read. */
static bool session_send_heartbeat(struct session *session)
{
	const char *text = session->settings->endpoint.heartbeat.message;
	size_t length;
	uint8_t *data;
	bool sent;

	if (!session->settings->endpoint.heartbeat.binary)
		return session_send_own(session, WS_TEXT, text, strlen(text));
	data = alloc_zero(1, strlen(text) + 1);
	sent = text_base64_decode(data, &length, text) &&
		session_send_own(session, WS_BINARY, data, length);
	free(data);
	return sent;
}

/* A message that was sent not long ago, or is about to be, can be heartbeat enough. */
static void session_beat(struct session *session, uint64_t now)
{
	uint64_t every = session->settings->endpoint.heartbeat.every;
	bool only_idle = session->settings->endpoint.heartbeat.only_idle;

	if (only_idle && session->last_sent + every > now) {
		session->next_heartbeat = session->last_sent + every;
		return;
	}
	session->next_heartbeat = now + every;
	if (session_waiting(session) == 0 && session_send_heartbeat(session))
		session->stats->wire.heartbeats_sent++;
}

/* The server has not ended the stream in time, or the owner has not taken what it sent; so we do. */
static void session_end_closing(struct session *session)
{
	struct error error;

	if (session->state == SESSION_CLOSING) {
		error_set(&error, ERROR_SOCKET_TIMEOUT, session->paused
			? "its last messages were held up for too long (drain_timeout)"
			: "the closing handshake did not end in time");
		session_note_error(session, &error);
	}
	session_finish(session);
}

void session_abort(struct session *session)
{
	session_end_closing(session);
}

static void session_on_timer(void *context)
{
	struct session *session = context;
	uint64_t now = clock_monotonic(), deadline;

	if (session->state != SESSION_OPEN) {
		session_end_closing(session);
		return;
	}
	deadline = session->pong_deadline;
	if (!session->paused && deadline && deadline <= now) {
		session_give_up(session);
		return;
	}
	deadline = session_idle_deadline(session);
	if (!session->paused && deadline && deadline <= now) {
		session_expire(session, "no message for", session->settings->endpoint.idle_timeout);
		return;
	}
	if (session->next_ping && session->next_ping <= now) {
		session->next_ping = now + session->settings->endpoint.ping.interval;
		if (!session->paused)
			session_send_ping(session);
	}
	if (session->throttle && session->throttle->next && session->throttle->next <= now) {
		session->throttle->next = 0;
		session_schedule_write(session);
	}
	if (session->next_heartbeat && session->next_heartbeat <= now)
		session_beat(session, now);
	session_arm_timer(session);
}

/* --- life ---------------------------------------------------------------------------------- */

static void session_compress(struct session *session, const struct connection_settings *settings,
	const struct ws_deflate_parameters *agreed)
{
	session->inflater = ws_inflater_new(agreed);
	session->receiver.inflater = session->inflater;
	session->deflater = ws_deflater_new(agreed, settings->compression.level,
		settings->compression.threshold);
}

struct session *session_new(struct session_shared *shared,
	const struct connection_settings *settings, struct stats *stats,
	struct call_result *result, bool deflate, const struct session_callbacks *callbacks,
	void *context)
{
	struct session *session = alloc_zero(1, sizeof(*session));

	session->shared = shared;
	session->stats = stats;
	session->callbacks = callbacks;
	session->context = context;
	session->stream = result->stream;
	session->backlog = result->rest;
	stats->wire.bytes_recv += result->rest.length;
	session->received_at = clock_realtime();
	session->last_message = clock_monotonic();
	if (deflate)
		session_compress(session, settings, &result->deflate);
	event_assign(&session->io, shared->base, session->stream->fd, EV_READ | EV_PERSIST,
		session_on_io, session);
	session_set_settings(session, settings);
	event_add(&session->io, NULL);
	event_active(&session->io, EV_READ, 0); /* for the backlog, and what TLS holds */
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_set_busy(session, false);
	session_forget_write(session);
	event_del(&session->io);
	if (session->writable)
		event_free(session->writable);
	timer_clear(&session->timer);
	stream_close(session->stream);
	ws_receiver_release(&session->receiver);
	ws_inflater_free(session->inflater);
	ws_deflater_free(session->deflater);
	buffer_release(&session->backlog);
	buffer_release(&session->out);
	buffer_release(&session->out_marks);
	if (session->throttle)
		ws_message_queue_release(&session->throttle->waiting);
	free(session->throttle);
	free(session->close_reason);
	session_forget_error(session);
	free(session);
}

/* Without a limit what waits goes at once. */
static void session_set_rate(struct session *session)
{
	const struct connection_settings *settings = session->settings;

	if (!session->throttle && settings->endpoint.send_rate.messages > 0)
		session->throttle = alloc_zero(1, sizeof(*session->throttle));
	if (!session->throttle)
		return;
	session->throttle->rate.per_second = settings->endpoint.send_rate.messages;
	session->throttle->rate.burst = settings->endpoint.send_rate.burst;
	if (session_waiting(session))
		session_schedule_write(session);
}

void session_set_settings(struct session *session, const struct connection_settings *settings)
{
	session->settings = settings;
	session->receiver.message_max = settings->endpoint.max_message;
	session->next_ping =
		settings->endpoint.ping.interval ? clock_monotonic() + settings->endpoint.ping.interval : 0;
	session->next_heartbeat =
		settings->endpoint.heartbeat.every ? clock_monotonic() + settings->endpoint.heartbeat.every : 0;
	session_set_rate(session);
	session_arm_timer(session);
}
