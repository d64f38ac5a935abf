#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "net/address.h"
#include "net/hosts.h"
#include "net/name_server.h"
#include "net/name_service.h"
#include "net/resolve.h"

/* A server that has not answered in this time is given a rival. */
#define DNS_HEDGE (500 * CLOCK_NS_PER_MS)

/* A slow server is asked again this often, beside a better one, so that nobody waits for it. */
#define DNS_PROBE (30 * CLOCK_NS_PER_SECOND)

struct dns_server {
	struct name_server *channel;
	uint64_t slow_since; /* ns; 0: it answers in time */
	uint64_t probed;     /* ns */
};

/*
 * Looks names up in the hosts file, then asks the name servers of the settings: the first that is not
 * known to be slow; after DNS_HEDGE, or if it has failed, also the next one. The first answer counts.
 */
struct dns_names {
	struct name_service service;
	struct event_base *base;
	struct log *log;
	const char *hosts;
	struct thread_pool *pool; /* reads the file */
	struct dns_server *servers;
	size_t server_count;
	LIST_HEAD(, dns_query) queries;
};

struct dns_question {
	struct dns_query *query;
	struct dns_server *server;
	uint64_t asked; /* ns; 0: not yet */
	bool open;
};

/* Lives until every server that was asked has answered or been given up. */
struct dns_query {
	LIST_ENTRY(dns_query) entry;
	struct dns_names *names;
	struct lookup *lookup; /* NULL: it has ended */
	char *host;
	int family;
	uint64_t started;  /* ns */
	struct event next; /* what comes next, which may be to free it */
	size_t asked;
	size_t open;
	enum lookup_outcome failure;
	const char *reason;              /* static; NULL: silence */
	struct dns_question questions[]; /* one for each server, the best first */
};

/* The thread's, until it is done. */
struct dns_hosts_task {
	struct dns_query *query; /* for the loop */
	char *path;
	char *host;
	int family;
	bool read;
	struct hosts_answer answer;
	struct error error;
	struct address addresses[RESOLVE_PER_FAMILY];
};

/* --- a query -------------------------------------------------------------------------------- */

static void dns_query_free(struct dns_query *query)
{
	LIST_REMOVE(query, entry);
	event_del(&query->next);
	free(query->host);
	free(query);
}

static void dns_query_end(struct dns_query *query, const struct lookup_answer *answer)
{
	query->names->service.ended(query->lookup, answer);
	query->lookup = NULL;
	event_active(&query->next, EV_TIMEOUT, 0);
}

/* Nobody has answered. */
static void dns_query_fail(struct dns_query *query)
{
	struct lookup_answer answer = {.outcome = query->failure, .reason = query->reason};
	uint64_t elapsed = clock_monotonic() - query->started;
	char after[TEXT_DURATION_SIZE];
	char silence[96];

	text_format_duration(after, elapsed / CLOCK_NS_PER_MS * CLOCK_NS_PER_MS);
	snprintf(silence, sizeof(silence), "the name servers did not answer within %s", after);
	if (!query->names->server_count)
		answer.reason = "no name server is usable";
	else if (!answer.reason)
		answer.reason = silence;
	dns_query_end(query, &answer);
}

static void dns_server_is_slow(struct dns_names *names, struct dns_server *server, uint64_t now)
{
	if (!server->slow_since && names->server_count > 1)
		log_write(names->log, LOG_INFO, NULL,
			"name server %s does not answer in time; asking others first",
			name_server_text(server->channel));
	server->slow_since = now;
}

static void dns_server_answered(struct dns_names *names, const struct dns_question *question,
	enum lookup_outcome outcome, uint64_t now)
{
	if (outcome == LOOKUP_NO_ANSWER)
		dns_server_is_slow(names, question->server, now);
	else if (now - question->asked < DNS_HEDGE)
		question->server->slow_since = 0;
}

