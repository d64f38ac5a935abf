#include "gateway/session.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/message_queue.h"
#include "gateway/rate.h"
#include "gateway/timer.h"

enum {
	SESSION_PONGS_MAX = 64 * 1024, /* bytes queued beyond which a ping goes unanswered */
};

enum session_state {
	SESSION_OPEN,
	SESSION_CLOSING,  /* our close frame is queued or sent, the server's is awaited */
	SESSION_CLOSED,   /* both close frames were seen: the server now ends the stream */
	SESSION_FAILED,   /* broken: what still arrives is thrown away until the server ends it */
};

/* Where a message ends in the output. */
struct session_mark {
	uint64_t end; /* position */
	size_t bytes; /* of its frame */
};

/* Messages that the rate of sending does not let through yet. */
struct session_throttle {
	struct rate rate;
	struct message_queue waiting;
	uint64_t next; /* when the first of them may leave; monotonic ns; 0: none waits */
};

struct session {
	struct session_shared *shared;
	const struct connection_settings *settings;
	struct stats *stats;
	const struct session_callbacks *callbacks;
	void *context; /* theirs */
	struct stream *stream;
	enum session_state state;

	struct event io;        /* what has arrived, and what was queued in this turn of the loop */
	struct event *writable; /* while the socket takes no more; else NULL */
	struct timer timer; /* for the nearest of the deadlines below */
	bool read_wants_write; /* TLS: a read waits for the socket to take bytes, */
	bool write_wants_read; /* or a write for it to bring some */

	/* receiving */
	struct ws_receiver receiver;
	struct ws_inflater *inflater;
	struct ws_message held;   /* refused by the owner; all 0 if there is none */
	uint64_t held_us;
	bool paused;
	struct buffer backlog;    /* input not parsed yet: it came behind the held message */
	uint64_t message_start;   /* of the message under way; monotonic ns */
	uint64_t received_at;     /* of the batch being parsed, ns since 1970 */

	/* sending */
	struct ws_deflater *deflater;
	struct buffer out;
	struct buffer out_marks;  /* struct session_mark: the messages in `out` */
	uint64_t out_queued;      /* positions: bytes ever queued, */
	uint64_t out_written;     /* and ever written */
	uint64_t out_start;       /* when the message at the front began to leave; monotonic ns */
	bool send_refused;        /* the owner waits for `writable` */
	struct session_throttle *throttle; /* NULL until the settings ask for one */

	/* deadlines in monotonic ns; 0: none */
	uint64_t next_ping;
	uint64_t ping_sent;       /* when the last ping was sent; 0: it has been answered */
	uint64_t pong_deadline;
	uint64_t last_message;
	uint64_t next_heartbeat;
	uint64_t last_sent;       /* when a message last left; not a deadline */
	uint64_t close_deadline;

	/* how it ends */
	unsigned close_code;
	char *close_reason; /* NULL: none */
	bool close_remote;
	struct error *error; /* the first one, which the others follow from; NULL: none */
};

/* The first error is the cause; what else goes wrong while the session ends only hides it. */
static void session_note_error(struct session *session, const struct error *error)
{
	if (session->error)
		return;
	session->error = alloc_zero(1, sizeof(*error));
	*session->error = *error;
}

static void session_finish(struct session *session)
{
	struct session_end end = {
		.code = session->close_code ? session->close_code : WS_CLOSE_ABNORMAL,
		.reason = session->close_reason ? session->close_reason : "",
		.remote = session->close_remote,
		.error = session->error,
	};

	session->callbacks->ended(&end, session->context);
}

static void session_note_close(struct session *session, unsigned code, const void *reason,
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
	return session->settings->idle_timeout
		? session->last_message + session->settings->idle_timeout
		: 0;
}

static void session_on_timer(void *context);

