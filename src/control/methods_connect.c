#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/method_context.h"
#include "control/methods.h"
#include "ws/protocol.h"

/* --- calls that wait for a connection to be open or closed ----------------------------------- */

struct waiting_call {
	struct connection_waiter waiter;
	struct rpc_call *call;
};

static void waiting_call_cancel(void *context)
{
	struct waiting_call *wait = context;

	connection_forget(&wait->waiter);
	free(wait);
}

static struct connection_waiter *waiting_call_new(struct rpc_call *call,
	void (*done)(struct connection_waiter *waiter, const struct call_report *last,
		const struct error *error))
{
	struct waiting_call *wait = alloc_zero(1, sizeof(*wait));

	wait->waiter.done = done;
	wait->waiter.context = wait;
	wait->call = call;
	rpc_on_cancel(call, waiting_call_cancel, wait);
	return &wait->waiter;
}

/* --- connect --------------------------------------------------------------------------------- */

/* Of the headers that come with a `connect`. */
enum { CONNECT_HEADERS_MAX = 64, CONNECT_HEADERS_BYTES = 32 * 1024 };

/* They, while they are read. */
struct connect_headers {
	struct header_list list;
	size_t bytes;
	struct error error;
};

static bool connect_header_append(struct connect_headers *headers, const char *name,
	size_t name_length, const char *value)
{
	headers->bytes += name_length + strlen(value);
	if (headers->list.count == CONNECT_HEADERS_MAX || headers->bytes > CONNECT_HEADERS_BYTES)
		return error_set(&headers->error, ERROR_WEBSOCKET,
			"connect: parameter 'headers' must be at most %d headers, %d bytes in total",
			CONNECT_HEADERS_MAX, CONNECT_HEADERS_BYTES);
	header_list_take(&headers->list, alloc_format("%.*s", (int)name_length, name),
		alloc_string(value));
	return true;
}

static bool connect_headers_refuse(struct connect_headers *headers)
{
	return error_set(&headers->error, ERROR_WEBSOCKET,
		"connect: parameter 'headers' must be like {\"Name\": \"value\"} or "
		"[\"Name: value\"]");
}

/* A value, or an array of several. */
static bool connect_header_add(struct connect_headers *headers, const char *name,
	const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		return connect_header_append(headers, name, strlen(name), json_string_value(value));
	if (!json_is_array(value))
		return connect_headers_refuse(headers);
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return connect_headers_refuse(headers);
		if (!connect_header_append(headers, name, strlen(name), json_string_value(item)))
			return false;
	}
	return true;
}

/* {"Name": "value", "Other": ["one", "two"]} */
static bool connect_headers_from_object(struct connect_headers *headers, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach (object, name, value) {
		if (!connect_header_add(headers, name, value))
			return false;
	}
	return true;
}

/* ["Name: value", …] */
static bool connect_headers_from_lines(struct connect_headers *headers, const json_t *lines)
{
	const json_t *line;
	const char *text, *colon;
	size_t i;

	json_array_foreach (lines, i, line) {
		text = json_string_value(line);
		colon = text ? strchr(text, ':') : NULL;
		if (!colon)
			return connect_headers_refuse(headers);
		if (!connect_header_append(headers, text, (size_t)(colon - text),
			    colon + 1 + strspn(colon + 1, " \t")))
			return false;
	}
	return true;
}

static bool connect_headers_parse(struct connect_headers *headers, json_t *json)
{
	if (!json)
		return true;
	if (json_is_object(json))
		return connect_headers_from_object(headers, json);
	return json_is_array(json) ? connect_headers_from_lines(headers, json)
				   : connect_headers_refuse(headers);
}

static void connect_done(struct connection_waiter *waiter, const struct call_report *last,
	const struct error *error)
{
	struct waiting_call *wait = waiter->context;
	struct rpc_call *call = wait->call;
	struct json_writer *json = error ? rpc_begin_failure(call, error) : rpc_begin_result(call);

	if (!error)
		json_put_object(json, NULL);
	if (last)
		report_call_members(json, last, method_context(call)->view);
	if (!error)
		json_put_object_end(json);
	rpc_end(call);
	free(wait);
}

static void run_connect(struct rpc_call *call, json_t *parameters)
{
	struct connect_headers headers = {0};
	struct connection *connection;
	struct error error;

	if (!gateway_is_running(method_context(call)->gateway, &error)) {
		rpc_fail(call, &error);
		return;
	}
	connection = method_connection(call, parameters);
	if (!connection)
		return;
	if (connect_headers_parse(&headers, json_object_get(parameters, "headers")))
		connection_connect(connection, &headers.list, waiting_call_new(call, connect_done));
	else
		rpc_refuse_error(call, &headers.error);
	header_list_release(&headers.list);
}

const struct rpc_method method_connect = {
	.name = "connect",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "headers", .types = RPC_ANY},
			{0},
		},
	.run = run_connect,
};

/* --- disconnect ------------------------------------------------------------------------------ */

static void disconnect_done(struct connection_waiter *waiter, const struct call_report *last,
	const struct error *error)
{
	struct waiting_call *wait = waiter->context;

	(void)last;
	if (error)
		rpc_fail(wait->call, error);
	else
		rpc_answer_true(wait->call);
	free(wait);
}

static void run_disconnect(struct rpc_call *call, json_t *parameters)
{
	const json_t *given = json_object_get(parameters, "code");
	const char *reason = json_string_value(json_object_get(parameters, "reason"));
	unsigned code = given ? (unsigned)json_integer_value(given) : WS_CLOSE_GOING_AWAY;
	struct connection *connection = method_connection(call, parameters);

	if (!connection)
		return;
	if (!ws_close_code_valid(code)) {
		rpc_refuse(call,
			"disconnect: parameter 'code' must be 1000 to 1014 except 1004 to 1006, "
			"or 3000 to 4999, not %u",
			code);
		return;
	}
	if (reason && strlen(reason) > WS_CONTROL_MAX - 2) {
		rpc_refuse(call,
			"disconnect: parameter 'reason' must be at most %d bytes long, not %zu",
			WS_CONTROL_MAX - 2, strlen(reason));
		return;
	}
	connection_disconnect(connection, code, reason ? reason : "",
		waiting_call_new(call, disconnect_done));
}

const struct rpc_method method_disconnect = {
	.name = "disconnect",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "code", .types = RPC_INTEGER, .minimum = 0, .maximum = 65535},
			{.name = "reason", .types = RPC_STRING},
			{0},
		},
	.run = run_disconnect,
};
