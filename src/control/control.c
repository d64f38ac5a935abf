#include "control/control.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/listener.h"
#include "control/methods.h"
#include "control/report.h"
#include "control/rpc.h"

enum {
	CONTROL_CLIENTS_MAX = 256,     /* of each socket, */
	CONTROL_CLIENTS_RESERVED = 16, /* of these only for root and the daemon's user, */
	CONTROL_CLIENTS_EACH = 64,     /* and no more for any other user */
	CONTROL_IDLE_SECONDS = 10,     /* after so long a client may have to make room */
	CONTROL_PIECE = 16 * 1024,     /* bytes that a session is fed at a time */
	CONTROL_INPUT_MAX = 64 * 1024, /* bytes that wait for their turn, of a client */
	CONTROL_LOCK_TRIES = 20,       /* at the start, when another daemon may start, 1 ms each */
	CONTROL_TURN_MS = 5,           /* of work for all clients, before the loop polls again */
};

LIST_HEAD(client_list, client);
TAILQ_HEAD(client_queue, client);

/* Where clients come in: the control socket, or the observe socket. */
struct control_socket {
	struct control *control;
	enum report_view view;
	char *path;
	struct log_subject about;
	struct listener *listener; /* NULL: there is none */
	struct client_list clients;
	unsigned client_count;
};

struct control {
	struct gateway *gateway;
	struct control_callbacks callbacks;
	uint64_t started; /* ns since 1970 */
	struct listeners *listeners;
	struct control_socket control;
	struct control_socket observe;
	struct gateway_watcher events;
	struct client_queue turns; /* clients that have something to be done, each one once */
	struct event turn;         /* the time for it, after a poll */
};

struct client {
	struct control_socket *socket;
	struct bufferevent *stream;
	struct rpc_session *session;
	struct method_context context;
	uid_t uid;
	uint64_t active; /* when it has last sent something, monotonic ns */
	uint64_t lost;   /* events dropped since the client has stopped reading */
	bool finished;   /* it will send no more */
	bool queued;     /* in `turns` */
	LIST_ENTRY(client) entry;
	TAILQ_ENTRY(client) turn;
};

