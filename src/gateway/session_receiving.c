#include "gateway/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* The receiving half of a session: from its socket to its owner, and what holds it up. */

enum {
	SESSION_PONGS_MAX = 64 * 1024, /* bytes queued beyond which a ping goes unanswered */
	SESSION_CLOCK_EVERY = 16,      /* units of work, between looks at the clock */
	SESSION_INFLATE_MAX = 4096,    /* bytes at a time: they can become a thousand times as many */
};

/*
 * How long a session parses at a time. All that it has read could take far longer: half a megabyte of
 * empty messages, or of compressed ones, into many outlets. Turns add up with the number of those who
 * take them, so the busy ones share the time.
 */
#define SESSION_PARSE_TIME       (2 * CLOCK_NS_PER_MS)
#define SESSION_PARSE_TIME_LEAST (CLOCK_NS_PER_MS / 20)

/*
 * RFC 6455, section 7.1.7. Closing the socket at once, with input unread, would reset the
 * connection and take the close frame with it: so the rest of the input is read and thrown away.
 */
static void session_fail(struct session *session, const struct ws_failure *failure)
{
	struct error error;

	error_set(&error, ERROR_WEBSOCKET, "%s", failure->text);
	session_note_error(session, &error);
	session->stats->wire.bombs += failure->bomb;
	if (session->state == SESSION_OPEN) {
		session_note_close(session, failure->code, failure->text, strlen(failure->text),
			false);
		session_queue_close(session);
	}
	session_close_within_timeout(session, SESSION_FAILED);
}

static void session_take_close(struct session *session, const struct ws_message *message)
{
	if (session->state == SESSION_OPEN || session->state == SESSION_LOST)
		session_note_close(session, message->close_code, message->data, message->length,
			true);
	if (session->state == SESSION_OPEN)
		session_queue_close(session);
	if (session->state == SESSION_LOST)
		session_forget_error(session); /* it had closed before it could not be written to */
	session_close_within_timeout(session, SESSION_CLOSED);
}

static void session_take_pong(struct session *session, const struct ws_message *message)
{
	struct stats *stats = session->stats;
	const void *payload;
	size_t length;
	uint64_t us;

	stats->wire.pongs_recv++;
	session->pong_deadline = 0; /* any pong tells that the server lives */
	payload = session_ping_payload(session, &length);
	if (!session->ping_sent || message->length != length ||
		memcmp(message->data, payload, length) != 0)
		return;
	us = (clock_monotonic() - session->ping_sent) / CLOCK_NS_PER_US;
	session->ping_sent = 0;
	us = us ? us : 1;
	stats->wire.rtt_us = us;
	if (stats->wire.rtt_min_us == 0 || us < stats->wire.rtt_min_us)
		stats->wire.rtt_min_us = us;
	if (us > stats->wire.rtt_max_us)
		stats->wire.rtt_max_us = us;
}

static void session_take_ping(struct session *session, const struct ws_message *message)
{
	session->stats->wire.pings_recv++;
	/* RFC 6455, section 5.5.3, allows to answer only the latest of several pings. */
	if (session->state == SESSION_OPEN && session->out.length < SESSION_PONGS_MAX)
		session_queue(session, WS_PONG, message->data, message->length);
}

static bool session_offer(struct session *session, const struct ws_message *message, uint64_t us)
{
	return session->callbacks->message(session, message, session->received_at, us,
		session->context);
}

static void session_pause(struct session *session)
{
	session->paused = true;
	event_del(&session->io);
	session_arm_timer(session);
}

static void session_hold(struct session *session, struct ws_message *message, uint64_t us)
{
	ws_receiver_hold(&session->receiver, message);
	session->held = *message;
	session->held_us = us;
	session_pause(session);
}

static void session_take_control(struct session *session, const struct ws_message *message)
{
	if (message->opcode == WS_PING)
		session_take_ping(session, message);
	else if (message->opcode == WS_PONG)
		session_take_pong(session, message);
	else
		session_take_close(session, message);
}

static bool session_takes_input(const struct session *session)
{
	return !session->paused && session->state <= SESSION_LOST;
}

