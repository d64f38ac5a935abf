#ifndef GATEWAY_GATEWAY_PRIVATE_H
#define GATEWAY_GATEWAY_PRIVATE_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/listener.h"
#include "gateway/admission.h"
#include "gateway/gateway.h"
#include "gateway/roster.h"
#include "gateway/session.h"
#include "net/net.h"
#include "net/network_watch.h"

/* The inside of the gateway, for the files that it is made of. */

/* An outlet, and the connections that it takes: with outlet_settings(), its configuration. */
struct gateway_outlet {
	struct outlet *outlet;
	struct string_list from; /* names or globs */
	bool implicit;           /* it takes the connection of its own name, which no other takes */
	struct settings_origins *origins; /* of its settings */
	unsigned line;
};

/* A removed outlet: it delivers what it has, until the deadline. */
struct draining_outlet {
	struct outlet *outlet;
	uint64_t deadline; /* of timers_now() */
};

/* A change of the network, of which connections are being told. */
struct gateway_network {
	struct network_watch *watch; /* NULL: nothing is noticed */
	struct event turn;           /* pending until all have been told */
	enum network_change change;  /* the last one */
	size_t untold;               /* of the roster's connections, from the first on */
	struct connection_reactions reactions;
};

TAILQ_HEAD(gateway_watchers, gateway_watcher);

struct gateway {
	struct event_base *base;
	struct timers *timers;
	struct log *log;
	struct net *net;
	struct admission *admission;
	struct settings *settings; /* without connections and outlets: those are in the roster */
	struct session_shared shared;
	struct connection_host host;
	struct outlet_callbacks outlet_callbacks;
	struct listeners *outlet_listeners;
	struct inputs *inputs;
	struct gateway_watchers watchers;

	struct roster roster;
	struct gateway_change *change; /* to other settings; NULL: none is under way */

	struct gateway_network network;

	/* gateway_drain.c */
	struct connection_list retiring; /* removed, but not closed yet */
	struct connection_list retired;  /* closed, to be freed */
	struct draining_outlet *draining;
	size_t draining_count;
	struct event poll; /* pending while any of these is left, and while the gateway stops */

	/* gateway_stop.c */
	void (*stopped)(void *context); /* NULL: not stopping */
	void *stopped_context;
	uint64_t stop_deadline; /* of timers_now() */
	size_t told;            /* of the roster's connections, from the first on: told to close */
};

/* --- gateway_events.c ------------------------------------------------------------------------ */

void gateway_emit(struct gateway *gateway, const struct gateway_event *event);
void gateway_emit_connection(struct gateway *gateway, enum event_type type, const char *name);

/* Callbacks of connections and outlets; the context is the gateway. */
void gateway_on_connection_event(struct connection *connection, enum event_type type,
	const struct event_members *members, const struct warning *warning, void *context);
void gateway_on_outlet_event(struct outlet *outlet, enum event_type type,
	const struct event_members *members, void *context);

/* Tells the watchers that a change is over. */
void gateway_tell_settled(struct gateway *gateway);

/* --- gateway_outlet.c ------------------------------------------------------------------------ */

/* Creates the socket. `held`: nobody is accepted before outlet_settle(). */
struct outlet *gateway_make_outlet(struct gateway *gateway, const struct outlet_config *config,
	bool held, struct error *error);

/* Takes the outlet over. It takes no connections yet. */
struct gateway_outlet *gateway_outlet_new(struct outlet *outlet);

/* Leaves the outlet itself alone. */
void gateway_outlet_free(struct gateway_outlet *entry);

/* Its strings are borrowed. */
struct outlet_config gateway_outlet_config(const struct gateway_outlet *entry);

/* Takes over what `config` says of connections, and frees it. */
void gateway_outlet_configure(struct gateway_outlet *entry, struct outlet_config *config);

/* Attaches the connections of the roster that the outlet takes. */
void gateway_outlet_attach(const struct gateway_outlet *entry, const struct roster *roster);

/* Detaches those that it does not take any more. */
void gateway_outlet_detach(const struct gateway_outlet *entry);

/* Callbacks of outlets; the context is the gateway. */
bool gateway_on_input(struct outlet *outlet, int source, bool binary, const void *data,
	size_t length, void *context);
size_t gateway_on_input_max(struct outlet *outlet, void *context);
void gateway_on_attended(struct outlet *outlet, void *context);

/* --- gateway_drain.c ------------------------------------------------------------------------- */

/* The caller has taken them out of the roster. The connection closes, the outlet delivers what it
 * has; then they are freed. */
void gateway_retire(struct gateway *gateway, struct connection *connection);
void gateway_drop_outlet(struct gateway *gateway, struct gateway_outlet *entry);

/* Callback of connections; the context is the gateway. */
void gateway_on_retired(struct connection *connection, void *context);

/* Frees one connection that has closed; false: there is none. */
bool gateway_free_retired(struct gateway *gateway);

/* Frees the connections that have closed and the outlets that have delivered everything or are too
 * late. False: at `end` (monotonic ns) there were more; one can have thousands of subscribers. */
bool gateway_free_drained(struct gateway *gateway, uint64_t end);

void gateway_poll_now(struct gateway *gateway);
void gateway_poll_soon(struct gateway *gateway);

/* --- gateway_stop.c -------------------------------------------------------------------------- */

/* Callback of `poll`; the context is the gateway. */
void gateway_on_poll(evutil_socket_t fd, short what, void *context);

/* --- gateway_network.c ----------------------------------------------------------------------- */

/* Tells the connections of a change, in the next turns of the event loop; the context is the
 * gateway. */
void gateway_on_network_change(enum network_change change, void *context);

/* Callback of `network.turn`; the context is the gateway. */
void gateway_on_network_turn(evutil_socket_t fd, short what, void *context);

/* --- gateway_change.c ------------------------------------------------------------------------ */

/* Goes on with a change until it is over, without the event loop. */
void gateway_finish_change(struct gateway *gateway);

/* Ends a change soon, because the gateway stops: undone if it still can be. */
void gateway_abandon_change(struct gateway *gateway);

/* --- gateway_limits.c ------------------------------------------------------------------------ */

/* True if the connection may be added: see `untrusted`. */
bool gateway_may_add(const struct gateway *gateway, const struct connection_config *config,
	struct error *error);

/* Reserves descriptors for what the roster has now. */
void gateway_update_reserve(struct gateway *gateway);

/* Warns if the process may open few descriptors for that. */
void gateway_check_descriptors(struct gateway *gateway);

#endif
