#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include <event2/event.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/settings.h"

/*
 * Reads the configuration again while the gateway runs, on a thread, as files and lookups may take
 * long; then the gateway changes over. One at a time: a request during a reload gets the outcome of
 * another one that begins afterwards.
 */
struct reload;

struct reload_outcome {
	bool done;
	struct gateway_changes changes;
	struct settings_problems problems; /* if it is done, only warnings */
	struct string_list restart;        /* changed settings that need a restart */
	struct error error;                /* unless it is done */
};

/* Somebody who waits for the outcome; the struct is the caller's until `done` or reload_forget(). */
struct reload_waiter {
	/* The outcome is borrowed. */
	void (*done)(struct reload_waiter *waiter, const struct reload_outcome *outcome);
	void *context;
	TAILQ_ENTRY(reload_waiter) entry; /* private */
};

struct reload_callbacks {
	void (*begun)(void *context);
	/* As in struct gateway_change_callbacks. */
	bool (*prepare)(const struct settings *settings, struct settings_problems *problems,
		void *context);
	void (*withdraw)(void *context);
	void (*ended)(const struct reload_outcome *outcome, void *context);
};

/* Borrows everything. */
struct reload *reload_new(struct event_base *base, const char *file, struct gateway *gateway,
	const struct reload_callbacks *callbacks, void *context);

/* `waiter` may be NULL. After reload_stop() it is answered at once. */
void reload_request(struct reload *reload, struct reload_waiter *waiter);
void reload_forget(struct reload *reload, struct reload_waiter *waiter);

/* Begins no more reloads, gives up one that is being read, and tells all waiters so. A change that
 * the gateway has begun is gateway_stop()'s to end. */
void reload_stop(struct reload *reload);
void reload_free(struct reload *reload);

#endif
