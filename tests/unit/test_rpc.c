#include "test_control.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "control/rpc_channel.h"

/* A channel with methods that need no gateway, and what it has written. */
static struct rpc_channel *channel;
static struct buffer output;
static bool peer_reads;
static bool busy;
static struct rpc_call *waiting[RPC_CALLS_MAX + 1];
static size_t waiting_count;
static unsigned cancelled;

static void answer_json(struct rpc_call *call, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_put_raw(rpc_begin_result(call), NULL, text);
	rpc_end(call);
	free(text);
}

static void run_echo(struct rpc_call *call, json_t *parameters)
{
	answer_json(call, parameters);
}

static void run_fail(struct rpc_call *call, json_t *parameters)
{
	struct error error;

	(void)parameters;
	error_set(&error, ERROR_NOT_FOUND, "there is none");
	json_put_number(rpc_begin_failure(call, &error), "more", 7);
	rpc_end(call);
}

static void count_cancelled(void *context)
{
	(void)context;
	cancelled++;
}

static void run_wait(struct rpc_call *call, json_t *parameters)
{
	(void)parameters;
	rpc_on_cancel(call, count_cancelled, NULL);
	waiting[waiting_count++] = call;
}

/* The same, and requests behind it wait, too. */
static void run_hold(struct rpc_call *call, json_t *parameters)
{
	run_wait(call, parameters);
	rpc_hold(call);
}

/* Answers with so many bytes. */
static void run_fill(struct rpc_call *call, json_t *parameters)
{
	size_t length = (size_t)json_integer_value(json_object_get(parameters, "length"));
	char *text = alloc_zero(1, length + 1);

	memset(text, 'x', length);
	json_put_string(rpc_begin_result(call), NULL, text, length);
	rpc_end(call);
	free(text);
}

/* How many objects are still to come, and whether they have names. */
struct countdown {
	bool named;
	json_int_t count, next;
};
static unsigned countdowns; /* not ended */

static bool countdown_next(struct json_writer *json, void *context)
{
	struct countdown *countdown = context;
	char name[16];

	if (countdown->next == countdown->count)
		return false;
	snprintf(name, sizeof(name), "n\"%d", (int)countdown->next);
	json_put_object(json, countdown->named ? name : NULL);
	json_put_integer(json, "n", countdown->next++);
	json_put_object_end(json);
	return true;
}

static void countdown_end(void *context)
{
	countdowns--;
	free(context);
}

static void answer_count(struct rpc_call *call, json_t *parameters, bool named)
{
	const struct rpc_items items = {named, countdown_next, countdown_end};
	struct countdown *countdown = alloc_zero(1, sizeof(*countdown));

	countdowns++;
	countdown->named = named;
	countdown->count = json_integer_value(json_object_get(parameters, "length"));
	rpc_answer_items(call, &items, countdown);
}

/* Answers with so many objects. */
static void run_count(struct rpc_call *call, json_t *parameters)
{
	answer_count(call, parameters, false);
}

/* The same, under names. */
static void run_name(struct rpc_call *call, json_t *parameters)
{
	answer_count(call, parameters, true);
}

static const struct rpc_parameter echo_parameters[] = {
	{.name = "name", .types = RPC_STRING, .required = true},
	{.name = "code", .types = RPC_INTEGER, .minimum = 1, .maximum = 10},
	{.name = "list", .types = RPC_OBJECT | RPC_STRINGS},
	{.name = "flag", .types = RPC_BOOLEAN},
	{.name = "any", .types = RPC_ANY},
	{0},
};

static const struct rpc_parameter fill_parameters[] = {
	{.name = "length", .types = RPC_INTEGER, .maximum = 16 * 1024 * 1024},
	{0},
};

static const struct rpc_method method_echo = {"echo", echo_parameters, run_echo, 0};
static const struct rpc_method method_fail = {"fail", rpc_no_parameters, run_fail, 0};
static const struct rpc_method method_wait = {"wait", rpc_no_parameters, run_wait, 0};
static const struct rpc_method method_hold = {"hold", rpc_no_parameters, run_hold, 0};
static const struct rpc_method method_fill = {"fill", fill_parameters, run_fill, 0};
static const struct rpc_method method_count = {"count", fill_parameters, run_count, RPC_OBSERVES};
static const struct rpc_method method_name = {"name", fill_parameters, run_name, 0};
static const struct rpc_method method_free = {"free", NULL, run_echo, 0};
static const struct rpc_method method_turn = {"turn", echo_parameters, run_echo, RPC_WAITS};

