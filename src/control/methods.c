#include "config.h"

#include "control/methods.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/report.h"
#include "control/walk.h"
#include "ws/protocol.h"

struct method_context *methods_context(const struct rpc_call *call)
{
	return rpc_context(call);
}

struct connection *methods_connection(struct rpc_call *call, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "name"));
	struct connection *connection = gateway_connection(methods_context(call)->gateway, name);
	struct error error;

	if (connection)
		return connection;
	error_set(&error, ERROR_NOT_FOUND, "there is no connection '%s'", name);
	rpc_fail(call, &error, NULL);
	return NULL;
}

static void methods_outlets(struct rpc_call *call, json_t *parameters)
{
	(void)parameters;
	walk_outlets(call, methods_context(call)->gateway);
}

static void methods_subscribers(struct rpc_call *call, json_t *parameters)
{
	struct gateway *gateway = methods_context(call)->gateway;
	const char *name = json_string_value(json_object_get(parameters, "outlet"));
	const struct outlet *outlet = name ? gateway_outlet(gateway, name) : NULL;
	struct error error;

	if (name && !outlet) {
		error_set(&error, ERROR_NOT_FOUND, "there is no outlet '%s'", name);
		rpc_fail(call, &error, NULL);
		return;
	}
	walk_subscribers(call, gateway, outlet);
}

static void methods_events(struct rpc_call *call, json_t *parameters)
{
	struct method_context *context = methods_context(call);

	(void)parameters;
	rpc_answer(call, json_pack("{s:b}", "following", true));
	context->following = true;
}

void methods_fail_settings(struct rpc_call *call, const char *name,
	const struct settings_problems *problems, const struct error *error)
{
	struct error first;
	json_t *texts;

	if (!problems->errors.count) {
		rpc_fail(call, error, NULL);
		return;
	}
	texts = json_array();
	for (size_t i = 0; i < problems->errors.count; i++)
		json_array_append_new(texts, rpc_text(problems->errors.items[i]));
	error_set(&first, name, "%s", problems->errors.items[0]);
	if (problems->errors.count > 1)
		error_set(&first, name, "%s (and %zu more)", problems->errors.items[0],
			problems->errors.count - 1);
	rpc_fail(call, &first, json_pack("{s:o}", "problems", texts));
}

/* A call that waits for the outcome of a reload. */
struct methods_reload {
	struct reload_waiter waiter;
	const struct control_callbacks *callbacks;
	struct rpc_call *call;
};

static void methods_reload_cancel(void *context)
{
	struct methods_reload *wait = context;

	wait->callbacks->forget_reload(&wait->waiter, wait->callbacks->context);
	free(wait);
}

static void methods_reload_done(struct reload_waiter *waiter, const struct reload_outcome *outcome)
{
	struct methods_reload *wait = waiter->context;

	if (outcome->done)
		rpc_answer(wait->call, report_reload(outcome));
	else
		methods_fail_settings(wait->call, ERROR_SETTINGS, &outcome->problems,
			&outcome->error);
	free(wait);
}

static void methods_reload(struct rpc_call *call, json_t *parameters)
{
	struct methods_reload *wait = alloc_zero(1, sizeof(*wait));

	(void)parameters;
	wait->waiter.done = methods_reload_done;
	wait->waiter.context = wait;
	wait->callbacks = methods_context(call)->callbacks;
	wait->call = call;
	rpc_on_cancel(call, methods_reload_cancel, wait);
	wait->callbacks->reload(&wait->waiter, wait->callbacks->context);
}

static void methods_log(struct rpc_call *call, json_t *parameters)
{
	struct log *log = gateway_log(methods_context(call)->gateway);
	const char *name = json_string_value(json_object_get(parameters, "level"));
	int level = name ? log_level_parse(name) : log_level(log);

	if (level < 0) {
		rpc_refuse(call,
			"log: parameter 'level' must be err, warning, notice, info or debug, "
			"not '%.*s'",
			text_cut(name, 64), name);
		return;
	}
	if (name && !methods_context(call)->trusted) {
		rpc_refuse(call, "log: " SETTINGS_ONLY_TRUSTED " may change the level");
		return;
	}
	if (name)
		log_set_level(log, level);
	rpc_answer(call, json_pack("{s:s}", "level", log_level_name(level)));
}