static void dns_query_on_answer(const struct lookup_answer *answer, void *context)
{
	struct dns_question *question = context;
	struct dns_query *query = question->query;

	question->open = false;
	query->open--;
	event_active(&query->next, EV_TIMEOUT, 0);
	if (!answer)
		return;
	dns_server_answered(query->names, question, answer->outcome, clock_monotonic());
	if (!query->lookup)
		return;
	if (answer->outcome < LOOKUP_NO_ANSWER) {
		dns_query_end(query, answer);
	} else if (answer->outcome >= query->failure) {
		query->failure = answer->outcome;
		query->reason = answer->reason;
	}
}

static void dns_query_ask(struct dns_query *query)
{
	struct dns_question *question = &query->questions[query->asked++];

	question->asked = clock_monotonic();
	question->open = true;
	query->open++;
	name_server_ask(question->server->channel, query->host, query->family, dns_query_on_answer,
		question);
}

static void dns_query_hedge(struct dns_query *query)
{
	static const struct timeval hedge = {.tv_usec = DNS_HEDGE / CLOCK_NS_PER_US};

	if (query->lookup && query->asked < query->names->server_count)
		event_add(&query->next, &hedge);
}

/* The next query then asks another server first. */
static void dns_query_note_slow(struct dns_query *query, uint64_t now)
{
	for (size_t i = 0; i < query->asked; i++) {
		struct dns_question *question = &query->questions[i];

		if (question->open && now - question->asked >= DNS_HEDGE &&
			!question->server->slow_since)
			dns_server_is_slow(query->names, question->server, now);
	}
}

static void dns_query_on_next(evutil_socket_t fd, short events, void *context)
{
	struct dns_query *query = context;

	(void)fd, (void)events;
	if (!query->lookup) {
		if (!query->open)
			dns_query_free(query);
		return;
	}
	dns_query_note_slow(query, clock_monotonic());
	if (query->asked < query->names->server_count) {
		dns_query_ask(query);
		dns_query_hedge(query);
	} else if (!query->open) {
		dns_query_fail(query);
	}
}

/* --- the order of the servers ---------------------------------------------------------------- */

/* Servers that answer, in the order of the settings; then the others, the latest failure last. */
static void dns_query_order(struct dns_query *query)
{
	struct dns_names *names = query->names;

	for (size_t i = 0; i < names->server_count; i++) {
		struct dns_server *server = &names->servers[i];
		size_t place = i;

		while (place &&
			query->questions[place - 1].server->slow_since > server->slow_since) {
			query->questions[place] = query->questions[place - 1];
			place--;
		}
		query->questions[place] = (struct dns_question){.query = query, .server = server};
	}
}

static void dns_query_swap(struct dns_query *query, size_t left, size_t right)
{
	struct dns_question question = query->questions[left];

	query->questions[left] = query->questions[right];
	query->questions[right] = question;
}

/* Asks the best, and with it those that have been slow for a while. */
static void dns_query_start(struct dns_query *query)
{
	struct dns_names *names = query->names;
	uint64_t now = clock_monotonic();

	dns_query_order(query);
	if (!names->server_count) {
		dns_query_fail(query);
		return;
	}
	dns_query_ask(query);
	for (size_t i = 1; i < names->server_count; i++) {
		struct dns_server *server = query->questions[i].server;

		if (!server->slow_since || now - server->slow_since < DNS_PROBE ||
			now - server->probed < DNS_PROBE)
			continue;
		server->probed = now;
		dns_query_swap(query, i, query->asked);
		dns_query_ask(query);
	}
	dns_query_hedge(query);
}

/* --- the hosts file ------------------------------------------------------------------------- */

static void dns_hosts_free(void *context)
{
	struct dns_hosts_task *task = context;

	free(task->path);
	free(task->host);
	free(task);
}

static void dns_hosts_work(void *context)
{
	struct dns_hosts_task *task = context;

	task->read = hosts_find(task->path, task->host, task->family, &task->answer, &task->error);
}

