#ifndef CONTROL_RPC_PRIVATE_H
#define CONTROL_RPC_PRIVATE_H

#include <sys/queue.h>

#include "base/buffer.h"
#include "control/rpc_channel.h"

/* Between rpc_channel.c, which takes requests, and rpc_call.c, which answers them. */

TAILQ_HEAD(rpc_call_list, rpc_call);

struct rpc_channel {
	struct rpc_service service;
	const struct rpc_callbacks *callbacks;
	void *context; /* of the callbacks */
	struct buffer input;
	size_t scanned;          /* bytes of the input without a newline */
	struct rpc_batch *batch; /* whose requests are being taken; NULL: none */
	json_t *held; /* a request, of the batch if there is one, that waits; NULL: none */
	struct rpc_call *listing; /* whose items are being put; NULL: none */
	struct rpc_items items;   /* of `listing` */
	void *items_context;
	struct rpc_call_list calls;
	size_t waiting;                 /* length of `calls` */
	const struct rpc_call *holding; /* no request is taken until its answer; NULL: none */
	bool ended;
};

/* The answers to an array of requests, sent as one line with the last of them. */
struct rpc_batch {
	json_t *requests;      /* the array; NULL once all are taken */
	size_t taken;          /* of them */
	struct buffer answers; /* with commas between */
	size_t open;           /* unanswered calls, and one while requests are taken */
};

struct rpc_call {
	struct rpc_channel *channel;
	struct rpc_batch *batch; /* NULL: the request had a line of its own */
	json_t *id;              /* NULL: a notification, whose answer is dropped */
	struct buffer answer;    /* as far as it has been put */
	struct json_writer json; /* into `answer` */
	const char *closing;     /* what ends it */
	void (*cancel)(void *context);
	void *cancel_context;
	TAILQ_ENTRY(rpc_call) entry;
};

struct rpc_call *rpc_call_new(struct rpc_channel *channel, struct rpc_batch *batch, json_t *id);

/* Frees it unanswered. */
void rpc_call_cancel(struct rpc_call *call);

/* An error as the answer. */
void rpc_call_fail(struct rpc_call *call, enum rpc_code code, const char *text);

/* An error about what never became a call. `id`: NULL for null. */
void rpc_send_error(struct rpc_channel *channel, struct rpc_batch *batch, json_t *id,
	enum rpc_code code, const char *text);

/* Puts some more items of the channel's listing. */
void rpc_listing_step(struct rpc_channel *channel);

/* Gives the items up. */
void rpc_listing_end(struct rpc_channel *channel);

/* One of what keeps the batch open is done. */
void rpc_batch_close(struct rpc_channel *channel, struct rpc_batch *batch);
void rpc_batch_free(struct rpc_batch *batch);

#endif
