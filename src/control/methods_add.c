#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/json_config.h"
#include "control/method_context.h"
#include "control/methods.h"

/* --- add ------------------------------------------------------------------------------------- */

/* An `add` whose TLS files are being read. */
struct adding {
	struct rpc_call *call;
	struct gateway *gateway;
	struct connection_config *connection;
	struct net_check *check;        /* NULL: done */
	struct gateway_watcher settled; /* if the files were read in the middle of a change */
	bool listening;
};

static void adding_free(void *context)
{
	struct adding *adding = context;

	net_check_cancel(adding->check);
	if (adding->listening)
		gateway_unwatch(adding->gateway, &adding->settled);
	connection_config_free(adding->connection);
	free(adding);
}

static void adding_fails(struct adding *adding, struct settings_problems *problems,
	struct error *error)
{
	if (strcmp(error->name, ERROR_SETTINGS) == 0)
		error->name = ERROR_WEBSOCKET; /* a bad option, as the original has it */
	method_fail_settings(adding->call, ERROR_WEBSOCKET, problems, error);
	settings_problems_release(problems);
	adding_free(adding);
}

static void adding_now(struct adding *adding)
{
	struct settings_problems none = {0};
	struct error error;

	if (!gateway_add(adding->gateway, adding->connection, &error)) {
		adding_fails(adding, &none, &error);
		return;
	}
	adding->connection = NULL;
	rpc_answer_true(adding->call);
	adding_free(adding);
}

static void adding_on_settled(void *context)
{
	adding_now(context);
}

static void adding_when_settled(struct adding *adding)
{
	adding->settled.settled = adding_on_settled;
	adding->settled.context = adding;
	adding->listening = true;
	gateway_watch(adding->gateway, &adding->settled);
}

static void adding_on_checked(const struct error *failure, void *context)
{
	struct adding *adding = context;
	struct settings_problems problems = {0};
	struct error error;

	adding->check = NULL;
	if (!failure && gateway_is_changing(adding->gateway)) {
		adding_when_settled(adding);
		return;
	}
	if (!failure) {
		adding_now(adding);
		return;
	}
	error = *failure;
	settings_problem_plain(&problems, "tls: %s", error.text);
	adding_fails(adding, &problems, &error);
}

static struct connection_config *adding_read_settings(const struct method_context *context,
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

static void run_add(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);
	struct adding *adding = alloc_zero(1, sizeof(*adding));
	struct settings_problems problems = {0};
	struct error error = {.name = ERROR_WEBSOCKET};

	adding->call = call;
	adding->gateway = context->gateway;
	adding->connection = adding_read_settings(context, parameters, &problems, &error);
	if (!adding->connection ||
		!gateway_check_connection(adding->gateway, adding->connection, &adding->check,
			adding_on_checked, adding, &error)) {
		adding_fails(adding, &problems, &error);
		return;
	}
	settings_problems_release(&problems);
	if (!adding->check) {
		adding_now(adding);
		return;
	}
	rpc_on_cancel(call, adding_free, adding);
	rpc_hold(call); /* the client's next request may be about this connection */
}

const struct rpc_method method_add = {
	.name = "add",
	.parameters = NULL, /* any setting */
	.run = run_add,
	.flags = RPC_WAITS,
};

/* --- remove ---------------------------------------------------------------------------------- */

static void run_remove(struct rpc_call *call, json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "name"));
	struct error error;

	if (gateway_remove(method_context(call)->gateway, name, &error))
		rpc_answer_true(call);
	else
		rpc_fail(call, &error);
}

const struct rpc_method method_remove = {
	.name = "remove",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{0},
		},
	.run = run_remove,
	.flags = RPC_WAITS,
};