static void dns_hosts_done(void *context)
{
	struct dns_hosts_task *task = context;
	struct lookup_answer answer = {
		.addresses = task->addresses,
		.count = task->answer.count,
		.outcome = task->answer.count ? LOOKUP_FOUND : LOOKUP_NO_ADDRESS,
	};

	if (!task->read) {
		answer.outcome = LOOKUP_FAILED;
		answer.reason = task->error.text;
	}
	if (task->read && !task->answer.listed)
		dns_query_start(task->query);
	else
		dns_query_end(task->query, &answer);
	dns_hosts_free(task);
}

static bool dns_query_read_hosts(struct dns_query *query, struct error *error)
{
	struct dns_hosts_task *own = alloc_zero(1, sizeof(*own));
	const struct worker_task task = {
		.work = dns_hosts_work,
		.done = dns_hosts_done,
		.discard = dns_hosts_free,
		.context = own,
	};

	own->query = query;
	own->path = alloc_string(query->names->hosts);
	own->host = alloc_string(query->host);
	own->family = query->family;
	own->answer.addresses = own->addresses;
	own->answer.max = RESOLVE_PER_FAMILY;
	if (thread_pool_run(query->names->pool, &task, error))
		return true;
	dns_hosts_free(own);
	return false;
}

/* --- the service ---------------------------------------------------------------------------- */

static bool dns_names_ask(struct name_service *service, struct lookup *lookup, const char *host,
	int family, struct error *error)
{
	struct dns_names *names = container_of(service, struct dns_names, service);
	struct dns_query *query =
		alloc_zero(1, sizeof(*query) + names->server_count * sizeof(query->questions[0]));

	query->names = names;
	query->lookup = lookup;
	query->host = alloc_string(host);
	query->family = family;
	query->started = clock_monotonic();
	query->failure = LOOKUP_NO_ANSWER;
	event_assign(&query->next, names->base, -1, 0, dns_query_on_next, query);
	LIST_INSERT_HEAD(&names->queries, query, entry);
	if (dns_query_read_hosts(query, error))
		return true;
	dns_query_free(query);
	return false;
}

/* Queries that are still reading the hosts file ask afterwards. */
static void dns_names_flush(struct name_service *service)
{
	static const struct lookup_answer answer = {.outcome = LOOKUP_NO_ANSWER};
	struct dns_names *names = container_of(service, struct dns_names, service);
	struct dns_query *query;

	LIST_FOREACH (query, &names->queries, entry) {
		if (query->lookup && query->asked)
			dns_query_end(query, &answer);
	}
	for (size_t i = 0; i < names->server_count; i++) {
		name_server_cancel(names->servers[i].channel);
		names->servers[i].slow_since = 0;
	}
}

static void dns_names_free(struct name_service *service)
{
	struct dns_names *names = container_of(service, struct dns_names, service);
	struct dns_query *query;

	thread_pool_free(names->pool);
	for (size_t i = 0; i < names->server_count; i++)
		name_server_free(names->servers[i].channel);
	while ((query = LIST_FIRST(&names->queries)))
		dns_query_free(query);
	free(names->servers);
	free(names);
}

static void dns_names_add(struct dns_names *names, const char *text)
{
	struct error error;
	struct name_server *channel = name_server_new(names->base, text, &error);

	if (channel)
		names->servers[names->server_count++].channel = channel;
	else
		log_write(names->log, LOG_ERR, NULL, "name server '%s' cannot be used: %s", text,
			error.text);
}

struct name_service *dns_names_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings)
{
	struct dns_names *names = alloc_zero(1, sizeof(*names));

	names->service = (struct name_service){
		.ask = dns_names_ask,
		.flush = dns_names_flush,
		.free = dns_names_free,
	};
	names->base = base;
	names->log = log;
	names->hosts = settings->hosts;
	names->pool = thread_pool_new(base);
	names->servers = alloc_zero(settings->server_count, sizeof(*names->servers));
	LIST_INIT(&names->queries);
	for (size_t i = 0; i < settings->server_count; i++)
		dns_names_add(names, settings->servers[i]);
	return &names->service;
}
