#include "control/method_context.h"

#include "control/report_value.h"

struct method_context *method_context(const struct rpc_call *call)
{
	return rpc_context(call);
}

struct connection *method_connection(struct rpc_call *call, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "name"));
	struct connection *connection = gateway_connection(method_context(call)->gateway, name);
	struct error error;

	if (connection)
		return connection;
	error_set(&error, ERROR_NOT_FOUND, "no connection named '%s'", name);
	rpc_fail(call, &error);
	return NULL;
}

void method_fail_settings(struct rpc_call *call, const char *name,
	const struct settings_problems *problems, const struct error *error)
{
	const struct string_list *errors = &problems->errors;
	struct error first;

	if (!errors->count) {
		rpc_fail(call, error);
		return;
	}
	error_set(&first, name, "%s", errors->items[0]);
	if (errors->count > 1)
		error_set(&first, name, "%s (and %zu more)", errors->items[0], errors->count - 1);
	report_texts(rpc_begin_failure(call, &first), "problems", errors);
	rpc_end(call);
}
