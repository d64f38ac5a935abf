#include "gateway/session_private.h"

/* The sending half of a session: from its endpoint's output to its socket. */

enum { SESSION_WRITE_MAX = 1 << 20 }; /* bytes written at a time, so that others have their turn */

static void session_on_writable(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;

	(void)fd, (void)what;
	event_free(session->writable);
	session->writable = NULL;
	session_schedule_write(session);
	if (session->read_wants_write && !session->endpoint.paused)
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
	if (!session->writable)
		turns_await(&session->shared->writes, &session->write);
}

static enum stream_status session_write_some(struct session *session, struct error *error)
{
	struct ws_endpoint *endpoint = &session->endpoint;
	enum stream_status status = STREAM_OK;
	size_t most = SESSION_WRITE_MAX;
	size_t length, written;
	const uint8_t *output;

	while (most && status == STREAM_OK && (output = ws_endpoint_output(endpoint, &length))) {
		status = stream_write(session->stream, output, length < most ? length : most,
			&written, error);
		ws_endpoint_wrote(endpoint, written);
		ws_endpoint_commit(endpoint, session->stream->committed);
		most -= written;
	}
	return status;
}

static void session_report_sent(struct session *session, uint64_t now)
{
	struct ws_endpoint_sent sent;

	while (ws_endpoint_next_sent(&session->endpoint, &sent, now))
		session->callbacks->sent(session, sent.bytes, sent.us, session->context);
}

/* The owner, who found the queue full or had no more time, may go on when half of it is free. */
static void session_report_writable(struct session *session)
{
	struct ws_endpoint *endpoint = &session->endpoint;

	if (!session->send_refused ||
		ws_endpoint_queued(endpoint) > endpoint->settings->send_queue / 2)
		return;
	session->send_refused = false;
	session->callbacks->writable(session, session->context);
}

void session_write(struct session *session)
{
	struct ws_endpoint *endpoint = &session->endpoint;
	struct error error;
	enum stream_status status = session_write_some(session, &error);
	uint64_t now = session_now(session);

	session->write_wants_read = status == STREAM_WANT_READ;
	switch (status) {
	case STREAM_OK:
		if (ws_endpoint_wants_write(endpoint))
			session_schedule_write(session);
		break;
	case STREAM_WANT_READ:
		break;
	case STREAM_WANT_WRITE:
		session_await_writable(session);
		break;
	case STREAM_END:
	case STREAM_ERROR:
		ws_endpoint_lose_output(endpoint, &error, now);
		break;
	}
	session_report_sent(session, now);
	session_report_writable(session);
}
