#ifndef CTL_RPC_CLIENT_H
#define CTL_RPC_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/*
 * The client's end of the control socket: one request at a time, and notifications. While it waits it
 * asks the daemon now and then for a sign of life, as a request may take long but a stopped daemon
 * never answers. Signs of life are answers, and each further part of a long one. An answer may have
 * up to 64 MiB and 2 million values.
 */
struct rpc_client {
	int fd;           /* -1: not connected */
	uint64_t timeout; /* ns without a sign of life before giving up; 0: never */
	uint64_t heard;   /* when it has last given one, or was not waited for yet; monotonic ns */
	uint64_t asked;   /* when it was last asked for one since then; 0: not */
	size_t received;  /* bytes, in the call that is under way, */
	size_t values;    /* and the JSON values in them */
	bool keeps;       /* notifications that come before an answer, for rpc_client_next() */
	json_t *kept;     /* an array of them; NULL: none */
	struct buffer input;
	json_int_t last_id;
};

/* A connected UNIX socket of the type SOCK_STREAM or SOCK_SEQPACKET, or -1 and the error; waits for
 * at most `timeout` ns (0: for ever) where others are before us. */
int rpc_client_connect_socket(const char *path, int type, uint64_t timeout, struct error *error);

bool rpc_client_open(struct rpc_client *client, const char *path, struct error *error);
void rpc_client_close(struct rpc_client *client);

/*
 * Sends the request and waits for its answer: the whole answer object, with "result" or "error",
 * which the caller owns. Notifications that come before it are dropped, or kept. Takes `parameters`
 * over. NULL and the error if the daemon is gone.
 */
json_t *rpc_client_call(struct rpc_client *client, const char *method, json_t *parameters,
	struct error *error);

/* Waits for the next message of the daemon, whichever it is; as rpc_client_call(). */
json_t *rpc_client_next(struct rpc_client *client, struct error *error);

#endif
