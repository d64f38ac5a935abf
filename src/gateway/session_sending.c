#include "gateway/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/*
 * The sending half of a session: from its owner to its socket. A message is encoded (compressed,
 * masked) as it is sent, as long as that takes no time to speak of. A large one for hundreds of
 * connections would, or many at once: when what encoding may cost in a turn of the loop is used up,
 * messages wait as they are, in their order, and each session encodes its own when it writes.
 */

/* What encoding costs, in bytes that could be masked meanwhile: about half a nanosecond each. */
enum {
	SENDING_COST_MESSAGE = 512,   /* whatever its length */
	SENDING_COST_DEFLATED = 64,   /* each byte that is compressed */
	SENDING_COST_TURN = 1 << 20,  /* as messages are sent, between two times that sessions write */
	SENDING_COST_WRITE = 1 << 18, /* of what waits, each time that a session writes */
};

enum {
	SENDING_WRITE_MAX = 1 << 20, /* bytes written at a time, so that others have their turn */
	SENDING_ENCODED = 64 << 10,  /* with so many in the output, what waits goes on waiting */
};

/* How long sessions write in a turn of the loop, all of them together. */
#define SENDING_TIME (2 * CLOCK_NS_PER_MS)

/* --- turns to write -------------------------------------------------------------------------- */

static void session_on_writable(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd, (void)what;
	event_free(session->writable);
	session->writable = NULL;
	session_schedule_write(session);
	if (session->read_wants_write && !session->paused)
		event_active(&session->io, EV_READ, 0);
}

void session_await_writable(struct session *session)
{
	if (session->writable)
		return;
	session->writable = event_new(session->shared->base, session->stream->fd, EV_WRITE,
		session_on_writable, session);
	event_add(session->writable, NULL);
}

void session_schedule_write(struct session *session)
{
	struct session_shared *shared = session->shared;

	if (session->writable || session->writes)
		return;
	session->writes = true;
	session->write_turn = shared->write_turn;
	TAILQ_INSERT_TAIL(&shared->writers, session, writer);
	event_active(&shared->write, EV_TIMEOUT, 0);
}

void session_forget_write(struct session *session)
{
	if (!session->writes)
		return;
	session->writes = false;
	TAILQ_REMOVE(&session->shared->writers, session, writer);
}

void session_ask(struct session *session)
{
	session->send_refused = true;
	session_schedule_write(session);
}

/* --- encoding -------------------------------------------------------------------------------- */

static size_t session_cost(const struct session *session, size_t length)
{
	bool deflated = session->deflater && ws_deflater_wants(session->deflater, length);

	return SENDING_COST_MESSAGE + (deflated ? SENDING_COST_DEFLATED * length : length);
}

static void session_count_deflated(struct session *session)
{
	struct ws_deflate_volume volume;

	if (!session->deflater)
		return;
	volume = ws_deflater_take_volume(session->deflater);
	session->stats->wire.compressed_sent += volume.compressed;
	session->stats->wire.uncompressed_sent += volume.uncompressed;
}

void session_queue(struct session *session, enum ws_opcode opcode, const void *data,
	size_t length)
{
	bool message = opcode == WS_TEXT || opcode == WS_BINARY;
	size_t before = session->out.length;
	struct session_mark mark;

	if (before == 0)
		session->out_start = clock_monotonic();
	ws_send(&session->out, &session->shared->masks, message ? session->deflater : NULL, opcode,
		data, length);
	session_count_deflated(session);
	mark.bytes = session->out.length - before;
	mark.end = session->out_queued += mark.bytes;
	session->stats->wire.frames_sent++;
	if (message)
		buffer_append(&session->out_marks, &mark, sizeof(mark));
	session_schedule_write(session);
}

/* It says what has been noted; one that answers the server's gives no reason. */
static void session_encode_close(struct session *session)
{
	size_t before = session->out.length;
	const char *reason = session->close_remote ? NULL : session->close_reason;

	session->close_waits = false;
	ws_send_close(&session->out, &session->shared->masks, session->close_code,
		reason ? reason : "");
	session->out_queued += session->out.length - before;
	session->stats->wire.frames_sent++;
}

