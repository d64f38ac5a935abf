#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "control/rpc_private.h"

enum { /* of a long answer, in one step */
	RPC_STEP_ITEMS = 64,
	RPC_STEP_BYTES = 64 * 1024, /* an item may have a list of its own, as outlets do */
};

const struct rpc_parameter rpc_no_parameters[] = {{0}};

/* --- messages: one goes to its batch, or as a line to the client ----------------------------- */

static void rpc_write_line(struct rpc_channel *channel, struct buffer *line)
{
	buffer_append_text(line, "\n");
	channel->callbacks->write(buffer_data(line), line->length, channel->context);
}

static void rpc_send(struct rpc_channel *channel, struct rpc_batch *batch, struct buffer *message)
{
	if (!batch) {
		rpc_write_line(channel, message);
		return;
	}
	if (batch->answers.length)
		buffer_append_text(&batch->answers, ",");
	buffer_append(&batch->answers, buffer_data(message), message->length);
}

void rpc_batch_free(struct rpc_batch *batch)
{
	json_decref(batch->requests);
	buffer_release(&batch->answers);
	free(batch);
}

void rpc_batch_close(struct rpc_channel *channel, struct rpc_batch *batch)
{
	struct buffer line = {0};

	if (--batch->open)
		return;
	if (batch->answers.length) {
		buffer_append_text(&line, "[");
		buffer_append(&line, buffer_data(&batch->answers), batch->answers.length);
		buffer_append_text(&line, "]");
		rpc_write_line(channel, &line);
		buffer_release(&line);
	}
	rpc_batch_free(batch);
}

static int rpc_append_piece(const char *data, size_t length, void *context)
{
	buffer_append(context, data, length);
	return 0;
}

/* {"jsonrpc":"2.0","id":ID */
static struct json_writer rpc_begin_message(struct buffer *out, const json_t *id)
{
	struct json_writer json = {out, false};

	json_put_object(&json, NULL);
	json_put_raw(&json, "jsonrpc", "\"2.0\"");
	if (!id) {
		json_put_null(&json, "id");
		return json;
	}
	json_put_member(&json, "id");
	json_dump_callback(id, rpc_append_piece, out, JSON_COMPACT | JSON_ENCODE_ANY);
	json.after_value = true;
	return json;
}

/* "error":{"code":CODE,"message":TEXT */
static void rpc_begin_error(struct json_writer *json, enum rpc_code code, const char *text)
{
	json_put_object(json, "error");
	json_put_integer(json, "code", code);
	json_put_text(json, "message", text);
}

void rpc_send_error(struct rpc_channel *channel, struct rpc_batch *batch, json_t *id,
	enum rpc_code code, const char *text)
{
	struct buffer message = {0};
	struct json_writer json = rpc_begin_message(&message, id);

	rpc_begin_error(&json, code, text);
	buffer_append_text(&message, "}}");
	rpc_send(channel, batch, &message);
	buffer_release(&message);
}

struct json_writer rpc_begin_notification(struct buffer *line, const char *method)
{
	struct json_writer json = {line, false};

	json_put_object(&json, NULL);
	json_put_raw(&json, "jsonrpc", "\"2.0\"");
	json_put_string(&json, "method", method, strlen(method));
	json_put_member(&json, "params");
	return json;
}

void rpc_end_notification(struct json_writer *json)
{
	buffer_append_text(json->out, "}\n");
}

/* --- calls ----------------------------------------------------------------------------------- */

struct rpc_call *rpc_call_new(struct rpc_channel *channel, struct rpc_batch *batch, json_t *id)
{
	struct rpc_call *call = alloc_zero(1, sizeof(*call));

	call->channel = channel;
	call->batch = batch;
	call->id = json_incref(id);
	if (batch)
		batch->open++;
	TAILQ_INSERT_TAIL(&channel->calls, call, entry);
	channel->waiting++;
	return call;
}

static void rpc_call_free(struct rpc_call *call)
{
	TAILQ_REMOVE(&call->channel->calls, call, entry);
	call->channel->waiting--;
	json_decref(call->id);
	buffer_release(&call->answer);
	free(call);
}

