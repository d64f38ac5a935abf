#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

/* The daemon's control socket from the other side: one request at a time, and notifications. */
struct client {
	int fd; /* -1: not connected */
	struct buffer input;
	json_int_t last_id;
};

/* A connected UNIX socket of the type SOCK_STREAM or SOCK_SEQPACKET, or -1 and the error. */
int client_connect_socket(const char *path, int type, struct error *error);

bool client_open(struct client *client, const char *path, struct error *error);
void client_close(struct client *client);

/*
 * Sends the request and waits for its answer: the whole answer object, with "result" or "error",
 * which the caller owns. Notifications that come before it are dropped. Takes `parameters` over.
 * NULL and the error if the daemon is gone.
 */
json_t *client_call(struct client *client, const char *method, json_t *parameters,
	struct error *error);

/* Waits for the next message of the daemon; as client_call(). */
json_t *client_next(struct client *client, struct error *error);

#endif
