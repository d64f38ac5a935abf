#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "control/json_config.h"
#include "control/methods.h"
#include "control/report.h"
#include "control/walk.h"
#include "gateway/placeholders.h"
#include "ws/handshake.h"
#include "ws/protocol.h"
#include "ws/utf8.h"

/* A call whose answer waits for a connection to be open or closed. */
struct methods_wait {
	struct connection_waiter waiter;
	struct rpc_call *call;
};

static void methods_wait_cancel(void *context)
{
	struct methods_wait *wait = context;

	connection_forget(&wait->waiter);
	free(wait);
}

static struct methods_wait *methods_wait_new(struct rpc_call *call,
	void (*done)(struct connection_waiter *waiter, const struct call_report *last,
		const struct error *error))
{
	struct methods_wait *wait = alloc_zero(1, sizeof(*wait));

	wait->waiter.done = done;
	wait->waiter.context = wait;
	wait->call = call;
	rpc_on_cancel(call, methods_wait_cancel, wait);
	return wait;
}

/* What `connect` takes beside the headers of the settings. */
enum { METHODS_HEADERS_MAX = 64, METHODS_HEADERS_BYTES = 32 * 1024 };

/* The headers of a `connect`, while they are read. */
struct methods_headers {
	struct header_list list;
	size_t bytes;
	struct error error;
};

/* Each value as a header of its own. */
static bool methods_headers_append(struct methods_headers *headers, const char *name,
	size_t name_length, const char *value)
{
	struct header_list *list = &headers->list;

	headers->bytes += name_length + strlen(value);
	if (list->count == METHODS_HEADERS_MAX || headers->bytes > METHODS_HEADERS_BYTES)
		return error_set(&headers->error, ERROR_WEBSOCKET,
			"connect: 'headers' can have %d headers of %d bytes together",
			METHODS_HEADERS_MAX, METHODS_HEADERS_BYTES);
	header_list_take(
		list, alloc_format("%.*s", (int)name_length, name), alloc_string(value));
	return true;
}

static bool methods_headers_wrong(struct methods_headers *headers)
{
	return error_set(&headers->error, ERROR_WEBSOCKET,
		"connect: parameter 'headers' must be like {\"Name\": \"value\"} or "
		"[\"Name: value\"]");
}

/* A value, or an array of several. */
static bool methods_headers_add(struct methods_headers *headers, const char *name,
	const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		return methods_headers_append(headers, name, strlen(name),
			json_string_value(value));
	if (!json_is_array(value))
		return methods_headers_wrong(headers);
	json_array_foreach(value, i, item) {
		if (!json_is_string(item))
			return methods_headers_wrong(headers);
		if (!methods_headers_append(headers, name, strlen(name), json_string_value(item)))
			return false;
	}
	return true;
}

/* {"Name": "value", "Other": ["one", "two"]} */
static bool methods_headers_from_object(struct methods_headers *headers, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		if (!methods_headers_add(headers, name, value))
			return false;
	}
	return true;
}

/* ["Name: value", …] */
static bool methods_headers_from_lines(struct methods_headers *headers, const json_t *lines)
{
	const json_t *line;
	const char *text, *colon;
	size_t i;

	json_array_foreach(lines, i, line) {
		text = json_string_value(line);
		colon = text ? strchr(text, ':') : NULL;
		if (!colon)
			return methods_headers_wrong(headers);
		if (!methods_headers_append(headers, text, (size_t)(colon - text),
			    colon + 1 + strspn(colon + 1, " \t")))
			return false;
	}
	return true;
}

static bool methods_headers_parse(struct methods_headers *headers, json_t *json)
{
	if (!json)
		return true;
	if (json_is_object(json))
		return methods_headers_from_object(headers, json);
	return json_is_array(json) ? methods_headers_from_lines(headers, json)
				   : methods_headers_wrong(headers);
}

static void methods_connect_done(struct connection_waiter *waiter,
	const struct call_report *last, const struct error *error)
{
	struct methods_wait *wait = waiter->context;
	json_t *report = last ? report_call(last, methods_context(wait->call)->view) : NULL;

	if (error)
		rpc_fail(wait->call, error, report);
	else
		rpc_answer(wait->call, report);
	free(wait);
}

