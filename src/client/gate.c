#include "client/gate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens, closes and describes a subscriber. */

/*
 * The program may have been compiled with an older wsgate.h, or with a newer one; then it must not
 * set options that this library does not know.
 */
static enum wsgate_result gate_check(struct wsgate *gate, const struct wsgate_options *given,
	struct wsgate_options *options)
{
	const uint8_t *bytes = (const uint8_t *)given;
	size_t known = sizeof(*options);

	*options = (struct wsgate_options)WSGATE_OPTIONS_INIT;
	if (given->size < offsetof(struct wsgate_options, in_place) + sizeof(given->in_place))
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT,
			"options not initialised: invalid size");
	for (size_t i = known; i < given->size; i++) {
		if (bytes[i])
			return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT,
				"an option is set that this version of the library does not know");
	}
	memcpy(options, given, given->size < known ? given->size : known);
	if (!options->path)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "missing path");
	if (options->start < WSGATE_START_DEFAULT || options->start > WSGATE_START_AFTER)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "invalid start: %d",
			options->start);
	if (options->mode < WSGATE_MODE_AUTO || options->mode > WSGATE_MODE_RING_SPIN)
		return wsgate_fail(gate, WSGATE_ERROR_ARGUMENT, "invalid mode: %d", options->mode);
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
	/* The outlet may not share its ring, or the address space may not suffice to map it. */
	if (result == WSGATE_ERROR_REFUSED || result == WSGATE_ERROR_SYSTEM)
		result = gate_join(gate, options, WSGATE_MODE_BYTES, deadline);
	return result;
}

/* True if the number `after` is not from this outlet but from its predecessor. */
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