static void client_free(struct client *client)
{
	if (client->queued)
		TAILQ_REMOVE(&client->socket->control->turns, client, turn);
	LIST_REMOVE(client, entry);
	client->socket->client_count--;
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

/* Nothing is added or removed in the middle of a change. */
static bool client_has_to_wait(void *context)
{
	const struct client *client = context;

	return gateway_is_changing(client->socket->control->gateway);
}

static void client_notify(struct client *client, const char *method, json_t *parameters)
{
	char *line = rpc_notification(method, parameters);

	client_write(line, strlen(line), client);
	free(line);
}

/* --- what clients ask for is done in turns, a bounded time between two polls ----------------- */

static void control_await_turn(struct control *control)
{
	const struct timeval now = {0};

	/* Once it is due, to add it again would put it off: every new client does so. */
	if (!TAILQ_EMPTY(&control->turns) && !event_pending(&control->turn, EV_TIMEOUT, NULL))
		event_add(&control->turn, &now);
}

static void client_await_turn(struct client *client)
{
	struct control *control = client->socket->control;

	if (client->queued)
		return;
	TAILQ_INSERT_TAIL(&control->turns, client, turn);
	client->queued = true;
	control_await_turn(control);
}

static void client_on_released(void *context)
{
	client_await_turn(context);
}

/* False: there is nothing to do, until the client sends or reads. */
static bool client_step(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	struct evbuffer_iovec piece;
	size_t length;

	if (rpc_session_step(client->session))
		return true;
	if (rpc_session_full(client->session) || rpc_session_waits(client->session))
		return false;
	if (evbuffer_peek(input, CONTROL_PIECE, NULL, &piece, 1) < 1)
		return false;
	length = piece.iov_len < CONTROL_PIECE ? piece.iov_len : CONTROL_PIECE;
	rpc_session_input(client->session, piece.iov_base, length);
	explicit_bzero(piece.iov_base, length); /* a header of `connect` may be a secret */
	evbuffer_drain(input, length);
	return length > 0; /* an empty buffer may have a piece without bytes */
}

/* When nothing is to be done for it; may free the client. */
static void client_rest(struct client *client)
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

/* A step for each client after the other, until the time is over. */
static void control_on_turn(evutil_socket_t fd, short what, void *context)
{
	uint64_t end = clock_monotonic() + CONTROL_TURN_MS * CLOCK_NS_PER_MS;
	struct control *control = context;
	struct client *client;

	(void)fd, (void)what;
	while ((client = TAILQ_FIRST(&control->turns)) && clock_monotonic() < end) {
		TAILQ_REMOVE(&control->turns, client, turn);
		client->queued = false;
		if (client_step(client))
			client_await_turn(client);
		else
			client_rest(client);
	}
	control_await_turn(control);
}

static void client_on_read(struct bufferevent *stream, void *context)
{
	struct client *client = context;

	(void)stream;
	client->active = clock_monotonic();
	client_await_turn(client);
}

/* The output has been taken by half of the mark or more. */
static void client_on_written(struct bufferevent *stream, void *context)
{
	(void)stream;
	client_await_turn(context);
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
	client_await_turn(client);
}

/* --- coming in ------------------------------------------------------------------------------- */

static bool control_trusts(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static unsigned socket_count(const struct control_socket *socket, uid_t uid)
{
	const struct client *client;
	unsigned count = 0;

	LIST_FOREACH (client, &socket->clients, entry)
		count += client->uid == uid;
	return count;
}

static bool client_is_idle(struct client *client, uint64_t now)
{
	return !client->queued && !client->context.following && client_unsent(client) == 0 &&
		!rpc_session_owes(client->session) &&
		now - client->active >= CONTROL_IDLE_SECONDS * CLOCK_NS_PER_SECOND;
}

/* The client that has been idle for the longest, among those that have to make room for that user:
 * `own`: its own ones; NULL: none is idle. */
static struct client *socket_idlest(struct control_socket *socket, uid_t uid, bool own)
{
	uint64_t now = clock_monotonic();
	struct client *client, *idlest = NULL;

	LIST_FOREACH (client, &socket->clients, entry) {
		bool fits = own ? client->uid == uid
				: control_trusts(uid) || !client->context.trusted;

		if (fits && client_is_idle(client, now) &&
			(!idlest || client->active < idlest->active))
			idlest = client;
	}
	return idlest;
}

/*
 * A place for a client of that user; if there is none, of idle ones the longest idle loses its own.
 * Whoever may use the socket can so neither keep other users out nor the administrator.
 */
static bool socket_make_room(struct control_socket *socket, uid_t uid)
{
	bool trusted = control_trusts(uid);
	unsigned most = CONTROL_CLIENTS_MAX - (trusted ? 0 : CONTROL_CLIENTS_RESERVED);
	bool own = !trusted && socket_count(socket, uid) >= CONTROL_CLIENTS_EACH;
	struct client *idlest;

	if (!own && socket->client_count < most)
		return true;
	idlest = socket_idlest(socket, uid, own);
	if (idlest)
		client_free(idlest);
	return idlest != NULL;
}

/* Whether there are descriptors for a client of that user: he leaves some for who is trusted. */
static bool socket_may_keep(const struct control_socket *socket, int fd, uid_t uid)
{
	return control_trusts(uid) ||
		(unsigned)fd < gateway_client_ceiling(socket->control->gateway);
}

static void client_turn_away(int fd, const char *why)
{
	char *answer = alloc_format("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,"
				    "\"message\":\"%s\"}}\n", why);
	ssize_t sent = send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)sent; /* a courtesy */
	free(answer);
	close(fd);
}

static void client_new(struct control_socket *socket, int fd, uid_t uid)
{
	struct control *control = socket->control;
	struct event_base *base = gateway_base(control->gateway);
	struct client *client = alloc_zero(1, sizeof(*client));
	struct rpc_callbacks callbacks = {
		.context = client,
		.write = client_write,
		.unsent = client_unsent,
		.busy = client_has_to_wait,
		.released = client_on_released,
	};

	client->socket = socket;
	client->uid = uid;
	client->active = clock_monotonic();
	client->context.gateway = control->gateway;
	client->context.callbacks = &control->callbacks;
	client->context.started = control->started;
	client->context.trusted = control_trusts(uid);
	client->context.view = socket->view == REPORT_ALL && !client->context.trusted
		? REPORT_CONTROL : socket->view;
	client->session = rpc_session_new(methods, socket->view == REPORT_OBSERVED, &callbacks,
		&client->context);
	client->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->stream, client_on_read, client_on_written, client_on_event,
		client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, CONTROL_INPUT_MAX);
	bufferevent_setwatermark(client->stream, EV_WRITE, RPC_OUTPUT_MARK / 2, 0);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(&socket->clients, client, entry);
	socket->client_count++;
}

static void socket_on_accept(int fd, void *context)
{
	struct control_socket *socket = context;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	if (!socket_may_keep(socket, fd, peer.uid))
		client_turn_away(fd, "there are no more descriptors for control clients");
	else if (socket_make_room(socket, peer.uid))
		client_new(socket, fd, peer.uid);
	else
		client_turn_away(fd, "too many control clients are connected already");
}

/* --- events ---------------------------------------------------------------------------------- */