static const struct rpc_method *const test_methods[] = {
	&method_echo,
	&method_fail,
	&method_wait,
	&method_hold,
	&method_fill,
	&method_count,
	&method_name,
	&method_free,
	&method_turn,
	NULL,
};

static void test_write(const void *data, size_t length, void *context)
{
	buffer_append(context, data, length);
}

static size_t test_unsent(void *context)
{
	return peer_reads ? 0 : ((struct buffer *)context)->length;
}

static bool test_busy(void *context)
{
	(void)context;
	return busy;
}

static unsigned releases;

static void test_released(void *context)
{
	(void)context;
	releases++;
}

static size_t line_max; /* 0: no more than usual */

static size_t test_line_max(void *context)
{
	(void)context;
	return line_max;
}

static void open_channel(bool observer)
{
	static const struct rpc_callbacks callbacks = {
		.write = test_write,
		.unsent = test_unsent,
		.line_max = test_line_max,
		.busy = test_busy,
		.released = test_released,
	};
	const struct rpc_service service = {test_methods, observer, NULL};

	channel = rpc_channel_new(&service, &callbacks, &output);
}

static void setup(void)
{
	peer_reads = true;
	busy = false;
	waiting_count = 0;
	cancelled = 0;
	releases = 0;
	open_channel(false);
}

static void teardown(void)
{
	rpc_channel_free(channel);
	buffer_release(&output);
	ck_assert_uint_eq(countdowns, 0);
}

static void input_bytes(const void *data, size_t length)
{
	rpc_channel_input(channel, data, length);
	while (rpc_channel_step(channel))
		;
}

static void input(const char *text)
{
	input_bytes(text, strlen(text));
}

/* What has been written since the last time, as one string. */
static const char *written(void)
{
	static struct buffer text;

	buffer_clear(&text);
	buffer_append(&text, buffer_data(&output), output.length);
	buffer_append(&text, "", 1);
	buffer_release(&output);
	return (const char *)buffer_data(&text);
}

#define ANSWER(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define ERROR(id, code, text)                                                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" text "\"}}"
#define REQUEST(id, method, params)                                                                \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"
#define NOTIFY(method) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\"}"

