#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/method_context.h"
#include "control/methods.h"
#include "control/report_value.h"
#include "control/walk.h"

/* --- outlets --------------------------------------------------------------------------------- */

static void run_outlets(struct rpc_call *call, json_t *parameters)
{
	(void)parameters;
	walk_outlets(call, method_context(call)->gateway);
}

const struct rpc_method method_outlets = {
	.name = "outlets",
	.parameters = rpc_no_parameters,
	.run = run_outlets,
	.flags = RPC_OBSERVES,
};

static void run_subscribers(struct rpc_call *call, json_t *parameters)
{
	struct gateway *gateway = method_context(call)->gateway;
	const char *name = json_string_value(json_object_get(parameters, "outlet"));
	const struct outlet *outlet = name ? gateway_outlet(gateway, name) : NULL;
	struct error error;

	if (name && !outlet) {
		error_set(&error, ERROR_NOT_FOUND, "no outlet named '%s'", name);
		rpc_fail(call, &error);
		return;
	}
	walk_subscribers(call, gateway, outlet);
}

const struct rpc_method method_subscribers = {
	.name = "subscribers",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "outlet", .types = RPC_STRING},
			{0},
		},
	.run = run_subscribers,
	.flags = RPC_OBSERVES,
};

/* --- events ---------------------------------------------------------------------------------- */

static void run_events(struct rpc_call *call, json_t *parameters)
{
	struct method_context *context = method_context(call);
	struct json_writer *json = rpc_begin_result(call);

	(void)parameters;
	json_put_object(json, NULL);
	json_put_boolean(json, "following", true);
	json_put_object_end(json);
	rpc_end(call);
	context->following = true;
}

const struct rpc_method method_events = {
	.name = "events",
	.parameters = rpc_no_parameters,
	.run = run_events,
	.flags = RPC_OBSERVES,
};

/* --- reload ---------------------------------------------------------------------------------- */

/* A call that waits for the outcome of a reload. */
struct reload_call {
	struct reload_waiter waiter;
	const struct method_context *context;
	struct rpc_call *call;
};

static void reload_call_cancel(void *context)
{
	struct reload_call *wait = context;

	wait->context->callbacks->forget_reload(&wait->waiter, wait->context->callbacks_context);
	free(wait);
}

static void reload_call_done(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	struct reload_call *wait = waiter->context;

	if (outcome->done) {
		report_reload(rpc_begin_result(wait->call), NULL, outcome);
		rpc_end(wait->call);
	} else {
		method_fail_settings(wait->call, ERROR_SETTINGS, &outcome->problems,
			&outcome->error);
	}
	free(wait);
}

static void run_reload(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);
	struct reload_call *wait = alloc_zero(1, sizeof(*wait));

	(void)parameters;
	wait->waiter.done = reload_call_done;
	wait->waiter.context = wait;
	wait->context = context;
	wait->call = call;
	rpc_on_cancel(call, reload_call_cancel, wait);
	context->callbacks->reload(&wait->waiter, context->callbacks_context);
}

const struct rpc_method method_reload = {
	.name = "reload",
	.parameters = rpc_no_parameters,
	.run = run_reload,
};

/* --- the daemon itself ----------------------------------------------------------------------- */

static void run_log(struct rpc_call *call, json_t *parameters)
{
	struct log *log = gateway_log(method_context(call)->gateway);
	const char *name = json_string_value(json_object_get(parameters, "level"));
	int level = name ? log_level_parse(name) : log_level(log);
	struct json_writer *json;

	if (level < 0) {
		rpc_refuse(call,
			"log: parameter 'level' must be err, warning, notice, info or debug, "
			"not '%.*s'",
			text_cut(name, 64), name);
		return;
	}
	if (name && !method_context(call)->trusted) {
		rpc_refuse(call, "log: " SETTINGS_ONLY_TRUSTED " may change the level");
		return;
	}
	if (name)
		log_set_level(log, level);
	json = rpc_begin_result(call);
	json_put_object(json, NULL);
	json_put_text(json, "level", log_level_name(level));
	json_put_object_end(json);
	rpc_end(call);
}

const struct rpc_method method_log = {
	.name = "log",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "level", .types = RPC_STRING},
			{0},
		},
	.run = run_log,
};

static void run_version(struct rpc_call *call, json_t *parameters)
{
	const struct method_context *context = method_context(call);
	struct json_writer *json = rpc_begin_result(call);

	(void)parameters;
	json_put_object(json, NULL);
	json_put_text(json, "version", PACKAGE_VERSION);
	json_put_integer(json, "pid", getpid());
	report_time(json, "started", context->started);
	json_put_number(json, "log_dropped", log_dropped(gateway_log(context->gateway)));
	json_put_object_end(json);
	rpc_end(call);
}

const struct rpc_method method_version = {
	.name = "version",
	.parameters = rpc_no_parameters,
	.run = run_version,
	.flags = RPC_OBSERVES,
};
