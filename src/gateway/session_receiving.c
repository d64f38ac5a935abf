#include "gateway/session_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* The receiving half of a session: from its socket to its owner, and what holds it up. */

enum { SESSION_CLOCK_EVERY = 16 }; /* units of work, between looks at the clock */

/*
 * Time limit for parsing. All the input read could take far longer: half a megabyte of empty
 * messages, or of compressed ones, into many outlets. Turns add up with the number of sessions that
 * take them, so the busy ones share the time.
 */
#define SESSION_PARSE_TIME       (2 * CLOCK_NS_PER_MS)
#define SESSION_PARSE_TIME_LEAST (CLOCK_NS_PER_MS / 20)

static bool session_offer(struct session *session, const struct ws_message *message, uint64_t us)
{
	return session->callbacks->message(session, message, session->received_at, us,
		session->context);
}

static void session_pause(struct session *session)
{
	ws_endpoint_pause(&session->endpoint);
	event_del(&session->io);
}

static void session_hold(struct session *session, struct ws_message *message, uint64_t us)
{
	ws_receiver_hold(&session->endpoint.receiver, message);
	session->held = *message;
	session->held_us = us;
	session_pause(session);
}

/* Looks at the clock only now and then: a message, and each KiB of it, is a unit of work. */
static inline bool session_has_time(const struct session *session, const struct ws_message *last,
	long *credit, uint64_t end)
{
	*credit -= 1 + (long)(last->length / 1024);
	if (*credit > 0)
		return true;
	*credit = session->endpoint.receiver.inflater ? 0 : SESSION_CLOCK_EVERY;
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

/* A message that began in an earlier batch took from then until now; one that came whole within a
 * batch took no time that could be measured. */
static inline void session_take_message(struct session *session, struct ws_message *message,
	uint64_t now)
{
	uint64_t us = session->message_start ? (now - session->message_start) / CLOCK_NS_PER_US : 0;

	session->message_start = 0;
	if (!session_offer(session, message, us))
		session_hold(session, message, us);
}

/* For the time that the transfer of a message takes. */
static void session_note_message_start(struct session *session, uint64_t now)
{
	if (!ws_receiver_in_message(&session->endpoint.receiver))
		session->message_start = 0;
	else if (session->message_start == 0)
		session->message_start = now;
}

/* Parses one batch of input, or what of it there is time for. */
static void session_parse(struct session *session, struct ws_input *input, uint64_t now)
{
	struct ws_endpoint *endpoint = &session->endpoint;
	struct ws_message message = {0};
	enum ws_received received;
	uint64_t end = clock_monotonic() + session_parse_time(session->shared);
	long credit = SESSION_CLOCK_EVERY;
	bool in_time = true;

	while (ws_endpoint_reads(endpoint) &&
		(in_time = session_has_time(session, &message, &credit, end))) {
		received = ws_endpoint_next(endpoint, input, &message, now);
		if (received == WS_RECEIVED_MESSAGE)
			session_take_message(session, &message, now);
		else if (received == WS_RECEIVED_NOTHING && input->length == 0)
			break;
	}
	session_set_busy(session, !in_time);
	ws_endpoint_count_received(endpoint, now);
	session_note_message_start(session, now);
}

/* Keeps input that has been read but not parsed. Much of it stays where it is: the session keeps
 * the read buffer, and the next session to read makes another. */
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

	if (!session->received_at)
		session->received_at = clock_realtime(); /* after the opening, which it follows */
	session->backlog_counted = false;
	session_parse(session, &input, session_now(session));
	if (input.length == 0 && !shared->read_buffer && backlog->capacity == SESSION_READ_SIZE) {
		shared->read_buffer = backlog->memory;
		*backlog = (struct buffer){0};
		return;
	}
	if (ws_endpoint_takes_input(&session->endpoint))
		buffer_consume(backlog, backlog->length - input.length);
	else
		buffer_release(backlog);
}

static uint8_t *session_read_buffer(struct session_shared *shared)
{
	if (!shared->read_buffer)
		shared->read_buffer = alloc_resize(NULL, SESSION_READ_SIZE);
	return shared->read_buffer;
}

/* No event announces bytes that have been read already, by TLS or into the backlog. */
static void session_expect_pending(struct session *session)
{
	bool backlog = session->backlog.length && ws_endpoint_reads(&session->endpoint);

	if (!session->endpoint.paused &&
		(backlog || session->read_wants_write || stream_pending(session->stream)))
		event_active(&session->io, EV_READ, 0);
}

/* One read, of as much as there is. False: the session is over. */
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
		if (stream_in_record(session->stream))
			ws_endpoint_note_arrival(&session->endpoint, session_now(session));
		session_expect_pending(session);
		return true;
	case STREAM_WANT_WRITE:
		session->read_wants_write = true;
		session_await_writable(session);
		return true;
	case STREAM_END:
		error_set(&error, ERROR_SOCKET_CLOSED,
			"the server ended the stream without a close frame");
		ws_endpoint_lose_input(&session->endpoint, &error);
		return false;
	case STREAM_ERROR:
		ws_endpoint_lose_input(&session->endpoint, &error);
		return false;
	}
	session->endpoint.counts->bytes_recv += input.length;
	session->received_at = clock_realtime();
	session_parse(session, &input, session_now(session));
	if (input.length && ws_endpoint_takes_input(&session->endpoint))
		session_keep_rest(session, &input);
	session_expect_pending(session);
	return true;
}

bool session_receive(struct session *session)
{
	bool turn = session->turn;

	session->turn = false;
	if (session->write_wants_read)
		session_write(session);
	if (session->backlog.length && ws_endpoint_reads(&session->endpoint)) {
		session_parse_backlog(session);
		session_expect_pending(session);
		return true; /* others that are held up have their turn before the next read */
	}
	if (ws_endpoint_reads(&session->endpoint) && !turn &&
		session->callbacks->held_up(session, session->context))
		session_pause(session);
	return session->endpoint.paused || session_read(session);
}

void session_measure(struct session *session)
{
	const struct ws_endpoint_counts *counts = session->endpoint.counts;
	struct stream_traffic moved;
	struct ws_traffic traffic;

	stream_measure(session->stream, counts->bytes_recv, counts->bytes_sent, &moved);
	traffic = (struct ws_traffic){
		.received = moved.received,
		.sent = moved.sent,
		.acknowledged = moved.acknowledged,
		.window = moved.window,
		.silence = moved.silence,
		.full = session->writable,
		.unread = moved.unread || session->backlog.length,
	};
	ws_endpoint_take_traffic(&session->endpoint, &traffic, session_now(session));
}

bool session_offer_held(struct session *session)
{
	return !session->held.opcode || session_offer(session, &session->held, session->held_us);
}

/* Counts the backlog once: many outlets may ask, and it can be a quarter of a million messages. */
size_t session_undelivered(struct session *session)
{
	const struct buffer *backlog = &session->backlog;
	const struct ws_input rest = {buffer_data(backlog), backlog->length};

	if (!session->backlog_counted)
		session->backlog_messages = ws_receiver_count(&session->endpoint.receiver, rest);
	session->backlog_counted = true;
	return (session->held.opcode != 0) + session->backlog_messages;
}
