/*
 * Bytes from a control client through the JSON-RPC layer, with methods that need no gateway. The
 * first byte of the input says in what pieces the rest comes, so that framing is tried as well.
 */
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "control/json_config.h"
#include "control/rpc_channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the channel has written, and a call that is answered with the next one. */
struct fuzz_peer {
	struct buffer output;
	struct rpc_call *waiting;
	unsigned asked; /* whether it is busy */
};

static void method_echo(struct rpc_call *call, json_t *parameters)
{
	char *text = json_dumps(parameters, JSON_COMPACT);

	json_put_raw(rpc_begin_result(call), NULL, text);
	rpc_end(call);
	free(text);
}

static void forget_waiting(void *context)
{
	struct fuzz_peer *peer = context;

	peer->waiting = NULL;
}

static void method_wait(struct rpc_call *call, json_t *parameters)
{
	struct fuzz_peer *peer = rpc_context(call);
	struct rpc_call *before = peer->waiting;

	(void)parameters;
	rpc_on_cancel(call, forget_waiting, peer);
	peer->waiting = call;
	if (before)
		rpc_answer_true(before);
}

static void method_add(struct rpc_call *call, json_t *parameters)
{
	struct error error;
	config_t config;

	config_init(&config);
	if (json_config_fill(config_root_setting(&config), parameters, &error))
		rpc_answer_true(call);
	else
		rpc_fail(call, &error);
	config_destroy(&config);
}

static const struct rpc_parameter echo_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "code", .types = RPC_INTEGER, .minimum = 0, .maximum = 65535},
	{.name = "headers", .types = RPC_OBJECT | RPC_STRINGS},
	{.name = "all", .types = RPC_BOOLEAN},
	{.name = "arg", .types = RPC_ANY},
	{0},
};

static const struct rpc_method fuzz_echo = {"echo", echo_parameters, method_echo, RPC_OBSERVES};
static const struct rpc_method fuzz_wait = {"wait", rpc_no_parameters, method_wait, 0};
static const struct rpc_method fuzz_add = {"add", NULL, method_add, RPC_WAITS};
static const struct rpc_method *const methods[] = {&fuzz_echo, &fuzz_wait, &fuzz_add, NULL};

static void fuzz_write(const void *data, size_t length, void *context)
{
	struct fuzz_peer *peer = context;

	buffer_append(&peer->output, data, length);
}

/* As a peer that reads now and then. */
static size_t fuzz_unsent(void *context)
{
	struct fuzz_peer *peer = context;

	return peer->output.length;
}

/* As an owner that is busy every now and then. */
static bool fuzz_busy(void *context)
{
	struct fuzz_peer *peer = context;

	return ++peer->asked % 3 == 1;
}

/* The owner's loop goes on with the steps anyway. */
static void fuzz_released(void *context)
{
	(void)context;
}

/* Every line must be JSON and an answer. */
static void fuzz_check_output(struct fuzz_peer *peer)
{
	const char *line = (const char *)buffer_data(&peer->output);
	size_t left = peer->output.length;

	while (left) {
		const char *newline = memchr(line, '\n', left);
		size_t length = newline ? (size_t)(newline - line) : 0;
		json_t *answer = length ? json_loadb(line, length, 0, NULL) : NULL;

		if (!json_is_array(answer) && !json_object_get(answer, "jsonrpc"))
			abort();
		json_decref(answer);
		line += length + 1;
		left -= length + 1;
	}
	buffer_clear(&peer->output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_peer peer = {0};
	const struct rpc_service service = {methods, false, &peer};
	const struct rpc_callbacks callbacks = {
		.write = fuzz_write,
		.unsent = fuzz_unsent,
		.busy = fuzz_busy,
		.released = fuzz_released,
	};
	struct rpc_channel *channel;
	size_t piece, length;

	if (size == 0)
		return 0;
	piece = data[0] ? data[0] : size;
	channel = rpc_channel_new(&service, &callbacks, &peer);
	for (size_t i = 1; i < size; i += length) {
		length = size - i < piece ? size - i : piece;
		rpc_channel_input(channel, data + i, length);
		while (rpc_channel_step(channel) || rpc_channel_full(channel) ||
			rpc_channel_waits(channel)) {
			if (rpc_channel_full(channel))
				fuzz_check_output(&peer);
		}
	}
	fuzz_check_output(&peer);
	rpc_channel_free(channel);
	if (peer.waiting)
		abort(); /* a call that was neither answered nor cancelled */
	buffer_release(&peer.output);
	return 0;
}
