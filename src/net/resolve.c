#include <event2/dns.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/resolve_private.h"

/* RFC 8305, section 3: how long IPv4 addresses wait for the IPv6 ones. */
#define RESOLVE_DELAY (50 * CLOCK_NS_PER_MS)

enum { FAMILY_IPV6, FAMILY_IPV4, FAMILIES };

static const int resolve_families[FAMILIES] = {AF_INET6, AF_INET};

/* A question to evdns. Cancelling is not immediate there, so it may outlive its resolve. */
struct lookup {
	struct resolver *resolver;
	struct resolve *resolve; /* NULL: nobody waits for it any more */
	struct evdns_getaddrinfo_request *request;
	int family;
};

struct resolve {
	struct resolver *resolver;
	const char *host;
	uint16_t port;
	resolve_found found;
	void *context;
	struct event wake;                /* reports what has arrived */
	struct lookup *lookups[FAMILIES]; /* NULL: ended */
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	size_t count;    /* of addresses not yet reported */
	bool successful; /* some were reported */
	int failure;     /* EVUTIL_EAI_*: why there are none, */
	char *trouble;   /* unless nobody could be asked, because of this; else NULL */
};

static void resolve_take(struct resolve *resolve, const struct evutil_addrinfo *found)
{
	struct address *address;

	for (int i = 0; found && i < RESOLVE_PER_FAMILY; i++, found = found->ai_next) {
		if (found->ai_addrlen > sizeof(*address))
			continue;
		address = &resolve->addresses[resolve->count++];
		*address = (struct address){0};
		memcpy(address, found->ai_addr, found->ai_addrlen);
		address_set_port(address, resolve->port);
	}
}

/* Decides when to report; from the event loop, as a lookup may have ended within its start. */
static void resolve_schedule(struct resolve *resolve)
{
	static const struct timeval delay = {.tv_usec = RESOLVE_DELAY / CLOCK_NS_PER_US};

	if (!resolve->lookups[FAMILY_IPV6] && (resolve->count || !resolve->lookups[FAMILY_IPV4]))
		event_active(&resolve->wake, EV_TIMEOUT, 0);
	else if (!resolve->lookups[FAMILY_IPV4] && resolve->count)
		event_add(&resolve->wake, &delay);
}

static void lookup_ended(int result, struct evutil_addrinfo *found, void *context)
{
	struct lookup *lookup = context;
	struct resolve *resolve = lookup->resolve;

	lookup->resolver->lookups--;
	if (resolve) {
		resolve->lookups[lookup->family] = NULL;
		if (result && resolve->failure != EVUTIL_EAI_NONAME)
			resolve->failure = result;
		resolve_take(resolve, found);
		resolve_schedule(resolve);
	}
	if (found)
		evutil_freeaddrinfo(found);
	free(lookup);
}

static void lookup_start(struct lookup *lookup)
{
	struct evutil_addrinfo hints = {
		.ai_family = resolve_families[lookup->family],
		.ai_socktype = SOCK_STREAM,
	};
	struct evdns_getaddrinfo_request *request;

	lookup->resolver->lookups++;
	request = evdns_getaddrinfo(lookup->resolver->dns, lookup->resolve->host, NULL, &hints,
		lookup_ended, lookup);
	if (request) /* otherwise it has ended already, and is gone */
		lookup->request = request;
}

static void resolve_ask(struct resolve *resolve, int wanted)
{
	struct error error;

	if (!resolver_refresh(resolve->resolver, &error)) {
		resolve->trouble = alloc_string(error.text);
		resolve_schedule(resolve);
		return;
	}
	for (int family = 0; family < FAMILIES; family++) {
		struct lookup *lookup;

		if (wanted != AF_UNSPEC && wanted != resolve_families[family])
			continue;
		lookup = alloc_zero(1, sizeof(*lookup));
		lookup->resolver = resolve->resolver;
		lookup->resolve = resolve;
		lookup->family = family;
		resolve->lookups[family] = lookup;
	}
	for (int family = 0; family < FAMILIES; family++) {
		if (resolve->lookups[family])
			lookup_start(resolve->lookups[family]);
	}
}

/* The host is an address itself, which may be of the other family. */
static void resolve_take_literal(struct resolve *resolve, int wanted)
{
	if (wanted == AF_UNSPEC || wanted == resolve->addresses[0].generic.sa_family)
		resolve->count = 1;
	else
		resolve->failure = EVUTIL_EAI_FAMILY;
}

/* evdns tells no more apart, and its own words are for programmers. */
static const char *resolve_reason(const struct resolve *resolve)
{
	if (resolve->trouble)
		return resolve->trouble;
	switch (resolve->failure) {
	case EVUTIL_EAI_NONAME:
		return "no such host";
	case EVUTIL_EAI_FAIL:
		return "no address, or no usable answer from a name server";
	case EVUTIL_EAI_FAMILY:
		return "the address is not of the family wanted";
	default:
		return evutil_gai_strerror(resolve->failure);
	}
}

static void resolve_report(evutil_socket_t fd, short events, void *context)
{
	struct resolve *resolve = context;
	struct resolve_answer answer = {
		.addresses = resolve->addresses,
		.count = resolve->count,
		.complete = !resolve->lookups[FAMILY_IPV6] && !resolve->lookups[FAMILY_IPV4],
	};
	struct error error;

	(void)fd, (void)events;
	resolve->successful |= resolve->count > 0;
	resolve->count = 0;
	if (answer.complete && !resolve->successful) {
		error_set(&error, ERROR_SOCKET_CONNECT, "cannot resolve '%s': %s", resolve->host,
			resolve_reason(resolve));
		answer.error = &error;
	}
	resolve->found(&answer, resolve->context);
}

struct resolve *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
	int family, resolve_found found, void *context)
{
	struct resolve *resolve = alloc_zero(1, sizeof(*resolve));

	resolve->resolver = resolver;
	resolve->host = host;
	resolve->port = port;
	resolve->found = found;
	resolve->context = context;
	resolve->failure = EVUTIL_EAI_FAIL;
	event_assign(&resolve->wake, resolver->base, -1, 0, resolve_report, resolve);
	if (address_parse(&resolve->addresses[0], host, port)) {
		resolve_take_literal(resolve, family);
		resolve_schedule(resolve);
	} else {
		resolve_ask(resolve, family);
	}
	return resolve;
}

void resolve_free(struct resolve *resolve)
{
	if (!resolve)
		return;
	event_del(&resolve->wake);
	for (int family = 0; family < FAMILIES; family++) {
		struct lookup *lookup = resolve->lookups[family];

		if (!lookup)
			continue;
		lookup->resolve = NULL;
		evdns_getaddrinfo_cancel(lookup->request);
	}
	free(resolve->trouble);
	free(resolve);
}
