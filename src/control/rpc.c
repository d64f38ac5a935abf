#include "control/rpc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"

enum { /* of a long answer, in one step */
	RPC_STEP_ITEMS = 64,
	RPC_STEP_BYTES = 64 * 1024, /* an item may have a list of its own, as outlets do */
};

TAILQ_HEAD(rpc_call_list, rpc_call);

/* An answer whose items are being made. */
struct rpc_listing {
	struct rpc_call *call; /* NULL: there is none */
	struct rpc_items items;
	struct buffer text;
	size_t count; /* of items in the text */
};

struct rpc_session {
	const struct rpc_method *methods;
	bool observer; /* may not call what changes anything */
	struct rpc_callbacks callbacks;
	void *context;
	struct buffer input;
	size_t scanned; /* bytes of the input that hold no newline */
	struct rpc_batch *batch; /* whose requests are being taken up; NULL: none */
	json_t *held;            /* a request, of the batch if there is one, that waits; NULL: none */
	struct rpc_listing listing;
	struct rpc_call_list calls;
	size_t waiting; /* length of `calls` */
	const struct rpc_call *holding; /* nothing else is taken up until its answer; NULL: none */
	bool ended;
};

/* The answers to an array of requests, sent as one line when the last of them is there. */
struct rpc_batch {
	json_t *requests;      /* the array; NULL once all are taken up */
	size_t taken;          /* of them */
	struct buffer answers; /* with commas between */
	size_t open;           /* calls without answer, and one while requests are taken up */
};

struct rpc_call {
	struct rpc_session *session;
	struct rpc_batch *batch; /* NULL: the request had a line of its own */
	json_t *id;              /* NULL: a notification, which gets no answer */
	void (*cancel)(void *context);
	void *cancel_context;
	TAILQ_ENTRY(rpc_call) entry;
};

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

static int rpc_dump_piece(const char *data, size_t length, void *context)
{
	buffer_append(context, data, length);
	return 0;
}

static void rpc_dump(struct buffer *out, const json_t *json)
{
	json_dump_callback(json, rpc_dump_piece, out, JSON_COMPACT);
}

static json_t *rpc_envelope(json_t *id, const char *member, json_t *value)
{
	json_t *message = json_object();

	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set(message, "id", id);
	json_object_set_new(message, member, value ? value : json_null());
	return message;
}

static json_t *rpc_error(enum rpc_code code, const char *text, json_t *data)
{
	json_t *error = json_object();

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", rpc_text(text));
	if (data)
		json_object_set_new(error, "data", data);
	return error;
}

static void rpc_batch_free(struct rpc_batch *batch)
{
	json_decref(batch->requests);
	buffer_release(&batch->answers);
	free(batch);
}

static void rpc_batch_close(struct rpc_session *session, struct rpc_batch *batch)
{
	struct buffer line = {0};

	if (--batch->open)
		return;
	if (batch->answers.length) {
		buffer_append_text(&line, "[");
		buffer_append(&line, buffer_data(&batch->answers), batch->answers.length);
		buffer_append_text(&line, "]\n");
		session->callbacks.write(buffer_data(&line), line.length,
			session->callbacks.context);
		buffer_release(&line);
	}
	rpc_batch_free(batch);
}

/* Where the next message goes: the batch, or `line`, which is empty. */
static struct buffer *rpc_begin_message(struct rpc_batch *batch, struct buffer *line)
{
	if (!batch)
		return line;
	if (batch->answers.length)
		buffer_append_text(&batch->answers, ",");
	return &batch->answers;
}

static void rpc_end_message(struct rpc_session *session, struct buffer *line)
{
	if (!line->length)
		return;
	buffer_append_text(line, "\n");
	session->callbacks.write(buffer_data(line), line->length, session->callbacks.context);
	buffer_release(line);
}

/* Takes the message over. */
static void rpc_send(struct rpc_session *session, struct rpc_batch *batch, json_t *message)
{
	struct buffer line = {0};

	rpc_dump(rpc_begin_message(batch, &line), message);
	rpc_end_message(session, &line);
	json_decref(message);
}

