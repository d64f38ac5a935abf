#include "test_control.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "control/rpc.h"

/* A session with methods that need no gateway, and what it has written. */
static struct rpc_session *session;
static struct buffer output;
static bool peer_reads;
static bool busy;
static struct rpc_call *waiting[RPC_CALLS_MAX + 1];
static size_t waiting_count;
static unsigned cancelled;

static void method_echo(struct rpc_call *call, json_t *parameters)
{
	rpc_answer(call, json_incref(parameters));
}

static void method_fail(struct rpc_call *call, json_t *parameters)
{
	struct error error;

	(void)parameters;
	error_set(&error, ERROR_NOT_FOUND, "there is none");
	rpc_fail(call, &error, json_pack("{s:i}", "more", 7));
}

static void count_cancelled(void *context)
{
	(void)context;
	cancelled++;
}

static void method_wait(struct rpc_call *call, json_t *parameters)
{
	(void)parameters;
	rpc_on_cancel(call, count_cancelled, NULL);
	waiting[waiting_count++] = call;
}

/* Likewise, and has those behind it wait, too. */
static void method_hold(struct rpc_call *call, json_t *parameters)
{
	method_wait(call, parameters);
	rpc_hold(call);
}

/* Answers with so many bytes. */
static void method_fill(struct rpc_call *call, json_t *parameters)
{
	size_t length = (size_t)json_integer_value(json_object_get(parameters, "length"));
	char *text = alloc_zero(1, length + 1);

	memset(text, 'x', length);
	rpc_answer(call, json_string(text));
	free(text);
}

/* How many objects are still to come, and their names. */
struct countdown {
	json_int_t count, next;
	char name[16];
};
static unsigned countdowns; /* not ended */

static json_t *countdown_next(const char **name, void *context)
{
	struct countdown *countdown = context;

	if (countdown->next == countdown->count)
		return NULL;
	snprintf(countdown->name, sizeof(countdown->name), "n\"%d", (int)countdown->next);
	*name = countdown->name;
	return json_pack("{s:I}", "n", countdown->next++);
}

static void countdown_end(void *context)
{
	countdowns--;
	free(context);
}

static void answer_count(struct rpc_call *call, json_t *parameters, bool named)
{
	struct countdown *countdown = alloc_zero(1, sizeof(*countdown));

	countdowns++;
	countdown->count = json_integer_value(json_object_get(parameters, "length"));
	rpc_answer_items(call,
		&(struct rpc_items){countdown, named, countdown_next, countdown_end});
}

/* Answers with so many objects. */
static void method_count(struct rpc_call *call, json_t *parameters)
{
	answer_count(call, parameters, false);
}

/* Likewise, under names. */
static void method_name(struct rpc_call *call, json_t *parameters)
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

static const struct rpc_parameter no_parameters[] = {{0}};

static const struct rpc_method test_methods[] = {
	{"echo", echo_parameters, method_echo, 0},
	{"fail", no_parameters, method_fail, 0},
	{"wait", no_parameters, method_wait, 0},
	{"hold", no_parameters, method_hold, 0},
	{"fill", fill_parameters, method_fill, 0},
	{"count", fill_parameters, method_count, RPC_OBSERVES},
	{"name", fill_parameters, method_name, 0},
	{"free", NULL, method_echo, 0},
	{"turn", echo_parameters, method_echo, RPC_WAITS},
	{0},
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

static void setup(void)
{
	const struct rpc_callbacks callbacks = {
		&output, test_write, test_unsent, test_busy, test_released};

	peer_reads = true;
	busy = false;
	waiting_count = 0;
	cancelled = 0;
	releases = 0;
	session = rpc_session_new(test_methods, false, &callbacks, NULL);
}

static void teardown(void)
{
	rpc_session_free(session);
	buffer_release(&output);
	ck_assert_uint_eq(countdowns, 0);
}

static void input_bytes(const void *data, size_t length)
{
	rpc_session_input(session, data, length);
	while (rpc_session_step(session))
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

#define ANSWER(id, result)         "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define ERROR(id, code, text)      "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code \
	",\"message\":\"" text "\"}}"
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
	{"{\"jsonrpc\":", ERROR("null", "-32700",
				"not JSON: unexpected token near end of file (byte 11)")},
	{"{\"a\":1,\"a\":2}", ERROR("null", "-32700",
				      "not JSON: duplicate object key near '\\\"a\\\"' (byte 10)")},
	{"[\"\\u0000\"]", ERROR("null", "-32700",
				    "not JSON: the character U+0000 is not allowed (byte 9)")},
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
		ERROR("1", "-32602", "echo: 6 parameters where there are at most 5")},
	{REQUEST("1", "free", "[1]"), ERROR("1", "-32602", "free: 'params' must be an object")},

	/* batches: one line, without the notifications; broken requests have their own answers */
	{"[" REQUEST("1", "free", "{}") "," NOTIFY("free") "," REQUEST("2", "nope", "{}") ",7]",
		"[" ANSWER("1", "{}") ","
		ERROR("2", "-32601", "method 'nope' is unknown") ","
		ERROR("null", "-32600", "the request is not an object") "]"},
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
		"\"message\":\"there is none\",\"data\":{\"more\":7,\"err\":\"NOT-FOUND\"}}}\n");
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
	ck_assert(!rpc_session_ended(session));
	free(line);
}
END_TEST

