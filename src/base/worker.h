#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <event2/event.h>

#include "base/error.h"

/*
 * A piece of work that may block, such as a look-up that asks a network, on a thread of its own. It
 * shares nothing with the loop but its context, which is the thread's until `done` is called.
 */
struct worker;

struct worker_task {
	void (*work)(void *context);    /* on the thread */
	void (*done)(void *context);    /* on the loop; the worker is gone */
	void (*discard)(void *context); /* on either: worker_abandon() was called, nobody waits */
	void *context;
};

/* NULL if no thread or descriptor can be created; then nothing is called. */
struct worker *worker_start(struct event_base *base, const struct worker_task *task,
	struct error *error);

/* Does not wait for the thread: `discard` is called once it has come to its end, if the process
 * lives that long. The worker is gone. */
void worker_abandon(struct worker *worker);

#endif
