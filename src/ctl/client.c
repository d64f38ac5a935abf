#include "ctl/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENT_READ_SIZE = 64 * 1024 };

int client_connect_socket(const char *path, int type, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		error_set(error, ERROR_SYSTEM, "the path '%s' is too long for a socket", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error_set(error, ERROR_SYSTEM, "cannot connect to %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool client_open(struct client *client, const char *path, struct error *error)
{
	client->fd = client_connect_socket(path, SOCK_STREAM, error);
	return client->fd >= 0;
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	buffer_release(&client->input);
}

/* A daemon that stops reading has refused the request: its answer says why. */
static void client_send(struct client *client, const struct buffer *line)
{
	const uint8_t *data = buffer_data(line);
	size_t left = line->length;
	ssize_t sent;

	while (left) {
		sent = send(client->fd, data, left, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return;
		data += sent;
		left -= (size_t)sent;
	}
}

static bool client_receive(struct client *client, struct error *error)
{
	uint8_t *room = buffer_reserve(&client->input, CLIENT_READ_SIZE);
	ssize_t length;

	do
		length = recv(client->fd, room, CLIENT_READ_SIZE, 0);
	while (length < 0 && errno == EINTR);
	if (length == 0)
		return error_set(error, ERROR_SOCKET_CLOSED,
			"the daemon has closed the connection");
	if (length < 0)
		return error_set(error, ERROR_SYSTEM, "cannot read from the daemon: %s",
			strerror(errno));
	buffer_commit(&client->input, (size_t)length);
	return true;
}

json_t *client_next(struct client *client, struct error *error)
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
		if (!client_receive(client, error))
			return NULL;
	}
	message = json_loadb(line, (size_t)(newline - line), 0, NULL);
	buffer_consume(&client->input, (size_t)(newline - line) + 1);
	if (!message)
		error_set(error, ERROR_SYSTEM, "what the daemon has answered is not JSON");
	return message;
}

static int client_append_piece(const char *data, size_t length, void *context)
{
	buffer_append(context, data, length);
	return 0;
}

/* An error without an id is about what was sent last, too. */
static bool client_is_answer(const struct client *client, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	return json_is_null(id) || json_integer_value(id) == client->last_id;
}

json_t *client_call(struct client *client, const char *method, json_t *parameters,
	struct error *error)
{
	json_t *message = json_pack("{s:s,s:I,s:s,s:o}", "jsonrpc", "2.0", "id", ++client->last_id,
		"method", method, "params", parameters ? parameters : json_object());
	struct buffer line = {0};

	json_dump_callback(message, client_append_piece, &line, JSON_COMPACT);
	buffer_append_text(&line, "\n");
	json_decref(message);
	client_send(client, &line);
	buffer_release(&line);

	while ((message = client_next(client, error)) && !client_is_answer(client, message))
		json_decref(message);
	return message;
}