/* Whether the newline is there or not. */
START_TEST(a_longer_line_ends_the_session)
{
	char *line = long_request(RPC_LINE_MAX + 1);

	if (_i)
		line = alloc_resize(line, RPC_LINE_MAX + 3), strcat(line, "\n");
	input(line);
	ck_assert_str_eq(written(),
		ERROR("null", "-32600", "the line is longer than 1048576 bytes") "\n");
	ck_assert(rpc_session_ended(session));
	input("\n" REQUEST("1", "free", "{}") "\n");
	ck_assert_str_eq(written(), "");
	free(line);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_served)
{
	peer_reads = false;
	input(REQUEST("1", "fill", "[1048576]") "\n" REQUEST("2", "free", "{}") "\n");
	ck_assert(rpc_session_full(session));
	ck_assert_uint_lt(output.length, RPC_OUTPUT_MARK + 100);
	ck_assert_ptr_null(strstr(written(), "\"id\":2"));

	input_bytes(NULL, 0);
	ck_assert_str_eq(written(), ANSWER("2", "{}") "\n");
}
END_TEST

START_TEST(answers_may_come_later_and_in_any_order)
{
	input(REQUEST("1", "wait", "{}") "\n" REQUEST("2", "wait", "{}") "\n");
	ck_assert(rpc_session_owes(session));
	rpc_answer(waiting[1], json_true());
	ck_assert_str_eq(written(), ANSWER("2", "true") "\n");
	rpc_answer(waiting[0], json_true());
	ck_assert_str_eq(written(), ANSWER("1", "true") "\n");
	ck_assert(!rpc_session_owes(session));
}
END_TEST

START_TEST(a_batch_waits_for_its_last_answer)
{
	input("[" REQUEST("1", "wait", "{}") "," REQUEST("2", "free", "{}") "]\n");
	ck_assert_str_eq(written(), "");
	rpc_answer(waiting[0], json_true());
	ck_assert_str_eq(written(), "[" ANSWER("2", "{}") "," ANSWER("1", "true") "]\n");
}
END_TEST

START_TEST(a_batch_whose_answers_are_too_large_is_cut_short)
{
	input("[" REQUEST("1", "fill", "[1048576]") "," REQUEST("2", "wait", "{}") "," NOTIFY(
		"wait") "]\n");
	ck_assert_uint_eq(waiting_count, 0);
	ck_assert_ptr_nonnull(strstr(written(),
		"," ERROR("2", "-32001",
			"the answers to the batch are too large; ask for this one again") "]\n"));
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
	static const char three[] = REQUEST("1", "free", "{}") "\n[" REQUEST("2", "free", "{}") "," NOTIFY(
		"wait") "]\n" REQUEST("3", "count", "[1000]") "\n";
	unsigned steps = 0;

	rpc_session_input(session, three, sizeof(three) - 1);
	ck_assert_str_eq(written(), "");
	ck_assert(rpc_session_step(session));
	ck_assert_str_eq(written(), ANSWER("1", "{}") "\n");
	ck_assert(rpc_session_step(session)); /* takes the line up */
	ck_assert(rpc_session_step(session));
	ck_assert_uint_eq(waiting_count, 0);
	ck_assert(rpc_session_owes(session));
	ck_assert(rpc_session_step(session));
	ck_assert_uint_eq(waiting_count, 1);
	while (rpc_session_step(session))
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
	rpc_session_input(session, REQUEST("2", "count", "[200]") "\n",
		strlen(REQUEST("2", "count", "[200]") "\n"));
	ck_assert(rpc_session_step(session));
	ck_assert(rpc_session_step(session));
	rpc_answer(waiting[0], json_true());
	ck_assert_str_eq(written(), ANSWER("1", "true") "\n");
	input("");
	answer = strstr(written(), "[{\"n\":0},{\"n\":1},");
	ck_assert_ptr_nonnull(answer);
	ck_assert_ptr_nonnull(strstr(answer, "{\"n\":199}]}\n"));
}
END_TEST

