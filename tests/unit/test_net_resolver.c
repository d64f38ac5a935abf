#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/resolve.h"
#include "net/resolver.h"
#include "test_net.h"

/*
 * The system's names, as a getaddrinfo() of our own knows them: "hang…" comes back only when the
 * test allows it, then as EAI_AGAIN; "slow…" too, but is found then; the others have one address in
 * each family, unless the name says otherwise.
 */
static atomic_uint asked, hanging;
static atomic_bool unblocked_signals;
static sem_t release;

static struct addrinfo *make_found(int family)
{
	struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)(info + 1);
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(info + 1);

	info->ai_family = family;
	info->ai_addr = (struct sockaddr *)(info + 1);
	info->ai_addr->sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		info->ai_addrlen = sizeof(*ipv6);
		inet_pton(AF_INET6, "2001:db8::1", &ipv6->sin6_addr);
	} else {
		info->ai_addrlen = sizeof(*ipv4);
		inet_pton(AF_INET, "192.0.2.1", &ipv4->sin_addr);
	}
	return info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **found)
{
	bool hangs = strncmp(host, "hang", 4) == 0, slow = strncmp(host, "slow", 4) == 0;
	sigset_t mask;

	(void)service;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGCHLD))
		unblocked_signals = true;
	asked++;
	if (hangs || slow) {
		hanging++;
		while (sem_wait(&release) < 0)
			;
		hanging--;
	}
	if (hangs || strcmp(host, "again.test") == 0)
		return EAI_AGAIN;
	if (strcmp(host, "gone.test") == 0)
		return EAI_NONAME;
	if (strcmp(host, "four.test") == 0 && hints->ai_family == AF_INET6)
		return EAI_ADDRFAMILY;
	if (strcmp(host, "none.test") == 0)
		return EAI_NODATA;
	errno = EIO;
	if (strcmp(host, "broken.test") == 0)
		return EAI_SYSTEM;
	*found = make_found(hints->ai_family);
	return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
	free(found);
}

/* --- resolves ------------------------------------------------------------------------------- */

static struct event_base *base;
static struct log *sink;
static struct resolver *resolver;

struct found {
	struct resolve *resolve;
	unsigned count;
	bool complete;
	char first[ADDRESS_TEXT_SIZE];
	struct error error;
};

static void start(void)
{
	static const struct resolver_settings system = {0};

	asked = 0;
	sem_init(&release, 0, 0);
	base = event_base_new();
	sink = log_new(LOG_FORMAT_TEXT, LOG_ERR);
	resolver = resolver_new(base, sink, &system);
}

static void on_found(const struct resolve_answer *answer, void *context)
{
	struct found *found = context;

	if (answer->count && !found->count)
		address_format(&answer->addresses[0], found->first);
	found->count += (unsigned)answer->count;
	found->complete = answer->complete;
	if (answer->error)
		found->error = *answer->error;
}

static void ask(struct found *found, const char *host)
{
	*found = (struct found){0};
	found->resolve = resolve_start(resolver, host, 80, AF_UNSPEC, on_found, found);
}

static void complete(struct found *found)
{
	while (!found->complete)
		event_base_loop(base, EVLOOP_ONCE);
	resolve_free(found->resolve);
}

static void run_until_hanging(unsigned count)
{
	while (hanging != count) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		sched_yield();
	}
}

static void let_go(unsigned count)
{
	while (count--)
		sem_post(&release);
}

/* Threads that were abandoned have let go of what they had, for the sanitizers. */
static void stop(void)
{
	resolver_free(resolver);
	let_go(hanging);
	while (hanging)
		sched_yield();
	log_free(sink);
	event_base_free(base);
}

static const struct {
	const char *name;
	unsigned count;
	const char *error;
} outcomes[] = {
	{"both.test", 2, ""},
	{"four.test", 1, ""},
	{"gone.test", 0, "cannot resolve 'gone.test': no such host"},
	{"none.test", 0, "cannot resolve 'none.test': the host has no address"},
	{"again.test", 0, "cannot resolve 'again.test': no usable answer from the name servers"},
	{"broken.test", 0, "cannot resolve 'broken.test': Input/output error"},
};

START_TEST(outcome)
{
	struct found found;

	start();
	ask(&found, outcomes[_i].name);
	complete(&found);
	ck_assert_uint_eq(found.count, outcomes[_i].count);
	ck_assert_str_eq(found.error.text, outcomes[_i].error);
	ck_assert_uint_eq(asked, 2);
	ck_assert(!unblocked_signals);
	stop();
}
END_TEST

