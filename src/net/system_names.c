#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "net/address.h"
#include "net/name_service.h"
#include "net/resolve.h"

/*
 * The system's names: getaddrinfo(3) knows hosts(5), DNS, multicast DNS and whatever else
 * nsswitch.conf(5) names, and reads a changed resolv.conf(5) by itself. It says nothing of how long
 * its addresses are good.
 *
 * AI_ADDRCONFIG is not used: where only loopback has addresses, for now perhaps, it finds nothing
 * at all, and a link-local address is enough for it to ask for IPv6. An address that cannot be
 * reached fails at once instead.
 */
struct system_names {
	struct name_service service;
	struct thread_pool *pool;
};

/* The thread's, until it is done. */
struct system_task {
	struct name_service *service; /* for the loop, like the next one */
	struct lookup *lookup;
	char *host;
	int family;
	int result; /* of getaddrinfo() */
	int cause;  /* errno; of a result of EAI_SYSTEM */
	size_t count;
	struct address addresses[RESOLVE_PER_FAMILY];
};

static void system_task_free(void *context)
{
	struct system_task *task = context;

	free(task->host);
	free(task);
}

/* --- on a thread ---------------------------------------------------------------------------- */

static void system_task_take(struct system_task *task, const struct addrinfo *found)
{
	for (; found && task->count < RESOLVE_PER_FAMILY; found = found->ai_next) {
		if (found->ai_family == task->family &&
			found->ai_addrlen <= sizeof(task->addresses[0]))
			memcpy(&task->addresses[task->count++], found->ai_addr, found->ai_addrlen);
	}
}

/* Whatever getaddrinfo() allocates is freed here: on the loop, free() might have to wait for a thread
 * that was put off the CPU while it holds the lock of the allocator. */
static void system_task_work(void *context)
{
	struct system_task *task = context;
	const struct addrinfo hints = {.ai_family = task->family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int shortage;

	task->result = getaddrinfo(task->host, NULL, &hints, &found);
	task->cause = errno;
	shortage = task->result ? file_shortage() : 0;
	if (shortage) {
		task->result =
			EAI_SYSTEM; /* what it cannot open counts for getaddrinfo() as absent */
		task->cause = shortage;
	}
	system_task_take(task, found);
	if (found)
		freeaddrinfo(found);
}

/* --- on the loop ---------------------------------------------------------------------------- */

static enum lookup_outcome system_task_outcome(const struct system_task *task)
{
	switch (task->result) {
	case EAI_NONAME:
		return LOOKUP_NO_HOST;
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
	case EAI_ADDRFAMILY:
#endif
		return LOOKUP_NO_ADDRESS;
	case EAI_AGAIN:
		return LOOKUP_NO_ANSWER;
	default:
		return LOOKUP_FAILED;
	}
}

static const char *system_task_reason(const struct system_task *task)
{
	switch (task->result) {
	case EAI_AGAIN:
		return "no usable answer from the name servers";
	case EAI_SYSTEM:
		return strerror(task->cause);
	default:
		return gai_strerror(task->result);
	}
}

static void system_task_done(void *context)
{
	struct system_task *task = context;
	struct lookup_answer answer = {
		.addresses = task->addresses,
		.count = task->count,
		.lifetime = UINT64_MAX,
	};

	if (task->result) {
		answer.outcome = system_task_outcome(task);
		answer.reason = system_task_reason(task);
	} else {
		answer.outcome = answer.count ? LOOKUP_FOUND : LOOKUP_NO_ADDRESS;
	}
	task->service->ended(task->lookup, &answer);
	system_task_free(task);
}

static bool system_names_ask(struct name_service *service, struct lookup *lookup, const char *host,
	int family, struct error *error)
{
	struct system_names *names = container_of(service, struct system_names, service);
	struct system_task *own = alloc_zero(1, sizeof(*own));
	const struct worker_task task = {
		.work = system_task_work,
		.done = system_task_done,
		.discard = system_task_free,
		.context = own,
	};

	own->service = service;
	own->lookup = lookup;
	own->host = alloc_string(host);
	own->family = family;
	if (thread_pool_run(names->pool, &task, error))
		return true;
	system_task_free(own);
	return false;
}

/* Threads that wait for a network which is gone cannot be told. */
static void system_names_flush(struct name_service *service)
{
	(void)service;
}

static void system_names_free(struct name_service *service)
{
	struct system_names *names = container_of(service, struct system_names, service);

	thread_pool_free(names->pool);
	free(names);
}

struct name_service *system_names_new(struct event_base *base)
{
	struct system_names *names = alloc_zero(1, sizeof(*names));

	names->service = (struct name_service){
		.ask = system_names_ask,
		.flush = system_names_flush,
		.free = system_names_free,
	};
	names->pool = thread_pool_new(base);
	return &names->service;
}
