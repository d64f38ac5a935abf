#include "net/resolver.h"

#include <ctype.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/names.h"
#include "net/address.h"
#include "net/lookup.h"

/*
 * A lookup waits in a lane, runs, and then stays for a while: with the addresses that were found,
 * and as the memory of whether it was slow. A name that takes long, because its name servers are
 * dead, holds a place for up to half a minute, and cannot be stopped. So that others find one,
 * names have places by what is known of them.
 */
enum lookup_lane {
	LANE_QUICK,   /* has been answered quickly */
	LANE_UNKNOWN, /* the first time */
	LANE_SLOW,    /* took longer than LOOKUP_SLOW_AFTER the last time */
	LANES,
};

/* All that run at once, each perhaps on a thread and with a socket: two for each of 100 names that
 * are dying, and some for those that are not. */
enum { RESOLVER_PLACES = 256 };

/* A lane may begin a lookup only if that leaves this many places to the others. */
static const size_t lane_leaves[LANES] = {
	[LANE_QUICK] = 0,
	[LANE_UNKNOWN] = 32,
	[LANE_SLOW] = 128,
};

#define LOOKUP_SLOW_AFTER   (1 * CLOCK_NS_PER_SECOND)
#define LOOKUP_KEEP_FOR     (5 * CLOCK_NS_PER_SECOND) /* an answer, at most */
#define LOOKUP_REMEMBER_FOR (600 * CLOCK_NS_PER_SECOND)
#define RESOLVER_TIDY_EVERY (30 * CLOCK_NS_PER_SECOND)

enum {
	LOOKUPS_REMEMBERED = 2048,
	LOOKUPS_A_TURN = 16, /* begun: each may start a thread */
};

enum lookup_state { LOOKUP_WAITING, LOOKUP_RUNNING, LOOKUP_KEPT, LOOKUP_REMEMBERED };

TAILQ_HEAD(lookups, lookup);
TAILQ_HEAD(lookup_askers, lookup_asker);

struct lookup {
	TAILQ_ENTRY(lookup) entry; /* of the list of its state */
	struct resolver *resolver;
	struct lookup_askers askers;
	char *key; /* family and host */
	int family;
	enum lookup_lane lane;
	enum lookup_state state;
	bool outdated;  /* runs since before a change of the network; not in the table any more */
	uint64_t since; /* ns; that it has been in its state */
	uint64_t good_until;
	enum lookup_outcome outcome; /* LOOKUP_KEPT */
	struct address *addresses;   /* LOOKUP_KEPT */
	size_t count;
};

struct resolver {
	struct event_base *base;
	struct name_service *service;
	struct names table;
	struct lookups waiting[LANES];
	struct lookups running;
	struct lookups kept;       /* the oldest is first */
	struct lookups remembered; /* the oldest is first */
	size_t running_count;
	size_t remembered_count;
	struct event begin; /* lookups that wait */
	struct event tidy;
};

/* --- the states of a lookup ----------------------------------------------------------------- */

static struct lookups *lookup_list(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;

	switch (lookup->state) {
	case LOOKUP_WAITING:
		return &resolver->waiting[lookup->lane];
	case LOOKUP_RUNNING:
		return &resolver->running;
	case LOOKUP_KEPT:
		return &resolver->kept;
	default:
		return &resolver->remembered;
	}
}

static void lookup_leave(struct lookup *lookup)
{
	TAILQ_REMOVE(lookup_list(lookup), lookup, entry);
	lookup->resolver->running_count -= lookup->state == LOOKUP_RUNNING;
	lookup->resolver->remembered_count -= lookup->state == LOOKUP_REMEMBERED;
}

static void lookup_enter(struct lookup *lookup, enum lookup_state state)
{
	lookup->state = state;
	lookup->since = clock_boottime();
	lookup->resolver->running_count += state == LOOKUP_RUNNING;
	lookup->resolver->remembered_count += state == LOOKUP_REMEMBERED;
	TAILQ_INSERT_TAIL(lookup_list(lookup), lookup, entry);
}

static void lookup_move(struct lookup *lookup, enum lookup_state state)
{
	lookup_leave(lookup);
	lookup_enter(lookup, state);
}

static void lookup_drop_addresses(struct lookup *lookup)
{
	free(lookup->addresses);
	lookup->addresses = NULL;
	lookup->count = 0;
}

static void lookup_free(struct lookup *lookup)
{
	lookup_leave(lookup);
	if (!lookup->outdated)
		names_remove(&lookup->resolver->table, lookup->key);
	lookup_drop_addresses(lookup);
	free(lookup->key);
	free(lookup);
}