/* In the middle of a batch, and of an answer. */
START_TEST(a_session_may_end_at_any_step)
{
	static const char batch[] = "[" REQUEST("1", "wait", "{}") "," REQUEST("2", "count", "[500]") ","
		REQUEST("3", "free", "{}") "]\n";

	rpc_session_input(session, batch, sizeof(batch) - 1);
	for (int i = 0; i < _i; i++)
		ck_assert(rpc_session_step(session));
	teardown();
	setup();
}
END_TEST

/* Parsing 350,000 empty arrays takes longer than anybody should wait. */
START_TEST(a_line_of_too_many_values_is_refused)
{
	struct buffer line = {0};

	buffer_append_text(&line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"free\",\"params\":[\",,,\"");
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
	const struct rpc_callbacks callbacks = {
		&output, test_write, test_unsent, test_busy, test_released};

	rpc_session_free(session);
	session = rpc_session_new(test_methods, true, &callbacks, NULL);
	input(REQUEST("1", "free", "{}") "\n" REQUEST("2", "count", "[1]") "\n");
	ck_assert_str_eq(written(),
		ERROR("1", "-32601", "method 'free' is not available on the observe socket") "\n"
		ANSWER("2", "[{\"n\":0}]") "\n");
}
END_TEST

/* What follows it waits as well: it may be about what is to be done first. */
START_TEST(a_request_waits_while_the_owner_is_busy)
{
	busy = true;
	input(REQUEST("1", "echo", "[\"a\"]") "\n" REQUEST("2", "turn", "[\"b\"]") "\n"
		REQUEST("3", "echo", "[\"c\"]") "\n");
	ck_assert_str_eq(written(), ANSWER("1", "{\"name\":\"a\"}") "\n");
	ck_assert(rpc_session_waits(session));
	ck_assert(rpc_session_owes(session));
	busy = false;
	input("");
	ck_assert_str_eq(written(), ANSWER("2", "{\"name\":\"b\"}") "\n" ANSWER("3", "{\"name\":\"c\"}") "\n");
	ck_assert(!rpc_session_waits(session));
	ck_assert(!rpc_session_owes(session));
}
END_TEST

START_TEST(a_batch_waits_while_the_owner_is_busy)
{
	busy = true;
	input("[" REQUEST("1", "echo", "[\"a\"]") "," REQUEST("2", "turn", "[\"b\"]") "]\n");
	ck_assert_str_eq(written(), "");
	busy = false;
	input("");
	ck_assert_str_eq(written(), "[" ANSWER("1", "{\"name\":\"a\"}") "," ANSWER("2", "{\"name\":\"b\"}") "]\n");
}
END_TEST

START_TEST(a_session_may_end_while_a_request_waits)
{
	busy = true;
	input("[" REQUEST("1", "turn", "[\"b\"]") "]\n");
	ck_assert(rpc_session_waits(session));
}
END_TEST

START_TEST(too_many_calls_that_wait_are_refused)
{
	for (int i = 0; i < RPC_CALLS_MAX; i++)
		input(REQUEST("1", "wait", "{}") "\n");
	ck_assert_str_eq(written(), "");
	input(REQUEST("2", "wait", "{}") "\n" NOTIFY("wait") "\n");
	ck_assert_str_eq(written(),
		ERROR("2", "-32001", "too many requests wait for their answer") "\n");
	ck_assert_uint_eq(waiting_count, RPC_CALLS_MAX);
}
END_TEST

