#include "base/thread_pool.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

#define THREAD_POOL_IDLE (10 * CLOCK_NS_PER_SECOND)

/* Bytes of a thread's stack, of which only touched pages take memory. Modules of the name service
 * switch, which load libraries of their own, touch some 30 KiB. */
enum { THREAD_POOL_STACK = 512 * 1024 };

/* See base/worker: the later of the two sees the earlier, and there is no lock. A thread without a
 * task has finished. */
enum task_state { TASK_RUNNING, TASK_FINISHED, TASK_ABANDONED };

/* What the loop and the threads share; freed by the last of them. */
struct thread_pool_exchange {
	_Atomic(struct pool_thread *) finished; /* a stack: threads push, the loop takes all */
	int fd;                                 /* readable when there are any */
	atomic_uint holders;
};

/* Ends, and is freed, by itself. */
struct pool_thread {
	/* the loop's: */
	LIST_ENTRY(pool_thread) entry; /* of all threads */
	TAILQ_ENTRY(pool_thread) idle; /* the one that was idle last is first */
	uint64_t idle_since;           /* ns; 0: at work */

	/* handed over by `wake`, and back by the stack: */
	struct worker_task task;
	struct pool_thread *next;

	/* of both: */
	struct thread_pool_exchange *exchange;
	sem_t wake;
	_Atomic enum task_state state;
};

struct thread_pool {
	struct event_base *base;
	struct thread_pool_exchange *exchange; /* NULL: no thread has been needed yet */
	struct event finished;
	struct event tidy;
	LIST_HEAD(, pool_thread) threads;
	TAILQ_HEAD(pool_threads, pool_thread) idle;
};

/* --- on a thread ---------------------------------------------------------------------------- */

static void exchange_release(struct thread_pool_exchange *exchange)
{
	if (atomic_fetch_sub(&exchange->holders, 1) > 1)
		return;
	close(exchange->fd);
	free(exchange);
}

static void exchange_push(struct thread_pool_exchange *exchange, struct pool_thread *thread)
{
	struct pool_thread *top = atomic_load(&exchange->finished);

	do
		thread->next = top;
	while (!atomic_compare_exchange_weak(&exchange->finished, &top, thread));
	eventfd_write(exchange->fd, 1);
}

static void pool_thread_work(struct pool_thread *thread)
{
	if (atomic_load(&thread->state) != TASK_ABANDONED)
		thread->task.work(thread->task.context);
	if (atomic_exchange(&thread->state, TASK_FINISHED) == TASK_ABANDONED)
		thread->task.discard(thread->task.context);
	else
		exchange_push(thread->exchange, thread);
}

static void *pool_thread_main(void *argument)
{
	struct pool_thread *thread = argument;

	for (;;) {
		while (sem_wait(&thread->wake) < 0)
			; /* interrupted, by a debugger or a freezer: all signals are blocked */
		if (atomic_load(&thread->state) == TASK_FINISHED)
			break; /* woken without a task */
		pool_thread_work(thread);
	}
	exchange_release(thread->exchange);
	sem_destroy(&thread->wake);
	free(thread);
	return NULL;
}

/* --- on the loop ---------------------------------------------------------------------------- */

/* A task that has finished, and waits for the loop, is discarded here; one that runs, by its thread. */
static void pool_thread_abandon(struct pool_thread *thread)
{
	enum task_state state = TASK_RUNNING;

	if (!atomic_compare_exchange_strong(&thread->state, &state, TASK_ABANDONED))
		thread->task.discard(thread->task.context);
}

/* Wakes it once more, which ends it when it has no task left: it is gone then, or soon. */
static void pool_thread_end(struct pool_thread *thread)
{
	LIST_REMOVE(thread, entry);
	sem_post(&thread->wake);
}

static void thread_pool_tidy_later(struct thread_pool *pool, uint64_t ns)
{
	struct timeval delay = clock_timeval(ns);

	if (!event_pending(&pool->tidy, EV_TIMEOUT, NULL))
		event_add(&pool->tidy, &delay);
}

