#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/event_type.h"
#include "base/log.h"
#include "base/timers.h"
#include "gateway/connection.h"
#include "gateway/settings.h"
#include "gateway/settings_effective.h"
#include "gateway/warnings.h"
#include "outlet/outlet.h"

/* Owns the connections, the outlets and what they share. */
struct gateway;

/* Something that happened. All borrowed for the time of the call. */
struct gateway_event {
	enum event_type type;
	uint64_t time;                       /* ns since 1970 */
	const char *connection;              /* NULL: not about one */
	const char *outlet;                  /* NULL: not about one */
	const struct event_members *members; /* NULL: none */
	const struct warning *warning;       /* EVENT_TYPE_WARNING: the warning itself; else NULL */
};

/* Somebody who is told; the struct is the caller's until gateway_unwatch(). */
struct gateway_watcher {
	void (*event)(const struct gateway_event *event, void *context); /* may be NULL */
	/* A change to other settings is over, whatever its outcome. May be NULL. */
	void (*settled)(void *context);
	void *context;
	TAILQ_ENTRY(gateway_watcher) entry; /* private */
};
void gateway_watch(struct gateway *gateway, struct gateway_watcher *watcher);
void gateway_unwatch(struct gateway *gateway, struct gateway_watcher *watcher);

/* Creates everything that the settings name; takes them over on success. Borrows the
 * rest. */
struct gateway *gateway_new(struct event_base *base, struct timers *timers, struct log *log,
	struct settings *settings, struct settings_problems *problems);
void gateway_free(struct gateway *gateway);

/* From now on, when the network changes, or the host was suspended, open connections are pinged, and
 * those that wait try at once. */
void gateway_watch_network(struct gateway *gateway);

/* The effect of a reload, for the answer and the log. */
struct gateway_changes {
	unsigned added;
	unsigned removed;
	unsigned changed;
	unsigned unchanged;
	unsigned outlets_added;
	unsigned outlets_removed;
	unsigned outlets_changed;
};

/* Called from the event loop. */
struct gateway_change_callbacks {
	/* The last step that can fail: the caller applies what is its own of the settings. False:
	 * the problems say why. May be NULL. */
	bool (*prepare)(const struct settings *settings, struct settings_problems *problems,
		void *context);
	/* Undoes that, because something else has failed. May be NULL. */
	void (*withdraw)(void *context);
	/* The change is over. */
	void (*ended)(bool done, const struct gateway_changes *changes, void *context);
};

/*
 * Changes over to other settings; touches only what differs. It takes many turns of the event loop
 * if there is much of it. First it does everything that can fail. If anything does, it undoes all of
 * it: nothing has changed, `problems` has every failure, and the settings are the caller's again.
 * Else it takes the settings over: from one moment to the next gateway_connections() and its like
 * show the new configuration, then everything is changed, started and closed, one after the other.
 *
 * Settings, problems and callbacks must stay until `ended`. Until then nothing can be added or
 * removed, and no other change may begin. gateway_stop() undoes a change that it still can.
 */
void gateway_change(struct gateway *gateway, struct settings *settings,
	struct settings_problems *problems, const struct gateway_change_callbacks *callbacks,
	void *context);
bool gateway_is_changing(const struct gateway *gateway);

/* call_check() for a connection that gateway_add() is going to get. */
bool gateway_check_connection(const struct gateway *gateway, const struct connection_config *config,
	struct net_check **check, void (*done)(const struct error *error, void *context),
	void *context, struct error *error);

/* False, and the error: it is stopping. Until it has stopped, what is left can still be looked at. */
bool gateway_is_running(const struct gateway *gateway, struct error *error);

/* Adds one connection, with an outlet of its own if none takes it; takes the configuration over on
 * success. */
bool gateway_add(struct gateway *gateway, struct connection_config *config, struct error *error);
bool gateway_remove(struct gateway *gateway, const char *name, struct error *error);

/*
 * Closes every connection with 1001, delivers what arrives until the servers have closed, too, and
 * sends the subscribers what is in the rings, all within `drain_timeout`; then calls `done`. Losses
 * are reported.
 */
void gateway_stop(struct gateway *gateway, void (*done)(void *context), void *context);

/* Ends the waiting. `done` is called from the event loop. */
void gateway_stop_now(struct gateway *gateway);

/* Control clients that are not trusted may have descriptors below this one: some that subscribers may
 * not have, but most of the reserve is left for trusted ones and for connections. */
unsigned gateway_client_ceiling(const struct gateway *gateway);

const struct settings *gateway_settings(const struct gateway *gateway);
/* Memory for input of subscribers and control clients. */
struct budget *gateway_input_budget(const struct gateway *gateway);

/* The largest message that any connection can send: bytes. Looks at all. */
uint64_t gateway_send_max(const struct gateway *gateway);

struct event_base *gateway_base(const struct gateway *gateway);
struct log *gateway_log(const struct gateway *gateway);

/* NULL: none has that name. */
struct connection *gateway_connection(const struct gateway *gateway, const char *name);
struct outlet *gateway_outlet(const struct gateway *gateway, const char *name);

/* The settings of an outlet; false: none has that name. */
bool gateway_visit_outlet(const struct gateway *gateway, const char *name, settings_visit *visit,
	void *context);

/* In the order of the configuration; valid until something is added or removed. */
struct connection *const *gateway_connections(const struct gateway *gateway, size_t *count);
size_t gateway_outlet_count(const struct gateway *gateway);
struct outlet *gateway_outlet_at(const struct gateway *gateway, size_t index);

/* The names of an outlet's connections, in an array of `*count` that the caller frees. */
const char **gateway_outlet_sources(const struct outlet *outlet, size_t *count);

#endif
