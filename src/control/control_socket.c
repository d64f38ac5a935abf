#include "control/control_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
	CONTROL_CLIENTS_MAX = 256,     /* of each socket, */
	CONTROL_CLIENTS_RESERVED = 16, /* of these only for root and the daemon's user, */
	CONTROL_CLIENTS_EACH = 64,     /* and at most this many for any other user */
	CONTROL_IDLE_SECONDS = 10,     /* before a client may have to make room */
	CONTROL_LOCK_TRIES = 20,       /* 1 ms each, when another daemon starts as well */
};

/* --- places ---------------------------------------------------------------------------------- */

/* Clients of that user; `all`: of every user. */
static unsigned socket_count(const struct control_socket *socket, bool all, uid_t uid)
{
	const struct control_client *client;
	unsigned count = 0;

	LIST_FOREACH (client, &socket->clients, entry)
		count += all || client->uid == uid;
	return count;
}

/* The client that has been idle longest, of those that have to make room for that user: with `own`
 * only the user's. NULL: none has been idle for long enough. */
static struct control_client *socket_idlest(struct control_socket *socket, uid_t uid, bool own)
{
	uint64_t longest = CONTROL_IDLE_SECONDS * CLOCK_NS_PER_SECOND;
	struct control_client *client, *idlest = NULL;

	LIST_FOREACH (client, &socket->clients, entry) {
		bool fits = own ? client->uid == uid
				: control_trusts(uid) || !control_trusts(client->uid);

		if (fits && control_client_idle(client) >= longest) {
			longest = control_client_idle(client);
			idlest = client;
		}
	}
	return idlest;
}

/*
 * True if there is a place for a client of that user, if need be that of the one that has been idle
 * longest. So no user can keep out other users or the administrator.
 */
static bool socket_make_room(struct control_socket *socket, uid_t uid)
{
	bool trusted = control_trusts(uid);
	unsigned most = CONTROL_CLIENTS_MAX - (trusted ? 0 : CONTROL_CLIENTS_RESERVED);
	bool own = !trusted && socket_count(socket, false, uid) >= CONTROL_CLIENTS_EACH;
	struct control_client *idlest;

	if (!own && socket_count(socket, true, uid) < most)
		return true;
	idlest = socket_idlest(socket, uid, own);
	if (idlest)
		control_client_free(idlest);
	return idlest != NULL;
}

/* A client that is not trusted leaves some descriptors to those that are. */
static bool socket_may_keep(const struct control_socket *socket, int fd, uid_t uid)
{
	return control_trusts(uid) || (unsigned)fd < gateway_client_ceiling(socket->host->gateway);
}

static void socket_turn_away(int fd, const char *why)
{
	char *answer = alloc_format("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,"
				    "\"message\":\"%s\"}}\n",
		why);
	ssize_t sent = send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)sent; /* a courtesy */
	free(answer);
	close(fd);
}

static void socket_on_accept(int fd, void *context)
{
	struct control_socket *socket = context;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	if (!socket_may_keep(socket, fd, peer.uid))
		socket_turn_away(fd, "no descriptors are left for control clients");
	else if (socket_make_room(socket, peer.uid))
		control_client_new(&socket->clients, socket->host, socket->view, fd, &peer);
	else
		socket_turn_away(fd, "too many control clients");
}

/* --- the socket ------------------------------------------------------------------------------ */

static struct socket_access socket_access(const struct socket_settings *settings)
{
	return (struct socket_access){
		.mode = settings->mode,
		.owner = settings->owner,
		.group = settings->group,
		.uid = settings->uid,
		.gid = settings->gid,
	};
}

bool control_socket_open(struct control_socket *socket, struct control_host *host,
	struct listeners *listeners, enum report_view view, const struct socket_settings *settings,
	struct error *error)
{
	const struct socket_access access = socket_access(settings);
	const struct timespec pause = {.tv_nsec = CLOCK_NS_PER_MS};

	socket->host = host;
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
		socket->listener = listener_new(listeners, &socket->about, socket->path,
			SOCK_STREAM, &access, socket_on_accept, socket, error);
		if (!socket->listener && strcmp(error->name, ERROR_LOCKED) != 0)
			break;
	}
	return socket->listener != NULL;
}

void control_socket_close(struct control_socket *socket)
{
	struct control_client *client;

	listener_free(socket->listener);
	while ((client = LIST_FIRST(&socket->clients)))
		control_client_finish(client);
	free(socket->path);
}

static bool socket_listen_again(struct control_socket *socket, const struct socket_access *access,
	struct error *error)
{
	struct listener *listener = listener_new_again(socket->listener, access, error);
	struct listener *old = socket->listener;

	if (!listener)
		return false;
	socket->listener = listener;
	listener_succeed(old, listener);
	return true;
}

bool control_socket_set_access(struct control_socket *socket,
	const struct socket_settings *settings, struct settings_problems *problems)
{
	const struct socket_access access = socket_access(settings);
	struct error error;

	if (!socket->listener || !settings->path)
		return true;
	if (listener_in_place(socket->listener)
			? listener_set_access(socket->listener, &access, &error)
			: socket_listen_again(socket, &access, &error))
		return true;
	settings_problem_at(problems, settings->place, error.text);
	return false;
}

/* --- events ---------------------------------------------------------------------------------- */

/* The line is made once, and only if a client follows. */
void control_socket_tell(struct control_socket *socket, const struct gateway_event *event)
{
	struct control_client *client;
	struct buffer line = {0};
	struct json_writer json;

	LIST_FOREACH (client, &socket->clients, entry) {
		if (!control_client_follows(client))
			continue;
		if (!line.length) {
			json = rpc_begin_notification(&line, "event");
			report_event(&json, NULL, event, socket->view);
			rpc_end_notification(&json);
		}
		control_client_tell(client, &line);
	}
	buffer_release(&line);
}

void control_socket_resume(struct control_socket *socket)
{
	struct control_client *client;

	LIST_FOREACH (client, &socket->clients, entry)
		control_client_resume(client);
}