/* Upper and lower case are the same name. */
static char *lookup_key(const char *host, int family)
{
	char *key = alloc_join(family == AF_INET6 ? "6" : "4", host, "");

	for (char *c = key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return key;
}

static const char *lookup_host(const struct lookup *lookup)
{
	return lookup->key + 1;
}

/* Takes over the key. */
static struct lookup *lookup_new(struct resolver *resolver, char *key, int family,
	enum lookup_lane lane)
{
	struct lookup *lookup = alloc_zero(1, sizeof(*lookup));

	lookup->resolver = resolver;
	lookup->key = key;
	lookup->family = family;
	lookup->lane = lane;
	TAILQ_INIT(&lookup->askers);
	names_add(&resolver->table, key, lookup);
	lookup_enter(lookup, LOOKUP_WAITING);
	event_active(&resolver->begin, EV_TIMEOUT, 0);
	return lookup;
}

/* --- memory --------------------------------------------------------------------------------- */

static void lookup_remember(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;

	lookup_drop_addresses(lookup);
	lookup_move(lookup, LOOKUP_REMEMBERED);
	if (resolver->remembered_count > LOOKUPS_REMEMBERED)
		lookup_free(TAILQ_FIRST(&resolver->remembered));
}

/* The event runs only while there is something to forget. */
static void resolver_tidy_later(struct resolver *resolver)
{
	struct timeval delay = clock_timeval(RESOLVER_TIDY_EVERY);
	bool needed = !TAILQ_EMPTY(&resolver->kept) || !TAILQ_EMPTY(&resolver->remembered);

	if (needed && !event_pending(&resolver->tidy, EV_TIMEOUT, NULL))
		event_add(&resolver->tidy, &delay);
}

static void resolver_on_tidy(evutil_socket_t fd, short events, void *context)
{
	struct resolver *resolver = context;
	uint64_t now = clock_boottime();
	struct lookup *lookup;

	(void)fd, (void)events;
	while ((lookup = TAILQ_FIRST(&resolver->kept)) && now - lookup->since >= LOOKUP_KEEP_FOR)
		lookup_remember(lookup);
	while ((lookup = TAILQ_FIRST(&resolver->remembered)) &&
		now - lookup->since >= LOOKUP_REMEMBER_FOR)
		lookup_free(lookup);
	resolver_tidy_later(resolver);
}

static void lookup_keep(struct lookup *lookup, const struct lookup_answer *answer)
{
	uint64_t lifetime = answer->lifetime < LOOKUP_KEEP_FOR ? answer->lifetime : LOOKUP_KEEP_FOR;
	size_t size = answer->count * sizeof(*answer->addresses);

	if (size) {
		lookup->addresses = alloc_zero(1, size);
		memcpy(lookup->addresses, answer->addresses, size);
	}
	lookup->outcome = answer->outcome;
	lookup->count = answer->count;
	lookup_move(lookup, LOOKUP_KEPT);
	lookup->good_until = lookup->since + lifetime;
}

/* --- running -------------------------------------------------------------------------------- */

static void lookup_answer_all(struct lookup *lookup, const struct lookup_answer *answer)
{
	struct lookup_asker *asker;

	while ((asker = TAILQ_FIRST(&lookup->askers))) {
		TAILQ_REMOVE(&lookup->askers, asker, entry);
		asker->lookup = NULL;
		asker->answered(answer, asker->context);
	}
}

static uint64_t lookup_elapsed(const struct lookup *lookup)
{
	return clock_boottime() - lookup->since;
}

static void lookup_end(struct lookup *lookup, const struct lookup_answer *answer)
{
	struct resolver *resolver = lookup->resolver;

	lookup->lane = lookup_elapsed(lookup) > LOOKUP_SLOW_AFTER ? LANE_SLOW : LANE_QUICK;
	lookup_answer_all(lookup, answer);
	if (lookup->outdated)
		lookup_free(lookup);
	else if (answer->outcome < LOOKUP_NO_ANSWER && answer->lifetime)
		lookup_keep(lookup, answer);
	else
		lookup_remember(lookup);
	resolver_tidy_later(resolver);
	event_active(&resolver->begin, EV_TIMEOUT, 0);
}

/* False if it has to wait until another has ended. */
static bool lookup_begin(struct lookup *lookup)
{
	struct name_service *service = lookup->resolver->service;
	struct lookup_answer failed = {.outcome = LOOKUP_FAILED};
	struct error error;

	lookup_move(lookup, LOOKUP_RUNNING);
	if (service->ask(service, lookup, lookup_host(lookup), lookup->family, &error))
		return true;
	if (lookup->resolver->running_count > 1) {
		lookup_leave(lookup);
		lookup->state = LOOKUP_WAITING;
		TAILQ_INSERT_HEAD(lookup_list(lookup), lookup, entry);
		return false;
	}
	failed.reason = error.text;
	lookup_end(lookup, &failed);
	return true;
}

static struct lookup *resolver_next(struct resolver *resolver)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		struct lookup *lookup = TAILQ_FIRST(&resolver->waiting[lane]);

		if (lookup && resolver->running_count + lane_leaves[lane] < RESOLVER_PLACES)
			return lookup;
	}
	return NULL;
}

static void resolver_on_begin(evutil_socket_t fd, short events, void *context)
{
	struct resolver *resolver = context;
	struct lookup *lookup;

	(void)fd, (void)events;
	for (int i = 0; i < LOOKUPS_A_TURN; i++) {
		lookup = resolver_next(resolver);
		if (!lookup || !lookup_begin(lookup))
			return;
	}
	event_active(&resolver->begin, EV_TIMEOUT, 0);
}

