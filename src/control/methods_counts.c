#include <stdlib.h>
#include <string.h>

#include "control/methods.h"
#include "control/report.h"
#include "control/walk.h"

enum {
	METHODS_ARG_MAX = 4096,     /* bytes of JSON: each queued warning has a copy */
	METHODS_MIN_MS_DEFAULT = 1000,
};

void methods_stats(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = methods_context(call);
	const struct connection *connection;

	if (!json_object_get(parameters, "name")) {
		walk_connections(call, context->gateway, context->view, true, report_stats);
		return;
	}
	connection = methods_connection(call, parameters);
	if (connection)
		rpc_answer(call, report_stats(connection, context->view));
}

static void methods_clear_all(struct rpc_call *call)
{
	struct connection *const *connections;
	size_t count;

	connections = gateway_connections(methods_context(call)->gateway, &count);
	for (size_t i = 0; i < count; i++)
		connection_clear_stats(connections[i]);
	rpc_answer(call, json_true());
}

/* All of the names, or none if one of them is unknown. */
static void methods_clear_names(struct rpc_call *call, const json_t *names)
{
	struct gateway *gateway = methods_context(call)->gateway;
	struct error error;
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		if (gateway_connection(gateway, json_string_value(name)))
			continue;
		error_set(&error, ERROR_NOT_FOUND, "there is no connection '%s'",
			json_string_value(name));
		rpc_fail(call, &error, NULL);
		return;
	}
	json_array_foreach(names, i, name) {
		connection_clear_stats(gateway_connection(gateway, json_string_value(name)));
	}
	rpc_answer(call, json_true());
}

void methods_clear(struct rpc_call *call, json_t *parameters)
{
	const json_t *names = json_object_get(parameters, "names");
	bool all = json_is_true(json_object_get(parameters, "all"));

	if (all == (names != NULL))
		rpc_refuse(call, "clear: needs either 'names' or 'all': true");
	else if (all)
		methods_clear_all(call);
	else
		methods_clear_names(call, names);
}

/* A threshold below 0 is off, like 0. */
static uint64_t methods_threshold(const json_t *parameters, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(parameters, name));

	return value > 0 ? (uint64_t)value : 0;
}

static bool methods_set_warnings(struct connection *connection, const json_t *parameters, char *arg,
	struct error *error)
{
	const json_t *min_ms = json_object_get(parameters, "min_ms");
	const json_t *queue = json_object_get(parameters, "queue");
	struct warn_settings thresholds = {
		.warning_ms = methods_threshold(parameters, "warning_ms"),
		.warning_bs = methods_threshold(parameters, "warning_bs"),
		.min_ms = min_ms ? (uint64_t)json_integer_value(min_ms) : METHODS_MIN_MS_DEFAULT,
		.arg = arg,
		.queue = queue ? (uint64_t)json_integer_value(queue) : WARNINGS_QUEUE_DEFAULT,
	};

	if (json_integer_value(queue) < 0)
		return error_set(error, ERROR_QUEUE, "a queue cannot hold %lld warnings",
			(long long)json_integer_value(queue));
	return connection_set_warnings(connection, &thresholds, error);
}

void methods_warn(struct rpc_call *call, json_t *parameters)
{
	const json_t *arg = json_object_get(parameters, "arg");
	struct connection *connection;
	struct error error;
	char *text;

	connection = methods_connection(call, parameters);
	if (!connection)
		return;
	text = arg ? json_dumps(arg, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (text && strlen(text) > METHODS_ARG_MAX)
		rpc_refuse(call, "warn: parameter 'arg' takes more than %d bytes as JSON",
			METHODS_ARG_MAX);
	else if (methods_set_warnings(connection, parameters, text, &error))
		rpc_answer(call, json_true());
	else
		rpc_fail(call, &error, NULL);
	free(text);
}

void methods_unwarn(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = methods_connection(call, parameters);

	if (!connection)
		return;
	connection_clear_warnings(connection);
	rpc_answer(call, json_true());
}

void methods_warnings(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = methods_context(call);
	const json_t *after = json_object_get(parameters, "after");
	bool take = json_is_true(json_object_get(parameters, "take"));
	struct connection *connection = NULL;

	if (take && (after || context->view == REPORT_OBSERVED)) {
		rpc_refuse(call, after ? "warnings: takes either 'after' or 'take'"
				       : "warnings: 'take' is not for the observe socket");
		return;
	}
	if (json_object_get(parameters, "name")) {
		connection = methods_connection(call, parameters);
		if (!connection)
			return;
	}
	walk_warnings(call, context->gateway, connection, (uint64_t)json_integer_value(after),
		take);
}
