#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "control/method_context.h"
#include "control/methods.h"
#include "control/report_value.h"
#include "control/walk.h"
#include "gateway/placeholders.h"
#include "ws/protocol.h"

static const struct rpc_parameter name_parameter[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{0},
};

/* --- their state ----------------------------------------------------------------------------- */

static void run_list(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);

	(void)parameters;
	walk_connections(call, context->gateway, context->view, false, report_connection);
}

const struct rpc_method method_list = {
	.name = "list",
	.parameters = rpc_no_parameters,
	.run = run_list,
	.flags = RPC_OBSERVES,
};

static void run_status(struct rpc_call *call, json_t *parameters)
{
	const struct connection *connection = method_connection(call, parameters);

	if (!connection)
		return;
	report_status(rpc_begin_result(call), NULL, connection, method_context(call)->view);
	rpc_end(call);
}

const struct rpc_method method_status = {
	.name = "status",
	.parameters = name_parameter,
	.run = run_status,
	.flags = RPC_OBSERVES,
};

static void run_is_open(struct rpc_call *call, json_t *parameters)
{
	const struct connection *connection = method_connection(call, parameters);

	if (!connection)
		return;
	json_put_boolean(rpc_begin_result(call), NULL, connection_is_open(connection));
	rpc_end(call);
}

const struct rpc_method method_is_open = {
	.name = "is-open",
	.parameters = name_parameter,
	.run = run_is_open,
	.flags = RPC_OBSERVES,
};

/* --- messages to the server ------------------------------------------------------------------ */

/* Answers the call. */
static void send_message(struct rpc_call *call, struct connection *connection,
	enum ws_opcode opcode, const void *data, size_t length)
{
	struct ws_outgoing message = {.opcode = opcode, .data = data, .length = length};
	struct error error;

	if (connection_send(connection, &message, &error))
		rpc_answer_true(call);
	else
		rpc_fail(call, &error);
	ws_outgoing_release(&message);
}

static void run_send(struct rpc_call *call, json_t *parameters)
{
	const json_t *text = json_object_get(parameters, "text");
	const json_t *base64 = json_object_get(parameters, "base64");
	struct connection *connection = method_connection(call, parameters);
	size_t length;
	char *data;

	if (!connection)
		return;
	if (!text == !base64) {
		rpc_refuse(call, "send: exactly one of 'text' and 'base64' is required");
		return;
	}
	if (text) {
		send_message(call, connection, WS_TEXT, json_string_value(text),
			json_string_length(text));
		return;
	}
	data = alloc_zero(1, json_string_length(base64));
	if (text_base64_decode(data, &length, json_string_value(base64)))
		send_message(call, connection, WS_BINARY, data, length);
	else
		rpc_refuse(call, "send: parameter 'base64' is not base64 (RFC 4648, section 4)");
	free(data);
}

const struct rpc_method method_send = {
	.name = "send",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "text", .types = RPC_STRING},
			{.name = "base64", .types = RPC_STRING},
			{0},
		},
	.run = run_send,
};

static void run_ping(struct rpc_call *call, json_t *parameters)
{
	struct connection *connection = method_connection(call, parameters);
	struct error error;

	if (!connection)
		return;
	if (connection_ping(connection, &error))
		rpc_answer_true(call);
	else
		rpc_fail(call, &error);
}

const struct rpc_method method_ping = {
	.name = "ping",
	.parameters = name_parameter,
	.run = run_ping,
};

/* Not cleaned: the messages are data. */
static void on_open_answer(struct rpc_call *call, const struct string_list *messages)
{
	struct json_writer *json = rpc_begin_result(call);

	json_put_array(json, NULL);
	for (size_t i = 0; i < messages->count; i++)
		json_put_string(json, NULL, messages->items[i], strlen(messages->items[i]));
	json_put_array_end(json);
	rpc_end(call);
}

static void run_on_open(struct rpc_call *call, json_t *parameters)
{
	const char *add = json_string_value(json_object_get(parameters, "add"));
	const char *remove = json_string_value(json_object_get(parameters, "remove"));
	struct connection *connection = method_connection(call, parameters);
	struct error error;

	if (!connection)
		return;
	if (add && remove)
		rpc_refuse(call, "on-open: 'add' and 'remove' exclude each other");
	else if (add && !method_context(call)->trusted && placeholders_use_environment(add))
		rpc_refuse(call,
			"on-open: " SETTINGS_ONLY_TRUSTED
			" may use the environment, as %%{VARIABLE} does");
	else if ((add && !connection_add_on_open(connection, add, &error)) ||
		(remove && !connection_remove_on_open(connection, remove, &error)))
		rpc_fail(call, &error);
	else
		on_open_answer(call, connection_on_open(connection));
}

const struct rpc_method method_on_open = {
	.name = "on-open",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "add", .types = RPC_STRING},
			{.name = "remove", .types = RPC_STRING},
			{0},
		},
	.run = run_on_open,
};
