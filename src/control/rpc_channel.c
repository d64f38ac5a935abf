#include "control/rpc_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "control/rpc_private.h"
#include "control/rpc_request.h"

/* --- requests -------------------------------------------------------------------------------- */

static const struct rpc_method *rpc_find(const struct rpc_method *const *methods, const char *name)
{
	for (; *methods; methods++) {
		if (strcmp((*methods)->name, name) == 0)
			return *methods;
	}
	return NULL;
}

static void rpc_start_call(struct rpc_call *call, const char *name, json_t *params)
{
	const struct rpc_service *service = &call->channel->service;
	const struct rpc_method *method = rpc_find(service->methods, name);
	char problem[256];
	json_t *parameters;

	if (!method || (service->observer && !(method->flags & RPC_OBSERVES))) {
		snprintf(problem, sizeof(problem), "method '%.*s' is %s", text_cut(name, 64), name,
			method ? "not available on the observe socket" : "unknown");
		rpc_call_fail(call, RPC_UNKNOWN_METHOD, problem);
		return;
	}
	parameters = rpc_request_parameters(method, params, problem, sizeof(problem));
	if (!parameters) {
		rpc_refuse(call, "%s: %s", name, problem);
		return;
	}
	method->run(call, parameters);
	json_decref(parameters);
}

static bool rpc_must_wait(const struct rpc_channel *channel, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct rpc_method *method = rpc_find(channel->service.methods, name);

	return method && (method->flags & RPC_WAITS) && channel->callbacks->busy(channel->context);
}

static void rpc_take_request(struct rpc_channel *channel, struct rpc_batch *batch,
	const json_t *request)
{
	const char *problem = rpc_request_problem(request);
	json_t *id = json_object_get(request, "id");

	if (problem) {
		rpc_send_error(channel, batch, NULL, RPC_INVALID_REQUEST, problem);
	} else if (channel->waiting >= RPC_CALLS_MAX) {
		if (id)
			rpc_send_error(channel, batch, id, RPC_TOO_MANY,
				"too many requests are unanswered");
	} else if (rpc_must_wait(channel, request)) {
		channel->held = json_incref((json_t *)request);
	} else {
		rpc_start_call(rpc_call_new(channel, batch, id),
			json_string_value(json_object_get(request, "method")),
			json_object_get(request, "params"));
	}
}

static void rpc_take_held(struct rpc_channel *channel)
{
	json_t *request = channel->held;

	channel->held = NULL;
	rpc_take_request(channel, channel->batch, request);
	json_decref(request);
}

/* --- batches --------------------------------------------------------------------------------- */

static void rpc_take_batch(struct rpc_channel *channel, json_t *requests)
{
	if (json_array_size(requests) == 0) {
		rpc_send_error(channel, NULL, NULL, RPC_INVALID_REQUEST, "the batch is empty");
		return;
	}
	if (json_array_size(requests) > RPC_BATCH_MAX) {
		rpc_send_error(channel, NULL, NULL, RPC_TOO_MANY,
			"the batch has more than 1000 requests");
		return;
	}
	channel->batch = alloc_zero(1, sizeof(*channel->batch));
	channel->batch->requests = json_incref(requests);
	channel->batch->open = 1;
}

static void rpc_batch_step(struct rpc_channel *channel)
{
	struct rpc_batch *batch = channel->batch;
	json_t *request = json_array_get(batch->requests, batch->taken++);
	json_t *id = json_object_get(request, "id");

	if (!request) {
		json_decref(batch->requests);
		batch->requests = NULL;
		channel->batch = NULL;
		rpc_batch_close(channel, batch);
	} else if (batch->answers.length < RPC_OUTPUT_MARK) {
		rpc_take_request(channel, batch, request);
	} else if (id && !rpc_request_problem(request)) {
		rpc_send_error(channel, batch, id, RPC_TOO_MANY,
			"the answers to the batch are too large; send this request again");
	}
}

/* --- lines ----------------------------------------------------------------------------------- */

static void rpc_take_line(struct rpc_channel *channel, const char *line, size_t length)
{
	struct rpc_fault fault;
	json_t *json;

	if (rpc_request_is_blank(line, length))
		return;
	json = rpc_request_parse(line, length, &fault);
	if (!json)
		rpc_send_error(channel, NULL, NULL, fault.code, fault.text);
	else if (json_is_array(json))
		rpc_take_batch(channel, json);
	else
		rpc_take_request(channel, NULL, json);
	json_decref(json);
}

