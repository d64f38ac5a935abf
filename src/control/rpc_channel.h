#ifndef CONTROL_RPC_CHANNEL_H
#define CONTROL_RPC_CHANNEL_H

#include "base/buffer.h"
#include "control/rpc.h"

/*
 * One client's requests and answers: JSON-RPC 2.0 without I/O, one request or batch a line. Bytes
 * go in, lines come out. Nothing is done but in steps, which the owner schedules.
 */
struct rpc_channel;

/* The methods offered to the client. */
struct rpc_service {
	const struct rpc_method *const *methods; /* ended by NULL */
	bool observer;                           /* only methods that change nothing */
	void *context;                           /* of the methods */
};

struct rpc_callbacks {
	/* Takes whole lines for the client; must not free the channel. */
	void (*write)(const void *data, size_t length, void *context);
	/* Bytes that the client has not taken yet. */
	size_t (*unsent)(void *context);
	/* The longest line, in bytes, if that is more than RPC_LINE_MAX: called for longer ones. A
	 * line that is longer still ends the channel. NULL: no more. */
	size_t (*line_max)(void *context);
	/* True: methods that are RPC_WAITS cannot be called now. When that changes, the owner goes
	 * on with the steps. */
	bool (*busy)(void *context);
	/* A call that held the others has ended: the owner goes on with the steps. */
	void (*released)(void *context);
};

/* Copies the service, borrows the callbacks. */
struct rpc_channel *rpc_channel_new(const struct rpc_service *service,
	const struct rpc_callbacks *callbacks, void *context);

/* Cancels unanswered calls. */
void rpc_channel_free(struct rpc_channel *channel);

/* Takes bytes from the client; what they ask for is done by the steps. */
void rpc_channel_input(struct rpc_channel *channel, const void *data, size_t length);

/*
 * Does one step of bounded work: a request, possibly of a batch, or a few items of a long answer.
 * False: there is nothing to do until the client has sent more or, after rpc_channel_full(), read
 * more.
 */
bool rpc_channel_step(struct rpc_channel *channel);

/* The client does not read: no input until it does. */
bool rpc_channel_full(const struct rpc_channel *channel);

/* A request waits until the owner is no longer busy, or until another has been answered: no input
 * until then. */
bool rpc_channel_waits(const struct rpc_channel *channel);

/* True after a line that was too long, or rpc_channel_give_up(): no further input is taken. */
bool rpc_channel_ended(const struct rpc_channel *channel);

/* Bytes of lines that are not complete, or have not been taken yet. */
size_t rpc_channel_pending(const struct rpc_channel *channel);

/* Answers what is pending with an error, and takes no further input. */
void rpc_channel_give_up(struct rpc_channel *channel, const char *text);

/* True if the client waits for an answer. */
bool rpc_channel_owes(const struct rpc_channel *channel);

/* A notification as a line: put one value, the parameters, between the two. */
struct json_writer rpc_begin_notification(struct buffer *line, const char *method);
void rpc_end_notification(struct json_writer *json);

#endif
