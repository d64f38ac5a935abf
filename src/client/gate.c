#include "client/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Opening and closing a subscriber, and what it knows of itself. */

enum wsgate_result wsgate_fail(struct wsgate *gate, enum wsgate_result result, const char *format,
	...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(gate->error, sizeof(gate->error), format, arguments);
	va_end(arguments);
	return result;
}

enum wsgate_result wsgate_fail_memory(struct wsgate *gate)
{
	return wsgate_fail(gate, WSGATE_ERROR_MEMORY, "no memory");
}

enum wsgate_result wsgate_fail_refused(struct wsgate *gate, const uint8_t *text, size_t length)
{
	size_t room = sizeof(gate->error) - 1;

	if (length > room)
		length = room;
	for (size_t i = 0; i < length; i++)
		gate->error[i] = (char)(text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
	gate->error[length] = '\0';
	return WSGATE_ERROR_REFUSED;
}

static uint64_t gate_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * WSGATE_NS_PER_MS + (uint64_t)now.tv_nsec;
}

uint64_t wsgate_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : gate_now() + (uint64_t)timeout_ms * WSGATE_NS_PER_MS;
}

int wsgate_left_ms(uint64_t deadline)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return -1;
	now = gate_now();
	return now < deadline ? (int)((deadline - now - 1) / WSGATE_NS_PER_MS + 1) : 0;
}

/*
 * What a program was compiled with may be older than this library, or newer: then it must not ask
 * for anything that this library does not know.
 */
static enum wsgate_result gate_check(struct wsgate *gate, const struct wsgate_options *given,
	struct wsgate_options *options)
{
	const uint8_t *bytes = (const uint8_t *)given;
	size_t known = sizeof(*options);

	*options = (struct wsgate_options)WSGATE_OPTIONS_INIT;
	if (given->size < offsetof(struct wsgate_options, in_place) + sizeof(given->in_place))
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT,
			"the options are not initialised: their size is wrong");
	for (size_t i = known; i < given->size; i++) {
		if (bytes[i])
			return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT,
				"this version of the library does not know an option that is set");
	}
	memcpy(options, given, given->size < known ? given->size : known);
	if (!options->path)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "the path is missing");
	if (options->start < WSGATE_START_DEFAULT || options->start > WSGATE_START_AFTER)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "invalid start: %d",
			options->start);
	if (options->mode < WSGATE_MODE_AUTO || options->mode > WSGATE_MODE_RING_SPIN)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "invalid mode: %d",
			options->mode);
	return WSGATE_OK;
}

static void gate_leave(struct wsgate *gate)
{
	if (gate->fd >= 0)
		close(gate->fd);
	gate->fd = -1;
	gate->input.start = gate->input.end = 0;
	wsgate_ring_unmap(&gate->ring);
	wsgate_names_release(&gate->names);
	free(gate->outlet);
	free(gate->hello);
	gate->outlet = gate->hello = NULL;
	gate->info = (struct wsgate_info){0};
}

/* `mode` is not WSGATE_MODE_AUTO. */
static enum wsgate_result gate_join(struct wsgate *gate, const struct wsgate_options *options,
	int mode, uint64_t deadline)
{
	static const enum frames_mode modes[] = {
		[WSGATE_MODE_BYTES] = FRAMES_MODE_BYTES,
		[WSGATE_MODE_RING] = FRAMES_MODE_RING,
		[WSGATE_MODE_RING_SPIN] = FRAMES_MODE_RING_QUIET,
	};
	enum wsgate_result result = wsgate_socket_connect(gate, options->path, deadline);

	if (result == WSGATE_OK)
		result = wsgate_hello(gate, options, modes[mode], deadline);
	if (result != WSGATE_OK)
		gate_leave(gate);
	gate->info.mode = mode;
	return result;
}

