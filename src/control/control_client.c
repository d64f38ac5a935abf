#include "control/control_client.h"

#include <event2/buffer.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/container.h"
#include "control/methods.h"

enum {
	CONTROL_PIECE = 16 * 1024,     /* bytes that a channel is fed at a time */
	CONTROL_INPUT_MAX = 64 * 1024, /* bytes of a client that wait for their turn */
};

bool control_trusts(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static size_t client_unsent(const struct control_client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->stream));
}

static void client_await_turn(struct control_client *client)
{
	control_turns_await(&client->host->turns, &client->turn);
}

/* --- what the channel asks ------------------------------------------------------------------- */

static void client_on_write(const void *data, size_t length, void *context)
{
	struct control_client *client = context;

	bufferevent_write(client->stream, data, length);
}

static size_t client_on_unsent(void *context)
{
	return client_unsent(context);
}

/* Nothing is added or removed in the middle of a change. */
static bool client_on_busy(void *context)
{
	const struct control_client *client = context;

	return gateway_is_changing(client->host->gateway);
}

static void client_on_released(void *context)
{
	client_await_turn(context);
}

/* --- memory for its input -------------------------------------------------------------------- */

enum {
	CONTROL_LINE_EXPANSION = 6,      /* bytes that a byte of a message may need: "\\u001b" */
	CONTROL_LINE_MEMBERS = 64 << 10, /* bytes of a line besides the message */
};

/* For a message as large as any connection can send. */
static size_t client_on_line_max(void *context)
{
	const struct control_client *client = context;

	if (client->context.view == REPORT_OBSERVED)
		return 0;
	return CONTROL_LINE_EXPANSION * gateway_send_max(client->host->gateway) +
		CONTROL_LINE_MEMBERS;
}

static struct budget *client_budget(const struct control_client *client)
{
	return gateway_input_budget(client->host->gateway);
}

static void client_on_give_up(struct budget_claim *claim)
{
	struct control_client *client = container_of(claim, struct control_client, claim);

	rpc_channel_give_up(client->channel,
		"unfinished input takes more memory than gateway.input_memory permits, and this is "
		"given up");
	client_await_turn(client);
}

/* After a step that may have taken input: `before` bytes were pending. */
static void client_account(struct control_client *client, size_t before)
{
	size_t pending = rpc_channel_pending(client->channel);

	if (pending < before)
		budget_restart(&client->claim);
	if (pending != before)
		budget_hold(client_budget(client), &client->claim, pending, BUDGET_UNFINISHED);
}

static const struct rpc_callbacks client_callbacks = {
	.write = client_on_write,
	.unsent = client_on_unsent,
	.line_max = client_on_line_max,
	.busy = client_on_busy,
	.released = client_on_released,
};

/* --- turns ----------------------------------------------------------------------------------- */

static bool client_take_input(struct control_client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	struct evbuffer_iovec piece;
	size_t length;

	if (rpc_channel_full(client->channel) || rpc_channel_waits(client->channel))
		return false;
	if (evbuffer_peek(input, CONTROL_PIECE, NULL, &piece, 1) < 1)
		return false;
	length = piece.iov_len < CONTROL_PIECE ? piece.iov_len : CONTROL_PIECE;
	rpc_channel_input(client->channel, piece.iov_base, length);
	explicit_bzero(piece.iov_base, length); /* a header of `connect` may be a secret */
	evbuffer_drain(input, length);
	return length > 0; /* an empty buffer may have a piece without bytes */
}

/* A request, or a piece of input or of an answer. False: there is nothing to do until the client
 * sends or reads. */
static bool client_work(struct control_client *client)
{
	size_t before = rpc_channel_pending(client->channel);
	bool worked = rpc_channel_step(client->channel) || client_take_input(client);

	client_account(client, before);
	return worked;
}

static void client_tell_lost(struct control_client *client)
{
	struct buffer line = {0};
	struct json_writer json = rpc_begin_notification(&line, "lost");

	json_put_object(&json, NULL);
	json_put_number(&json, "count", client->lost);
	json_put_object_end(&json);
	rpc_end_notification(&json);
	bufferevent_write(client->stream, buffer_data(&line), line.length);
	buffer_release(&line);
	client->lost = 0;
}

