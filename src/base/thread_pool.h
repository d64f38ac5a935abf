#ifndef BASE_THREAD_POOL_H
#define BASE_THREAD_POOL_H

#include <event2/event.h>

#include "base/worker.h"

/*
 * Runs tasks that may block, each on a thread of its own, like a worker; but a thread that has
 * finished is used again, and ends when it has been idle for ten seconds. There are as many threads
 * as there were tasks at the same time: the caller limits them.
 */
struct thread_pool;

/* Creates nothing but the pool itself. */
struct thread_pool *thread_pool_new(struct event_base *base);

/* Abandons the tasks that are still running, without waiting for them: see worker_abandon(). NULL is
 * ignored. */
void thread_pool_free(struct thread_pool *pool);

/* False if no thread or descriptor can be created; then nothing is called. */
bool thread_pool_run(struct thread_pool *pool, const struct worker_task *task, struct error *error);

#endif
