#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

/* The last of the two who hold it frees it: the loop and the thread. */
struct worker {
	struct worker_task task;
	struct event *event;
	int fd; /* readable when the work has been done */
	pthread_mutex_t lock;
	bool abandoned;
	bool finished;
};

static void worker_free(struct worker *worker)
{
	close(worker->fd);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	bool abandoned;

	worker->task.work(worker->task.context);
	pthread_mutex_lock(&worker->lock);
	worker->finished = true;
	abandoned = worker->abandoned;
	if (!abandoned)
		eventfd_write(worker->fd, 1);
	pthread_mutex_unlock(&worker->lock);
	if (abandoned) {
		worker->task.discard(worker->task.context);
		worker_free(worker);
	}
	return NULL;
}

static void worker_on_finished(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;
	struct worker_task task = worker->task;

	(void)fd, (void)what;
	event_free(worker->event);
	pthread_mutex_lock(&worker->lock); /* the thread may still hold it */
	pthread_mutex_unlock(&worker->lock);
	worker_free(worker);
	task.done(task.context);
}

/* Signals are the loop's. */
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
	pthread_mutex_init(&worker->lock, NULL);
	worker->event = event_new(base, fd, EV_READ, worker_on_finished, worker);
	event_add(worker->event, NULL);
	failure = worker_run(worker);
	if (failure == 0)
		return worker;
	error_set(error, ERROR_SYSTEM, "cannot start a thread: %s", strerror(failure));
	event_free(worker->event);
	worker_free(worker);
	return NULL;
}

void worker_abandon(struct worker *worker)
{
	bool finished;

	event_free(worker->event);
	pthread_mutex_lock(&worker->lock);
	worker->abandoned = true;
	finished = worker->finished;
	pthread_mutex_unlock(&worker->lock);
	if (!finished)
		return;
	worker->task.discard(worker->task.context);
	worker_free(worker);
}
