#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/event_type.h"
#include "gateway/dialer.h"
#include "gateway/session.h"
#include "gateway/settings.h"
#include "gateway/stats.h"
#include "gateway/warnings.h"
#include "outlet/outlet.h"
#include "ws/outgoing.h"
#include "ws/protocol.h"

/*
 * A named WebSocket connection through all its reconnects: calls the server, keeps the open
 * session, decides when to try again, counts, and publishes received messages into its outlets.
 */
struct connection;

enum connection_state {
	CONNECTION_IDLE,       /* neither open nor wanted */
	CONNECTION_WAITING,    /* until the next attempt is due, or for its turn to call */
	CONNECTION_CONNECTING, /* resolving, connecting, TLS */
	CONNECTION_UPGRADING,  /* waiting for the response to the opening handshake */
	CONNECTION_OPEN,
	CONNECTION_CLOSING, /* in the closing handshake */
};
const char *connection_state_name(enum connection_state state);

/* A snapshot; its pointers are valid until the event loop continues. */
struct connection_status {
	const struct connection_settings *settings;
	const char *url; /* without password */
	enum connection_state state;
	uint64_t since;       /* when it entered this state, ns since 1970 */
	bool queued;          /* while WAITING: for its turn to call */
	uint64_t next_try_ns; /* from now; while WAITING, and not queued */
	unsigned attempt;     /* to connect, since it was last open: 1 is the first */
	const char *gave_up;  /* the reason; NULL: it has not given up */
	bool paused;          /* reading is held up by a `wait` outlet */
	size_t send_queued;   /* bytes waiting for the server */
	size_t held;          /* messages waiting for the connection to open, */
	size_t held_bytes;    /* and their size */
	const struct call_report *call;
	const char *last_error; /* its name; NULL: none yet */
	const char *last_error_text;
	uint64_t last_error_time;
	unsigned last_close_code; /* 0: none yet */
	const char *last_close_reason;
	bool last_close_remote; /* the server began it */
	const struct stats *stats;
	const struct warnings *warnings;
	size_t outlet_count; /* see connection_outlet() */
};
void connection_status(const struct connection *connection, struct connection_status *status);

/* The `index`th outlet that it publishes into, from 0. */
struct outlet *connection_outlet(const struct connection *connection, size_t index);

/*
 * Waits for a connection to be open or closed. The struct is the caller's, and must stay until
 * `done` has been called or connection_forget(). `error` is NULL on success. `call` reports the
 * call to the server, for a `connect` also on failure; NULL: there was none.
 */
enum connection_waits {
	CONNECTION_FOR_CHECK, /* that a `connect` is possible */
	CONNECTION_FOR_OPEN,
	CONNECTION_FOR_CLOSE,
};
struct connection_waiter {
	void (*done)(struct connection_waiter *waiter, const struct call_report *call,
		const struct error *error);
	void *context;
	LIST_ENTRY(connection_waiter) entry; /* private */
	enum connection_waits waits;         /* private */
};

/*
 * Connects now, whatever the state, ahead of connections that do so by themselves; an open one is
 * first closed with 1001. Before that it checks that files and headers are usable: if not, nothing
 * changes, and the waiter gets the error. The extra headers are for this call only.
 */
void connection_connect(struct connection *connection, const struct header_list *extra,
	struct connection_waiter *waiter);

/*
 * Closes with that code, which the caller has checked, and stays idle until the next
 * connection_connect(), or until a first subscriber comes if it opens on demand. `waiter` may be
 * NULL.
 */
void connection_disconnect(struct connection *connection, unsigned code, const char *reason,
	struct connection_waiter *waiter);

void connection_forget(struct connection_waiter *waiter);

bool connection_is_open(const struct connection *connection);

/* Queues a message for the server. While the connection is not open, it is held if the settings
 * permit. */
bool connection_send(struct connection *connection, struct ws_outgoing *message,
	struct error *error);

bool connection_ping(struct connection *connection, struct error *error);

/* The largest message that can be sent: bytes. */
uint64_t connection_send_max(const struct connection *connection);

/* True if a message of that size can be sent, or dropped, now. If not, input of the outlets is
 * resumed when it can. */
bool connection_has_room(struct connection *connection, size_t length);

/*
 * Messages that are sent after those of the settings each time that the connection opens; a new one
 * also now, if it is open. Adding one twice changes nothing. They stay until they, or the
 * connection, are removed.
 */
bool connection_add_on_open(struct connection *connection, const char *message,
	struct error *error);
bool connection_remove_on_open(struct connection *connection, const char *message,
	struct error *error);
const struct string_list *connection_on_open(const struct connection *connection);

void connection_clear_stats(struct connection *connection);
bool connection_set_warnings(struct connection *connection, const struct warn_settings *thresholds,
	struct error *error);
void connection_clear_warnings(struct connection *connection);

/* Removes the warnings up to that number from the queue. */
void connection_take_warnings(struct connection *connection, uint64_t seq);

const char *connection_name(const struct connection *connection);

/* --- for the owner --------------------------------------------------------------------------- */

/* Shared by all connections, and told by them; borrowed. */
struct connection_host {
	void *context;
	struct log *log;
	struct dialer_host dialer;
	struct session_shared *shared;

	/* `members` may be NULL; `warning` is for EVENT_TYPE_WARNING. */
	void (*event)(struct connection *connection, enum event_type type,
		const struct event_members *members, const struct warning *warning, void *context);

	/* A retired connection is closed and can be freed, but not from within this call. */
	void (*retired)(struct connection *connection, void *context);
};

/* Takes over the configuration, borrows the host. It does nothing by itself before
 * connection_start(). */
struct connection *connection_new(const struct connection_host *host,
	struct connection_config *config);
void connection_free(struct connection *connection);

/* Opens the connection if it opens by itself. Does nothing the second time. */
void connection_start(struct connection *connection);

/* Changes to another configuration, which it takes over, and reconnects if `change` requires it. */
void connection_change(struct connection *connection, struct connection_config *config,
	enum settings_change change);

/* Closes with 1001 for good. `retired` follows, perhaps from within. */
void connection_retire(struct connection *connection);

bool connection_is_retired(const struct connection *connection);

/* Ends the sessions of a retired connection at once, and reports the messages that are lost. */
void connection_abort(struct connection *connection);

/*
 * The network has changed, or the host was suspended. An open connection is pinged, unless its
 * settings want no pings, and ends soon if the server does not answer; one that waits tries now,
 * unless the server has asked it to wait longer. Adds to `reactions`.
 */
struct connection_reactions {
	unsigned pinged;
	unsigned retrying;
};
void connection_on_network_change(struct connection *connection,
	struct connection_reactions *reactions);

/* Begins, or ends, to publish into the outlet. Both are idempotent. */
void connection_attach(struct connection *connection, struct outlet *outlet);
void connection_detach(struct connection *connection, struct outlet *outlet);

/* One of its outlets has got its first subscriber, or lost its last. */
void connection_update_demand(struct connection *connection);

const struct connection_config *connection_config(const struct connection *connection);

#endif