static struct rpc_call *rpc_call_new(struct rpc_session *session, struct rpc_batch *batch,
	json_t *id)
{
	struct rpc_call *call = alloc_zero(1, sizeof(*call));

	call->session = session;
	call->batch = batch;
	call->id = json_incref(id);
	if (batch)
		batch->open++;
	TAILQ_INSERT_TAIL(&session->calls, call, entry);
	session->waiting++;
	return call;
}

static void rpc_call_free(struct rpc_call *call)
{
	TAILQ_REMOVE(&call->session->calls, call, entry);
	call->session->waiting--;
	json_decref(call->id);
	free(call);
}

static void rpc_call_end(struct rpc_call *call)
{
	struct rpc_session *session = call->session;
	struct rpc_batch *batch = call->batch;
	bool held = session->holding == call;

	rpc_call_free(call);
	if (held) {
		session->holding = NULL;
		if (session->callbacks.released)
			session->callbacks.released(session->callbacks.context);
	}
	if (batch)
		rpc_batch_close(session, batch);
}

/* Sends the answer, unless nobody wants one, and ends the call. Takes `value` over. */
static void rpc_call_answer(struct rpc_call *call, const char *member, json_t *value)
{
	if (call->id)
		rpc_send(call->session, call->batch, rpc_envelope(call->id, member, value));
	else
		json_decref(value);
	rpc_call_end(call);
}

static void rpc_listing_end(struct rpc_listing *listing)
{
	if (listing->items.end)
		listing->items.end(listing->items.context);
	buffer_release(&listing->text);
	*listing = (struct rpc_listing){0};
}

/* The text is that of rpc_envelope(). */
static void rpc_listing_answer(struct rpc_session *session)
{
	struct rpc_listing *listing = &session->listing;
	struct rpc_call *call = listing->call;
	struct buffer line = {0};
	struct buffer *out = rpc_begin_message(call->batch, &line);

	buffer_append(out, buffer_data(&listing->text), listing->text.length);
	buffer_append_text(out, listing->items.named ? "}}" : "]}");
	rpc_listing_end(listing);
	rpc_end_message(session, &line);
	rpc_call_end(call);
}

static void rpc_listing_append(struct rpc_listing *listing, const char *name, json_t *value)
{
	json_t *key;

	if (listing->count++)
		buffer_append_text(&listing->text, ",");
	if (listing->items.named) {
		key = rpc_text(name);
		json_dump_callback(key, rpc_dump_piece, &listing->text, JSON_ENCODE_ANY);
		buffer_append_text(&listing->text, ":");
		json_decref(key);
	}
	rpc_dump(&listing->text, value);
	json_decref(value);
}

static void rpc_listing_step(struct rpc_session *session)
{
	struct rpc_listing *listing = &session->listing;
	const size_t end = listing->text.length + RPC_STEP_BYTES;
	const char *name = NULL;
	json_t *value;

	for (int i = 0; i < RPC_STEP_ITEMS && listing->text.length < end; i++) {
		value = listing->items.next(&name, listing->items.context);
		if (!value) {
			rpc_listing_answer(session);
			return;
		}
		rpc_listing_append(listing, name, value);
	}
}

void rpc_answer_items(struct rpc_call *call, const struct rpc_items *items)
{
	struct rpc_listing *listing = &call->session->listing;

	if (!call->id) {
		items->end(items->context);
		rpc_call_end(call);
		return;
	}
	*listing = (struct rpc_listing){.call = call, .items = *items};
	buffer_append_text(&listing->text, "{\"jsonrpc\":\"2.0\",\"id\":");
	json_dump_callback(call->id, rpc_dump_piece, &listing->text,
		JSON_COMPACT | JSON_ENCODE_ANY);
	buffer_append_text(&listing->text, items->named ? ",\"result\":{" : ",\"result\":[");
}

void rpc_answer(struct rpc_call *call, json_t *result)
{
	rpc_call_answer(call, "result", result);
}

