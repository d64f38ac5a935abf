#include "net/dial.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "net/address.h"
#include "net/net_private.h"
#include "net/race.h"
#include "net/tls_io.h"
#include "net/tunnel_io.h"

/*
 * The way of a dial: resolve and race side by side (addresses may come late), then TLS with the proxy
 * and the tunnel through it, then TLS with the server.
 */
struct dial {
	struct net *net;
	struct dial_settings settings;
	const struct url *server; /* to connect to: the URL's, or the proxy */
	dial_done done;
	void *context;
	struct timer deadline;
	uint64_t due;    /* the deadline */
	bool given_anew; /* all its time, after it was slept through */
	struct event start;
	uint64_t started; /* ns; of the phase */
	struct resolve *resolve;
	size_t selected;       /* addresses that may be connected to */
	struct race *race;     /* NULL: connected */
	struct stream *stream; /* NULL: not yet connected */
	struct tunnel_io tunnel;
	struct tls_io tls; /* with the proxy, then with the server */
	enum { DIAL_REACHING, DIAL_SECURING_PROXY, DIAL_TUNNELLING, DIAL_SECURING } phase;
	struct dial_report report;
};

static uint64_t dial_elapsed_us(const struct dial *dial)
{
	return (timers_now(dial->net->timers) - dial->started) / CLOCK_NS_PER_US;
}

void dial_report_release(struct dial_report *report)
{
	free(report->peer);
	free(report->local);
	free(report->proxy);
	free(report->tls);
	*report = (struct dial_report){0};
}

/* Hands the stream or the error over; the dial is gone then. */
static void dial_end(struct dial *dial, const struct error *error)
{
	struct dial_report report = dial->report;
	struct failures *failures = dial->settings.failures;
	struct stream *stream = error ? NULL : dial->stream;
	dial_done done = dial->done;
	void *context = dial->context;

	if (stream)
		dial->stream = NULL;
	else if (failures && report.address.generic.sa_family)
		failures_note(failures, &report.address, timers_now(dial->net->timers));
	if (error && !dial->settings.url->socket_path) /* the host may have moved */
		resolver_forget(dial->net->resolver, dial->server->lookup);
	dial->report = (struct dial_report){0};
	dial_cancel(dial);
	done(stream, &report, error, context);
}

/* Ends with an error, which names the proxy until the tunnel is open. */
static void dial_fail(struct dial *dial, struct error *error)
{
	char server[URL_SERVER_SIZE];

	if (dial->settings.proxy && dial->phase != DIAL_SECURING) {
		url_format_server(&dial->settings.proxy->url, server);
		error_prefix(error, "proxy %s: ", server);
	}
	dial_end(dial, error);
}

static void dial_on_deadline(void *context);

static void dial_set_timer(struct dial *dial, uint64_t ns)
{
	dial->due = timers_now(dial->net->timers) + ns;
	timer_set_at(&dial->deadline, dial->net->timers, dial->due, dial_on_deadline, dial);
}

static void dial_set_deadline(struct dial *dial, uint64_t ns)
{
	dial->given_anew = false;
	dial_set_timer(dial, ns);
}

static uint64_t dial_timeout(const struct dial *dial)
{
	return dial->phase == DIAL_SECURING ? dial->settings.tls_timeout
					    : dial->settings.connect_timeout;
}

/* Once for each deadline, or a host that is always late would wait for ever. */
static bool dial_give_anew(struct dial *dial)
{
	bool late = timers_now(dial->net->timers) - dial->due > CLOCK_LATE;

	if (!late || dial->given_anew)
		return false;
	dial->given_anew = true;
	dial_set_timer(dial, dial_timeout(dial));
	return true;
}

static void dial_on_secured(struct error *error, void *context)
{
	struct dial *dial = context;

	dial->report.tls_us = dial_elapsed_us(dial);
	if (!error) {
		dial->report.tls = alloc_zero(1, sizeof(*dial->report.tls));
		tls_describe(dial->stream->ssl, dial->report.tls);
	}
	dial_end(dial, error);
}

static void dial_secure(struct dial *dial)
{
	const struct tls_io_peer server = {
		.url = dial->settings.url,
		.settings = dial->settings.tls,
	};

	dial->phase = DIAL_SECURING;
	dial->started = timers_now(dial->net->timers);
	dial_set_deadline(dial, dial_timeout(dial));
	tls_io_start(&dial->tls, dial->net, &dial->stream, &server, dial_on_secured, dial);
}

/* There is a way to the server itself. */
static void dial_reached(struct dial *dial)
{
	if (dial->settings.url->secure)
		dial_secure(dial);
	else
		dial_end(dial, NULL);
}

static void dial_on_tunnel(struct error *error, void *context)
{
	struct dial *dial = context;

	dial->report.proxy_us = dial_elapsed_us(dial);
	if (error)
		dial_fail(dial, error);
	else
		dial_reached(dial);
}

