#include "net/dial.h"

#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "net/address.h"
#include "net/net_private.h"
#include "net/race.h"

/* The way of a dial: resolve and race side by side (addresses may come late), then TLS. */
struct dial {
	struct net *net;
	struct dial_settings settings;
	dial_done done;
	void *context;
	struct event deadline;
	struct event io;   /* the start, then the TLS handshake */
	uint64_t started;  /* ns; of resolving, then of the handshake */
	struct resolve *resolve;
	struct race *race;     /* NULL: connected */
	struct stream *stream; /* NULL: not yet connected */
	struct dial_report report;
};

/* "example.com:443", as errors name the server; unlike the Host header always with the port. */
enum { DIAL_SERVER_SIZE = 280 };

static void dial_format_server(const struct dial *dial, char text[DIAL_SERVER_SIZE])
{
	const struct url *url = dial->settings.url;
	const char *format = strchr(url->host, ':') ? "[%s]:%u" : "%s:%u";

	snprintf(text, DIAL_SERVER_SIZE, format, url->host, url->port);
}

static uint64_t dial_elapsed_us(const struct dial *dial)
{
	return (clock_monotonic() - dial->started) / CLOCK_NS_PER_US;
}

/* Hands the stream or the error over; the dial is gone then. */
static void dial_end(struct dial *dial, const struct error *error)
{
	struct dial_report report = dial->report;
	struct stream *stream = error ? NULL : dial->stream;
	dial_done done = dial->done;
	void *context = dial->context;

	if (stream)
		dial->stream = NULL;
	dial_cancel(dial);
	done(stream, &report, error, context);
}

static void dial_wait(struct dial *dial, short events, event_callback_fn callback)
{
	event_assign(&dial->io, dial->net->base, dial->stream->fd, events, callback, dial);
	event_add(&dial->io, NULL);
}

static void dial_set_deadline(struct dial *dial, uint64_t ns)
{
	struct timeval timeout = clock_timeval(ns);

	event_add(&dial->deadline, &timeout);
}

static void dial_shake_hands(evutil_socket_t fd, short events, void *context)
{
	struct dial *dial = context;
	char server[DIAL_SERVER_SIZE];
	enum stream_status status;
	struct error error;

	(void)fd, (void)events;
	dial_format_server(dial, server);
	status = tls_handshake(dial->stream->ssl, server, &error);
	if (status == STREAM_WANT_READ || status == STREAM_WANT_WRITE) {
		dial_wait(dial, status == STREAM_WANT_READ ? EV_READ : EV_WRITE, dial_shake_hands);
		return;
	}
	dial->report.tls_us = dial_elapsed_us(dial);
	if (status != STREAM_OK) {
		dial_end(dial, &error);
		return;
	}
	snprintf(dial->report.tls_version, sizeof(dial->report.tls_version), "%s",
		SSL_get_version(dial->stream->ssl));
	snprintf(dial->report.tls_cipher, sizeof(dial->report.tls_cipher), "%s",
		SSL_get_cipher_name(dial->stream->ssl));
	dial_end(dial, NULL);
}

static void dial_start_tls(struct dial *dial)
{
	struct error error;

	dial->started = clock_monotonic();
	dial_set_deadline(dial, dial->settings.tls_timeout);
	dial->stream->ssl = tls_open(dial->net->tls, dial->settings.tls, dial->stream->fd,
		dial->settings.url->host, &error);
	if (dial->stream->ssl)
		dial_shake_hands(-1, 0, dial);
	else
		dial_end(dial, &error);
}

static void dial_lost(struct dial *dial)
{
	struct error error;

	error_set(&error, ERROR_SOCKET_CONNECT, "cannot connect to %s: %s",
		dial->settings.url->host, race_failures(dial->race));
	dial_end(dial, &error);
}

static void dial_note_addresses(struct dial *dial)
{
	struct address address;
	socklen_t length = sizeof(address);

	if (getpeername(dial->stream->fd, &address.generic, &length) == 0)
		address_format(&address, dial->report.peer);
	length = sizeof(address);
	if (getsockname(dial->stream->fd, &address.generic, &length) == 0)
		address_format(&address, dial->report.local);
}