static void session_count_inflated(struct session *session)
{
	struct ws_deflate_volume volume;

	if (!session->inflater)
		return;
	volume = ws_inflater_take_volume(session->inflater);
	session->stats->wire.compressed_recv += volume.compressed;
	session->stats->wire.uncompressed_recv += volume.uncompressed;
}

/* Looks at the clock only now and then: a message, and each KiB of it, is a unit of work. */
static inline bool session_has_time(const struct session *session, const struct ws_message *last,
	long *credit, uint64_t end)
{
	*credit -= 1 + (long)(last->length / 1024);
	if (*credit > 0)
		return true;
	*credit = session->inflater ? 0 : SESSION_CLOCK_EVERY;
	return clock_monotonic() < end;
}

static uint64_t session_parse_time(const struct session_shared *shared)
{
	uint64_t share = SESSION_PARSE_TIME / (shared->busy + 1);

	return share > SESSION_PARSE_TIME_LEAST ? share : SESSION_PARSE_TIME_LEAST;
}

void session_set_busy(struct session *session, bool busy)
{
	if (busy == session->busy)
		return;
	session->busy = busy;
	session->shared->busy += busy ? 1 : -1U;
}

/* As ws_receiver_next(), but does not inflate much at a time. */
static enum ws_received session_inflate_next(struct session *session, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure)
{
	struct ws_input piece = *input;
	enum ws_received received;

	if (piece.length > SESSION_INFLATE_MAX)
		piece.length = SESSION_INFLATE_MAX;
	received = ws_receiver_next(&session->receiver, &piece, message, failure);
	input->length -= (size_t)(piece.data - input->data);
	input->data = piece.data;
	return received;
}

/* A message that began in an earlier batch took from then until now; one that came whole within a batch
 * took no time that could be told. */
static inline void session_take_message(struct session *session, struct ws_message *message,
	uint64_t now)
{
	uint64_t us = session->message_start ? (now - session->message_start) / CLOCK_NS_PER_US : 0;

	if (message->opcode != WS_TEXT && message->opcode != WS_BINARY) {
		session_take_control(session, message);
		return;
	}
	if (!session_offer(session, message, us))
		session_hold(session, message, us);
	session->message_start = 0;
	session->last_message = now;
}

/* Parses one batch of input, or what of it there is time for. */
static void session_parse(struct session *session, struct ws_input *input, uint64_t now)
{
	struct ws_message message = {0};
	struct ws_failure failure;
	enum ws_received received;
	uint64_t end = now + session_parse_time(session->shared);
	long credit = SESSION_CLOCK_EVERY;
	bool in_time = true;

	while (session_takes_input(session) &&
		(in_time = session_has_time(session, &message, &credit, end))) {
		if (session->inflater)
			received = session_inflate_next(session, input, &message, &failure);
		else
			received = ws_receiver_next(&session->receiver, input, &message, &failure);
		if (received == WS_RECEIVED_FAILURE) {
			session_fail(session, &failure);
			break;
		}
		if (received == WS_RECEIVED_MESSAGE)
			session_take_message(session, &message, now);
		else if (input->length == 0)
			break;
	}
	session_set_busy(session, !in_time);
	session->stats->wire.frames_recv += session->receiver.frames;
	session->receiver.frames = 0;
	session_count_inflated(session);
	if (!ws_receiver_in_message(&session->receiver))
		session->message_start = 0;
	else if (session->message_start == 0)
		session->message_start = now;
}

/*
 * Keeps what the session has read and not parsed. If that is much it stays where it is: the
 * session keeps the read buffer, and who reads next makes another.
 */
static void session_keep_rest(struct session *session, const struct ws_input *rest)
{
	struct session_shared *shared = session->shared;

	session->backlog_counted = false;
	if (rest->length < SESSION_READ_SIZE / 4 || session->backlog.length) {
		buffer_append(&session->backlog, rest->data, rest->length);
		return;
	}
	session->backlog = (struct buffer){
		.memory = shared->read_buffer,
		.start = (size_t)(rest->data - shared->read_buffer),
		.length = rest->length,
		.capacity = SESSION_READ_SIZE,
	};
	shared->read_buffer = NULL;
}