/* --- asking --------------------------------------------------------------------------------- */

static bool lookup_is_kept(const struct lookup *lookup)
{
	return lookup->state == LOOKUP_KEPT && clock_boottime() < lookup->good_until;
}

/* The lookup of that key, waiting at least. Takes over the key. */
static struct lookup *resolver_take(struct resolver *resolver, char *key, int family)
{
	struct lookup *lookup = names_find(&resolver->table, key);

	if (!lookup)
		return lookup_new(resolver, key, family, LANE_UNKNOWN);
	free(key);
	if (lookup->state == LOOKUP_REMEMBERED ||
		(lookup->state == LOOKUP_KEPT && !lookup_is_kept(lookup))) {
		lookup_drop_addresses(lookup);
		lookup_move(lookup, LOOKUP_WAITING);
		event_active(&resolver->begin, EV_TIMEOUT, 0);
	}
	return lookup;
}

static void lookup_join(struct lookup *lookup, struct lookup_asker *asker)
{
	asker->lookup = lookup;
	TAILQ_INSERT_TAIL(&lookup->askers, asker, entry);
}

void lookup_ask(struct resolver *resolver, struct lookup_asker *asker, const char *host, int family,
	lookup_answered answered, void *context)
{
	struct lookup *lookup = resolver_take(resolver, lookup_key(host, family), family);
	struct lookup_answer answer = {
		.outcome = lookup->outcome,
		.addresses = lookup->addresses,
		.count = lookup->count,
	};

	asker->answered = answered;
	asker->context = context;
	asker->lookup = NULL;
	if (lookup->state == LOOKUP_KEPT)
		answered(&answer, context);
	else
		lookup_join(lookup, asker);
}

void lookup_withdraw(struct lookup_asker *asker)
{
	struct lookup *lookup = asker->lookup;

	if (!lookup)
		return;
	asker->lookup = NULL;
	TAILQ_REMOVE(&lookup->askers, asker, entry);
	if (lookup->state == LOOKUP_WAITING && TAILQ_EMPTY(&lookup->askers))
		lookup_remember(lookup);
}

/* --- the resolver --------------------------------------------------------------------------- */

/* Results may differ from now on, so whoever asks waits for a new lookup. */
static void lookup_outdate(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;
	struct lookup_asker *asker;
	struct lookup *fresh;

	names_remove(&resolver->table, lookup->key);
	lookup->outdated = true;
	if (TAILQ_EMPTY(&lookup->askers))
		return;
	fresh = lookup_new(resolver, alloc_string(lookup->key), lookup->family, lookup->lane);
	while ((asker = TAILQ_FIRST(&lookup->askers))) {
		TAILQ_REMOVE(&lookup->askers, asker, entry);
		lookup_join(fresh, asker);
	}
}

/* Which names were quick stays known: what is outdated may hold nearly all places for a while. */
void resolver_flush(struct resolver *resolver)
{
	struct lookup *lookup;

	while ((lookup = TAILQ_FIRST(&resolver->kept)))
		lookup_remember(lookup);
	TAILQ_FOREACH (lookup, &resolver->running, entry) {
		if (!lookup->outdated)
			lookup_outdate(lookup);
	}
	resolver->service->flush(resolver->service);
}

void resolver_forget(struct resolver *resolver, const char *host)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		char *key = lookup_key(host, families[i]);
		struct lookup *lookup = names_find(&resolver->table, key);

		if (lookup && lookup->state == LOOKUP_KEPT)
			lookup_remember(lookup);
		free(key);
	}
}

struct event_base *resolver_base(const struct resolver *resolver)
{
	return resolver->base;
}

struct resolver *resolver_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings)
{
	struct resolver *resolver = alloc_zero(1, sizeof(*resolver));

	resolver->base = base;
	resolver->service = settings->server_count ? dns_names_new(base, log, settings)
						   : system_names_new(base);
	resolver->service->ended = lookup_end;
	for (size_t lane = 0; lane < LANES; lane++)
		TAILQ_INIT(&resolver->waiting[lane]);
	TAILQ_INIT(&resolver->running);
	TAILQ_INIT(&resolver->kept);
	TAILQ_INIT(&resolver->remembered);
	event_assign(&resolver->begin, base, -1, 0, resolver_on_begin, resolver);
	evtimer_assign(&resolver->tidy, base, resolver_on_tidy, resolver);
	return resolver;
}

static void lookups_free(struct lookups *lookups)
{
	struct lookup *lookup;

	while ((lookup = TAILQ_FIRST(lookups)))
		lookup_free(lookup);
}

void resolver_free(struct resolver *resolver)
{
	resolver->service->free(resolver->service);
	for (size_t lane = 0; lane < LANES; lane++)
		lookups_free(&resolver->waiting[lane]);
	lookups_free(&resolver->running);
	lookups_free(&resolver->kept);
	lookups_free(&resolver->remembered);
	names_release(&resolver->table);
	event_del(&resolver->begin);
	event_del(&resolver->tidy);
	free(resolver);
}