void rpc_fail(struct rpc_call *call, const struct error *error, json_t *details)
{
	json_t *data = details ? details : json_object();

	json_object_set_new(data, "err", json_string(error->name));
	rpc_call_answer(call, "error", rpc_error(RPC_FAILED, error->text, data));
}

void rpc_refuse(struct rpc_call *call, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	text_clean_format(text, sizeof(text), format, arguments);
	va_end(arguments);
	rpc_call_answer(call, "error", rpc_error(RPC_INVALID_PARAMETERS, text, NULL));
}

void rpc_refuse_error(struct rpc_call *call, const struct error *error)
{
	rpc_call_answer(call, "error",
		rpc_error(RPC_INVALID_PARAMETERS, error->text,
			json_pack("{s:s}", "err", error->name)));
}

void rpc_hold(struct rpc_call *call)
{
	call->session->holding = call;
}

void rpc_on_cancel(struct rpc_call *call, void (*cancel)(void *context), void *context)
{
	call->cancel = cancel;
	call->cancel_context = context;
}

void *rpc_context(const struct rpc_call *call)
{
	return call->session->context;
}

static bool rpc_is_strings(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, item) {
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

/* The value of one parameter against its line in the table. */
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
	snprintf(problem, size, "parameter '%.*s' is unknown", text_cut(name, 64),
		name);
	return false;
}

/* The values of an array under the names that they have in the table. */
static json_t *rpc_name_values(const struct rpc_parameter *parameters, const json_t *values,
	char *problem, size_t size)
{
	json_t *named = json_object();
	size_t count = 0;

	for (; parameters[count].name; count++)
		json_object_set(named, parameters[count].name, json_array_get(values, count));
	if (json_array_size(values) <= count)
		return named;
	snprintf(problem, size, "%zu parameters where there are at most %zu",
		json_array_size(values), count);
	json_decref(named);
	return NULL;
}

/* A new object of parameters that fits the method's table, or NULL and the problem. */
static json_t *rpc_parameters(const struct rpc_method *method, json_t *given, char *problem,
	size_t size)
{
	const struct rpc_parameter *parameter;
	const char *name;
	json_t *value, *named;

	if (!given)
		named = json_object();
	else if (json_is_object(given))
		named = json_incref(given);
	else if (method->parameters)
		named = rpc_name_values(method->parameters, given, problem, size);
	else
		named = NULL;
	if (!named && !method->parameters)
		snprintf(problem, size, "'params' must be an object");
	if (!named || !method->parameters)
		return named;

	json_object_foreach(named, name, value) {
		if (!rpc_check_known(method->parameters, name, problem, size))
			goto wrong;
	}
	for (parameter = method->parameters; parameter->name; parameter++) {
		value = json_object_get(named, parameter->name);
		if (!rpc_check_value(parameter, value, problem, size))
			goto wrong;
		if (json_is_null(value))
			json_object_del(named, parameter->name);
	}
	return named;

wrong:
	json_decref(named);
	return NULL;
}

/* An answer to what never became a call. */
static void rpc_send_error(struct rpc_session *session, struct rpc_batch *batch, json_t *id,
	enum rpc_code code, const char *text)
{
	rpc_send(session, batch,
		rpc_envelope(id ? id : json_null(), "error", rpc_error(code, text, NULL)));
}

static const struct rpc_method *rpc_find(const struct rpc_method *methods, const char *name)
{
	for (; methods->name; methods++) {
		if (strcmp(methods->name, name) == 0)
			return methods;
	}
	return NULL;
}

static void rpc_call_start(struct rpc_call *call, const char *name, json_t *given)
{
	const struct rpc_method *method = rpc_find(call->session->methods, name);
	char problem[256];
	json_t *parameters;

	if (!method || (call->session->observer && !(method->nature & RPC_OBSERVES))) {
		snprintf(problem, sizeof(problem), "method '%.*s' is %s", text_cut(name, 64), name,
			method ? "not available on the observe socket" : "unknown");
		rpc_call_answer(call, "error", rpc_error(RPC_UNKNOWN_METHOD, problem, NULL));
		return;
	}
	parameters = rpc_parameters(method, given, problem, sizeof(problem));
	if (!parameters) {
		rpc_refuse(call, "%s: %s", name, problem);
		return;
	}
	method->function(call, parameters);
	json_decref(parameters);
}