/* Those before it do not, nor those of a batch that it is in. */
START_TEST(a_call_holds_those_behind_it)
{
	input(REQUEST("1", "wait", "{}") "\n[" REQUEST("2", "hold", "{}") "," REQUEST("3", "echo",
		"{\"name\":\"a\"}") "]\n" REQUEST("4", "count", "[0]") "\n");
	ck_assert(rpc_session_waits(session));
	ck_assert_str_eq(written(), "");
	rpc_answer(waiting[0], json_true());
	ck_assert_uint_eq(releases, 0);
	rpc_answer(waiting[1], json_true());
	ck_assert_uint_eq(releases, 1);
	ck_assert(!rpc_session_waits(session));
	input("");
	ck_assert_ptr_nonnull(strstr(written(), ANSWER("4", "[]")));

	input(NOTIFY("hold") "\n" REQUEST("5", "count", "[0]") "\n");
	ck_assert(rpc_session_owes(session));
	rpc_answer(waiting[2], json_true());
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

START_TEST(a_peers_text_becomes_utf8)
{
	static const struct {
		const char *text;
		const char *utf8;
	} texts[] = {
		{"", ""},
		{"caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
		{"caf\xe9", "caf\xef\xbf\xbd"},
		{"\xc3\xa9\xff!\xc3", "\xc3\xa9\xef\xbf\xbd!\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *json = rpc_text(texts[i].text);

		ck_assert_str_eq(json_string_value(json), texts[i].utf8);
		json_decref(json);
	}
	ck_assert(json_is_null(rpc_text(NULL)));
}
END_TEST

START_TEST(a_notification_is_a_line)
{
	char *line = rpc_notification("lost", json_pack("{s:i}", "count", 3));

	ck_assert_str_eq(line,
		"{\"jsonrpc\":\"2.0\",\"method\":\"lost\",\"params\":{\"count\":3}}\n");
	free(line);
}
END_TEST

Suite *rpc_suite(void)
{
	Suite *suite = suite_create("rpc");
	TCase *tests = tcase_create("session");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_line_gets_its_answer, 0,
		sizeof(exchanges) / sizeof(*exchanges));
	tcase_add_test(tests, an_error_of_the_application_has_its_name_in_data);
	tcase_add_test(tests, a_notification_gets_no_answer);
	tcase_add_test(tests, lines_may_come_in_any_pieces);
	tcase_add_test(tests, the_longest_line_is_taken);
	tcase_add_loop_test(tests, a_longer_line_ends_the_session, 0, 2);
	tcase_add_test(tests, a_peer_that_does_not_read_is_not_served);
	tcase_add_test(tests, answers_may_come_later_and_in_any_order);
	tcase_add_test(tests, a_batch_waits_for_its_last_answer);
	tcase_add_test(tests, a_batch_whose_answers_are_too_large_is_cut_short);
	tcase_add_test(tests, a_batch_has_a_limit);
	tcase_add_test(tests, a_step_is_bounded);
	tcase_add_test(tests, a_long_answer_stays_whole);
	tcase_add_loop_test(tests, a_session_may_end_at_any_step, 0, 14);
	tcase_add_loop_test(tests, a_line_of_too_many_values_is_refused, 0, 2);
	tcase_add_test(tests, an_observer_changes_nothing);
	tcase_add_test(tests, a_request_waits_while_the_owner_is_busy);
	tcase_add_test(tests, a_batch_waits_while_the_owner_is_busy);
	tcase_add_test(tests, a_session_may_end_while_a_request_waits);
	tcase_add_test(tests, too_many_calls_that_wait_are_refused);
	tcase_add_test(tests, a_call_holds_those_behind_it);
	tcase_add_test(tests, calls_that_wait_are_cancelled_at_the_end);
	tcase_add_test(tests, an_id_has_a_limit);
	tcase_add_test(tests, a_peers_text_becomes_utf8);
	tcase_add_test(tests, a_notification_is_a_line);
	suite_add_tcase(suite, tests);
	return suite;
}