void methods_connect(struct rpc_call *call, json_t *parameters)
{
	struct methods_headers headers = {0};
	struct connection *connection;
	struct error error;

	if (!gateway_is_running(methods_context(call)->gateway, &error)) {
		rpc_fail(call, &error, NULL);
		return;
	}
	connection = methods_connection(call, parameters);
	if (!connection)
		return;
	if (!methods_headers_parse(&headers, json_object_get(parameters, "headers")))
		rpc_refuse_error(call, &headers.error);
	else
		connection_connect(connection, &headers.list,
			&methods_wait_new(call, methods_connect_done)->waiter);
	header_list_release(&headers.list);
}

static void methods_disconnect_done(struct connection_waiter *waiter,
	const struct call_report *last, const struct error *error)
{
	struct methods_wait *wait = waiter->context;

	(void)last;
	if (error)
		rpc_fail(wait->call, error, NULL);
	else
		rpc_answer(wait->call, json_true());
	free(wait);
}

void methods_disconnect(struct rpc_call *call, json_t *parameters)
{
	const json_t *given = json_object_get(parameters, "code");
	const char *reason = json_string_value(json_object_get(parameters, "reason"));
	unsigned code = given ? (unsigned)json_integer_value(given) : WS_CLOSE_GOING_AWAY;
	struct connection *connection = methods_connection(call, parameters);

	if (!connection)
		return;
	if (!ws_close_code_valid(code)) {
		rpc_refuse(call,
			"disconnect: parameter 'code': %u may not be sent; those that may are "
			"1000 to 1014 without 1004, 1005 and 1006, and 3000 to 4999",
			code);
		return;
	}
	if (reason && strlen(reason) > WS_CONTROL_MAX - 2) {
		rpc_refuse(call,
			"disconnect: parameter 'reason' has %zu bytes; a close frame holds %d",
			strlen(reason), WS_CONTROL_MAX - 2);
		return;
	}
	connection_disconnect(connection, code, reason ? reason : "",
		&methods_wait_new(call, methods_disconnect_done)->waiter);
}

void methods_is_open(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = methods_connection(call, parameters);

	if (connection)
		rpc_answer(call, json_boolean(connection_is_open(connection)));
}

/* Ends the call. */
static void methods_send_message(struct rpc_call *call, struct connection *connection,
	enum ws_opcode opcode, const void *data, size_t length)
{
	struct ws_outgoing message = {.opcode = opcode, .data = data, .length = length};
	struct error error;

	if (connection_send(connection, &message, &error))
		rpc_answer(call, json_true());
	else
		rpc_fail(call, &error, NULL);
	ws_outgoing_release(&message);
}

void methods_send(struct rpc_call *call, json_t *parameters)
{
	const json_t *text = json_object_get(parameters, "text");
	const json_t *base64 = json_object_get(parameters, "base64");
	struct connection *connection = methods_connection(call, parameters);
	size_t length;
	char *data;

	if (!connection)
		return;
	if (!text == !base64) {
		rpc_refuse(call, "send: needs either 'text' or 'base64'");
		return;
	}
	if (text) {
		methods_send_message(call, connection, WS_TEXT, json_string_value(text),
			json_string_length(text));
		return;
	}
	data = alloc_zero(1, json_string_length(base64));
	if (text_base64_decode(data, &length, json_string_value(base64)))
		methods_send_message(call, connection, WS_BINARY, data, length);
	else
		rpc_refuse(call, "send: parameter 'base64' is not base64 (RFC 4648, section 4)");
	free(data);
}

void methods_ping(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = methods_connection(call, parameters);
	struct error error;

	if (!connection)
		return;
	if (connection_ping(connection, &error))
		rpc_answer(call, json_true());
	else
		rpc_fail(call, &error, NULL);
}

static json_t *methods_strings(const struct string_list *strings)
{
	json_t *array = json_array();

	for (size_t i = 0; i < strings->count; i++)
		json_array_append_new(array, json_string(strings->items[i]));
	return array;
}

void methods_on_open(struct rpc_call *call, json_t *parameters)
{
	const char *add = json_string_value(json_object_get(parameters, "add"));
	const char *remove = json_string_value(json_object_get(parameters, "remove"));
	struct connection *connection = methods_connection(call, parameters);
	struct error error;

	if (!connection)
		return;
	if (add && remove)
		rpc_refuse(call, "on-open: takes either 'add' or 'remove'");
	else if (add && !methods_context(call)->trusted && placeholders_use_environment(add))
		rpc_refuse(call, "on-open: " SETTINGS_ONLY_TRUSTED
				 " may use the environment, as %%{VARIABLE} does");
	else if ((add && !connection_add_on_open(connection, add, &error)) ||
		(remove && !connection_remove_on_open(connection, remove, &error)))
		rpc_fail(call, &error, NULL);
	else
		rpc_answer(call, methods_strings(connection_on_open(connection)));
}