/* What is wrong with the request as JSON-RPC 2.0, section 4, has it; NULL: nothing. */
static const char *rpc_request_problem(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const json_t *parameters = json_object_get(request, "params");
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
	if (parameters && !json_is_object(parameters) && !json_is_array(parameters))
		return "'params' must be an object or an array";
	return NULL;
}

static bool rpc_is_busy(const struct rpc_session *session)
{
	return session->callbacks.busy && session->callbacks.busy(session->callbacks.context);
}

static bool rpc_has_to_wait(const struct rpc_session *session, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct rpc_method *method = rpc_find(session->methods, name);

	return method && (method->nature & RPC_WAITS) && rpc_is_busy(session);
}

static void rpc_take_request(struct rpc_session *session, struct rpc_batch *batch,
	const json_t *request)
{
	const char *problem = rpc_request_problem(request);
	json_t *id = json_object_get(request, "id");

	if (problem) {
		rpc_send_error(session, batch, NULL, RPC_INVALID_REQUEST, problem);
	} else if (session->waiting >= RPC_CALLS_MAX) {
		if (id)
			rpc_send_error(session, batch, id, RPC_TOO_MANY,
				"too many requests wait for their answer");
	} else if (rpc_has_to_wait(session, request)) {
		session->held = json_incref((json_t *)request);
	} else {
		rpc_call_start(rpc_call_new(session, batch, id),
			json_string_value(json_object_get(request, "method")),
			json_object_get(request, "params"));
	}
}

/* Takes up the next of its requests. */
static void rpc_batch_step(struct rpc_session *session)
{
	struct rpc_batch *batch = session->batch;
	json_t *request = json_array_get(batch->requests, batch->taken++);
	json_t *id = json_object_get(request, "id");

	if (!request) {
		json_decref(batch->requests);
		batch->requests = NULL;
		session->batch = NULL;
		rpc_batch_close(session, batch);
	} else if (batch->answers.length < RPC_OUTPUT_MARK) {
		rpc_take_request(session, batch, request);
	} else if (id && !rpc_request_problem(request)) {
		rpc_send_error(session, batch, id, RPC_TOO_MANY,
			"the answers to the batch are too large; ask for this one again");
	}
}

static void rpc_take_batch(struct rpc_session *session, json_t *requests)
{
	if (json_array_size(requests) == 0) {
		rpc_send_error(session, NULL, NULL, RPC_INVALID_REQUEST, "the batch is empty");
		return;
	}
	if (json_array_size(requests) > RPC_BATCH_MAX) {
		rpc_send_error(session, NULL, NULL, RPC_TOO_MANY,
			"the batch has more than 1000 requests");
		return;
	}
	session->batch = alloc_zero(1, sizeof(*session->batch));
	session->batch->requests = json_incref(requests);
	session->batch->open = 1;
}

static bool rpc_is_blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!strchr(" \t\r", line[i]) || line[i] == '\0')
			return false;
	}
	return true;
}

static void rpc_take_line(struct rpc_session *session, const char *line, size_t length)
{
	char problem[JSON_ERROR_TEXT_LENGTH + 64];
	json_error_t error;
	json_t *json;

	if (rpc_is_blank(line, length))
		return;
	if (text_count_json_values(line, length) > RPC_VALUES_MAX) {
		snprintf(problem, sizeof(problem), "the line has more than %d JSON values",
			RPC_VALUES_MAX);
		rpc_send_error(session, NULL, NULL, RPC_TOO_MANY, problem);
		return;
	}
	json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		/* the library's own text for this one names a flag of its API */
		bool nul = json_error_code(&error) == json_error_null_character;

		snprintf(problem, sizeof(problem), "not JSON: %s (byte %d)",
			nul ? "the character U+0000 is not allowed" : error.text, error.position);
		rpc_send_error(session, NULL, NULL, RPC_PARSE_ERROR, problem);
		return;
	}
	if (json_is_array(json))
		rpc_take_batch(session, json);
	else
		rpc_take_request(session, NULL, json);
	json_decref(json);
}

