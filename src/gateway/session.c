#include "gateway/session_private.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/container.h"

static void session_finish(struct session *session)
{
	struct ws_endpoint_end endpoint_end;
	struct session_end end;

	ws_endpoint_end(&session->endpoint, &endpoint_end);
	end = (struct session_end){
		.code = endpoint_end.code,
		.reason = endpoint_end.reason,
		.remote = endpoint_end.remote,
		.lost = session_undelivered(session),
		.error = endpoint_end.error,
	};
	session->callbacks->ended(session, &end, session->context);
}

/* --- events ---------------------------------------------------------------------------------- */

static void session_on_timer(void *context);

/* A deadline that has moved back is not worth a change of the timer, which then comes early. */
static void session_set_timer(struct session *session)
{
	uint64_t deadline = ws_endpoint_deadline(&session->endpoint);

	if (deadline < timer_due(&session->timer))
		timer_set_at(&session->timer, session->shared->timers, deadline, session_on_timer,
			session);
}

/* Follows whatever may have given the endpoint output or a deadline. */
static void session_settle(struct session *session)
{
	if (ws_endpoint_wants_traffic(&session->endpoint))
		session_measure(session);
	if (ws_endpoint_wants_write(&session->endpoint))
		session_schedule_write(session);
	session_set_timer(session);
}

/* The socket may still hold data: libevent checks timers and sockets in one poll, in no particular
 * order. False: the session is over. */
static bool session_prepare_judgement(struct session *session)
{
	if (!ws_endpoint_judges(&session->endpoint, session_now(session)))
		return true;
	if (!session_receive(session))
		return false;
	session_measure(session);
	return true;
}

static void session_on_timer(void *context)
{
	struct session *session = context;

	if (!session_prepare_judgement(session)) {
		session_finish(session);
		return;
	}
	if (ws_endpoint_expire(&session->endpoint, session_now(session))) {
		session_settle(session);
		return;
	}
	session_write(session);
	session_finish(session);
}

static void session_on_io(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd, (void)what;
	if (session_receive(session))
		session_settle(session);
	else
		session_finish(session);
}

/* Limits the cost of encoding, for all that write in a round, and for all that send between two. */
static void session_on_writes_reset(void *context)
{
	struct session_shared *shared = context;

	shared->endpoints.encoded = 0;
}

static bool session_on_write_turn(struct turn *turn, void *context)
{
	struct session *session = container_of(turn, struct session, write);
	struct session_shared *shared = context;
	size_t expired = ws_endpoint_encode(&session->endpoint, session_now(session));

	if (expired)
		session->callbacks->expired(session, expired, session->context);
	session_write(session);
	session_set_timer(session);
	return ws_endpoint_has_turn(&shared->endpoints);
}

/* --- life ------------------------------------------------------------------------------------ */

void session_shared_init(struct session_shared *shared, struct event_base *base,
	struct timers *timers)
{
	static const struct turns_callbacks callbacks = {
		.reset = session_on_writes_reset,
		.take = session_on_write_turn,
	};

	shared->base = base;
	shared->timers = timers;
	turns_init(&shared->writes, base, &callbacks, shared);
}

void session_shared_release(struct session_shared *shared)
{
	turns_release(&shared->writes);
	free(shared->read_buffer);
}

struct session *session_new(struct session_shared *shared,
	const struct connection_settings *settings, struct ws_endpoint_counts *counts,
	struct call_result *result, bool deflate, const struct session_callbacks *callbacks,
	void *context)
{
	struct session *session = alloc_zero(1, sizeof(*session));

	session->shared = shared;
	session->callbacks = callbacks;
	session->context = context;
	session->stream = result->stream;
	session->backlog = result->rest;
	counts->bytes_recv += result->rest.length;
	ws_endpoint_init(&session->endpoint, &shared->endpoints, &settings->endpoint, counts,
		session_now(session));
	if (deflate)
		ws_endpoint_compress(&session->endpoint, &result->deflate,
			settings->compression.level, settings->compression.threshold);
	event_assign(&session->io, shared->base, session->stream->fd, EV_READ | EV_PERSIST,
		session_on_io, session);
	event_add(&session->io, NULL);
	event_active(&session->io, EV_READ, 0); /* for the backlog, and bytes that TLS holds */
	session_settle(session);
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_set_busy(session, false);
	turns_forget(&session->shared->writes, &session->write);
	event_del(&session->io);
	if (session->writable)
		event_free(session->writable);
	timer_clear(&session->timer);
	stream_close(session->stream);
	ws_endpoint_release(&session->endpoint);
	buffer_release(&session->backlog);
	free(session);
}

void session_set_settings(struct session *session, const struct connection_settings *settings)
{
	ws_endpoint_configure(&session->endpoint, &settings->endpoint, session_now(session));
	session_settle(session);
}

/* --- for the owner --------------------------------------------------------------------------- */

bool session_send(struct session *session, struct ws_outgoing *message, struct error *error)
{
	if (!ws_endpoint_send(&session->endpoint, message, session_now(session), error))
		return false;
	session_schedule_write(session);
	return true;
}

bool session_has_room(struct session *session, size_t length)
{
	if (ws_endpoint_has_room(&session->endpoint, length))
		return true;
	session->send_refused = true;
	return false;
}

bool session_has_turn(struct session *session, size_t length)
{
	if (!session_has_room(session, length))
		return false;
	if (ws_endpoint_has_turn(&session->shared->endpoints))
		return true;
	session_ask(session);
	return false;
}

void session_ask(struct session *session)
{
	session->send_refused = true;
	session_schedule_write(session);
}

void session_set_opening(struct session *session, bool opening)
{
	session->endpoint.opening = opening;
}

bool session_ping(struct session *session, struct error *error)
{
	if (!ws_endpoint_ping(&session->endpoint, session_now(session), error))
		return false;
	session_settle(session);
	return true;
}

void session_close(struct session *session, unsigned code, const char *reason)
{
	ws_endpoint_close(&session->endpoint, code, reason, session_now(session));
	session_settle(session);
}

void session_abort(struct session *session)
{
	ws_endpoint_give_up(&session->endpoint);
	session_finish(session);
}

bool session_resume(struct session *session)
{
	if (!session->endpoint.paused || !session_offer_held(session))
		return false;
	session->held = (struct ws_message){0};
	session->turn = true;
	ws_endpoint_resume(&session->endpoint, session_now(session));
	event_add(&session->io, NULL);
	event_active(&session->io, EV_READ, 0);
	session_settle(session);
	return true;
}

bool session_is_open(const struct session *session)
{
	return session->endpoint.state == WS_ENDPOINT_OPEN;
}

bool session_paused(const struct session *session)
{
	return session->endpoint.paused;
}

size_t session_queued(const struct session *session)
{
	return ws_endpoint_queued(&session->endpoint);
}

struct ws_endpoint_unsent session_unsent(const struct session *session)
{
	return ws_endpoint_unsent(&session->endpoint);
}

void session_take_unsent(struct session *session, struct ws_message_queue *queue)
{
	ws_endpoint_take_unsent(&session->endpoint, queue);
}
