#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "control/json_config.h"
#include "control/methods.h"
#include "control/report.h"
#include "ws/handshake.h"
#include "ws/protocol.h"
#include "ws/utf8.h"

/* A call whose answer waits for a connection to be open or closed. */
struct methods_wait {
	struct connection_waiter waiter;
	struct rpc_call *call;
	struct connection *connection;
};

static void methods_wait_cancel(void *context)
{
	struct methods_wait *wait = context;

	connection_forget(wait->connection, &wait->waiter);
	free(wait);
}

static struct methods_wait *methods_wait_new(struct rpc_call *call, struct connection *connection,
	void (*done)(struct connection_waiter *waiter, const struct call_report *last,
		const struct error *error))
{
	struct methods_wait *wait = alloc_zero(1, sizeof(*wait));

	wait->waiter.done = done;
	wait->waiter.context = wait;
	wait->call = call;
	wait->connection = connection;
	rpc_on_cancel(call, methods_wait_cancel, wait);
	return wait;
}

/* Each value as a header of its own. */
static void methods_headers_append(struct header_list *headers, char *name, char *value)
{
	size_t size = (headers->count + 1) * sizeof(*headers->items);

	headers->items = alloc_resize(headers->items, size);
	headers->items[headers->count++] = (struct ws_header){name, value};
}

static void methods_headers_release(struct header_list *headers)
{
	for (size_t i = 0; i < headers->count; i++) {
		free((char *)headers->items[i].name);
		free((char *)headers->items[i].value);
	}
	free(headers->items);
}

/* {"Name": "value", "Other": ["one", "two"]}; false if a value is neither. */
static bool methods_headers_from_object(struct header_list *headers, json_t *object)
{
	const char *name;
	json_t *value, *item;
	size_t i;

	json_object_foreach(object, name, value) {
		if (json_is_string(value))
			methods_headers_append(headers, alloc_string(name),
				alloc_string(json_string_value(value)));
		else if (!json_is_array(value))
			return false;
		json_array_foreach(value, i, item) {
			if (!json_is_string(item))
				return false;
			methods_headers_append(headers, alloc_string(name),
				alloc_string(json_string_value(item)));
		}
	}
	return true;
}

/* ["Name: value", …]; false if a colon is missing. */
static bool methods_headers_from_lines(struct header_list *headers, const json_t *lines)
{
	const json_t *line;
	const char *text, *colon;
	size_t i;

	json_array_foreach(lines, i, line) {
		text = json_string_value(line);
		colon = strchr(text, ':');
		if (!colon)
			return false;
		methods_headers_append(headers, alloc_format("%.*s", (int)(colon - text), text),
			alloc_string(colon + 1 + strspn(colon + 1, " \t")));
	}
	return true;
}

static bool methods_headers_parse(struct header_list *headers, json_t *json)
{
	if (json_is_object(json))
		return methods_headers_from_object(headers, json);
	return methods_headers_from_lines(headers, json);
}

static void methods_connect_done(struct connection_waiter *waiter,
	const struct call_report *last, const struct error *error)
{
	struct methods_wait *wait = waiter->context;
	json_t *report = last ? report_call(last) : NULL;

	if (error)
		rpc_fail(wait->call, error, report);
	else
		rpc_answer(wait->call, report);
	free(wait);
}

void methods_connect(struct rpc_call *call, json_t *parameters)
{
	json_t *json = json_object_get(parameters, "headers");
	struct connection *connection = methods_connection(call, parameters);
	struct header_list headers = {0};

	if (!connection)
		return;
	if (json && !methods_headers_parse(&headers, json))
		rpc_refuse(call, "connect: parameter 'headers' must be like {\"Name\": \"value\"} "
				 "or [\"Name: value\"]");
	else
		connection_connect(connection, &headers,
			&methods_wait_new(call, connection, methods_connect_done)->waiter);
	methods_headers_release(&headers);
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
		&methods_wait_new(call, connection, methods_disconnect_done)->waiter);
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
	struct error error;

	if (connection_send(connection, opcode, data, length, &error))
		rpc_answer(call, json_true());
	else
		rpc_fail(call, &error, NULL);
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

	if (connection)
		methods_send_message(call, connection, WS_PING, "", 0);
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
	else if ((add && !connection_add_on_open(connection, add, &error)) ||
		(remove && !connection_remove_on_open(connection, remove, &error)))
		rpc_fail(call, &error, NULL);
	else
		rpc_answer(call, methods_strings(connection_on_open(connection)));
}

static json_t *methods_list_item(size_t index, void *context)
{
	size_t count;

	return report_connection(gateway_connections(context, &count)[index]);
}

void methods_list(struct rpc_call *call, json_t *parameters)
{
	struct gateway *gateway = methods_context(call)->gateway;
	size_t count;

	(void)parameters;
	gateway_connections(gateway, &count);
	rpc_answer_items(call, count, methods_list_item, gateway);
}

void methods_status(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = methods_connection(call, parameters);

	if (connection)
		rpc_answer(call, report_status(connection));
}

static bool methods_add_connection(struct gateway *gateway, const json_t *json,
	struct settings_problems *problems, struct error *error)
{
	struct connection_config *connection = NULL;
	config_t config;
	bool added = false;

	config_init(&config);
	if (json_config_fill(config_root_setting(&config), json, error))
		connection = settings_connection(config_root_setting(&config),
			gateway_settings(gateway), problems);
	if (connection)
		added = gateway_add(gateway, connection, error);
	if (!added)
		connection_config_free(connection);
	config_destroy(&config);
	return added;
}

void methods_add(struct rpc_call *call, json_t *parameters)
{
	struct settings_problems problems = {0};
	struct error error;

	if (methods_add_connection(methods_context(call)->gateway, parameters, &problems, &error))
		rpc_answer(call, json_true());
	else
		methods_fail_settings(call, &problems, &error);
	settings_problems_release(&problems);
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