static const struct {
	const char *line;
	const char *answer;
} exchanges[] = {
	/* an object at a time */
	{REQUEST("1", "count", "[0]"), ANSWER("1", "[]")},
	{REQUEST("\"a\"", "count", "[1]"), ANSWER("\"a\"", "[{\"n\":0}]")},
	{REQUEST("null", "count", "[3]"), ANSWER("null", "[{\"n\":0},{\"n\":1},{\"n\":2}]")},
	{"[" NOTIFY("count") "," REQUEST("1", "count", "[0]") "]", "[" ANSWER("1", "[]") "]"},
	{"[" REQUEST("1", "count", "[1]") "," REQUEST("2", "count", "[0]") "]",
		"[" ANSWER("1", "[{\"n\":0}]") "," ANSWER("2", "[]") "]"},
	{REQUEST("1", "name", "[0]"), ANSWER("1", "{}")},
	{REQUEST("1", "name", "[2]"), ANSWER("1", "{\"n\\\"0\":{\"n\":0},\"n\\\"1\":{\"n\":1}}")},
	/* by name, by position */
	{REQUEST("1", "echo", "{\"name\":\"a\"}"), ANSWER("1", "{\"name\":\"a\"}")},
	{REQUEST("1", "echo", "[\"a\",2]"), ANSWER("1", "{\"name\":\"a\",\"code\":2}")},
	{REQUEST("1", "echo", "[\"a\",null,[\"x\"]]"),
		ANSWER("1", "{\"name\":\"a\",\"list\":[\"x\"]}")},
	{REQUEST("1", "echo", "{\"name\":\"a\",\"any\":[1,{}],\"flag\":false,\"code\":null}"),
		ANSWER("1", "{\"name\":\"a\",\"any\":[1,{}],\"flag\":false}")},
	{REQUEST("1", "free", "{\"x\":{\"y\":1}}"), ANSWER("1", "{\"x\":{\"y\":1}}")},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"free\"}", ANSWER("1", "{}")},

	/* any id comes back as it was */
	{REQUEST("\"x\"", "free", "{}"), ANSWER("\"x\"", "{}")},
	{REQUEST("null", "free", "{}"), ANSWER("null", "{}")},
	{REQUEST("1.5", "free", "{}"), ANSWER("1.5", "{}")},

	/* not JSON, not a request */
	{"{\"jsonrpc\":",
		ERROR("null", "-32700", "not JSON: unexpected token near end of file (byte 11)")},
	{"{\"a\":1,\"a\":2}",
		ERROR("null", "-32700",
			"not JSON: duplicate object key near '\\\"a\\\"' (byte 10)")},
	{"[\"\\u0000\"]",
		ERROR("null", "-32700", "not JSON: the character U+0000 is not allowed (byte 9)")},
	{"7", ERROR("null", "-32600", "the request is not an object")},
	{"{\"id\":1,\"method\":\"free\"}",
		ERROR("null", "-32600", "'jsonrpc' must be \\\"2.0\\\"")},
	{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"free\"}",
		ERROR("null", "-32600", "'jsonrpc' must be \\\"2.0\\\"")},
	{"{\"jsonrpc\":\"2.0\",\"id\":1}", ERROR("null", "-32600", "'method' must be a string")},
	{REQUEST("[]", "free", "{}"),
		ERROR("null", "-32600", "'id' must be a string, a number or null")},
	{REQUEST("1", "free", "7"),
		ERROR("null", "-32600", "'params' must be an object or an array")},

	/* unknown, wrong */
	{REQUEST("1", "nope", "{}"), ERROR("1", "-32601", "method 'nope' is unknown")},
	{REQUEST("1", "echo", "{}"), ERROR("1", "-32602", "echo: parameter 'name' is missing")},
	{REQUEST("1", "echo", "{\"name\":7}"),
		ERROR("1", "-32602", "echo: parameter 'name' must be a string")},
	{REQUEST("1", "echo", "{\"name\":\"a\",\"list\":[1]}"),
		ERROR("1", "-32602",
			"echo: parameter 'list' must be an object or an array of strings")},
	{REQUEST("1", "echo", "{\"name\":\"a\",\"code\":11}"),
		ERROR("1", "-32602", "echo: parameter 'code' must be from 1 to 10, not 11")},
	{REQUEST("1", "echo", "{\"name\":\"a\",\"code\":1.0}"),
		ERROR("1", "-32602", "echo: parameter 'code' must be an integer")},
	{REQUEST("1", "echo", "{\"name\":\"a\",\"nope\":1}"),
		ERROR("1", "-32602", "echo: parameter 'nope' is unknown")},
	{REQUEST("1", "echo", "[\"a\",1,{},true,1,2]"),
		ERROR("1", "-32602", "echo: too many parameters: 6 instead of at most 5")},
	{REQUEST("1", "free", "[1]"), ERROR("1", "-32602", "free: 'params' must be an object")},

	/* batches: one line, without the notifications; broken requests have their own answers */
	{"[" REQUEST("1", "free", "{}") "," NOTIFY("free") "," REQUEST("2", "nope", "{}") ",7]",
		"[" ANSWER("1", "{}") "," ERROR("2", "-32601",
			"method 'nope' is unknown") "," ERROR("null", "-32600",
			"the request is not an object") "]"},
	{"[]", ERROR("null", "-32600", "the batch is empty")},
};

START_TEST(a_line_gets_its_answer)
{
	char *expected = alloc_format("%s\n", exchanges[_i].answer);

	input(exchanges[_i].line);
	ck_assert_str_eq(written(), "");
	input("\n");
	ck_assert_str_eq(written(), expected);
	free(expected);
}
END_TEST

START_TEST(an_error_of_the_application_has_its_name_in_data)
{
	input(REQUEST("1", "fail", "{}") "\n");
	ck_assert_str_eq(written(),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,"
		"\"message\":\"there is none\",\"data\":{\"err\":\"NOT-FOUND\",\"more\":7}}}\n");
}
END_TEST