static void session_parse_backlog(struct session *session)
{
	struct session_shared *shared = session->shared;
	struct buffer *backlog = &session->backlog;
	struct ws_input input = {buffer_data(backlog), backlog->length};

	session->backlog_counted = false;
	session_parse(session, &input, clock_monotonic());
	if (input.length == 0 && !shared->read_buffer && backlog->capacity == SESSION_READ_SIZE) {
		shared->read_buffer = backlog->memory;
		*backlog = (struct buffer){0};
		return;
	}
	if (session->paused || session_takes_input(session))
		buffer_consume(backlog, backlog->length - input.length);
	else
		buffer_release(backlog);
}

/* The stream has ended. After both close frames, or a failure, it does not matter how. */
static void session_lose_stream(struct session *session, const struct error *error)
{
	if (session->state != SESSION_OPEN && session->state != SESSION_CLOSING)
		return;
	session_note_error(session, error);
	session->close_code = WS_CLOSE_ABNORMAL;
	session->close_remote = session->state == SESSION_OPEN;
}

static uint8_t *session_read_buffer(struct session_shared *shared)
{
	if (!shared->read_buffer)
		shared->read_buffer = alloc_resize(NULL, SESSION_READ_SIZE);
	return shared->read_buffer;
}

/* No event will tell of bytes that have been read already, by TLS or into the backlog. */
static void session_expect_pending(struct session *session)
{
	bool backlog = session->backlog.length && session_takes_input(session);

	if (!session->paused &&
		(backlog || session->read_wants_write || stream_pending(session->stream)))
		event_active(&session->io, EV_READ, 0);
}

/* One read: as much as there is. False when the session is over. */
static bool session_read(struct session *session)
{
	uint8_t *buffer = session_read_buffer(session->shared);
	struct ws_input input = {buffer, 0};
	enum stream_status status;
	struct error error;

	session->read_wants_write = false;
	status = stream_read(session->stream, buffer, SESSION_READ_SIZE, &input.length, &error);
	switch (status) {
	case STREAM_OK:
		break;
	case STREAM_WANT_READ:
		return true;
	case STREAM_WANT_WRITE:
		session->read_wants_write = true;
		session_await_writable(session);
		return true;
	case STREAM_END:
		error_set(&error, ERROR_SOCKET_CLOSED,
			"the server ended the stream without a close frame");
		session_lose_stream(session, &error);
		return false;
	case STREAM_ERROR:
		session_lose_stream(session, &error);
		return false;
	}
	session->stats->wire.bytes_recv += input.length;
	session->received_at = clock_realtime();
	session_parse(session, &input, clock_monotonic());
	if (input.length && (session->paused || session_takes_input(session)))
		session_keep_rest(session, &input);
	session_expect_pending(session);
	return true;
}

bool session_receive(struct session *session)
{
	bool turn = session->turn;

	session->turn = false;
	if (session->write_wants_read)
		session_write_all(session);
	if (session->backlog.length && session_takes_input(session)) {
		session_parse_backlog(session);
		session_expect_pending(session);
		return true; /* others may be held up, and get their turn before it reads again */
	}
	if (session_takes_input(session) && !turn &&
		session->callbacks->held_up(session, session->context))
		session_pause(session);
	return session->paused || session_read(session);
}

/* The backlog is counted once: many outlets may ask, and it can be a quarter of a million messages. */
size_t session_undelivered(struct session *session)
{
	const struct buffer *backlog = &session->backlog;
	const struct ws_input rest = {buffer_data(backlog), backlog->length};

	if (!session->backlog_counted)
		session->backlog_messages = ws_receiver_count(&session->receiver, rest);
	session->backlog_counted = true;
	return (session->held.opcode != 0) + session->backlog_messages;
}

bool session_paused(const struct session *session)
{
	return session->paused;
}

static bool session_offer_held(struct session *session)
{
	return !session->held.opcode || session_offer(session, &session->held, session->held_us);
}

bool session_resume(struct session *session)
{
	if (!session->paused || !session_offer_held(session))
		return false;
	session->held = (struct ws_message){0};
	session->paused = false;
	session->turn = true;
	session_restart_deadlines(session);
	event_add(&session->io, NULL);
	event_active(&session->io, EV_READ, 0);
	session_arm_timer(session);
	return true;
}
