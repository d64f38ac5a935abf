#include <stdlib.h>
#include <string.h>

#include "control/method_context.h"
#include "control/methods.h"
#include "control/walk.h"

enum { WARN_ARG_MAX = 4096 }; /* bytes of JSON: each queued warning has a copy */

static void run_stats(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);
	const struct connection *connection;

	if (!json_object_get(parameters, "name")) {
		walk_connections(call, context->gateway, context->view, true, report_stats);
		return;
	}
	connection = method_connection(call, parameters);
	if (!connection)
		return;
	report_stats(rpc_begin_result(call), NULL, connection, context->view);
	rpc_end(call);
}

const struct rpc_method method_stats = {
	.name = "stats",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING},
			{0},
		},
	.run = run_stats,
	.flags = RPC_OBSERVES,
};

static void clear_all(struct rpc_call *call)
{
	struct connection *const *connections;
	size_t count;

	connections = gateway_connections(method_context(call)->gateway, &count);
	for (size_t i = 0; i < count; i++)
		connection_clear_stats(connections[i]);
	rpc_answer_true(call);
}

/* All of the names, or none if one of them is unknown. */
static void clear_names(struct rpc_call *call, const json_t *names)
{
	struct gateway *gateway = method_context(call)->gateway;
	struct error error;
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		if (gateway_connection(gateway, json_string_value(name)))
			continue;
		error_set(&error, ERROR_NOT_FOUND, "no connection named '%s'",
			json_string_value(name));
		rpc_fail(call, &error);
		return;
	}
	json_array_foreach (names, i, name) {
		connection_clear_stats(gateway_connection(gateway, json_string_value(name)));
	}
	rpc_answer_true(call);
}

static void run_clear(struct rpc_call *call, json_t *parameters)
{
	const json_t *names = json_object_get(parameters, "names");
	bool all = json_is_true(json_object_get(parameters, "all"));

	if (all == (names != NULL))
		rpc_refuse(call, "clear: exactly one of 'names' and 'all' is required");
	else if (all)
		clear_all(call);
	else
		clear_names(call, names);
}

const struct rpc_method method_clear = {
	.name = "clear",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "names", .types = RPC_STRINGS},
			{.name = "all", .types = RPC_BOOLEAN},
			{0},
		},
	.run = run_clear,
};

/* A threshold below 0 is off, like 0. */
static uint64_t warn_threshold(const json_t *parameters, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(parameters, name));

	return value > 0 ? (uint64_t)value : 0;
}

static bool warn_set(struct connection *connection, const json_t *parameters, char *arg,
	struct error *error)
{
	const json_t *min_ms = json_object_get(parameters, "min_ms");
	const json_t *queue = json_object_get(parameters, "queue");
	struct warn_settings thresholds = {
		.warning_ms = warn_threshold(parameters, "warning_ms"),
		.warning_bs = warn_threshold(parameters, "warning_bs"),
		.min_ms = min_ms ? (uint64_t)json_integer_value(min_ms) : WARNINGS_MIN_MS_DEFAULT,
		.arg = arg,
		.queue = queue ? (uint64_t)json_integer_value(queue) : WARNINGS_QUEUE_DEFAULT,
	};

	if (json_integer_value(queue) < 0)
		return error_set(error, ERROR_QUEUE, "queue must be between 1 and %d, not %lld",
			WARNINGS_QUEUE_MAX, (long long)json_integer_value(queue));
	return connection_set_warnings(connection, &thresholds, error);
}

static void run_warn(struct rpc_call *call, json_t *parameters)
{
	const json_t *arg = json_object_get(parameters, "arg");
	struct connection *connection;
	struct error error;
	char *text;

	connection = method_connection(call, parameters);
	if (!connection)
		return;
	text = arg ? json_dumps(arg, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (text && strlen(text) > WARN_ARG_MAX)
		rpc_refuse(call, "warn: parameter 'arg' must be at most %d bytes of JSON",
			WARN_ARG_MAX);
	else if (warn_set(connection, parameters, text, &error))
		rpc_answer_true(call);
	else
		rpc_fail(call, &error);
	free(text);
}

const struct rpc_method method_warn = {
	.name = "warn",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "warning_ms",
				.types = RPC_INTEGER,
				.minimum = INT32_MIN,
				.maximum = INT32_MAX},
			{.name = "warning_bs",
				.types = RPC_INTEGER,
				.minimum = INT64_MIN,
				.maximum = INT64_MAX},
			{.name = "min_ms",
				.types = RPC_INTEGER,
				.minimum = 0,
				.maximum = INT32_MAX},
			{.name = "arg", .types = RPC_ANY},
			{.name = "queue",
				.types = RPC_INTEGER,
				.minimum = INT64_MIN,
				.maximum = INT64_MAX},
			{0},
		},
	.run = run_warn,
};

static void run_unwarn(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = method_connection(call, parameters);

	if (!connection)
		return;
	connection_clear_warnings(connection);
	rpc_answer_true(call);
}

const struct rpc_method method_unwarn = {
	.name = "unwarn",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{0},
		},
	.run = run_unwarn,
};

static void run_warnings(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);
	const json_t *after = json_object_get(parameters, "after");
	bool take = json_is_true(json_object_get(parameters, "take"));
	struct connection *connection = NULL;

	if (take && (after || context->view == REPORT_OBSERVED)) {
		rpc_refuse(call,
			after ? "warnings: 'after' and 'take' exclude each other"
			      : "warnings: 'take' is not available on the observe socket");
		return;
	}
	if (json_object_get(parameters, "name")) {
		connection = method_connection(call, parameters);
		if (!connection)
			return;
	}
	walk_warnings(call, context->gateway, connection, (uint64_t)json_integer_value(after),
		take);
}

const struct rpc_method method_warnings = {
	.name = "warnings",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING},
			{.name = "after", .types = RPC_INTEGER, .minimum = 0, .maximum = INT64_MAX},
			{.name = "take", .types = RPC_BOOLEAN},
			{0},
		},
	.run = run_warnings,
	.flags = RPC_OBSERVES,
};