/* Nothing is left to do; may free the client. */
static void client_rest(struct control_client *client)
{
	bool full = rpc_channel_full(client->channel);
	bool finished = client->finished || rpc_channel_ended(client->channel);

	if (finished && client_unsent(client) == 0 && !rpc_channel_owes(client->channel)) {
		control_client_free(client);
		return;
	}
	if (client->lost && !full)
		client_tell_lost(client);
	if (full || finished)
		bufferevent_disable(client->stream, EV_READ);
	else
		bufferevent_enable(client->stream, EV_READ);
}

bool control_client_step(struct control_turn *turn)
{
	struct control_client *client = container_of(turn, struct control_client, turn);

	if (client_work(client))
		return true;
	client_rest(client);
	return false;
}

/* --- the stream ------------------------------------------------------------------------------ */

static void client_on_read(struct bufferevent *stream, void *context)
{
	struct control_client *client = context;

	(void)stream;
	client->active = clock_monotonic();
	client_await_turn(client);
}

/* At most half of the mark is still unread. */
static void client_on_written(struct bufferevent *stream, void *context)
{
	(void)stream;
	client_await_turn(context);
}

/* True if the client has closed its socket, and not only its sending side. */
static bool client_has_left(const struct control_client *client)
{
	struct pollfd poll_fd = {.fd = bufferevent_getfd(client->stream)};

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

static void client_on_event(struct bufferevent *stream, short what, void *context)
{
	struct control_client *client = context;

	(void)stream;
	if ((what & BEV_EVENT_ERROR) || client_has_left(client)) {
		control_client_free(client);
		return;
	}
	client->finished = true;
	client_await_turn(client);
}

/* --- life ------------------------------------------------------------------------------------ */

struct control_client *control_client_new(struct control_client_list *clients,
	struct control_host *host, enum report_view view, int fd, const struct ucred *peer)
{
	struct control_client *client = alloc_zero(1, sizeof(*client));
	const struct rpc_service service = {
		.methods = methods,
		.observer = view == REPORT_OBSERVED,
		.context = &client->context,
	};

	client->host = host;
	client->uid = peer->uid;
	client->claim.pid = peer->pid;
	client->claim.uid = peer->uid;
	client->claim.give_up = client_on_give_up;
	client->active = clock_monotonic();
	client->context.gateway = host->gateway;
	client->context.callbacks = host->callbacks;
	client->context.callbacks_context = host->callbacks_context;
	client->context.started = host->started;
	client->context.trusted = control_trusts(peer->uid);
	client->context.view =
		view == REPORT_ALL && !client->context.trusted ? REPORT_CONTROL : view;
	client->channel = rpc_channel_new(&service, &client_callbacks, client);
	client->stream =
		bufferevent_socket_new(gateway_base(host->gateway), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->stream, client_on_read, client_on_written, client_on_event,
		client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, CONTROL_INPUT_MAX);
	bufferevent_setwatermark(client->stream, EV_WRITE, RPC_OUTPUT_MARK / 2, 0);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(clients, client, entry);
	return client;
}

void control_client_free(struct control_client *client)
{
	control_turns_forget(&client->host->turns, &client->turn);
	budget_drop(client_budget(client), &client->claim);
	LIST_REMOVE(client, entry);
	rpc_channel_free(client->channel);
	bufferevent_free(client->stream);
	free(client);
}

void control_client_finish(struct control_client *client)
{
	struct evbuffer *output = bufferevent_get_output(client->stream);

	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, bufferevent_getfd(client->stream));
	control_client_free(client);
}

void control_client_resume(struct control_client *client)
{
	if (rpc_channel_waits(client->channel))
		client_await_turn(client);
}

uint64_t control_client_idle(const struct control_client *client)
{
	if (client->turn.queued || client->context.following || client_unsent(client) ||
		rpc_channel_owes(client->channel))
		return 0;
	return clock_monotonic() - client->active;
}

/* --- events ---------------------------------------------------------------------------------- */

bool control_client_follows(const struct control_client *client)
{
	return client->context.following;
}

void control_client_tell(struct control_client *client, const struct buffer *line)
{
	if (rpc_channel_full(client->channel) || client->lost)
		client->lost++;
	else
		bufferevent_write(client->stream, buffer_data(line), line->length);
}
