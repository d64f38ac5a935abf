#include "control/method_context.h"
#include "control/methods.h"
#include "control/report_value.h"

/* A report of settings under way. */
struct config_report {
	struct json_writer *json;
	enum report_view view;
};

static const char *const config_from[] = {
	[SETTINGS_FROM_DEFAULT] = "default",
	[SETTINGS_FROM_ENVIRONMENT] = "environment",
	[SETTINGS_FROM_DEFAULTS] = "defaults",
	[SETTINGS_FROM_FILE] = "file",
	[SETTINGS_FROM_CONTROL] = "control",
	[SETTINGS_FROM_RUNNING] = "running",
};

static void config_put(const struct settings_item *item, void *context)
{
	const struct config_report *report = context;
	struct json_writer *json = report->json;

	json_put_object(json, NULL);
	json_put_text(json, "name", item->name);
	if (item->url)
		report_url(json, "value", item->url, report->view);
	else
		settings_item_put(item, json, "value");
	json_put_text(json, "from", config_from[item->origin.from]);
	if (item->origin.file) {
		json_put_text(json, "file", item->origin.file);
		json_put_number(json, "line", item->origin.line);
	}
	json_put_object_end(json);
}

static void config_gateway(struct rpc_call *call)
{
	const struct method_context *context = method_context(call);
	struct config_report report = {rpc_begin_result(call), context->view};

	json_put_object(report.json, NULL);
	json_put_array(report.json, "gateway");
	gateway_settings_visit(gateway_settings(context->gateway), config_put, &report);
	json_put_array_end(report.json);
	json_put_object_end(report.json);
	rpc_end(call);
}

/* A connection and an outlet may have the same name: so have those that no other outlet takes. */
static void config_named(struct rpc_call *call, const struct connection *connection,
	const struct outlet *outlet)
{
	const struct method_context *context = method_context(call);
	struct config_report report = {rpc_begin_result(call), context->view};

	json_put_object(report.json, NULL);
	if (connection) {
		json_put_array(report.json, "connection");
		connection_config_visit(connection_config(connection), config_put, &report);
		json_put_array_end(report.json);
	}
	if (outlet) {
		json_put_array(report.json, "outlet");
		gateway_visit_outlet(context->gateway, outlet_settings(outlet)->name, config_put,
			&report);
		json_put_array_end(report.json);
	}
	json_put_object_end(report.json);
	rpc_end(call);
}

static void run_config(struct rpc_call *call, json_t *parameters)
{
	const struct gateway *gateway = method_context(call)->gateway;
	const char *name = json_string_value(json_object_get(parameters, "name"));
	const struct connection *connection = name ? gateway_connection(gateway, name) : NULL;
	const struct outlet *outlet = name ? gateway_outlet(gateway, name) : NULL;
	struct error error;

	if (!name) {
		config_gateway(call);
	} else if (connection || outlet) {
		config_named(call, connection, outlet);
	} else {
		error_set(&error, ERROR_NOT_FOUND, "no connection or outlet named '%s'", name);
		rpc_fail(call, &error);
	}
}

const struct rpc_method method_config = {
	.name = "config",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING},
			{0},
		},
	.run = run_config,
	.flags = RPC_OBSERVES,
};