static void dial_open_tunnel(struct dial *dial)
{
	dial->phase = DIAL_TUNNELLING;
	tunnel_io_start(&dial->tunnel, dial->net->base, dial->stream, dial->settings.proxy,
		dial->settings.url, dial_on_tunnel, dial);
}

static void dial_on_proxy_secured(struct error *error, void *context)
{
	struct dial *dial = context;

	tls_io_stop(&dial->tls);
	if (!error) {
		dial_open_tunnel(dial);
		return;
	}
	dial->report.proxy_us = dial_elapsed_us(dial);
	dial_fail(dial, error);
}

static void dial_start_tunnel(struct dial *dial)
{
	const struct proxy *proxy = dial->settings.proxy;
	const struct tls_io_peer peer = {
		.url = &proxy->url,
		.settings = &proxy->tls,
		.is_proxy = true,
	};

	dial->started = timers_now(dial->net->timers);
	if (!proxy->url.secure) {
		dial_open_tunnel(dial);
		return;
	}
	dial->phase = DIAL_SECURING_PROXY;
	tls_io_start(&dial->tls, dial->net, &dial->stream, &peer, dial_on_proxy_secured, dial);
}

static void dial_lost(struct dial *dial)
{
	struct error error;

	error_set(&error, ERROR_SOCKET_CONNECT, "cannot connect to %s: %s", dial->server->host,
		race_failures(dial->race));
	dial_fail(dial, &error);
}

/* "" when the connection has been lost already. */
static char *dial_address(const struct dial *dial,
	int (*get)(int fd, struct sockaddr *address, socklen_t *length))
{
	char text[ADDRESS_TEXT_SIZE] = "";
	struct address address;
	socklen_t length = sizeof(address);

	if (get(dial->stream->fd, &address.generic, &length) == 0)
		address_format(&address, text);
	return alloc_string(text);
}

static void dial_note_addresses(struct dial *dial)
{
	dial->report.peer = dial_address(dial, getpeername);
	dial->report.local = dial_address(dial, getsockname);
}

static void dial_note_race(struct dial *dial)
{
	dial->report.connect_us = race_us(dial->race);
	dial->report.attempts = race_attempts(dial->race);
}

/* None that was tried has answered. */
static void dial_note_failures(struct dial *dial)
{
	if (dial->settings.failures)
		race_note_failures(dial->race, dial->settings.failures);
}

static void dial_on_race(struct race *race, void *context)
{
	struct dial *dial = context;
	struct address address;
	int fd = race_take_socket(race, &address);

	dial_note_race(dial);
	if (fd < 0) {
		dial_note_failures(dial);
		dial_lost(dial);
		return;
	}
	resolve_free(dial->resolve); /* a slow family may still be on its way */
	dial->resolve = NULL;
	race_free(dial->race);
	dial->race = NULL;
	dial->stream = stream_new(fd);
	dial->report.address = address;
	dial_note_addresses(dial);
	if (dial->settings.proxy)
		dial_start_tunnel(dial);
	else
		dial_reached(dial);
}

/* Those that may be connected to. */
static size_t dial_select(const struct dial *dial, const struct resolve_answer *answer,
	struct address selected[RESOLVE_ADDRESSES_MAX])
{
	bool public_only = dial->settings.public_only && !dial->settings.proxy;
	size_t count = 0;

	for (size_t i = 0; i < answer->count; i++) {
		if (!public_only || address_is_public(&answer->addresses[i]))
			selected[count++] = answer->addresses[i];
	}
	return count;
}

static void dial_found_only_private(struct dial *dial)
{
	struct error error;

	dial->report.only_private = true;
	error_set(&error, ERROR_SOCKET_CONNECT,
		"%s is at an address of this host or a private network", dial->server->host);
	dial_fail(dial, &error);
}

static void dial_on_resolve(const struct resolve_answer *answer, void *context)
{
	struct dial *dial = context;
	struct address selected[RESOLVE_ADDRESSES_MAX];
	struct error error;
	size_t count;

	if (!dial->report.resolve_us)
		dial->report.resolve_us = dial_elapsed_us(dial);
	if (answer->error) {
		error = *answer->error;
		dial_fail(dial, &error);
		return;
	}
	count = dial_select(dial, answer, selected);
	dial->selected += count;
	if (answer->complete && !dial->selected) {
		dial_found_only_private(dial);
		return;
	}
	race_add(dial->race, selected, count);
	if (answer->complete)
		race_complete(dial->race);
}

static void dial_format_reaching_timeout(const struct dial *dial, const char *after,
	struct error *error)
{
	const char *failures = race_failures(dial->race);
	char name[URL_SERVER_SIZE];

