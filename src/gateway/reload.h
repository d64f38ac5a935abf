#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include <event2/event.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/settings.h"

/*
 * Reads the configuration again while the gateway runs: files and look-ups, which may take their
 * time, on a thread of its own; then has the gateway change over. One at a time: who asks during one
 * gets the outcome of another that begins afterwards.
 */
struct reload;

struct reload_outcome {
	bool done;
	struct gateway_changes changes;
	struct settings_problems problems; /* warnings, too, of one that is done */
	struct string_list restart; /* settings that have changed, but need a restart */
	struct error error; /* if it is not done */
};

/* Who waits for the outcome; the struct is the caller's until `done` or reload_forget(). */
struct reload_waiter {
	/* The outcome is borrowed. */
	void (*done)(struct reload_waiter *waiter, const struct reload_outcome *outcome);
	void *context;
	TAILQ_ENTRY(reload_waiter) entry; /* private */
};

struct reload_callbacks {
	void *context;
	void (*begun)(void *context);
	/* As in struct gateway_changing. */
	bool (*prepare)(const struct settings *settings, struct settings_problems *problems,
		void *context);
	void (*withdraw)(void *context);
	void (*ended)(const struct reload_outcome *outcome, void *context);
};

/* Borrows everything. */
struct reload *reload_new(struct event_base *base, const char *file, struct gateway *gateway,
	const struct reload_callbacks *callbacks);

/* `waiter` may be NULL. After reload_stop() it is answered at once. */
void reload_request(struct reload *reload, struct reload_waiter *waiter);
void reload_forget(struct reload *reload, struct reload_waiter *waiter);

/* For the end: none is begun any more, one under way is given up, and who waits is told so. To
 * what the gateway has begun gateway_stop() sees. */
void reload_stop(struct reload *reload);
void reload_free(struct reload *reload);

#endif