static void rpc_end_session(struct rpc_session *session)
{
	rpc_send_error(session, NULL, NULL, RPC_INVALID_REQUEST,
		"the line is longer than 1048576 bytes");
	buffer_release(&session->input);
	session->scanned = 0;
	session->ended = true;
}

void rpc_session_input(struct rpc_session *session, const void *data, size_t length)
{
	if (!session->ended)
		buffer_append(&session->input, data, length);
}

/* Takes the next line, if it is complete. */
static bool rpc_line_step(struct rpc_session *session)
{
	const char *line = (const char *)buffer_data(&session->input);
	const char *newline;

	if (session->scanned == session->input.length)
		return false;
	newline = memchr(line + session->scanned, '\n', session->input.length - session->scanned);
	session->scanned = newline ? (size_t)(newline - line) : session->input.length;
	if (session->scanned > RPC_LINE_MAX) {
		rpc_end_session(session);
	} else if (newline) {
		rpc_take_line(session, line, session->scanned);
		buffer_consume(&session->input, session->scanned + 1);
		session->scanned = 0;
	}
	return newline != NULL;
}

static void rpc_take_held(struct rpc_session *session)
{
	json_t *request = session->held;

	session->held = NULL;
	rpc_take_request(session, session->batch, request);
	json_decref(request);
}

bool rpc_session_step(struct rpc_session *session)
{
	if (session->ended || session->holding || rpc_session_full(session) ||
		(session->held && rpc_is_busy(session)))
		return false;
	if (session->held) {
		rpc_take_held(session);
		return true;
	}
	if (session->listing.call)
		rpc_listing_step(session);
	else if (session->batch)
		rpc_batch_step(session);
	else
		return rpc_line_step(session);
	return true;
}

bool rpc_session_full(const struct rpc_session *session)
{
	return session->callbacks.unsent(session->callbacks.context) >= RPC_OUTPUT_MARK;
}

bool rpc_session_waits(const struct rpc_session *session)
{
	return session->held || session->holding;
}

bool rpc_session_ended(const struct rpc_session *session)
{
	return session->ended;
}

bool rpc_session_owes(const struct rpc_session *session)
{
	const struct rpc_call *call;

	TAILQ_FOREACH (call, &session->calls, entry) {
		if (call->id)
			return true;
	}
	return session->batch || session->held || session->holding;
}

struct rpc_session *rpc_session_new(const struct rpc_method *methods, bool observer,
	const struct rpc_callbacks *callbacks, void *context)
{
	struct rpc_session *session = alloc_zero(1, sizeof(*session));

	session->methods = methods;
	session->observer = observer;
	session->callbacks = *callbacks;
	session->context = context;
	session->input.secret = true; /* headers of `connect` */
	TAILQ_INIT(&session->calls);
	return session;
}

void rpc_session_free(struct rpc_session *session)
{
	struct rpc_call *call;

	while ((call = TAILQ_FIRST(&session->calls))) {
		void (*cancel)(void *context) = call->cancel;
		void *context = call->cancel_context;

		if (call->batch && --call->batch->open == 0)
			rpc_batch_free(call->batch);
		rpc_call_free(call);
		if (cancel)
			cancel(context);
	}
	json_decref(session->held);
	if (session->batch)
		rpc_batch_free(session->batch);
	rpc_listing_end(&session->listing);
	buffer_release(&session->input);
	free(session);
}

json_t *rpc_text(const char *text)
{
	json_t *string;
	char *clean;

	if (!text)
		return json_null();
	clean = text_clean_copy(text, strlen(text));
	string = json_string(clean);
	free(clean);
	return string;
}

char *rpc_notification(const char *method, json_t *parameters)
{
	json_t *message = json_object();
	char *text, *line;

	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "method", json_string(method));
	json_object_set_new(message, "params", parameters);
	text = json_dumps(message, JSON_COMPACT);
	line = alloc_format("%s\n", text);
	free(text);
	json_decref(message);
	return line;
}
