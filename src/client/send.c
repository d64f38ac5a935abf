#include <poll.h>
#include <string.h>

#include "client/gate.h"

/* Sends to the connections of an outlet. */

static enum wsgate_result send_check(struct wsgate *gate, int type, size_t length)
{
	if (gate->failed)
		return gate->failed;
	if (gate->ended)
		return WSGATE_END;
	if (type != WSGATE_TEXT && type != WSGATE_BINARY)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "invalid message type: %d", type);
	if (length > WSGATE_MESSAGE_MAX)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT,
			"message of %zu bytes is larger than 1 GiB", length);
	return WSGATE_OK;
}

enum wsgate_result wsgate_send(struct wsgate *gate, int type, uint32_t connection, const void *data,
	size_t length)
{
	enum wsgate_result result = send_check(gate, type, length);
	const struct frames_header header = {
		.size = htole32((uint32_t)wsgate_frame_size(length)),
		.length = htole32((uint32_t)length),
		.connection = htole32(connection),
		.type = (uint8_t)type,
	};

	if (result == WSGATE_OK)
		result = wsgate_socket_flush(gate);
	if (result == WSGATE_OK)
		result = wsgate_socket_send(gate, &header, data, length);
	if (result == WSGATE_OK)
		gate->counts.sent++;
	return result;
}

enum wsgate_result wsgate_flush(struct wsgate *gate, int timeout_ms)
{
	uint64_t deadline = wsgate_deadline(timeout_ms);
	enum wsgate_result result = gate->failed ? gate->failed : wsgate_socket_flush(gate);
	enum wsgate_result waited = WSGATE_OK;

	while (result == WSGATE_AGAIN && waited == WSGATE_OK && wsgate_left_ms(deadline) != 0) {
		waited = wsgate_socket_wait(gate, POLLOUT, wsgate_left_ms(deadline));
		result = waited < 0 ? waited : wsgate_socket_flush(gate);
	}
	return result;
}

enum wsgate_result wsgate_find(struct wsgate *gate, const char *name, uint32_t *connection)
{
	if (gate->failed)
		return gate->failed;
	for (uint32_t i = 0; i < gate->names.count; i++) {
		const char *other = gate->names.names[i];

		if (other && strcmp(other, name) == 0) {
			*connection = i;
			return WSGATE_OK;
		}
	}
	return wsgate_fail(gate, WSGATE_ERROR_NOT_FOUND, "the outlet has no connection named '%s'",
		name);
}