START_TEST(a_notification_gets_no_answer)
{
	input(NOTIFY("free") "\n" NOTIFY("nope") "\n" NOTIFY("fail") "\n");
	input("[" NOTIFY("free") "]\n\n \r\n");
	ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(lines_may_come_in_any_pieces)
{
	static const char lines[] =
		REQUEST("1", "free", "{}") "\r\n" REQUEST("2", "free", "{}") "\n";
	static const char answers[] = ANSWER("1", "{}") "\n" ANSWER("2", "{}") "\n";

	for (size_t piece = 1; piece < sizeof(lines); piece++) {
		for (size_t i = 0; i < sizeof(lines) - 1; i += piece) {
			size_t left = sizeof(lines) - 1 - i;

			input_bytes(lines + i, left < piece ? left : piece);
		}
		ck_assert_str_eq(written(), answers);
	}
}
END_TEST

/* A request whose line has this many bytes, without the newline. */
static char *long_request(size_t length)
{
	const char *head = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"free\",\"params\":{\"a\":\"";
	char *line = alloc_zero(1, length + 1);

	memset(line, 'a', length);
	memcpy(line, head, strlen(head));
	memcpy(line + length - 3, "\"}}", 3);
	return line;
}

START_TEST(the_longest_line_is_taken)
{
	char *line = long_request(RPC_LINE_MAX);

	input(line);
	input("\n");
	ck_assert_ptr_nonnull(strstr(written(), "\"result\":{\"a\":\"aaa"));
	ck_assert(!rpc_channel_ended(channel));
	free(line);
}
END_TEST

START_TEST(the_owner_may_permit_longer_lines)
{
	char *line;

	line_max = 2 * RPC_LINE_MAX;
	line = long_request(line_max);
	input(line);
	input("\n");
	ck_assert_ptr_nonnull(strstr(written(), "\"result\":{\"a\":\"aaa"));
	ck_assert_uint_eq(rpc_channel_pending(channel), 0);
	free(line);
	line = long_request(line_max + 1);
	input(line);
	ck_assert_str_eq(written(),
		ERROR("null", "-32600", "the line is longer than 2097152 bytes") "\n");
	ck_assert(rpc_channel_ended(channel));
	free(line);
}
END_TEST

START_TEST(input_is_given_up)
{
	input(REQUEST("1", "free", "{}") "\n{\"jsonrpc\"");
	written();
	ck_assert_uint_eq(rpc_channel_pending(channel), 10);
	rpc_channel_give_up(channel, "too much");
	ck_assert_str_eq(written(), ERROR("null", "-32001", "too much") "\n");
	ck_assert_uint_eq(rpc_channel_pending(channel), 0);
	ck_assert(rpc_channel_ended(channel));
}
END_TEST

/* Whether the newline is there or not. */
START_TEST(a_longer_line_ends_the_channel)
{
	char *line = long_request(RPC_LINE_MAX + 1);

	if (_i)
		line = alloc_resize(line, RPC_LINE_MAX + 3), strcat(line, "\n");
	input(line);
	ck_assert_str_eq(written(),
		ERROR("null", "-32600", "the line is longer than 1048576 bytes") "\n");
	ck_assert(rpc_channel_ended(channel));
	input("\n" REQUEST("1", "free", "{}") "\n");
	ck_assert_str_eq(written(), "");
	free(line);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_served)
{
	peer_reads = false;
	input(REQUEST("1", "fill", "[1048576]") "\n" REQUEST("2", "free", "{}") "\n");
	ck_assert(rpc_channel_full(channel));
	ck_assert_uint_lt(output.length, RPC_OUTPUT_MARK + 100);
	ck_assert_ptr_null(strstr(written(), "\"id\":2"));

	input_bytes(NULL, 0);
	ck_assert_str_eq(written(), ANSWER("2", "{}") "\n");
}
END_TEST

START_TEST(answers_may_come_later_and_in_any_order)
{
	input(REQUEST("1", "wait", "{}") "\n" REQUEST("2", "wait", "{}") "\n");
	ck_assert(rpc_channel_owes(channel));
	rpc_answer_true(waiting[1]);
	ck_assert_str_eq(written(), ANSWER("2", "true") "\n");
	rpc_answer_true(waiting[0]);
	ck_assert_str_eq(written(), ANSWER("1", "true") "\n");
	ck_assert(!rpc_channel_owes(channel));
}
END_TEST

START_TEST(a_batch_waits_for_its_last_answer)
{
	input("[" REQUEST("1", "wait", "{}") "," REQUEST("2", "free", "{}") "]\n");
	ck_assert_str_eq(written(), "");
	rpc_answer_true(waiting[0]);
	ck_assert_str_eq(written(), "[" ANSWER("2", "{}") "," ANSWER("1", "true") "]\n");
}
END_TEST

START_TEST(a_batch_whose_answers_are_too_large_is_cut_short)
{
	input("[" REQUEST("1", "fill", "[1048576]") "," REQUEST("2", "wait",
		"{}") "," NOTIFY("wait") "]\n");
	ck_assert_uint_eq(waiting_count, 0);
	ck_assert_ptr_nonnull(strstr(written(),
		"," ERROR("2", "-32001",
			"the answers to the batch are too large; send this request again") "]\n"));
}
END_TEST

START_TEST(a_batch_has_a_limit)
{
	struct buffer line = {0};

	for (int i = 0; i <= RPC_BATCH_MAX; i++)
		buffer_append_text(&line, i ? ",1" : "[1");
	buffer_append_text(&line, "]\n");
	input_bytes(buffer_data(&line), line.length);
	ck_assert_str_eq(written(),
		ERROR("null", "-32001", "the batch has more than 1000 requests") "\n");
	buffer_release(&line);
}
END_TEST

/* However much a peer sends at once, a step is one request, or so many items. */
START_TEST(a_step_is_bounded)
{
	static const char three[] = REQUEST("1", "free", "{}") "\n[" REQUEST("2", "free",
		"{}") "," NOTIFY("wait") "]\n" REQUEST("3", "count", "[1000]") "\n";
	unsigned steps = 0;

	rpc_channel_input(channel, three, sizeof(three) - 1);
	ck_assert_str_eq(written(), "");
	ck_assert(rpc_channel_step(channel));
	ck_assert_str_eq(written(), ANSWER("1", "{}") "\n");
	ck_assert(rpc_channel_step(channel)); /* takes the line up */
	ck_assert(rpc_channel_step(channel));
	ck_assert_uint_eq(waiting_count, 0);
	ck_assert(rpc_channel_owes(channel));
	ck_assert(rpc_channel_step(channel));
	ck_assert_uint_eq(waiting_count, 1);
	while (rpc_channel_step(channel))
		steps++;
	ck_assert_uint_gt(steps, 10);
	ck_assert_uint_eq(countdowns, 0);
	ck_assert_ptr_nonnull(strstr(written(), "{\"n\":999}]}\n"));
}
END_TEST

/* What answers the others meanwhile does not get into the middle of it. */
START_TEST(a_long_answer_stays_whole)
{
	char *answer;

	input(REQUEST("1", "wait", "{}") "\n");
	rpc_channel_input(channel, REQUEST("2", "count", "[200]") "\n",
		strlen(REQUEST("2", "count", "[200]") "\n"));
	ck_assert(rpc_channel_step(channel));
	ck_assert(rpc_channel_step(channel));
	rpc_answer_true(waiting[0]);
	ck_assert_str_eq(written(), ANSWER("1", "true") "\n");
	input("");
	answer = strstr(written(), "[{\"n\":0},{\"n\":1},");
	ck_assert_ptr_nonnull(answer);
	ck_assert_ptr_nonnull(strstr(answer, "{\"n\":199}]}\n"));
}
END_TEST

/* In the middle of a batch, and of an answer. */
START_TEST(a_channel_may_end_at_any_step)
{
	static const char batch[] = "[" REQUEST("1", "wait", "{}") "," REQUEST("2", "count",
		"[500]") "," REQUEST("3", "free", "{}") "]\n";

	rpc_channel_input(channel, batch, sizeof(batch) - 1);
	for (int i = 0; i < _i; i++)
		ck_assert(rpc_channel_step(channel));
	teardown();
	setup();
}
END_TEST

/* Parsing 350,000 empty arrays takes longer than anybody should wait. */
START_TEST(a_line_of_too_many_values_is_refused)
{
	struct buffer line = {0};

	buffer_append_text(&line,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"free\",\"params\":[\",,,\"");
	for (int i = 0; i < RPC_VALUES_MAX - 6 + _i; i++)
		buffer_append_text(&line, ",1");
	buffer_append_text(&line, "]}\n");
	input_bytes(buffer_data(&line), line.length);
	if (_i)
		ck_assert_str_eq(written(),
			ERROR("null", "-32001", "the line has more than 50000 JSON values") "\n");
	else
		ck_assert_str_eq(written(),
			ERROR("1", "-32602", "free: 'params' must be an object") "\n");
	buffer_release(&line);
}
END_TEST

START_TEST(an_observer_changes_nothing)
{
	rpc_channel_free(channel);
	open_channel(true);
	input(REQUEST("1", "free", "{}") "\n" REQUEST("2", "count", "[1]") "\n");
	ck_assert_str_eq(written(),
		ERROR("1", "-32601",
			"method 'free' is not available on the observe socket") "\n" ANSWER("2",
			"[{\"n\":0}]") "\n");
}
END_TEST

/* What follows it waits as well: it may be about what is to be done first. */
START_TEST(a_request_waits_while_the_owner_is_busy)
{
	busy = true;
	input(REQUEST("1", "echo", "[\"a\"]") "\n" REQUEST("2", "turn", "[\"b\"]") "\n" REQUEST("3",
		"echo", "[\"c\"]") "\n");
	ck_assert_str_eq(written(), ANSWER("1", "{\"name\":\"a\"}") "\n");
	ck_assert(rpc_channel_waits(channel));
	ck_assert(rpc_channel_owes(channel));
	busy = false;
	input("");
	ck_assert_str_eq(written(),
		ANSWER("2", "{\"name\":\"b\"}") "\n" ANSWER("3", "{\"name\":\"c\"}") "\n");
	ck_assert(!rpc_channel_waits(channel));
	ck_assert(!rpc_channel_owes(channel));
}
END_TEST

START_TEST(a_batch_waits_while_the_owner_is_busy)
{
	busy = true;
	input("[" REQUEST("1", "echo", "[\"a\"]") "," REQUEST("2", "turn", "[\"b\"]") "]\n");
	ck_assert_str_eq(written(), "");
	busy = false;
	input("");
	ck_assert_str_eq(written(),
		"[" ANSWER("1", "{\"name\":\"a\"}") "," ANSWER("2", "{\"name\":\"b\"}") "]\n");
}
END_TEST

START_TEST(a_channel_may_end_while_a_request_waits)
{
	busy = true;
	input("[" REQUEST("1", "turn", "[\"b\"]") "]\n");
	ck_assert(rpc_channel_waits(channel));
}
END_TEST

START_TEST(too_many_calls_that_wait_are_refused)
{
	for (int i = 0; i < RPC_CALLS_MAX; i++)
		input(REQUEST("1", "wait", "{}") "\n");
	ck_assert_str_eq(written(), "");
	input(REQUEST("2", "wait", "{}") "\n" NOTIFY("wait") "\n");
	ck_assert_str_eq(written(), ERROR("2", "-32001", "too many requests are unanswered") "\n");
	ck_assert_uint_eq(waiting_count, RPC_CALLS_MAX);
}
END_TEST

/* Those before it do not, nor those of a batch that it is in. */
START_TEST(a_call_holds_those_behind_it)
{
	input(REQUEST("1", "wait", "{}") "\n[" REQUEST("2", "hold", "{}") "," REQUEST("3", "echo",
		"{\"name\":\"a\"}") "]\n" REQUEST("4", "count", "[0]") "\n");
	ck_assert(rpc_channel_waits(channel));
	ck_assert_str_eq(written(), "");
	rpc_answer_true(waiting[0]);
	ck_assert_uint_eq(releases, 0);
	rpc_answer_true(waiting[1]);
	ck_assert_uint_eq(releases, 1);
	ck_assert(!rpc_channel_waits(channel));
	input("");
	ck_assert_ptr_nonnull(strstr(written(), ANSWER("4", "[]")));

	input(NOTIFY("hold") "\n" REQUEST("5", "count", "[0]") "\n");
	ck_assert(rpc_channel_owes(channel));
	rpc_answer_true(waiting[2]);
	ck_assert_uint_eq(releases, 2);
	input("");
	ck_assert_ptr_nonnull(strstr(written(), ANSWER("5", "[]")));
	input(NOTIFY("hold") "\n");
}
END_TEST

START_TEST(calls_that_wait_are_cancelled_at_the_end)
{
	input(REQUEST("1", "wait", "{}") "\n[" REQUEST("2", "wait", "{}") "," REQUEST("3", "wait",
		"{}") "]\n" NOTIFY("wait") "\n");
	ck_assert_uint_eq(waiting_count, 4);
	teardown();
	ck_assert_uint_eq(cancelled, 4);
	setup();
}
END_TEST

START_TEST(an_id_has_a_limit)
{
	struct buffer line = {0};

	buffer_append_text(&line, "{\"jsonrpc\":\"2.0\",\"method\":\"free\",\"id\":\"");
	for (int i = 0; i <= RPC_ID_MAX; i++)
		buffer_append_text(&line, "i");
	buffer_append_text(&line, "\"}\n");
	input_bytes(buffer_data(&line), line.length);
	ck_assert_str_eq(written(), ERROR("null", "-32600", "'id' is longer than 256 bytes") "\n");
	buffer_release(&line);
}
END_TEST

START_TEST(a_notification_is_a_line)
{
	struct json_writer json = rpc_begin_notification(&output, "lost");

	json_put_object(&json, NULL);
	json_put_number(&json, "count", 3);
	json_put_object_end(&json);
	rpc_end_notification(&json);
	ck_assert_str_eq(written(),
		"{\"jsonrpc\":\"2.0\",\"method\":\"lost\",\"params\":{\"count\":3}}\n");
}
END_TEST

Suite *rpc_suite(void)
{
	Suite *suite = suite_create("rpc");
	TCase *tests = tcase_create("channel");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_line_gets_its_answer, 0,
		sizeof(exchanges) / sizeof(*exchanges));
	tcase_add_test(tests, an_error_of_the_application_has_its_name_in_data);
	tcase_add_test(tests, a_notification_gets_no_answer);
	tcase_add_test(tests, lines_may_come_in_any_pieces);
	tcase_add_test(tests, the_longest_line_is_taken);
	tcase_add_test(tests, the_owner_may_permit_longer_lines);
	tcase_add_test(tests, input_is_given_up);
	tcase_add_loop_test(tests, a_longer_line_ends_the_channel, 0, 2);
	tcase_add_test(tests, a_peer_that_does_not_read_is_not_served);
	tcase_add_test(tests, answers_may_come_later_and_in_any_order);
	tcase_add_test(tests, a_batch_waits_for_its_last_answer);
	tcase_add_test(tests, a_batch_whose_answers_are_too_large_is_cut_short);
	tcase_add_test(tests, a_batch_has_a_limit);
	tcase_add_test(tests, a_step_is_bounded);
	tcase_add_test(tests, a_long_answer_stays_whole);
	tcase_add_loop_test(tests, a_channel_may_end_at_any_step, 0, 14);
	tcase_add_loop_test(tests, a_line_of_too_many_values_is_refused, 0, 2);
	tcase_add_test(tests, an_observer_changes_nothing);
	tcase_add_test(tests, a_request_waits_while_the_owner_is_busy);
	tcase_add_test(tests, a_batch_waits_while_the_owner_is_busy);
	tcase_add_test(tests, a_channel_may_end_while_a_request_waits);
	tcase_add_test(tests, too_many_calls_that_wait_are_refused);
	tcase_add_test(tests, a_call_holds_those_behind_it);
	tcase_add_test(tests, calls_that_wait_are_cancelled_at_the_end);
	tcase_add_test(tests, an_id_has_a_limit);
	tcase_add_test(tests, a_notification_is_a_line);
	suite_add_tcase(suite, tests);
	return suite;
}
