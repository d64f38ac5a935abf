#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <event2/event.h>

#include "base/error.h"

/*
 * Runs work that may block, such as a lookup over the network, on a thread of its own. The thread
 * shares nothing with the loop but the context, and owns that until `done` is called.
 */
struct worker;

struct worker_task {
	void (*work)(void *context);    /* on the thread */
	void (*done)(void *context);    /* on the loop; the worker is gone */
	void (*discard)(void *context); /* on either, after worker_abandon() */
	void *context;
};

/* NULL if no thread or descriptor can be created; then nothing is called. */
struct worker *worker_start(struct event_base *base, const struct worker_task *task,
	struct error *error);

/* Frees the worker without waiting for the thread: `discard` is called when the work has ended, if
 * the process lives that long. */
void worker_abandon(struct worker *worker);

#endif
