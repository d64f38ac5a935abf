#ifndef CONTROL_CONTROL_CLIENT_H
#define CONTROL_CONTROL_CLIENT_H

#include <event2/bufferevent.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/budget.h"
#include "control/control.h"
#include "control/control_turns.h"
#include "control/method_context.h"
#include "control/report.h"
#include "control/rpc_channel.h"

/* Shared by all clients. */
struct control_host {
	struct gateway *gateway;
	const struct control_callbacks *callbacks;
	void *callbacks_context;
	uint64_t started; /* ns since 1970 */
	struct control_turns turns;
};

/* A client of the control or observe socket: its stream, its requests, the events that it follows. */
struct control_client {
	uid_t uid;
	LIST_ENTRY(control_client) entry;

	/* private from here on */
	struct control_host *host;
	struct bufferevent *stream;
	struct rpc_channel *channel;
	struct method_context context;
	struct control_turn turn;
	struct budget_claim claim; /* to memory for its input */
	uint64_t active;           /* when it last sent something, monotonic ns */
	uint64_t lost;             /* events dropped since it stopped reading */
	bool finished;             /* it will send no more */
};
LIST_HEAD(control_client_list, control_client);

/* True for root and the daemon's user. */
bool control_trusts(uid_t uid);

/* Takes over the socket. The client is in the list until it leaves, or control_client_free(). */
struct control_client *control_client_new(struct control_client_list *clients,
	struct control_host *host, enum report_view view, int fd, const struct ucred *peer);
void control_client_free(struct control_client *client);

/* The same, but what its socket takes at once is still sent: the last events before the end. */
void control_client_finish(struct control_client *client);

/* A client's step, for control_turns_init(). */
bool control_client_step(struct control_turn *turn);

/* It may go on: nothing is being changed any more. */
void control_client_resume(struct control_client *client);

/* ns since it last sent something, if nothing is due to it; else 0. */
uint64_t control_client_idle(const struct control_client *client);

/* True if it wants to be told of events. */
bool control_client_follows(const struct control_client *client);

/* Tells it of one, a line. If it does not read, the event is dropped and counted. */
void control_client_tell(struct control_client *client, const struct buffer *line);

#endif