void methods_list(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = methods_context(call);

	(void)parameters;
	walk_connections(call, context->gateway, context->view, false, report_connection);
}

void methods_status(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = methods_connection(call, parameters);

	if (connection)
		rpc_answer(call, report_status(connection, methods_context(call)->view));
}

/* An `add` whose TLS files are being read. */
struct methods_adding {
	struct rpc_call *call;
	struct gateway *gateway;
	struct connection_config *connection;
	struct net_check *check; /* NULL: done */
	struct gateway_watcher settled; /* if the files were read in the middle of a change */
	bool listening;
};

static void methods_adding_free(void *context)
{
	struct methods_adding *adding = context;

	net_check_cancel(adding->check);
	if (adding->listening)
		gateway_unwatch(adding->gateway, &adding->settled);
	connection_config_free(adding->connection);
	free(adding);
}

static void methods_add_fails(
	struct methods_adding *adding, struct settings_problems *problems, struct error *error)
{
	if (strcmp(error->name, ERROR_SETTINGS) == 0)
		error->name = ERROR_WEBSOCKET; /* a bad option, as the original has it */
	methods_fail_settings(adding->call, ERROR_WEBSOCKET, problems, error);
	settings_problems_release(problems);
	methods_adding_free(adding);
}

static void methods_add_now(struct methods_adding *adding)
{
	struct settings_problems none = {0};
	struct error error;

	if (!gateway_add(adding->gateway, adding->connection, &error)) {
		methods_add_fails(adding, &none, &error);
		return;
	}
	adding->connection = NULL;
	rpc_answer(adding->call, json_true());
	methods_adding_free(adding);
}

static void methods_on_settled(void *context)
{
	methods_add_now(context);
}

static void methods_add_when_settled(struct methods_adding *adding)
{
	adding->settled.settled = methods_on_settled;
	adding->settled.context = adding;
	adding->listening = true;
	gateway_watch(adding->gateway, &adding->settled);
}

static void methods_on_checked(const struct error *failure, void *context)
{
	struct methods_adding *adding = context;
	struct settings_problems problems = {0};
	struct error error;

	adding->check = NULL;
	if (!failure && gateway_is_changing(adding->gateway)) {
		methods_add_when_settled(adding);
		return;
	}
	if (!failure) {
		methods_add_now(adding);
		return;
	}
	error = *failure;
	settings_problem_plain(&problems, "tls: %s", error.text);
	methods_add_fails(adding, &problems, &error);
}

static struct connection_config *methods_make_connection(const struct method_context *context,
	const json_t *json, struct settings_problems *problems, struct error *error)
{
	struct connection_config *connection = NULL;
	config_t config;

	config_init(&config);
	if (json_config_fill(config_root_setting(&config), json, error))
		connection = settings_connection(config_root_setting(&config),
			gateway_settings(context->gateway), context->trusted, problems);
	config_destroy(&config);
	return connection;
}

void methods_add(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = methods_context(call);
	struct methods_adding *adding = alloc_zero(1, sizeof(*adding));
	struct settings_problems problems = {0};
	struct error error = {.name = ERROR_WEBSOCKET};

	adding->call = call;
	adding->gateway = context->gateway;
	adding->connection = methods_make_connection(context, parameters, &problems, &error);
	if (!adding->connection || !gateway_check_connection(adding->gateway, adding->connection,
					   &adding->check, methods_on_checked, adding, &error)) {
		methods_add_fails(adding, &problems, &error);
		return;
	}
	settings_problems_release(&problems);
	if (!adding->check) {
		methods_add_now(adding);
		return;
	}
	rpc_on_cancel(call, methods_adding_free, adding);
	rpc_hold(call); /* the client's next request may be about this connection */
}

void methods_remove(struct rpc_call *call, json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "name"));
	struct error error;

	if (gateway_remove(methods_context(call)->gateway, name, &error))
		rpc_answer(call, json_true());
	else
		rpc_fail(call, &error, NULL);
}