void rpc_call_cancel(struct rpc_call *call)
{
	void (*cancel)(void *context) = call->cancel;
	void *context = call->cancel_context;

	if (call->batch && --call->batch->open == 0)
		rpc_batch_free(call->batch);
	rpc_call_free(call);
	if (cancel)
		cancel(context);
}

struct json_writer *rpc_begin_result(struct rpc_call *call)
{
	call->json = rpc_begin_message(&call->answer, call->id);
	json_put_member(&call->json, "result");
	call->closing = "}";
	return &call->json;
}

/* An error that has a name; members of its `data` may follow. */
static struct json_writer *rpc_begin_named_error(struct rpc_call *call, enum rpc_code code,
	const struct error *error)
{
	struct json_writer *json = &call->json;

	*json = rpc_begin_message(&call->answer, call->id);
	rpc_begin_error(json, code, error->text);
	json_put_object(json, "data");
	json_put_text(json, "err", error->name);
	call->closing = "}}}";
	return json;
}

struct json_writer *rpc_begin_failure(struct rpc_call *call, const struct error *error)
{
	return rpc_begin_named_error(call, RPC_FAILED, error);
}

void rpc_end(struct rpc_call *call)
{
	struct rpc_channel *channel = call->channel;
	struct rpc_batch *batch = call->batch;
	bool held = channel->holding == call;

	if (call->id) {
		buffer_append_text(&call->answer, call->closing);
		rpc_send(channel, batch, &call->answer);
	}
	rpc_call_free(call);
	if (held) {
		channel->holding = NULL;
		channel->callbacks->released(channel->context);
	}
	if (batch)
		rpc_batch_close(channel, batch);
}

void rpc_answer_true(struct rpc_call *call)
{
	json_put_boolean(rpc_begin_result(call), NULL, true);
	rpc_end(call);
}

void rpc_fail(struct rpc_call *call, const struct error *error)
{
	rpc_begin_failure(call, error);
	rpc_end(call);
}

void rpc_call_fail(struct rpc_call *call, enum rpc_code code, const char *text)
{
	call->json = rpc_begin_message(&call->answer, call->id);
	rpc_begin_error(&call->json, code, text);
	call->closing = "}}";
	rpc_end(call);
}

void rpc_refuse(struct rpc_call *call, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	text_clean_format(text, sizeof(text), format, arguments);
	va_end(arguments);
	rpc_call_fail(call, RPC_INVALID_PARAMETERS, text);
}

void rpc_refuse_error(struct rpc_call *call, const struct error *error)
{
	rpc_begin_named_error(call, RPC_INVALID_PARAMETERS, error);
	rpc_end(call);
}

void rpc_hold(struct rpc_call *call)
{
	call->channel->holding = call;
}

void rpc_on_cancel(struct rpc_call *call, void (*cancel)(void *context), void *context)
{
	call->cancel = cancel;
	call->cancel_context = context;
}

void *rpc_context(const struct rpc_call *call)
{
	return call->channel->service.context;
}

/* --- answers of many items ------------------------------------------------------------------- */

void rpc_answer_items(struct rpc_call *call, const struct rpc_items *items, void *context)
{
	struct rpc_channel *channel = call->channel;
	struct json_writer *json;

	if (!call->id) {
		items->end(context);
		rpc_end(call);
		return;
	}
	json = rpc_begin_result(call);
	if (items->named)
		json_put_object(json, NULL);
	else
		json_put_array(json, NULL);
	channel->listing = call;
	channel->items = *items;
	channel->items_context = context;
}

void rpc_listing_end(struct rpc_channel *channel)
{
	channel->items.end(channel->items_context);
	channel->listing = NULL;
}

void rpc_listing_step(struct rpc_channel *channel)
{
	struct rpc_call *call = channel->listing;
	const size_t end = call->answer.length + RPC_STEP_BYTES;

	for (int i = 0; i < RPC_STEP_ITEMS && call->answer.length < end; i++) {
		if (channel->items.next(&call->json, channel->items_context))
			continue;
		rpc_listing_end(channel);
		call->closing = channel->items.named ? "}}" : "]}";
		rpc_end(call);
		return;
	}
}
