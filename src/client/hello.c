#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/gate.h"

/* Starts a subscription: sends the hello, takes the daemon's answer and the ring. */

/* A new socket has room. If it is closed already, the read that follows will notice. */
static void hello_send(struct wsgate *gate, const struct wsgate_options *options,
	enum frames_mode mode)
{
	const struct frames_hello hello = {
		.magic = FRAMES_MAGIC,
		.version = FRAMES_VERSION,
		.start = (uint8_t)options->start,
		.mode = (uint8_t)mode,
		.seq = options->start == WSGATE_START_AFTER ? htole64(options->after) : 0,
	};

	send(gate->fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Waits until the daemon's first record is complete in the input. */
static enum wsgate_result hello_receive(struct wsgate *gate, struct wsgate_frame *frame,
	uint64_t deadline, int *passed)
{
	enum wsgate_look look;

	while ((look = wsgate_socket_look(gate, frame)) == WSGATE_LOOK_NOTHING) {
		enum wsgate_result result = wsgate_socket_receive(gate, passed);

		if (result == WSGATE_END)
			return wsgate_fail(gate, WSGATE_ERROR_REFUSED,
				"the daemon closed the socket without an answer");
		if (result < 0)
			return result;
		if (result == WSGATE_OK)
			continue;
		if (wsgate_left_ms(deadline) == 0)
			return wsgate_fail(gate, WSGATE_ERROR_TIMEOUT,
				"no answer in time; is it an outlet of the format frames?");
		result = wsgate_socket_wait(gate, POLLIN, wsgate_left_ms(deadline));
		if (result < 0)
			return result;
	}
	if (look == WSGATE_LOOK_BROKEN ||
		(frame->type != FRAMES_HELLO && frame->type != FRAMES_ERROR))
		return wsgate_fail(gate, WSGATE_ERROR_PROTOCOL,
			"this is not an outlet of the format frames");
	return WSGATE_OK;
}

static enum wsgate_result hello_take_names(struct wsgate *gate, const json_t *names)
{
	const json_t *name;
	size_t index;

	json_array_foreach (names, index, name) {
		if (json_is_string(name) && index < WSGATE_NAMES_MAX &&
			!wsgate_names_set(&gate->names, (uint32_t)index, json_string_value(name),
				json_string_length(name)))
			return wsgate_fail_memory(gate);
	}
	return WSGATE_OK;
}

static uint64_t hello_number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

/* Takes numbers, names and the members of wsgate_info(). */
static enum wsgate_result hello_take_answer(struct wsgate *gate, const json_t *answer)
{
	const char *outlet = json_string_value(json_object_get(answer, "outlet"));
	struct wsgate_info *info = &gate->info;

	info->begun = hello_number(answer, "begun");
	info->next = hello_number(answer, "next");
	info->missing = hello_number(answer, "missing");
	info->anew = json_is_true(json_object_get(answer, "ahead"));
	if (info->next == 0 || info->missing >= info->next)
		return wsgate_fail(gate, WSGATE_ERROR_PROTOCOL,
			"the daemon's answer has no valid number of the first record");
	gate->known = info->next;
	gate->expected = info->next - info->missing;
	gate->outlet = strdup(outlet ? outlet : "");
	gate->hello = json_dumps(answer, JSON_COMPACT);
	if (!gate->outlet || !gate->hello)
		return wsgate_fail_memory(gate);
	info->outlet = gate->outlet;
	info->hello = gate->hello;
	return hello_take_names(gate, json_object_get(answer, "connections"));
}

static enum wsgate_result hello_map_ring(struct wsgate *gate, const json_t *ring, int passed)
{
	const char *fault;

	if (!json_is_object(ring) || passed < 0)
		return wsgate_fail(gate, WSGATE_ERROR_PROTOCOL,
			"the daemon has not passed the memory of the ring");
	fault = wsgate_ring_map(&gate->ring, passed, hello_number(ring, "size"),
		hello_number(ring, "position"));
	if (!fault)
		return WSGATE_OK;
	if (errno)
		return wsgate_fail(gate, WSGATE_ERROR_SYSTEM, "%s: %s", fault, strerror(errno));
	return wsgate_fail(gate, WSGATE_ERROR_PROTOCOL, "%s", fault);
}

static enum wsgate_result hello_take(struct wsgate *gate, const struct wsgate_frame *frame,
	enum frames_mode mode, int passed)
{
	const uint8_t *payload = wsgate_bytes_data(&gate->input) + FRAMES_HEADER_SIZE;
	enum wsgate_result result;
	json_t *answer;

	if (frame->type == FRAMES_ERROR)
		return wsgate_fail_refused(gate, payload, frame->length);
	answer = json_loadb((const char *)payload, frame->length, 0, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return wsgate_fail(gate, WSGATE_ERROR_PROTOCOL,
			"the daemon's answer is not a JSON object");
	}
	result = hello_take_answer(gate, answer);
	if (result == WSGATE_OK && mode != FRAMES_MODE_BYTES)
		result = hello_map_ring(gate, json_object_get(answer, "ring"), passed);
	json_decref(answer);
	gate->input.start += frame->size;
	return result;
}

enum wsgate_result wsgate_hello(struct wsgate *gate, const struct wsgate_options *options,
	enum frames_mode mode, uint64_t deadline)
{
	struct wsgate_frame frame;
	int passed = -1;
	enum wsgate_result result;

	hello_send(gate, options, mode);
	result = hello_receive(gate, &frame, deadline, &passed);
	if (result == WSGATE_OK)
		result = hello_take(gate, &frame, mode, passed);
	if (passed >= 0)
		close(passed);
	return result;
}
