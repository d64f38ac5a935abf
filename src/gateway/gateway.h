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
#include "gateway/connection.h"
#include "gateway/settings.h"
#include "gateway/warnings.h"
#include "outlet/outlet.h"

/* The whole daemon: owns the connections, the outlets and what they share. */
struct gateway;

/* Something that happened. All borrowed for the time of the call. */
struct gateway_event {
	enum event_type type;
	uint64_t time;          /* ns since 1970 */
	const char *connection; /* NULL: not about one */
	const char *outlet;     /* NULL: not about one */
	const struct event_members *members; /* NULL: none */
	const struct warning *warning; /* EVENT_TYPE_WARNING: the warning itself; else NULL */
};

/* Whoever wants to know; the struct is the caller's until gateway_unlisten(). */
struct gateway_listener {
	void (*event)(const struct gateway_event *event, void *context); /* may be NULL */
	/* A change to other settings is over, whatever its outcome. May be NULL. */
	void (*settled)(void *context);
	void *context;
	TAILQ_ENTRY(gateway_listener) entry; /* private */
};
void gateway_listen(struct gateway *gateway, struct gateway_listener *listener);
void gateway_unlisten(struct gateway *gateway, struct gateway_listener *listener);

/* Makes everything that the settings name; takes them over on success. Borrows base and log. */
struct gateway *gateway_new(struct event_base *base, struct log *log, struct settings *settings,
	struct settings_problems *problems);
void gateway_free(struct gateway *gateway);

/* What a reload has done, for the answer and the log. */
struct gateway_changes {
	unsigned added;
	unsigned removed;
	unsigned changed;
	unsigned unchanged;
	unsigned outlets_added;
	unsigned outlets_removed;
	unsigned outlets_changed;
};

/* Who asks for a change; called from the event loop. */
struct gateway_changing {
	void *context;
	/* Has what else can fail done, of what the settings say: as the last of all that can.
	 * False: the problems say why. May be NULL. */
	bool (*prepare)(const struct settings *settings, struct settings_problems *problems,
		void *context);
	/* Undoes that, because something else has failed. May be NULL. */
	void (*withdraw)(void *context);
	/* It is over. */
	void (*ended)(bool done, const struct gateway_changes *changes, void *context);
};

/*
 * Changes over to other settings, of which only what differs is touched; in many turns of the event
 * loop, if there is much of it. First all that can fail is done, for everything that there is: if
 * anything does, it is undone, `problems` has all of it, nothing has changed, and the settings are
 * the caller's again. Else they are taken over: from one moment to the next gateway_connections()
 * and its like show what is new, and one after the other everything is changed, started and closed.
 * Until `ended` settings and problems must stay, and nothing can be added or removed, nor another
 * change begin. gateway_stop() undoes one that can be undone yet.
 */
void gateway_change(struct gateway *gateway, struct settings *settings,
	struct settings_problems *problems, const struct gateway_changing *callbacks);
bool gateway_is_changing(const struct gateway *gateway);

/* call_check() of one that is to be added. */
bool gateway_check_connection(const struct gateway *gateway, const struct connection_config *config,
	struct net_check **check, void (*done)(const struct error *error, void *context),
	void *context, struct error *error);

/* False, and the error: it is stopping. What is stopping can be looked at until it is done. */
bool gateway_goes_on(const struct gateway *gateway, struct error *error);

/* Adds one connection, with its outlet if no outlet takes it; takes the settings over on
 * success. */
bool gateway_add(struct gateway *gateway, struct connection_config *config,
	struct error *error);
bool gateway_remove(struct gateway *gateway, const char *name, struct error *error);

/*
 * Closes every connection with 1001, delivers what comes until the servers have closed too, and
 * lets the subscribers have what is in the rings, all within `drain_timeout`; then calls `done`.
 * What is lost is told.
 */
void gateway_stop(struct gateway *gateway, void (*done)(void *context), void *context);

/* Does not wait any longer. `done` is called from the event loop. */
void gateway_stop_now(struct gateway *gateway);

/* A control client who is not trusted may have a descriptor below this one: he may have some that
 * subscribers may not, but leaves the most for who is, and for connections. */
unsigned gateway_client_ceiling(const struct gateway *gateway);

const struct settings *gateway_settings(const struct gateway *gateway);
struct event_base *gateway_base(const struct gateway *gateway);
struct log *gateway_log(const struct gateway *gateway);

/* NULL: there is none of that name. */
struct connection *gateway_connection(const struct gateway *gateway, const char *name);
struct outlet *gateway_outlet(const struct gateway *gateway, const char *name);

/* In the order of the configuration; valid until something is added or removed. */
struct connection *const *gateway_connections(const struct gateway *gateway, size_t *count);
size_t gateway_outlet_count(const struct gateway *gateway);
struct outlet *gateway_outlet_at(const struct gateway *gateway, size_t index);

/* The names of an outlet's connections, in an array of `*count` that the caller frees. */
const char **gateway_outlet_sources(const struct outlet *outlet, size_t *count);

#endif