/* Put into words once, and only if somebody follows. */
static void socket_tell(struct control_socket *socket, const struct gateway_event *event)
{
	struct client *client;
	char *line = NULL;

	LIST_FOREACH (client, &socket->clients, entry) {
		if (!client->context.following)
			continue;
		if (rpc_session_full(client->session) || client->lost) {
			client->lost++;
			continue;
		}
		if (!line)
			line = rpc_notification("event", report_event(event, socket->view));
		client_write(line, strlen(line), client);
	}
	free(line);
}

static void control_on_event(const struct gateway_event *event, void *context)
{
	struct control *control = context;

	socket_tell(&control->control, event);
	socket_tell(&control->observe, event);
}

static void socket_resume(struct control_socket *socket)
{
	struct client *client;

	LIST_FOREACH (client, &socket->clients, entry) {
		if (rpc_session_waits(client->session))
			client_await_turn(client);
	}
}

static void control_on_settled(void *context)
{
	struct control *control = context;

	socket_resume(&control->control);
}

/* --- life ------------------------------------------------------------------------------------ */

static struct listener_access socket_access(const struct socket_settings *settings)
{
	return (struct listener_access){
		.mode = settings->mode,
		.owner = settings->owner,
		.group = settings->group,
		.uid = settings->uid,
		.gid = settings->gid,
	};
}

/* Without a path there is no such socket. */
static bool socket_open(struct control_socket *socket, struct control *control,
	enum report_view view, const struct socket_settings *settings, struct error *error)
{
	const struct listener_access access = socket_access(settings);
	const struct timespec pause = {.tv_nsec = CLOCK_NS_PER_MS};

	socket->control = control;
	socket->view = view;
	LIST_INIT(&socket->clients);
	if (!settings->path)
		return true;
	socket->path = alloc_string(settings->path);
	socket->about = (struct log_subject){
		.kind = view == REPORT_OBSERVED ? "observe" : "control",
		.name = socket->path,
	};
	for (int tries = 0; tries < CONTROL_LOCK_TRIES && !socket->listener; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		socket->listener = listener_new(control->listeners, &socket->about, socket->path,
			SOCK_STREAM, &access, socket_on_accept, socket, error);
		if (!socket->listener && strcmp(error->name, ERROR_LOCKED) != 0)
			break;
	}
	return socket->listener != NULL;
}

static void socket_close(struct control_socket *socket)
{
	struct client *client;

	listener_free(socket->listener);
	while ((client = LIST_FIRST(&socket->clients))) {
		/* What the socket takes at once: the last events before the end. */
		evbuffer_unfreeze(bufferevent_get_output(client->stream), 1);
		evbuffer_write(bufferevent_get_output(client->stream),
			bufferevent_getfd(client->stream));
		client_free(client);
	}
	free(socket->path);
}

struct control *control_new(struct gateway *gateway, const struct control_callbacks *callbacks,
	struct error *error)
{
	const struct gateway_settings *settings = &gateway_settings(gateway)->gateway;
	struct control *control = alloc_zero(1, sizeof(*control));

	control->gateway = gateway;
	control->callbacks = *callbacks;
	control->started = clock_realtime();
	TAILQ_INIT(&control->turns);
	evtimer_assign(&control->turn, gateway_base(gateway), control_on_turn, control);
	control->listeners = listeners_new(gateway_base(gateway), gateway_log(gateway));
	control->events.event = control_on_event;
	control->events.settled = control_on_settled;
	control->events.context = control;
	gateway_watch(gateway, &control->events);
	if (socket_open(&control->control, control, REPORT_ALL, &settings->control, error) &&
		socket_open(&control->observe, control, REPORT_OBSERVED, &settings->observe, error))
		return control;
	control_free(control);
	return NULL;
}

/* True if there is no such socket; one that the settings name then needs a restart. */
static bool socket_set_access(struct control_socket *socket, const struct socket_settings *settings,
	struct settings_problems *problems)
{
	const struct listener_access access = socket_access(settings);
	struct error error;

	if (!socket->listener || !settings->path ||
		listener_set_access(socket->listener, &access, &error))
		return true;
	settings_problem_at(problems, settings->place, error.text);
	return false;
}

bool control_set_access(struct control *control, const struct gateway_settings *settings,
	struct settings_problems *problems)
{
	const struct gateway_settings *before = &gateway_settings(control->gateway)->gateway;
	bool set = socket_set_access(&control->control, &settings->control, problems);

	if (socket_set_access(&control->observe, &settings->observe, problems))
		return set;
	if (set)
		socket_set_access(&control->control, &before->control, problems);
	return false;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	gateway_unwatch(control->gateway, &control->events);
	socket_close(&control->control);
	socket_close(&control->observe);
	listeners_free(control->listeners);
	event_del(&control->turn);
	free(control);
}