void session_queue_close(struct session *session)
{
	session->close_waits = true;
	if (session_waiting(session) == 0)
		session_encode_close(session);
	session_schedule_write(session);
}

/* Whether the rate lets one message pass now; if so, it has been counted. */
static bool session_passes(struct session *session)
{
	struct session_throttle *throttle = session->throttle;
	uint64_t now = clock_monotonic(), delay = rate_delay(&throttle->rate, now);

	throttle->next = delay ? now + delay : 0;
	if (delay)
		session_arm_timer(session);
	return delay == 0;
}

/* Whether what waits is still to be sent: not after a close frame. */
static bool session_encodes(const struct session *session)
{
	return session->state == SESSION_OPEN || session->close_waits;
}

/* Encodes what waits, but not much at a time. A close frame does not wait for the rate. */
static void session_encode_waiting(struct session *session)
{
	struct ws_outgoing message;
	bool passes = true;
	size_t cost = 0;

	while (session_encodes(session) && session->out.length < SENDING_ENCODED &&
		cost < SENDING_COST_WRITE && session_waiting(session) &&
		(passes = session_passes(session))) {
		ws_message_queue_first(&session->throttle->waiting, &message);
		cost += session_cost(session, message.length);
		session_queue(session, message.opcode, message.data, message.length);
		ws_message_queue_drop_first(&session->throttle->waiting);
	}
	if (session->close_waits && (session_waiting(session) == 0 || !passes))
		session_encode_close(session);
}

/* --- writing --------------------------------------------------------------------------------- */

/* Reports the messages whose last byte has left. */
static void session_count_sent(struct session *session)
{
	struct session_mark mark;
	uint64_t now = clock_monotonic();

	while (session->out_marks.length) {
		memcpy(&mark, buffer_data(&session->out_marks), sizeof(mark));
		if (mark.end > session->out_written)
			break;
		buffer_consume(&session->out_marks, sizeof(mark));
		session->stats->wire.messages_sent++;
		session->callbacks->sent(session, mark.bytes,
			(now - session->out_start) / CLOCK_NS_PER_US, session->context);
		session->out_start = session->last_sent = now;
	}
}

/* Nothing more can be sent. What is in the way from the server, or held up, can still be had. */
static void session_lose_output(struct session *session, const struct error *error)
{
	buffer_release(&session->out);
	session->close_waits = false;
	if (session->state == SESSION_CLOSED || session->state == SESSION_FAILED)
		return;
	session_note_error(session, error);
	if (session->state == SESSION_OPEN)
		session_note_close(session, WS_CLOSE_ABNORMAL, "", 0, true);
	session_close_within_timeout(session, SESSION_LOST);
}

static enum stream_status session_write_some(struct session *session, struct error *error)
{
	enum stream_status status = STREAM_OK;
	size_t most = SENDING_WRITE_MAX;

	while (session->out.length && most && status == STREAM_OK) {
		size_t length = session->out.length < most ? session->out.length : most;
		size_t written;

		status = stream_write(session->stream, buffer_data(&session->out), length, &written,
			error);
		if (status != STREAM_OK)
			break;
		buffer_consume(&session->out, written);
		session->out_written += written;
		session->stats->wire.bytes_sent += written;
		most -= written;
	}
	return status;
}

/* Whether there is something to write, or to encode that does not wait for the rate. */
static bool session_has_output(const struct session *session)
{
	bool held_back = session->throttle && session->throttle->next;

	return session->out.length || session->close_waits ||
		(session_waiting(session) && !held_back && session_encodes(session));
}