START_TEST(one_lookup_for_many)
{
	enum { MANY = 200 };
	static struct found many[MANY];

	start();
	for (int i = 1; i < MANY; i++)
		ask(&many[i], "slow.test");
	run_until_hanging(2);
	ask(&many[0], "slow.test");
	let_go(2);
	for (int i = 0; i < MANY; i++)
		complete(&many[i]);
	ck_assert_uint_eq(asked, 2);
	stop();
}
END_TEST

/* Whoever gives up and asks again joins the lookup that still runs. */
START_TEST(a_dying_name_has_one_lookup)
{
	struct found found;

	start();
	for (int i = 0; i < 10; i++) {
		ask(&found, "hang.test");
		run_until_hanging(2);
		resolve_free(found.resolve);
	}
	ask(&found, "hang.test");
	let_go(2);
	complete(&found);
	ck_assert_uint_eq(asked, 2);
	ck_assert_str_eq(found.error.text,
		"cannot resolve 'hang.test': no usable answer from the name servers");
	stop();
}
END_TEST

static void ask_hanging(struct found *dying, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "hang%u.test", i);
		ask(&dying[i], name);
	}
}

static void abandon(struct found *dying, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		resolve_free(dying[i].resolve);
}

/* At the first start, when nothing is known of any name. */
START_TEST(healthy_names_beside_a_hundred_dying_ones)
{
	enum { DYING = 100, HEALTHY = 3 };
	static const char *const names[HEALTHY] = {"a.test", "b.test", "c.test"};
	struct found dying[DYING], healthy[HEALTHY];

	start();
	ask_hanging(dying, DYING);
	for (int i = 0; i < HEALTHY; i++)
		ask(&healthy[i], names[i]);
	for (int i = 0; i < HEALTHY; i++)
		complete(&healthy[i]);
	run_until_hanging(2 * DYING);
	abandon(dying, DYING);
	stop();
}
END_TEST

/* Threads are bounded; a name that was healthy finds one even then, and when those that hang have been
 * asked for before a change of the network. */
START_TEST(known_names_beside_a_thousand_dying_ones)
{
	enum { DYING = 1000, PLACES_FOR_UNKNOWN = 224 };
	static struct found dying[DYING];
	struct found known;

	start();
	ask(&known, "known.test");
	complete(&known);
	resolver_forget(resolver, "known.test");
	ask_hanging(dying, DYING);
	run_until_hanging(PLACES_FOR_UNKNOWN);
	if (_i)
		resolver_flush(resolver);
	ask(&known, "known.test");
	complete(&known);
	ck_assert_uint_eq(known.count, 2);
	ck_assert_uint_eq(hanging, PLACES_FOR_UNKNOWN);
	abandon(dying, DYING);
	stop();
}
END_TEST

START_TEST(flush_does_not_wait_for_the_old_network)
{
	struct found found;

	start();
	ask(&found, "slow.test");
	run_until_hanging(2);
	resolver_flush(resolver);
	run_until_hanging(4);
	let_go(4);
	complete(&found);
	ck_assert_uint_eq(found.count, 2);
	ck_assert_uint_eq(asked, 4);
	stop();
}
END_TEST

/* At each moment: a lookup that waits, runs, has been abandoned by all who asked. */
START_TEST(free_does_not_wait)
{
	struct found found;

	start();
	ask(&found, _i == 1 ? "slow.test" : "hang.test");
	if (_i > 0)
		run_until_hanging(2);
	resolve_free(found.resolve);
	stop();
}
END_TEST

TCase *test_net_resolver(void)
{
	TCase *tests = tcase_create("resolver");

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, outcome, 0, sizeof(outcomes) / sizeof(outcomes[0]));
	tcase_add_test(tests, one_lookup_for_many);
	tcase_add_test(tests, a_dying_name_has_one_lookup);
	tcase_add_test(tests, healthy_names_beside_a_hundred_dying_ones);
	tcase_add_loop_test(tests, known_names_beside_a_thousand_dying_ones, 0, 2);
	tcase_add_test(tests, flush_does_not_wait_for_the_old_network);
	tcase_add_loop_test(tests, free_does_not_wait, 0, 3);
	return tests;
}
