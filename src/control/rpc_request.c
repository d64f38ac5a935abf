#include "control/rpc_request.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
	enum rpc_type type;
	const char *name;
} rpc_type_names[] = {
	{RPC_STRING, "a string"},
	{RPC_INTEGER, "an integer"},
	{RPC_BOOLEAN, "true or false"},
	{RPC_OBJECT, "an object"},
	{RPC_STRINGS, "an array of strings"},
};

bool rpc_request_is_blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

json_t *rpc_request_parse(const char *line, size_t length, struct rpc_fault *fault)
{
	json_error_t error;
	json_t *json;

	if (text_count_json_values(line, length) > RPC_VALUES_MAX) {
		fault->code = RPC_TOO_MANY;
		snprintf(fault->text, sizeof(fault->text), "the line has more than %d JSON values",
			RPC_VALUES_MAX);
		return NULL;
	}
	json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		/* the library's own text for this one names a flag of its API */
		bool nul = json_error_code(&error) == json_error_null_character;

		fault->code = RPC_PARSE_ERROR;
		snprintf(fault->text, sizeof(fault->text), "not JSON: %s (byte %d)",
			nul ? "the character U+0000 is not allowed" : error.text, error.position);
	}
	return json;
}

const char *rpc_request_problem(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));

	if (!json_is_object(request))
		return "the request is not an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "'jsonrpc' must be \"2.0\"";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "'id' must be a string, a number or null";
	if (json_string_length(id) > RPC_ID_MAX)
		return "'id' is longer than 256 bytes";
	if (!json_is_string(json_object_get(request, "method")))
		return "'method' must be a string";
	if (params && !json_is_object(params) && !json_is_array(params))
		return "'params' must be an object or an array";
	return NULL;
}

static bool rpc_is_strings(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return false;
	}
	return true;
}

static bool rpc_has_type(const json_t *value, unsigned types)
{
	return (types & RPC_ANY) || ((types & RPC_STRING) && json_is_string(value)) ||
		((types & RPC_INTEGER) && json_is_integer(value)) ||
		((types & RPC_BOOLEAN) && json_is_boolean(value)) ||
		((types & RPC_OBJECT) && json_is_object(value)) ||
		((types & RPC_STRINGS) && rpc_is_strings(value));
}

/* "a string or an object" */
static void rpc_describe_types(char *text, size_t size, unsigned types)
{
	size_t length = 0;

	for (size_t i = 0; i < sizeof(rpc_type_names) / sizeof(*rpc_type_names); i++) {
		if ((types & rpc_type_names[i].type) && length < size)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
				length ? " or " : "", rpc_type_names[i].name);
	}
}

static bool rpc_check_value(const struct rpc_parameter *parameter, const json_t *value,
	char *problem, size_t size)
{
	char types[128] = "";
	long long number;

	if (!value || json_is_null(value)) {
		if (parameter->required)
			snprintf(problem, size, "parameter '%s' is missing", parameter->name);
		return !parameter->required;
	}
	if (!rpc_has_type(value, parameter->types)) {
		rpc_describe_types(types, sizeof(types), parameter->types);
		snprintf(problem, size, "parameter '%s' must be %s", parameter->name, types);
		return false;
	}
	number = json_integer_value(value);
	if (json_is_integer(value) && !(parameter->types & RPC_ANY) &&
		(number < parameter->minimum || number > parameter->maximum)) {
		snprintf(problem, size, "parameter '%s' must be from %lld to %lld, not %lld",
			parameter->name, (long long)parameter->minimum,
			(long long)parameter->maximum, number);
		return false;
	}
	return true;
}

static bool rpc_check_known(const struct rpc_parameter *parameters, const char *name, char *problem,
	size_t size)
{
	for (const struct rpc_parameter *known = parameters; known->name; known++) {
		if (strcmp(known->name, name) == 0)
			return true;
	}
	snprintf(problem, size, "parameter '%.*s' is unknown", text_cut(name, 64), name);
	return false;
}

/* Positional values under the names that the table has for them. */
static json_t *rpc_name_values(const struct rpc_parameter *parameters, const json_t *values,
	char *problem, size_t size)
{
	json_t *named = json_object();
	size_t count = 0;

	for (; parameters[count].name; count++)
		json_object_set(named, parameters[count].name, json_array_get(values, count));
	if (json_array_size(values) <= count)
		return named;
	snprintf(problem, size, "too many parameters: %zu instead of at most %zu",
		json_array_size(values), count);
	json_decref(named);
	return NULL;
}

/* Drops null members: they count as absent. */
static bool rpc_check_parameters(const struct rpc_parameter *parameters, json_t *named,
	char *problem, size_t size)
{
	const char *name;
	json_t *value;

	json_object_foreach (named, name, value) {
		if (!rpc_check_known(parameters, name, problem, size))
			return false;
	}
	for (; parameters->name; parameters++) {
		value = json_object_get(named, parameters->name);
		if (!rpc_check_value(parameters, value, problem, size))
			return false;
		if (json_is_null(value))
			json_object_del(named, parameters->name);
	}
	return true;
}

json_t *rpc_request_parameters(const struct rpc_method *method, json_t *params, char *problem,
	size_t size)
{
	json_t *named;

	if (!params)
		named = json_object();
	else if (json_is_object(params))
		named = json_incref(params);
	else if (method->parameters)
		named = rpc_name_values(method->parameters, params, problem, size);
	else
		named = NULL;
	if (!named && !method->parameters)
		snprintf(problem, size, "'params' must be an object");
	if (named && method->parameters &&
		!rpc_check_parameters(method->parameters, named, problem, size)) {
		json_decref(named);
		return NULL;
	}
	return named;
}