/* While the owner holds reading up, neither pongs nor messages can arrive: nobody is to blame. */
static void session_arm_timer(struct session *session)
{
	uint64_t nearest = UINT64_MAX, now = clock_monotonic();

	if (session->state != SESSION_OPEN) {
		nearest = session->close_deadline;
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

/* --- sending ------------------------------------------------------------------------------- */

static void session_on_writable(evutil_socket_t fd, short what, void *context);

static void session_await_writable(struct session *session)
{
	if (session->writable)
		return;
	session->writable = event_new(session->shared->base, session->stream->fd, EV_WRITE,
		session_on_writable, session);
	event_add(session->writable, NULL);
}

/* Writes at the end of this turn of the event loop: one system call for all that it queues. */
static void session_schedule_write(struct session *session)
{
	if (!session->writable)
		event_active(&session->io, EV_WRITE, 0);
}

static void session_count_deflated(struct session *session)
{
	struct ws_deflate_volume volume;

	if (!session->deflater)
		return;
	volume = ws_deflater_take_volume(session->deflater);
	session->stats->compressed_sent += volume.compressed;
	session->stats->uncompressed_sent += volume.uncompressed;
}

static void session_queue(struct session *session, enum ws_opcode opcode, const void *data,
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
	session->stats->frames_sent++;
	if (message)
		buffer_append(&session->out_marks, &mark, sizeof(mark));
	session_schedule_write(session);
}

static void session_queue_close(struct session *session, unsigned code, const char *reason)
{
	size_t before = session->out.length;

	ws_send_close(&session->out, &session->shared->masks, code, reason);
	session->out_queued += session->out.length - before;
	session->stats->frames_sent++;
	session_schedule_write(session);
}

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
		session->stats->messages_sent++;
		session->callbacks->sent(mark.bytes, (now - session->out_start) / CLOCK_NS_PER_US,
			session->context);
		session->out_start = session->last_sent = now;
	}
}

/* Messages that the rate holds back. */
static size_t session_waiting(const struct session *session)
{
	return session->throttle ? session->throttle->waiting.count : 0;
}

size_t session_queued(const struct session *session)
{
	size_t waiting = session->throttle ? message_queue_size(&session->throttle->waiting) : 0;

	return session->out.length + waiting;
}

size_t session_unsent(const struct session *session)
{
	return session->out_marks.length / sizeof(struct session_mark) + session_waiting(session);
}

static bool session_write_all(struct session *session)
{
	enum stream_status status;
	struct error error;
	size_t written;

	session->write_wants_read = false;
	while (session->out.length) {
		status = stream_write(session->stream, buffer_data(&session->out),
			session->out.length, &written, &error);
		if (status == STREAM_WANT_READ) {
			session->write_wants_read = true;
			break;
		}
		if (status == STREAM_WANT_WRITE) {
			session_await_writable(session);
			break;
		}
		if (status != STREAM_OK) {
			session_note_error(session, &error);
			return false;
		}
		buffer_consume(&session->out, written);
		session->out_written += written;
		session->stats->bytes_sent += written;
	}
	session_count_sent(session);
	if (session->send_refused &&
		session_queued(session) <= session->settings->send_queue / 2) {
		session->send_refused = false;
		session->callbacks->writable(session->context);
	}
	return true;
}

bool session_has_room(struct session *session, size_t length)
{
	size_t queued = session_queued(session);

	if (queued == 0 || queued + length <= session->settings->send_queue)
		return true;
	session->send_refused = true;
	return false;
}

/* Sends what waits, as far as the rate lets it. */
static void session_send_waiting(struct session *session)
{
	struct session_throttle *throttle = session->throttle;
	uint64_t now = clock_monotonic(), delay;
	struct queued_message message;

	throttle->next = 0;
	while (message_queue_first(&throttle->waiting, &message)) {
		delay = rate_delay(&throttle->rate, now);
		if (delay) {
			throttle->next = now + delay;
			break;
		}
		session_queue(session, message.opcode, message.data, message.length);
		message_queue_drop_first(&throttle->waiting);
	}
}

/* While something waits, the timer is set for it. */
static void session_send_in_turn(struct session *session, const struct queued_message *message)
{
	bool first = session_waiting(session) == 0;

	message_queue_append(&session->throttle->waiting, message);
	if (!first)
		return;
	session_send_waiting(session);
	if (session->throttle->next)
		session_arm_timer(session);
}

