#include "control/control.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "control/methods.h"
#include "control/report.h"
#include "control/rpc.h"
#include "outlet/listener.h"

enum {
	CONTROL_CLIENTS_MAX = 256,
	CONTROL_PIECE = 16 * 1024, /* bytes that a session is fed at a time */
};

LIST_HEAD(client_list, client);

struct control {
	struct gateway *gateway;
	struct control_callbacks callbacks;
	uint64_t started; /* ns since 1970 */
	char *path;
	struct log_subject about;
	struct listeners *listeners;
	struct listener *listener;
	struct gateway_listener events;
	struct client_list clients;
	unsigned client_count;
};

struct client {
	struct control *control;
	struct bufferevent *stream;
	struct rpc_session *session;
	struct method_context context;
	uint64_t lost; /* events dropped since the client has stopped reading */
	bool finished; /* it will send no more */
	LIST_ENTRY(client) entry;
};

static void client_free(struct client *client)
{
	LIST_REMOVE(client, entry);
	client->control->client_count--;
	rpc_session_free(client->session);
	bufferevent_free(client->stream);
	free(client);
}

static void client_write(const void *data, size_t length, void *context)
{
	struct client *client = context;

	bufferevent_write(client->stream, data, length);
}

static size_t client_unsent(void *context)
{
	struct client *client = context;

	return evbuffer_get_length(bufferevent_get_output(client->stream));
}

static void client_notify(struct client *client, const char *method, json_t *parameters)
{
	char *line = rpc_notification(method, parameters);

	client_write(line, strlen(line), client);
	free(line);
}

/* Feeds the session until it has had enough. */
static void client_take_input(struct client *client)
{
	char piece[CONTROL_PIECE];
	size_t length;

	rpc_session_input(client->session, NULL, 0);
	while (!rpc_session_full(client->session)) {
		length = bufferevent_read(client->stream, piece, sizeof(piece));
		if (length == 0)
			break;
		rpc_session_input(client->session, piece, length);
	}
}

/* After anything that may have changed what the client is to do next; may free it. */
static void client_update(struct client *client)
{
	bool full = rpc_session_full(client->session);
	bool finished = client->finished || rpc_session_ended(client->session);

	if (finished && client_unsent(client) == 0 && !rpc_session_owes(client->session)) {
		client_free(client);
		return;
	}
	if (client->lost && !full) {
		client_notify(client, "lost",
			json_pack("{s:I}", "count", (json_int_t)client->lost));
		client->lost = 0;
	}
	if (full || finished)
		bufferevent_disable(client->stream, EV_READ);
	else
		bufferevent_enable(client->stream, EV_READ);
}

static void client_on_read(struct bufferevent *stream, void *context)
{
	struct client *client = context;

	(void)stream;
	client_take_input(client);
	client_update(client);
}

/* The output has been taken by half of the mark or more. */
static void client_on_written(struct bufferevent *stream, void *context)
{
	client_on_read(stream, context);
}

/* Whether the peer has closed its socket, and not only its sending side. */
static bool client_has_left(struct client *client)
{
	struct pollfd poll_fd = {.fd = bufferevent_getfd(client->stream)};

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

static void client_on_event(struct bufferevent *stream, short what, void *context)
{
	struct client *client = context;

	(void)stream;
	if ((what & BEV_EVENT_ERROR) || client_has_left(client)) {
		client_free(client);
		return;
	}
	client->finished = true;
	client_take_input(client);
	client_update(client);
}

static void client_turn_away(int fd)
{
	static const char answer[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,"
		"\"message\":\"256 control clients are connected already\"}}\n";
	ssize_t sent = send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)sent; /* a courtesy */
	close(fd);
}

static void client_new(struct control *control, int fd)
{
	struct event_base *base = gateway_base(control->gateway);
	struct client *client = alloc_zero(1, sizeof(*client));
	struct rpc_callbacks callbacks = {client, client_write, client_unsent};

	client->control = control;
	client->context.gateway = control->gateway;
	client->context.callbacks = &control->callbacks;
	client->context.started = control->started;
	client->session = rpc_session_new(methods, &callbacks, &client->context);
	client->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->stream, client_on_read, client_on_written, client_on_event,
		client);
	bufferevent_setwatermark(client->stream, EV_WRITE, RPC_OUTPUT_MARK / 2, 0);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(&control->clients, client, entry);
	control->client_count++;
}

static void control_on_accept(int fd, void *context)
{
	struct control *control = context;

	if (control->client_count < CONTROL_CLIENTS_MAX)
		client_new(control, fd);
	else
		client_turn_away(fd);
}

/* Put into words once, and only if somebody follows. */
static void control_on_event(const struct gateway_event *event, void *context)
{
	struct control *control = context;
	struct client *client;
	char *line = NULL;

	LIST_FOREACH (client, &control->clients, entry) {
		if (!client->context.following)
			continue;
		if (rpc_session_full(client->session) || client->lost) {
			client->lost++;
			continue;
		}
		if (!line)
			line = rpc_notification("event", report_event(event));
		client_write(line, strlen(line), client);
	}
	free(line);
}

static struct listener_access control_access(const struct gateway *gateway)
{
	const struct gateway_settings *settings = &gateway_settings(gateway)->gateway;

	return (struct listener_access){
		.mode = settings->control.mode,
		.owner = settings->control.owner,
		.group = settings->control.group,
	};
}

struct control *control_new(struct gateway *gateway, const struct control_callbacks *callbacks,
	struct error *error)
{
	const struct listener_access access = control_access(gateway);
	struct control *control = alloc_zero(1, sizeof(*control));

	control->gateway = gateway;
	control->callbacks = *callbacks;
	control->started = clock_realtime();
	control->path = alloc_string(gateway_settings(gateway)->gateway.control.path);
	control->about = (struct log_subject){"control", control->path};
	LIST_INIT(&control->clients);
	control->listeners = listeners_new(gateway_base(gateway), gateway_log(gateway));
	control->listener = listener_new(control->listeners, &control->about, control->path,
		SOCK_STREAM, &access, control_on_accept, control, error);
	if (!control->listener) {
		listeners_free(control->listeners);
		free(control->path);
		free(control);
		return NULL;
	}
	control->events.event = control_on_event;
	control->events.context = control;
	gateway_listen(gateway, &control->events);
	return control;
}

bool control_update_access(struct control *control, struct error *error)
{
	const struct listener_access access = control_access(control->gateway);

	return listener_set_access(control->listener, &access, error);
}

void control_free(struct control *control)
{
	struct client *client;

	if (!control)
		return;
	gateway_unlisten(control->gateway, &control->events);
	listener_free(control->listener);
	listeners_free(control->listeners);
	while ((client = LIST_FIRST(&control->clients))) {
		/* What the socket takes at once: the last events before the end. */
		evbuffer_unfreeze(bufferevent_get_output(client->stream), 1);
		evbuffer_write(bufferevent_get_output(client->stream),
			bufferevent_getfd(client->stream));
		client_free(client);
	}
	free(control->path);
	free(control);
}
