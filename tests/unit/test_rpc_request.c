#include "test_control.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/rpc_request.h"

static json_t *parse(const char *line, struct rpc_fault *fault)
{
	return rpc_request_parse(line, strlen(line), fault);
}

START_TEST(a_line_is_json)
{
	struct rpc_fault fault;
	json_t *json = parse("{\"a\":[1,null]}", &fault);

	ck_assert(json_is_object(json));
	json_decref(json);
	json = parse("7", &fault);
	ck_assert(json_is_integer(json));
	json_decref(json);
}
END_TEST

static const char *const not_json[] = {
	"{", "{\"a\":1,\"a\":2}", "[\"\\u0000\"]", "\xff", "1 2", ""};

START_TEST(what_is_not_json_is_a_parse_error)
{
	struct rpc_fault fault = {0};

	ck_assert_ptr_null(parse(not_json[_i], &fault));
	ck_assert_int_eq(fault.code, RPC_PARSE_ERROR);
	ck_assert_ptr_eq(strstr(fault.text, "not JSON: "), fault.text);
}
END_TEST

START_TEST(blank_lines)
{
	ck_assert(rpc_request_is_blank("", 0));
	ck_assert(rpc_request_is_blank(" \t\r", 3));
	ck_assert(!rpc_request_is_blank("\0", 1));
	ck_assert(!rpc_request_is_blank(" 7", 2));
}
END_TEST

static const struct {
	const char *request;
	const char *problem;
} requests[] = {
	{"{\"jsonrpc\":\"2.0\",\"method\":\"a\"}", NULL},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1.5,\"params\":[]}", NULL},
	{"[]", "the request is not an object"},
	{"{\"method\":\"a\"}", "'jsonrpc' must be \"2.0\""},
	{"{\"jsonrpc\":2.0,\"method\":\"a\"}", "'jsonrpc' must be \"2.0\""},
	{"{\"jsonrpc\":\"2.0\",\"method\":7}", "'method' must be a string"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":{}}",
		"'id' must be a string, a number or null"},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":\"b\"}",
		"'params' must be an object or an array"},
};

START_TEST(a_request_fits_the_protocol)
{
	struct rpc_fault fault;
	json_t *request = parse(requests[_i].request, &fault);
	const char *problem = rpc_request_problem(request);

	if (requests[_i].problem)
		ck_assert_str_eq(problem, requests[_i].problem);
	else
		ck_assert_ptr_null(problem);
	json_decref(request);
}
END_TEST

static const struct rpc_method pick = {
	.name = "pick",
	.parameters =
		(const struct rpc_parameter[]){
			{.name = "name", .types = RPC_STRING, .required = true},
			{.name = "count",
				.types = RPC_INTEGER | RPC_BOOLEAN,
				.minimum = -1,
				.maximum = 9},
			{.name = "words", .types = RPC_STRINGS | RPC_OBJECT},
			{.name = "any", .types = RPC_ANY, .maximum = 1},
			{0},
		},
};
static const struct rpc_method anything = {.name = "anything"};

/* `result`: the parameters by name, or what is wrong with them. */
static const struct {
	const struct rpc_method *method;
	const char *params; /* NULL: there are none */
	const char *result;
} parameters[] = {
	{&pick, "[\"a\"]", "{\"name\":\"a\"}"},
	{&pick, "[\"a\",-1,[\"x\",\"y\"],7]",
		"{\"name\":\"a\",\"count\":-1,\"words\":[\"x\",\"y\"],\"any\":7}"},
	{&pick, "[\"a\",null,{\"b\":1}]", "{\"name\":\"a\",\"words\":{\"b\":1}}"},
	{&pick, "{\"words\":[],\"name\":\"\",\"count\":null}", "{\"words\":[],\"name\":\"\"}"},
	{&pick, "{\"name\":\"a\",\"count\":true}", "{\"name\":\"a\",\"count\":true}"},
	{&pick, NULL, "parameter 'name' is missing"},
	{&pick, "[null]", "parameter 'name' is missing"},
	{&pick, "[[]]", "parameter 'name' must be a string"},
	{&pick, "[\"a\",10]", "parameter 'count' must be from -1 to 9, not 10"},
	{&pick, "[\"a\",\"1\"]", "parameter 'count' must be an integer or true or false"},
	{&pick, "[\"a\",1,[\"x\",1]]",
		"parameter 'words' must be an object or an array of strings"},
	{&pick, "[\"a\",1,[],1,2]", "too many parameters: 5 instead of at most 4"},
	{&pick, "{\"name\":\"a\",\"other\":1}", "parameter 'other' is unknown"},
	{&anything, NULL, "{}"},
	{&anything, "{\"a\":{}}", "{\"a\":{}}"},
	{&anything, "[]", "'params' must be an object"},
};

START_TEST(parameters_fit_the_table)
{
	const char *text = parameters[_i].params;
	json_t *params = text ? json_loads(text, 0, NULL) : NULL;
	char problem[256] = "";
	json_t *named =
		rpc_request_parameters(parameters[_i].method, params, problem, sizeof(problem));
	char *result = named ? json_dumps(named, JSON_COMPACT) : alloc_string(problem);

	ck_assert_str_eq(result, parameters[_i].result);
	free(result);
	json_decref(named);
	json_decref(params);
}
END_TEST

Suite *rpc_request_suite(void)
{
	Suite *suite = suite_create("rpc: requests");
	TCase *tests = tcase_create("requests");

	tcase_add_test(tests, a_line_is_json);
	tcase_add_loop_test(tests, what_is_not_json_is_a_parse_error, 0,
		sizeof(not_json) / sizeof(*not_json));
	tcase_add_test(tests, blank_lines);
	tcase_add_loop_test(tests, a_request_fits_the_protocol, 0,
		sizeof(requests) / sizeof(*requests));
	tcase_add_loop_test(tests, parameters_fit_the_table, 0,
		sizeof(parameters) / sizeof(*parameters));
	suite_add_tcase(suite, tests);
	return suite;
}