static void thread_pool_on_tidy(evutil_socket_t fd, short events, void *context)
{
	struct thread_pool *pool = context;
	uint64_t now = clock_monotonic();
	struct pool_thread *oldest;

	(void)fd, (void)events;
	while ((oldest = TAILQ_LAST(&pool->idle, pool_threads))) {
		if (now - oldest->idle_since < THREAD_POOL_IDLE) {
			thread_pool_tidy_later(pool, oldest->idle_since + THREAD_POOL_IDLE - now);
			return;
		}
		TAILQ_REMOVE(&pool->idle, oldest, idle);
		pool_thread_end(oldest);
	}
}

static void thread_pool_on_finished(evutil_socket_t fd, short events, void *context)
{
	struct thread_pool *pool = context;
	struct pool_thread *thread, *next;
	struct worker_task task;
	eventfd_t count;

	(void)events;
	eventfd_read(fd, &count);
	thread = atomic_exchange(&pool->exchange->finished, NULL);
	for (; thread; thread = next) {
		next = thread->next;
		task = thread->task;
		thread->idle_since = clock_monotonic();
		TAILQ_INSERT_HEAD(&pool->idle, thread, idle);
		thread_pool_tidy_later(pool, THREAD_POOL_IDLE);
		task.done(task.context);
	}
}

static bool thread_pool_open(struct thread_pool *pool, struct error *error)
{
	int fd;

	if (pool->exchange)
		return true;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return error_set(error, ERROR_SYSTEM, "eventfd: %s", strerror(errno));
	pool->exchange = alloc_zero(1, sizeof(*pool->exchange));
	pool->exchange->fd = fd;
	atomic_init(&pool->exchange->holders, 1);
	event_assign(&pool->finished, pool->base, fd, EV_READ | EV_PERSIST, thread_pool_on_finished,
		pool);
	event_add(&pool->finished, NULL);
	return true;
}

struct thread_pool *thread_pool_new(struct event_base *base)
{
	struct thread_pool *pool = alloc_zero(1, sizeof(*pool));

	pool->base = base;
	LIST_INIT(&pool->threads);
	TAILQ_INIT(&pool->idle);
	evtimer_assign(&pool->tidy, base, thread_pool_on_tidy, pool);
	return pool;
}

void thread_pool_free(struct thread_pool *pool)
{
	struct pool_thread *thread;

	if (!pool)
		return;
	event_del(&pool->tidy);
	if (pool->exchange)
		event_del(&pool->finished);
	while ((thread = LIST_FIRST(&pool->threads))) {
		if (!thread->idle_since)
			pool_thread_abandon(thread);
		pool_thread_end(thread);
	}
	if (pool->exchange)
		exchange_release(pool->exchange);
	free(pool);
}

/* The loop handles signals. */
static int pool_thread_start(struct pool_thread *thread)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t id;
	int failure;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, THREAD_POOL_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&id, &attributes, pool_thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failure;
}

static struct pool_thread *pool_thread_new(struct thread_pool *pool, struct error *error)
{
	struct pool_thread *thread = alloc_zero(1, sizeof(*thread));
	int failure;

	thread->exchange = pool->exchange;
	sem_init(&thread->wake, 0, 0);
	atomic_init(&thread->state, TASK_FINISHED);
	atomic_fetch_add(&pool->exchange->holders, 1);
	failure = pool_thread_start(thread);
	if (failure == 0) {
		LIST_INSERT_HEAD(&pool->threads, thread, entry);
		return thread;
	}
	error_set(error, ERROR_SYSTEM, "cannot start a thread: %s", strerror(failure));
	exchange_release(pool->exchange);
	sem_destroy(&thread->wake);
	free(thread);
	return NULL;
}

bool thread_pool_run(struct thread_pool *pool, const struct worker_task *task, struct error *error)
{
	struct pool_thread *thread = TAILQ_FIRST(&pool->idle);

	if (thread)
		TAILQ_REMOVE(&pool->idle, thread, idle);
	else if (!thread_pool_open(pool, error) || !(thread = pool_thread_new(pool, error)))
		return false;
	thread->idle_since = 0;
	thread->task = *task;
	atomic_store(&thread->state, TASK_RUNNING);
	sem_post(&thread->wake);
	return true;
}