static enum wsgate_result gate_join_any(struct wsgate *gate, const struct wsgate_options *options,
	uint64_t deadline)
{
	enum wsgate_result result;

	if (options->mode != WSGATE_MODE_AUTO)
		return gate_join(gate, options, options->mode, deadline);
	result = gate_join(gate, options, WSGATE_MODE_RING, deadline);
	/* The outlet may not pass its ring, or there may be no room to map it. */
	if (result == WSGATE_ERROR_REFUSED || result == WSGATE_ERROR_SYSTEM)
		result = gate_join(gate, options, WSGATE_MODE_BYTES, deadline);
	return result;
}

/* Whether `after` is a number that the outlet did not give, but its predecessor. */
static bool gate_counts_anew(const struct wsgate *gate, const struct wsgate_options *options)
{
	return options->start == WSGATE_START_AFTER &&
		(gate->info.anew || (options->begun && options->begun != gate->info.begun));
}

static enum wsgate_result gate_open(struct wsgate *gate, const struct wsgate_options *options)
{
	uint64_t deadline = wsgate_deadline(options->timeout_ms);
	enum wsgate_result result = gate_join_any(gate, options, deadline);
	struct wsgate_options again = *options;

	if (result != WSGATE_OK || !gate_counts_anew(gate, options))
		return result;
	again.start = WSGATE_START_OLDEST;
	again.mode = gate->info.mode;
	gate_leave(gate);
	result = gate_join_any(gate, &again, deadline);
	gate->info.anew = 1;
	return result;
}

enum wsgate_result wsgate_open(struct wsgate **result, const struct wsgate_options *given)
{
	struct wsgate *gate = calloc(1, sizeof(*gate));
	struct wsgate_options options;

	*result = gate;
	if (!gate)
		return WSGATE_ERROR_MEMORY;
	gate->fd = -1;
	gate->unnamed = WSGATE_NO_CONNECTION;
	gate->failed = gate_check(gate, given, &options);
	if (gate->failed == WSGATE_OK)
		gate->failed = gate_open(gate, &options);
	gate->in_place = options.in_place;
	if (gate->failed == WSGATE_OK)
		gate->error[0] = '\0';
	return gate->failed;
}

void wsgate_close(struct wsgate *gate)
{
	if (!gate)
		return;
	gate_leave(gate);
	wsgate_bytes_release(&gate->input);
	wsgate_bytes_release(&gate->output);
	wsgate_bytes_release(&gate->copy);
	free(gate);
}

uint64_t wsgate_position(const struct wsgate *gate)
{
	return gate->expected ? gate->expected - 1 : 0;
}

const char *wsgate_name(const struct wsgate *gate, uint32_t connection)
{
	return wsgate_names_get(&gate->names, connection);
}

const struct wsgate_info *wsgate_info(const struct wsgate *gate)
{
	return gate->info.outlet ? &gate->info : NULL;
}

const struct wsgate_counts *wsgate_counts(const struct wsgate *gate)
{
	return &gate->counts;
}

const char *wsgate_error(const struct wsgate *gate)
{
	return gate ? gate->error : "no memory";
}

const char *wsgate_strerror(enum wsgate_result result)
{
	switch (result) {
	case WSGATE_OK: return "done";
	case WSGATE_AGAIN: return "nothing as yet";
	case WSGATE_END: return "the outlet has ended";
	case WSGATE_ERROR_MEMORY: return "no memory";
	case WSGATE_ERROR_ARGUMENT: return "an argument is invalid";
	case WSGATE_ERROR_CONNECT: return "no outlet can be reached";
	case WSGATE_ERROR_TIMEOUT: return "the daemon has not answered in time";
	case WSGATE_ERROR_REFUSED: return "the daemon has refused";
	case WSGATE_ERROR_PROTOCOL: return "this is not the format frames";
	case WSGATE_ERROR_SYSTEM: return "the operating system has refused";
	case WSGATE_ERROR_NOT_FOUND: return "no connection of that name";
	}
	return "unknown result";
}