static void dial_note_race(struct dial *dial)
{
	dial->report.connect_us = race_us(dial->race);
	dial->report.attempts = race_attempts(dial->race);
}

static void dial_on_race(struct race *race, void *context)
{
	struct dial *dial = context;
	int fd = race_take_socket(race);

	dial_note_race(dial);
	if (fd < 0) {
		dial_lost(dial);
		return;
	}
	resolve_free(dial->resolve); /* a slow family may still be on its way */
	dial->resolve = NULL;
	race_free(dial->race);
	dial->race = NULL;
	dial->stream = stream_new(fd);
	dial_note_addresses(dial);
	if (dial->settings.url->secure)
		dial_start_tls(dial);
	else
		dial_end(dial, NULL);
}

static void dial_on_resolve(const struct resolve_answer *answer, void *context)
{
	struct dial *dial = context;

	if (!dial->report.resolve_us)
		dial->report.resolve_us = dial_elapsed_us(dial);
	if (answer->error) {
		dial_end(dial, answer->error);
		return;
	}
	race_add(dial->race, answer->addresses, answer->count);
	if (answer->complete)
		race_complete(dial->race);
}

static void dial_format_timeout(struct dial *dial, struct error *error)
{
	const char *host = dial->settings.url->host;
	char name[DIAL_SERVER_SIZE];
	char after[TEXT_DURATION_SIZE];
	const char *failures;

	text_format_duration(after,
		dial->stream ? dial->settings.tls_timeout : dial->settings.connect_timeout);
	if (dial->stream) {
		dial_format_server(dial, name);
		error_set(error, ERROR_SOCKET_TIMEOUT,
			"timed out after %s in the TLS handshake with %s", after, name);
		return;
	}
	failures = race_failures(dial->race);
	race_format_pending(dial->race, name, sizeof(name));
	error_set(error, ERROR_SOCKET_TIMEOUT, "timed out after %s %s %s%s%s%s", after,
		name[0] ? "connecting to" : "resolving", name[0] ? name : host,
		failures[0] ? " (" : "", failures, failures[0] ? ")" : "");
}

static void dial_on_deadline(evutil_socket_t fd, short events, void *context)
{
	struct dial *dial = context;
	struct error error;

	(void)fd, (void)events;
	dial_format_timeout(dial, &error);
	if (dial->stream)
		dial->report.tls_us = dial_elapsed_us(dial);
	else if (!dial->report.resolve_us)
		dial->report.resolve_us = dial_elapsed_us(dial);
	if (dial->race)
		dial_note_race(dial);
	dial_end(dial, &error);
}

static void dial_begin(evutil_socket_t fd, short events, void *context)
{
	struct dial *dial = context;

	(void)fd, (void)events;
	dial->started = clock_monotonic();
	dial_set_deadline(dial, dial->settings.connect_timeout);
	dial->race = race_new(dial->net->base, dial_on_race, dial);
	dial->resolve = resolve_start(dial->net->resolver, dial->settings.url->host,
		dial->settings.url->port, dial_on_resolve, dial);
}

struct dial *dial_start(struct net *net, const struct dial_settings *settings, dial_done done,
	void *context)
{
	struct dial *dial = alloc_zero(1, sizeof(*dial));

	dial->net = net;
	dial->settings = *settings;
	dial->done = done;
	dial->context = context;
	event_assign(&dial->deadline, net->base, -1, 0, dial_on_deadline, dial);
	event_assign(&dial->io, net->base, -1, 0, dial_begin, dial);
	event_active(&dial->io, 0, 0);
	return dial;
}

void dial_cancel(struct dial *dial)
{
	if (!dial)
		return;
	event_del(&dial->deadline);
	event_del(&dial->io);
	resolve_free(dial->resolve);
	race_free(dial->race);
	stream_close(dial->stream);
	free(dial);
}