static void methods_version(struct rpc_call *call, json_t *parameters)
{
	char started[CLOCK_TEXT_SIZE];

	(void)parameters;
	clock_format(started, methods_context(call)->started);
	rpc_answer(call,
		json_pack("{s:s,s:i,s:s,s:I}", "version", PACKAGE_VERSION, "pid", (int)getpid(),
			"started", started, "log_dropped",
			(json_int_t)log_dropped(gateway_log(methods_context(call)->gateway))));
}

static const struct rpc_parameter no_parameters[] = {{0}};

static const struct rpc_parameter name_parameter[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{0},
};

static const struct rpc_parameter optional_name[] = {
	{.name = "name", .types = RPC_STRING},
	{0},
};

static const struct rpc_parameter warnings_parameters[] = {
	{.name = "name", .types = RPC_STRING},
	{.name = "after", .types = RPC_INTEGER, .minimum = 0, .maximum = INT64_MAX},
	{.name = "take", .types = RPC_BOOLEAN},
	{0},
};

static const struct rpc_parameter connect_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "headers", .types = RPC_ANY},
	{0},
};

static const struct rpc_parameter disconnect_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "code", .types = RPC_INTEGER, .minimum = 0, .maximum = 65535},
	{.name = "reason", .types = RPC_STRING},
	{0},
};

static const struct rpc_parameter clear_parameters[] = {
	{.name = "names", .types = RPC_STRINGS},
	{.name = "all", .types = RPC_BOOLEAN},
	{0},
};

static const struct rpc_parameter warn_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "warning_ms", .types = RPC_INTEGER, .minimum = INT32_MIN, .maximum = INT32_MAX},
	{.name = "warning_bs", .types = RPC_INTEGER, .minimum = INT64_MIN, .maximum = INT64_MAX},
	{.name = "min_ms", .types = RPC_INTEGER, .minimum = 0, .maximum = INT32_MAX},
	{.name = "arg", .types = RPC_ANY},
	{.name = "queue", .types = RPC_INTEGER, .minimum = INT64_MIN, .maximum = INT64_MAX},
	{0},
};

static const struct rpc_parameter send_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "text", .types = RPC_STRING},
	{.name = "base64", .types = RPC_STRING},
	{0},
};

static const struct rpc_parameter on_open_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "add", .types = RPC_STRING},
	{.name = "remove", .types = RPC_STRING},
	{0},
};

static const struct rpc_parameter outlet_parameter[] = {
	{.name = "outlet", .types = RPC_STRING},
	{0},
};

static const struct rpc_parameter log_parameters[] = {
	{.name = "level", .types = RPC_STRING},
	{0},
};

const struct rpc_method methods[] = {
	{"connect", connect_parameters, methods_connect, 0},
	{"disconnect", disconnect_parameters, methods_disconnect, 0},
	{"is-open", name_parameter, methods_is_open, RPC_OBSERVES},
	{"send", send_parameters, methods_send, 0},
	{"ping", name_parameter, methods_ping, 0},
	{"on-open", on_open_parameters, methods_on_open, 0},
	{"list", no_parameters, methods_list, RPC_OBSERVES},
	{"status", name_parameter, methods_status, RPC_OBSERVES},
	{"outlets", no_parameters, methods_outlets, RPC_OBSERVES},
	{"subscribers", outlet_parameter, methods_subscribers, RPC_OBSERVES},
	{"events", no_parameters, methods_events, RPC_OBSERVES},
	{"stats", optional_name, methods_stats, RPC_OBSERVES},
	{"clear", clear_parameters, methods_clear, 0},
	{"warn", warn_parameters, methods_warn, 0},
	{"unwarn", name_parameter, methods_unwarn, 0},
	{"warnings", warnings_parameters, methods_warnings, RPC_OBSERVES},
	{"add", NULL, methods_add, RPC_WAITS},
	{"remove", name_parameter, methods_remove, RPC_WAITS},
	{"reload", no_parameters, methods_reload, 0},
	{"log", log_parameters, methods_log, 0},
	{"version", no_parameters, methods_version, RPC_OBSERVES},
	{0},
};
