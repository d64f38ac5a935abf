#include "ctl/rpc_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum {
	CLIENT_READ_SIZE = 64 * 1024,
	CLIENT_ANSWER_MAX = 64 << 20,  /* bytes until there is what was asked for */
	CLIENT_VALUES_MAX = 2000000,   /* in them: a value takes more memory than its text */
	CLIENT_PART = 64 * 1024,       /* bytes of an answer that count as a sign of life */
	CLIENT_WAIT_MAX = 3600 * 1000, /* ms at a time */
};

/* The id of the request for a sign of life. */
#define CLIENT_ALIVE "alive"

/* For connecting and sending. */
static void rpc_client_limit_waits(int fd, uint64_t timeout)
{
	struct timeval limit = clock_timeval(timeout);

	if (timeout)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static bool rpc_client_say_silent(uint64_t timeout, struct error *error)
{
	return error_set(error, ERROR_SOCKET_TIMEOUT,
		"the daemon has not responded for %g s (--timeout)",
		(double)timeout / (double)CLOCK_NS_PER_SECOND);
}

int rpc_client_connect_socket(const char *path, int type, uint64_t timeout, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		error_set(error, ERROR_SYSTEM, "the path '%s' is too long for a UNIX socket", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	rpc_client_limit_waits(fd, timeout);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0 && errno == EAGAIN)
		rpc_client_say_silent(timeout, error);
	else
		error_set(error, ERROR_SYSTEM, "cannot connect to %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool rpc_client_open(struct rpc_client *client, const char *path, struct error *error)
{
	client->fd = rpc_client_connect_socket(path, SOCK_STREAM, client->timeout, error);
	client->heard = clock_monotonic();
	return client->fd >= 0;
}

void rpc_client_close(struct rpc_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->asked = 0;
	json_decref(client->kept);
	client->kept = NULL;
	buffer_release(&client->input);
}

/* False: the daemon does not read. If it has closed its side it has refused the request, and its
 * answer says why: true. */
static bool rpc_client_send(struct rpc_client *client, const void *data, size_t length)
{
	const uint8_t *next = data;
	ssize_t sent;

	while (length) {
		sent = send(client->fd, next, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno != EAGAIN;
		next += sent;
		length -= (size_t)sent;
	}
	return true;
}

/* Asks for a sign of life with the cheapest request, whose id no other request has. */
static bool rpc_client_ask_for_life(struct rpc_client *client)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":\"" CLIENT_ALIVE "\",\"method\":\"version\"}\n";

	client->asked = clock_monotonic();
	return rpc_client_send(client, request, sizeof(request) - 1);
}

/* The daemon is alive, or gets the whole time again. */
static void rpc_client_restart_time(struct rpc_client *client)
{
	client->heard = clock_monotonic();
	client->asked = 0;
}

/* ms until its silence needs action: half of the time passes before it is asked for a sign of life,
 * the other half before it counts as gone. -1: for ever. */
static int rpc_client_time_left(const struct rpc_client *client)
{
	uint64_t half = client->timeout / 2, left;
	uint64_t waited = clock_monotonic() - (client->asked ? client->asked : client->heard);

	if (!client->timeout)
		return -1;
	left = (half > waited ? half - waited + CLOCK_NS_PER_MS - 1 : 0) / CLOCK_NS_PER_MS;
	return left < CLIENT_WAIT_MAX ? (int)left : CLIENT_WAIT_MAX;
}

/* Waits for bytes, which alone are not a sign of life. */
static bool rpc_client_await(struct rpc_client *client, struct error *error)
{
	struct pollfd socket = {.fd = client->fd, .events = POLLIN};
	int wait, count;

	for (;;) {
		wait = rpc_client_time_left(client);
		if (wait == 0 && (client->asked || !rpc_client_ask_for_life(client)))
			return rpc_client_say_silent(client->timeout, error);
		if (wait == 0)
			continue;
		count = poll(&socket, 1, wait);
		if (count > 0 || (count < 0 && errno != EINTR))
			return true;
	}
}

/* False: the answer is too long. */
static bool rpc_client_count(struct rpc_client *client, size_t length)
{
	size_t parts = client->received / CLIENT_PART;

	client->received += length;
	if (client->received / CLIENT_PART > parts)
		rpc_client_restart_time(client);
	return client->received <= CLIENT_ANSWER_MAX;
}

static bool rpc_client_receive(struct rpc_client *client, struct error *error)
{
	uint8_t *room = buffer_reserve(&client->input, CLIENT_READ_SIZE);
	ssize_t length;

	if (!rpc_client_await(client, error))
		return false;
	do
		length = recv(client->fd, room, CLIENT_READ_SIZE, 0);
	while (length < 0 && errno == EINTR);
	if (length == 0)
		return error_set(error, ERROR_SOCKET_CLOSED,
			"the daemon has closed the connection");
	if (length < 0)
		return error_set(error, ERROR_SYSTEM, "cannot read from the daemon: %s",
			strerror(errno));
	if (!rpc_client_count(client, (size_t)length))
		return error_set(error, ERROR_SYSTEM, "the daemon's answer is longer than %d MiB",
			CLIENT_ANSWER_MAX >> 20);
	buffer_commit(&client->input, (size_t)length);
	return true;
}

/* NULL: too many values, or not JSON. */
static json_t *rpc_client_parse(struct rpc_client *client, const char *line, size_t length,
	struct error *error)
{
	json_t *message;

	client->values += text_count_json_values(line, length);
	if (client->values > CLIENT_VALUES_MAX) {
		error_set(error, ERROR_SYSTEM, "the daemon's answer has more than %d values",
			CLIENT_VALUES_MAX);
		return NULL;
	}
	message = json_loadb(line, length, 0, NULL);
	if (!message)
		error_set(error, ERROR_SYSTEM, "the daemon's answer is not JSON");
	return message;
}

static json_t *rpc_client_read(struct rpc_client *client, struct error *error)
{
	const char *line, *newline;
	size_t scanned = 0;
	json_t *message;

	for (;;) {
		line = (const char *)buffer_data(&client->input);
		newline = scanned < client->input.length
			? memchr(line + scanned, '\n', client->input.length - scanned)
			: NULL;
		if (newline)
			break;
		scanned = client->input.length;
		if (!rpc_client_receive(client, error))
			return NULL;
	}
	message = rpc_client_parse(client, line, (size_t)(newline - line), error);
	buffer_consume(&client->input, (size_t)(newline - line) + 1);
	return message;
}

/* The next message that is not just a sign of life. */
static json_t *rpc_client_read_message(struct rpc_client *client, struct error *error)
{
	json_t *message;
	const char *id;

	while ((message = rpc_client_read(client, error))) {
		id = json_string_value(json_object_get(message, "id"));
		if (!id || strcmp(id, CLIENT_ALIVE) != 0)
			return message;
		rpc_client_restart_time(client);
		json_decref(message);
	}
	return NULL;
}

/* The caller's time since the last message does not count against the daemon. */
static void rpc_client_begin(struct rpc_client *client)
{
	rpc_client_restart_time(client);
	client->received = client->values = 0;
}

json_t *rpc_client_next(struct rpc_client *client, struct error *error)
{
	json_t *message;

	rpc_client_begin(client);
	if (!json_array_size(client->kept))
		return rpc_client_read_message(client, error);
	message = json_incref(json_array_get(client->kept, 0));
	json_array_remove(client->kept, 0);
	return message;
}

static int rpc_client_append_piece(const char *data, size_t length, void *context)
{
	buffer_append(context, data, length);
	return 0;
}

/* An error without an id is about the last request, too. */
static bool rpc_client_is_answer(const struct rpc_client *client, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	return json_is_null(id) || json_integer_value(id) == client->last_id;
}

static void rpc_client_put_by(struct rpc_client *client, json_t *message)
{
	if (client->keeps && !client->kept)
		client->kept = json_array();
	if (client->keeps)
		json_array_append(client->kept, message);
	json_decref(message);
}

json_t *rpc_client_call(struct rpc_client *client, const char *method, json_t *parameters,
	struct error *error)
{
	json_t *message = json_pack("{s:s,s:I,s:s,s:o}", "jsonrpc", "2.0", "id", ++client->last_id,
		"method", method, "params", parameters ? parameters : json_object());
	struct buffer line = {0};
	bool sent;

	json_dump_callback(message, rpc_client_append_piece, &line, JSON_COMPACT);
	buffer_append_text(&line, "\n");
	json_decref(message);
	rpc_client_begin(client);
	sent = rpc_client_send(client, buffer_data(&line), line.length);
	buffer_release(&line);
	if (!sent) {
		rpc_client_say_silent(client->timeout, error);
		return NULL;
	}
	while ((message = rpc_client_read_message(client, error)) &&
		!rpc_client_is_answer(client, message))
		rpc_client_put_by(client, message);
	return message;
}