	race_format_pending(dial->race, name, sizeof(name));
	error_set(error, ERROR_SOCKET_TIMEOUT, "timed out after %s %s %s%s%s%s", after,
		name[0] ? "connecting to" : "resolving", name[0] ? name : dial->server->host,
		failures[0] ? " (" : "", failures, failures[0] ? ")" : "");
}

static void dial_format_timeout(const struct dial *dial, struct error *error)
{
	bool securing = dial->phase == DIAL_SECURING;
	const struct url *peer = dial->phase == DIAL_SECURING_PROXY ? &dial->settings.proxy->url
								    : dial->settings.url;
	char after[TEXT_DURATION_SIZE];
	char name[URL_SERVER_SIZE];

	text_format_duration(after, dial_timeout(dial));
	url_format_server(peer, name);
	if (dial->tls.load)
		error_set(error, ERROR_SOCKET_TIMEOUT,
			"timed out after %s reading the files of the '%s' settings", after,
			tls_group(dial->tls.peer.settings));
	else if (securing || dial->phase == DIAL_SECURING_PROXY)
		error_set(error, ERROR_SOCKET_TIMEOUT,
			"timed out after %s in the TLS handshake with %s", after, name);
	else if (dial->phase == DIAL_REACHING)
		dial_format_reaching_timeout(dial, after, error);
	else if (!tunnel_refused(&dial->tunnel.tunnel, error))
		error_set(error, ERROR_SOCKET_TIMEOUT,
			"timed out after %s waiting for the tunnel to %s", after, name);
}

static void dial_on_deadline(void *context)
{
	struct dial *dial = context;
	struct error error;

	if (dial_give_anew(dial))
		return;
	dial_format_timeout(dial, &error);
	if (dial->phase == DIAL_SECURING)
		dial->report.tls_us = dial_elapsed_us(dial);
	else if (dial->phase != DIAL_REACHING)
		dial->report.proxy_us = dial_elapsed_us(dial);
	else if (!dial->report.resolve_us)
		dial->report.resolve_us = dial_elapsed_us(dial);
	if (dial->race) {
		dial_note_race(dial);
		dial_note_failures(dial);
	}
	dial_fail(dial, &error);
}

/* connect() to a UNIX socket never waits. */
static void dial_connect_unix(struct dial *dial)
{
	const char *path = dial->settings.url->socket_path;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct error error;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	dial->report.attempts = 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		error_set(&error, ERROR_SOCKET_CONNECT, "cannot connect to %s: %s", path,
			errno == EAGAIN ? "its queue is full" : strerror(errno));
		if (fd >= 0)
			close(fd);
		dial_end(dial, &error);
		return;
	}
	dial->report.connect_us = dial_elapsed_us(dial);
	dial->stream = stream_new(fd);
	dial->report.peer = alloc_string(path);
	dial_end(dial, NULL);
}

static void dial_begin(evutil_socket_t fd, short events, void *context)
{
	struct dial *dial = context;
	const struct tcp_settings *tcp = dial->settings.tcp;
	struct error error;

	(void)fd, (void)events;
	dial->started = timers_now(dial->net->timers);
	if (dial->settings.url->socket_path) {
		dial_connect_unix(dial);
		return;
	}
	if (tcp && !tcp_check(tcp, &error)) {
		dial_end(dial, &error);
		return;
	}
	dial_set_deadline(dial, dial_timeout(dial));
	dial->race = race_new(dial->net->base, dial->net->timers, tcp, dial->settings.failures,
		dial_on_race, dial);
	dial->resolve = resolve_start(dial->net->resolver, dial->server->lookup, dial->server->port,
		tcp_family(tcp), dial_on_resolve, dial);
}

/* A UNIX socket needs no proxy. */
static void dial_use_proxy(struct dial *dial)
{
	if (dial->settings.url->socket_path)
		dial->settings.proxy = NULL;
	dial->server = dial->settings.url;
	if (!dial->settings.proxy)
		return;
	dial->server = &dial->settings.proxy->url;
	dial->report.proxy = alloc_string(dial->settings.proxy->url.shown);
}

struct dial *dial_start(struct net *net, const struct dial_settings *settings, dial_done done,
	void *context)
{
	struct dial *dial = alloc_zero(1, sizeof(*dial));

	dial->net = net;
	dial->settings = *settings;
	dial->done = done;
	dial->context = context;
	dial_use_proxy(dial);
	event_assign(&dial->start, net->base, -1, 0, dial_begin, dial);
	event_active(&dial->start, 0, 0);
	return dial;
}

void dial_cancel(struct dial *dial)
{
	if (!dial)
		return;
	timer_clear(&dial->deadline);
	event_del(&dial->start);
	resolve_free(dial->resolve);
	race_free(dial->race);
	tunnel_io_stop(&dial->tunnel);
	tls_io_stop(&dial->tls);
	stream_close(dial->stream);
	dial_report_release(&dial->report);
	free(dial);
}
