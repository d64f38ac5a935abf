#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

/*
 * No lock: the thread could be preempted while holding it, and the loop would have to wait. The end
 * of the work and its abandonment are atomic: the later one sees the earlier.
 */
enum worker_state { WORKER_RUNNING, WORKER_FINISHED, WORKER_ABANDONED };

/* Freed by the last of its two owners: the loop and the thread. */
struct worker {
	struct worker_task task;
	struct event *event;
	int fd; /* readable when the work has been done */
	_Atomic enum worker_state state;
	atomic_uint holders;
};

static void worker_release(struct worker *worker)
{
	if (atomic_fetch_sub(&worker->holders, 1) > 1)
		return;
	close(worker->fd);
	free(worker);
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	worker->task.work(worker->task.context);
	if (atomic_exchange(&worker->state, WORKER_FINISHED) == WORKER_ABANDONED)
		worker->task.discard(worker->task.context);
	else
		eventfd_write(worker->fd, 1);
	worker_release(worker);
	return NULL;
}

static void worker_on_finished(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;
	struct worker_task task = worker->task;

	(void)fd, (void)what;
	(void)atomic_load(&worker->state); /* makes the thread's writes visible */
	event_free(worker->event);
	worker_release(worker);
	task.done(task.context);
}

/* The loop handles signals. */
static int worker_run(struct worker *worker)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int failure;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&thread, &attributes, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failure;
}

struct worker *worker_start(struct event_base *base, const struct worker_task *task,
	struct error *error)
{
	struct worker *worker;
	int failure;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0) {
		error_set(error, ERROR_SYSTEM, "eventfd: %s", strerror(errno));
		return NULL;
	}
	worker = alloc_zero(1, sizeof(*worker));
	worker->task = *task;
	worker->fd = fd;
	atomic_init(&worker->state, WORKER_RUNNING);
	atomic_init(&worker->holders, 2);
	worker->event = event_new(base, fd, EV_READ, worker_on_finished, worker);
	event_add(worker->event, NULL);
	failure = worker_run(worker);
	if (failure == 0)
		return worker;
	error_set(error, ERROR_SYSTEM, "cannot start a thread: %s", strerror(failure));
	event_free(worker->event);
	close(fd);
	free(worker);
	return NULL;
}

void worker_abandon(struct worker *worker)
{
	event_free(worker->event);
	if (atomic_exchange(&worker->state, WORKER_ABANDONED) == WORKER_FINISHED)
		worker->task.discard(worker->task.context);
	worker_release(worker);
}
