#ifndef GATEWAY_GATEWAY_PRIVATE_H
#define GATEWAY_GATEWAY_PRIVATE_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "base/listener.h"
#include "base/names.h"
#include "gateway/admission.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "net/net.h"

/* The inside of the gateway, for the files that it is made of. */

struct gateway_outlet {
	struct outlet *outlet;
	struct string_list from; /* as in struct outlet_config, whose settings the outlet has */
	bool implicit;           /* likewise */
};

/* An outlet that is on its way out: it delivers what it has, until the deadline. */
struct gateway_leaving {
	struct outlet *outlet;
	uint64_t deadline; /* monotonic ns */
};

TAILQ_HEAD(gateway_listeners, gateway_listener);

struct gateway {
	struct event_base *base;
	struct log *log;
	struct net *net;
	struct admission *admission;
	struct settings *settings; /* its connections and outlets have moved to where they are used */
	struct session_shared shared;
	struct connection_host host;
	struct outlet_callbacks outlet_callbacks;
	struct listeners *outlet_listeners;
	struct input_turns *input_turns;

	struct connection **connections; /* in the order of the configuration */
	size_t connection_count;
	size_t closing; /* at the end: how many of them, from the first on, have been told to close */
	struct names connections_by_name;
	struct connection **retiring; /* removed, but not closed yet */
	size_t retiring_count;
	struct connection **retired; /* closed, to be freed in the next turn of `poll` */
	size_t retired_count;
	struct gateway_outlet **outlets; /* in the order of the configuration */
	size_t outlet_count;
	struct names outlets_by_name;
	struct gateway_leaving *leaving;
	size_t leaving_count;

	struct gateway_change *change; /* to other settings; NULL: none is under way */

	struct gateway_listeners listeners;
	struct event poll; /* while something is leaving, and at the end */
	uint64_t stop_deadline; /* monotonic ns */
	void (*stopped)(void *context); /* NULL: not stopping */
	void *stopped_context;
};

/* One that is in no array or index yet. `held`: nobody is accepted until outlet_settle(). */
struct outlet *gateway_make_outlet(struct gateway *gateway, const struct outlet_config *config,
	bool held, struct error *error);

/* What the outlet was made from; its strings are borrowed. */
struct outlet_config gateway_outlet_config(const struct gateway_outlet *entry);

/* What it takes from now on; frees the configuration. */
void gateway_configure_entry(struct gateway_outlet *entry, struct outlet_config *config);

/* The caller has taken the entry out of the array and the index: it delivers what it has. */
void gateway_drop_outlet(struct gateway *gateway, struct gateway_outlet *entry);

/* The caller has taken the connection out of the array: it closes, and is freed. */
void gateway_retire(struct gateway *gateway, struct connection *connection);

/* Frees one that has closed; false: there is none. */
bool gateway_free_retired(struct gateway *gateway);

/*
 * gateway_change.c: goes on with the change until it is over, without the event loop; and has one
 * that is under way end soon, because the gateway stops: undone as far as it can be.
 */
void gateway_finish_change(struct gateway *gateway);
void gateway_abandon_change(struct gateway *gateway);

/* Attaches the connections that the outlet takes; detaches those that it takes no longer. */
void gateway_attach_outlet(struct gateway *gateway, const struct gateway_outlet *entry);
void gateway_detach_outlet(const struct gateway_outlet *entry);

/* gateway_untrusted.c: whether one connection more is within what may be added by those who are not
 * trusted; always, if somebody is who adds it. */
bool gateway_may_add(const struct gateway *gateway, const struct connection_config *config,
	struct error *error);

/* Keeps descriptors for what there is now. */
void gateway_update_reserve(struct gateway *gateway);

/* To the listeners: a change is over. */
void gateway_tell_settled(struct gateway *gateway);

void gateway_emit(struct gateway *gateway, const struct gateway_event *event);
void gateway_emit_connection(struct gateway *gateway, enum event_type type, const char *name);

#endif