bool session_send(struct session *session, enum ws_opcode opcode, const void *data, size_t length,
	struct error *error)
{
	if (session->state != SESSION_OPEN)
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "the connection is closing");
	if (length > session->settings->send_queue)
		return error_set(error, ERROR_WEBSOCKET,
			"a message of %zu bytes is larger than send_queue (%llu bytes)", length,
			(unsigned long long)session->settings->send_queue);
	if (!session_has_room(session, length))
		return error_set(error, ERROR_WEBSOCKET,
			"the queue to the server is full: %zu of %llu bytes wait to be sent",
			session_queued(session), (unsigned long long)session->settings->send_queue);
	if (session->settings->send_rate.messages > 0)
		session_send_in_turn(session, &(struct queued_message){opcode, data, length, 0});
	else
		session_queue(session, opcode, data, length);
	return true;
}

/* Our own is a stamp, so that an answer tells to which ping it belongs. */
static const void *session_ping_payload(const struct session *session, size_t *length)
{
	const char *payload = session->settings->ping_payload;

	*length = payload ? strlen(payload) : sizeof(session->ping_sent);
	return payload ? (const void *)payload : &session->ping_sent;
}

static void session_send_ping(struct session *session)
{
	uint64_t now = clock_monotonic();
	const void *payload;
	size_t length;

	session->ping_sent = now;
	if (session->settings->ping_timeout && !session->pong_deadline)
		session->pong_deadline = now + session->settings->ping_timeout;
	session->stats->pings_sent++;
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

static void session_close_within_timeout(struct session *session, enum session_state state)
{
	session->state = state;
	session->close_deadline = clock_monotonic() + session->settings->close_timeout;
	session_arm_timer(session);
}

void session_close(struct session *session, unsigned code, const char *reason)
{
	if (session->state != SESSION_OPEN)
		return;
	session_note_close(session, code, reason, strlen(reason), false);
	session_queue_close(session, code, reason);
	session_close_within_timeout(session, SESSION_CLOSING);
}

/*
 * RFC 6455, section 7.1.7. Closing the socket at once, with input unread, would reset the
 * connection and take the close frame with it: so the rest of the input is read and thrown away.
 */
static void session_fail(struct session *session, const struct ws_failure *failure)
{
	struct error error;

	error_set(&error, ERROR_WEBSOCKET, "%s", failure->text);
	session_note_error(session, &error);
	session->stats->bombs += failure->bomb;
	if (session->state == SESSION_OPEN) {
		session_note_close(session, failure->code, failure->text, strlen(failure->text),
			false);
		session_queue_close(session, failure->code, failure->text);
	}
	session_close_within_timeout(session, SESSION_FAILED);
}

static void session_take_close(struct session *session, const struct ws_message *message)
{
	if (session->state == SESSION_OPEN) {
		session_note_close(session, message->close_code, message->data, message->length,
			true);
		session_queue_close(session, message->close_code, "");
	}
	session_close_within_timeout(session, SESSION_CLOSED);
}

/* --- receiving ----------------------------------------------------------------------------- */

static void session_take_pong(struct session *session, const struct ws_message *message)
{
	struct stats *stats = session->stats;
	const void *payload;
	size_t length;
	uint64_t us;

	stats->pongs_recv++;
	session->pong_deadline = 0; /* any pong tells that the server lives */
	payload = session_ping_payload(session, &length);
	if (!session->ping_sent || message->length != length ||
		memcmp(message->data, payload, length) != 0)
		return;
	us = (clock_monotonic() - session->ping_sent) / CLOCK_NS_PER_US;
	session->ping_sent = 0;
	us = us ? us : 1;
	stats->rtt_us = us;
	if (stats->rtt_min_us == 0 || us < stats->rtt_min_us)
		stats->rtt_min_us = us;
	if (us > stats->rtt_max_us)
		stats->rtt_max_us = us;
}

static void session_take_ping(struct session *session, const struct ws_message *message)
{
	session->stats->pings_recv++;
	/* RFC 6455, section 5.5.3, allows to answer only the latest of several pings. */
	if (session->state == SESSION_OPEN && session->out.length < SESSION_PONGS_MAX)
		session_queue(session, WS_PONG, message->data, message->length);
}

static bool session_offer(struct session *session, const struct ws_message *message, uint64_t us)
{
	return session->callbacks->message(message, session->received_at, us, session->context);
}

static void session_pause(struct session *session)
{
	session->paused = true;
	event_del(&session->io);
	if (session->out.length)
		session_schedule_write(session);
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
	return !session->paused &&
		(session->state == SESSION_OPEN || session->state == SESSION_CLOSING);
}

static void session_count_inflated(struct session *session)
{
	struct ws_deflate_volume volume;

	if (!session->inflater)
		return;
	volume = ws_inflater_take_volume(session->inflater);
	session->stats->compressed_recv += volume.compressed;
	session->stats->uncompressed_recv += volume.uncompressed;
}

/*
 * Parses one batch of input. A message that began in an earlier batch took from then until now;
 * one that came whole within a batch took no time that could be told.
 */
static void session_parse(struct session *session, struct ws_input *input, uint64_t now)
{
	uint64_t us = session->message_start ? (now - session->message_start) / CLOCK_NS_PER_US : 0;
	struct ws_message message;
	struct ws_failure failure;
	enum ws_received received;

	while (session_takes_input(session)) {
		received = ws_receiver_next(&session->receiver, input, &message, &failure);
		if (received == WS_RECEIVED_NOTHING)
			break;
		if (received == WS_RECEIVED_FAILURE) {
			session_fail(session, &failure);
			break;
		}
		if (message.opcode == WS_TEXT || message.opcode == WS_BINARY) {
			if (!session_offer(session, &message, us))
				session_hold(session, &message, us);
			session->message_start = us = 0;
			session->last_message = now;
		} else {
			session_take_control(session, &message);
		}
	}
	session->stats->frames_recv += session->receiver.frames;
	session->receiver.frames = 0;
	session_count_inflated(session);
	if (!ws_receiver_in_message(&session->receiver))
		session->message_start = 0;
	else if (session->message_start == 0)
		session->message_start = now;
}

/*
 * Keeps what a paused session has read and not parsed. If that is much it stays where it is: the
 * session keeps the read buffer, and who reads next makes another.
 */
static void session_keep_rest(struct session *session, const struct ws_input *rest)
{
	struct session_shared *shared = session->shared;

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

	session_parse(session, &input, clock_monotonic());
	if (input.length == 0 && !shared->read_buffer && backlog->capacity == SESSION_READ_SIZE) {
		shared->read_buffer = backlog->memory;
		*backlog = (struct buffer){0};
		return;
	}
	buffer_consume(backlog, backlog->length - input.length);
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

/* No event will tell of bytes that TLS has read already. */
static void session_expect_pending(struct session *session)
{
	if (stream_pending(session->stream) && !session->paused)
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
	session->stats->bytes_recv += input.length;
	session->received_at = clock_realtime();
	session_parse(session, &input, clock_monotonic());
	if (session->paused)
		session_keep_rest(session, &input);
	session_expect_pending(session);
	return true;
}

/* False when the session is over, like the next. */
static bool session_handle_readable(struct session *session)
{
	if (session->write_wants_read && !session_write_all(session))
		return false;
	if (session->backlog.length && session_takes_input(session)) {
		session_parse_backlog(session);
		session_expect_pending(session);
		return true; /* others may be held up, and get their turn before it reads again */
	}
	if (!session->paused && session_is_open(session) &&
		session->callbacks->held_up(session->context))
		session_pause(session);
	return session->paused || session_read(session);
}

static bool session_handle_writable(struct session *session)
{
	return session_write_all(session) && (!session->read_wants_write || session_read(session));
}

static void session_on_io(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd;
	if ((what & EV_READ && !session_handle_readable(session)) ||
		(what & EV_WRITE && !session_handle_writable(session)))
		session_finish(session);
}

static void session_on_writable(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd, (void)what;
	event_free(session->writable);
	session->writable = NULL;
	if (!session_handle_writable(session))
		session_finish(session);
}

bool session_is_open(const struct session *session)
{
	return session->state == SESSION_OPEN;
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
	session->last_message = clock_monotonic();
	if (session->pong_deadline)
		session->pong_deadline = session->last_message + session->settings->ping_timeout;
	event_add(&session->io, NULL);
	event_active(&session->io, EV_READ, 0);
	session_arm_timer(session);
	return true;
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
	session_expire(session, "no answer to a ping within", session->settings->ping_timeout);
	session->close_code = WS_CLOSE_ABNORMAL;
	session_write_all(session);
	session_finish(session);
}

/* Base64, where it is binary, was checked when the settings were read. */
static bool session_send_heartbeat(struct session *session)
{
	const char *text = session->settings->heartbeat.message;
	struct error error;
	size_t length;
	uint8_t *data;
	bool sent;

	if (!session->settings->heartbeat.binary)
		return session_send(session, WS_TEXT, text, strlen(text), &error);
	data = alloc_zero(1, strlen(text) + 1);
	sent = text_base64_decode(data, &length, text) &&
		session_send(session, WS_BINARY, data, length, &error);
	free(data);
	return sent;
}

/* A message that was sent not long ago, or is about to be, can be heartbeat enough. */
static void session_beat(struct session *session, uint64_t now)
{
	uint64_t every = session->settings->heartbeat.every;
	bool only_idle = session->settings->heartbeat.only_idle;

	if (only_idle && session->last_sent + every > now) {
		session->next_heartbeat = session->last_sent + every;
		return;
	}
	session->next_heartbeat = now + every;
	if (session_waiting(session) == 0 && session_send_heartbeat(session))
		session->stats->heartbeats_sent++;
}

/* The server has not ended the stream in time, so we do. */
static void session_end_closing(struct session *session)
{
	struct error error;

	if (session->state == SESSION_CLOSING) {
		error_set(&error, ERROR_SOCKET_TIMEOUT,
			"the closing handshake did not end in time");
		session_note_error(session, &error);
	}
	session_finish(session);
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
		session_expire(session, "no message for", session->settings->idle_timeout);
		return;
	}
	if (session->next_ping && session->next_ping <= now) {
		session->next_ping = now + session->settings->ping_interval;
		if (!session->paused)
			session_send_ping(session);
	}
	if (session->throttle && session->throttle->next && session->throttle->next <= now)
		session_send_waiting(session);
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
	session->deflater = ws_deflater_new(agreed, (int)settings->compression.level,
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
	stats->bytes_recv += result->rest.length;
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
		message_queue_release(&session->throttle->waiting);
	free(session->throttle);
	free(session->close_reason);
	free(session->error);
	free(session);
}

void session_set_callbacks(struct session *session, const struct session_callbacks *callbacks)
{
	session->callbacks = callbacks;
}

/* Without a limit what waits goes at once. */
static void session_set_rate(struct session *session)
{
	const struct connection_settings *settings = session->settings;

	if (!session->throttle && settings->send_rate.messages > 0)
		session->throttle = alloc_zero(1, sizeof(*session->throttle));
	if (!session->throttle)
		return;
	session->throttle->rate.per_second = settings->send_rate.messages;
	session->throttle->rate.burst = settings->send_rate.burst;
	if (session->state == SESSION_OPEN)
		session_send_waiting(session);
}

void session_set_settings(struct session *session, const struct connection_settings *settings)
{
	session->settings = settings;
	session->receiver.message_max = settings->max_message;
	session->next_ping =
		settings->ping_interval ? clock_monotonic() + settings->ping_interval : 0;
	session->next_heartbeat =
		settings->heartbeat.every ? clock_monotonic() + settings->heartbeat.every : 0;
	session_set_rate(session);
	session_arm_timer(session);
}