static void rpc_channel_end(struct rpc_channel *channel, enum rpc_code code, const char *text)
{
	rpc_send_error(channel, NULL, NULL, code, text);
	buffer_release(&channel->input);
	channel->scanned = 0;
	channel->ended = true;
}

static size_t rpc_line_max(const struct rpc_channel *channel)
{
	const struct rpc_callbacks *callbacks = channel->callbacks;
	size_t more = callbacks->line_max ? callbacks->line_max(channel->context) : 0;

	return more > RPC_LINE_MAX ? more : RPC_LINE_MAX;
}

/* True, and the end of the channel, if the line at the front is too long already. */
static bool rpc_line_is_too_long(struct rpc_channel *channel)
{
	char text[64];
	size_t most;

	if (channel->scanned <= RPC_LINE_MAX)
		return false;
	most = rpc_line_max(channel);
	if (channel->scanned <= most)
		return false;
	snprintf(text, sizeof(text), "the line is longer than %zu bytes", most);
	rpc_channel_end(channel, RPC_INVALID_REQUEST, text);
	return true;
}

/* Takes the next line, if it is complete. */
static bool rpc_line_step(struct rpc_channel *channel)
{
	struct buffer *input = &channel->input;
	const char *line = (const char *)buffer_data(input);
	const char *newline;

	if (channel->scanned == input->length)
		return false;
	newline = memchr(line + channel->scanned, '\n', input->length - channel->scanned);
	channel->scanned = newline ? (size_t)(newline - line) : input->length;
	if (!rpc_line_is_too_long(channel) && newline) {
		rpc_take_line(channel, line, channel->scanned);
		buffer_consume(input, channel->scanned + 1);
		buffer_trim(input);
		channel->scanned = 0;
	}
	return newline != NULL;
}

/* --- the channel ----------------------------------------------------------------------------- */

struct rpc_channel *rpc_channel_new(const struct rpc_service *service,
	const struct rpc_callbacks *callbacks, void *context)
{
	struct rpc_channel *channel = alloc_zero(1, sizeof(*channel));

	channel->service = *service;
	channel->callbacks = callbacks;
	channel->context = context;
	channel->input.secret = true; /* headers of `connect` */
	TAILQ_INIT(&channel->calls);
	return channel;
}

void rpc_channel_free(struct rpc_channel *channel)
{
	struct rpc_call *call;

	if (channel->listing)
		rpc_listing_end(channel);
	while ((call = TAILQ_FIRST(&channel->calls)))
		rpc_call_cancel(call);
	json_decref(channel->held);
	if (channel->batch)
		rpc_batch_free(channel->batch);
	buffer_release(&channel->input);
	free(channel);
}

void rpc_channel_input(struct rpc_channel *channel, const void *data, size_t length)
{
	if (!channel->ended)
		buffer_append(&channel->input, data, length);
}

bool rpc_channel_step(struct rpc_channel *channel)
{
	if (channel->ended || channel->holding || rpc_channel_full(channel) ||
		(channel->held && channel->callbacks->busy(channel->context)))
		return false;
	if (channel->held)
		rpc_take_held(channel);
	else if (channel->listing)
		rpc_listing_step(channel);
	else if (channel->batch)
		rpc_batch_step(channel);
	else
		return rpc_line_step(channel);
	return true;
}

bool rpc_channel_full(const struct rpc_channel *channel)
{
	return channel->callbacks->unsent(channel->context) >= RPC_OUTPUT_MARK;
}

bool rpc_channel_waits(const struct rpc_channel *channel)
{
	return channel->held || channel->holding;
}

bool rpc_channel_ended(const struct rpc_channel *channel)
{
	return channel->ended;
}

size_t rpc_channel_pending(const struct rpc_channel *channel)
{
	return channel->input.length;
}

void rpc_channel_give_up(struct rpc_channel *channel, const char *text)
{
	rpc_channel_end(channel, RPC_TOO_MANY, text);
}

bool rpc_channel_owes(const struct rpc_channel *channel)
{
	const struct rpc_call *call;

	TAILQ_FOREACH (call, &channel->calls, entry) {
		if (call->id)
			return true;
	}
	return channel->batch || channel->held || channel->holding;
}