void session_write_all(struct session *session)
{
	enum stream_status status;
	struct error error;

	status = session_write_some(session, &error);
	session->write_wants_read = status == STREAM_WANT_READ;
	if (status == STREAM_WANT_WRITE)
		session_await_writable(session);
	else if (status == STREAM_OK && session_has_output(session))
		session_schedule_write(session);
	else if (status != STREAM_OK && status != STREAM_WANT_READ)
		session_lose_output(session, &error);
	session_count_sent(session);
	if (session->send_refused &&
		session_queued(session) <= session->settings->endpoint.send_queue / 2) {
		session->send_refused = false;
		session->callbacks->writable(session, session->context);
	}
}

/* Those that have more to write, or come meanwhile, have their next turn after a poll, and behind what
 * that finds: libevent looks at timers then. */
static void session_on_write(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};
	struct session_shared *shared = context;
	uint64_t end = clock_monotonic() + SENDING_TIME;
	struct session *session;

	(void)fd, (void)what;
	shared->write_turn++;
	shared->encoded = 0;
	while ((session = TAILQ_FIRST(&shared->writers)) &&
		session->write_turn != shared->write_turn &&
		shared->encoded < SENDING_COST_TURN && clock_monotonic() < end) {
		session_forget_write(session);
		session_encode_waiting(session);
		session_write_all(session);
	}
	shared->encoded = 0;
	if (!TAILQ_EMPTY(&shared->writers))
		event_add(&shared->write, &next);
}

void session_shared_init(struct session_shared *shared, struct event_base *base)
{
	shared->base = base;
	TAILQ_INIT(&shared->writers);
	evtimer_assign(&shared->write, base, session_on_write, shared);
}

void session_shared_release(struct session_shared *shared)
{
	event_del(&shared->write);
	free(shared->read_buffer);
}

/* --- for the owner --------------------------------------------------------------------------- */

size_t session_queued(const struct session *session)
{
	const struct session_throttle *throttle = session->throttle;

	return session->out.length + (throttle ? ws_message_queue_size(&throttle->waiting) : 0);
}

size_t session_unsent(const struct session *session)
{
	return session->out_marks.length / sizeof(struct session_mark) + session_waiting(session);
}

bool session_has_room(struct session *session, size_t length)
{
	size_t queued = session_queued(session);

	if (queued == 0 || queued + length <= session->settings->endpoint.send_queue)
		return true;
	session->send_refused = true;
	return false;
}

bool session_has_turn(struct session *session, size_t length)
{
	if (!session_has_room(session, length))
		return false;
	if (session->shared->encoded < SENDING_COST_TURN)
		return true;
	session_ask(session);
	return false;
}

/* Whether a message is encoded at once. One does, as the first of a turn, however large it is. */
static bool session_sends_now(const struct session *session)
{
	return session_waiting(session) == 0 && session->settings->endpoint.send_rate.messages <= 0 &&
		session->shared->encoded < SENDING_COST_TURN;
}

static void session_wait(struct session *session, struct ws_outgoing *message)
{
	if (!session->throttle)
		session->throttle = alloc_zero(1, sizeof(*session->throttle));
	ws_message_queue_append(&session->throttle->waiting, message);
	session_schedule_write(session);
}

bool session_send(struct session *session, struct ws_outgoing *message, struct error *error)
{
	bool now = session_sends_now(session);

	if (session->state != SESSION_OPEN)
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "the connection is closing");
	if (message->length > session->settings->endpoint.send_queue)
		return error_set(error, ERROR_WEBSOCKET,
			"a message of %zu bytes is larger than send_queue (%llu bytes)",
			message->length, (unsigned long long)session->settings->endpoint.send_queue);
	if (!session_has_room(session, message->length))
		return error_set(error, ERROR_WEBSOCKET,
			"the queue to the server is full: %zu of %llu bytes wait to be sent",
			session_queued(session), (unsigned long long)session->settings->endpoint.send_queue);
	session->shared->encoded += session_cost(session, message->length);
	if (now)
		session_queue(session, message->opcode, message->data, message->length);
	else
		session_wait(session, message);
	return true;
}
