#include "net/resolve.h"

#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/lookup.h"

/* RFC 8305, section 3: how long IPv4 addresses wait for the IPv6 ones. */
#define RESOLVE_DELAY (50 * CLOCK_NS_PER_MS)

enum { FAMILY_IPV6, FAMILY_IPV4, FAMILIES };

static const int resolve_families[FAMILIES] = {AF_INET6, AF_INET};

/*
 * The families are looked up separately, although getaddrinfo(3) can do both at once: it would
 * have addresses only when the slower one has been answered, and some name servers never answer
 * questions for IPv6.
 */
struct resolve {
	struct resolver *resolver;
	const char *host;
	uint16_t port;
	int family; /* that is wanted */
	resolve_found found;
	void *context;
	struct event wake; /* reports what has arrived */
	struct lookup_asker askers[FAMILIES];
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	size_t count;    /* of addresses not yet reported */
	bool asking;     /* not all families have been asked for */
	bool successful; /* some were reported */
	enum lookup_outcome failure;
	char reason[160];
};

static bool resolve_waits_for(const struct resolve *resolve, int family)
{
	return resolve->askers[family].lookup != NULL;
}

/* Decides when to report. */
static void resolve_schedule(struct resolve *resolve)
{
	static const struct timeval delay = {.tv_usec = RESOLVE_DELAY / CLOCK_NS_PER_US};
	bool waits = resolve_waits_for(resolve, FAMILY_IPV4);

	if (!resolve_waits_for(resolve, FAMILY_IPV6) && (resolve->count || !waits))
		event_active(&resolve->wake, EV_TIMEOUT, 0);
	else if (!waits && resolve->count)
		event_add(&resolve->wake, &delay);
}

static void resolve_take(struct resolve *resolve, const struct address *found, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct address *address = &resolve->addresses[resolve->count++];

		*address = found[i];
		address_set_port(address, resolve->port);
	}
}

static void resolve_on_answer(const struct lookup_answer *answer, void *context)
{
	struct resolve *resolve = context;

	if (answer->outcome == LOOKUP_FOUND) {
		resolve_take(resolve, answer->addresses, answer->count);
	} else if (answer->outcome > resolve->failure) {
		resolve->failure = answer->outcome;
		snprintf(resolve->reason, sizeof(resolve->reason), "%s",
			answer->reason ? answer->reason : "");
	}
	if (!resolve->asking)
		resolve_schedule(resolve);
}

static bool resolve_wants(const struct resolve *resolve, int family)
{
	return resolve->family == AF_UNSPEC || resolve->family == family;
}

/* RFC 6761, section 6.3: this host, whatever name servers or files say. */
static bool resolve_is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t length = strlen(host), end = sizeof(name) - 1;

	length -= length && host[length - 1] == '.';
	return length >= end && strncasecmp(host + length - end, name, end) == 0 &&
		(length == end || host[length - end - 1] == '.');
}

static void resolve_take_localhost(struct resolve *resolve)
{
	static const char *const hosts[] = {"::1", "127.0.0.1"};
	struct address address;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (address_parse(&address, hosts[i], 0) &&
			resolve_wants(resolve, address.generic.sa_family))
			resolve_take(resolve, &address, 1);
	}
}

/* The host is an address itself, which may be of the other family. */
static void resolve_take_literal(struct resolve *resolve, const struct address *address)
{
	if (resolve_wants(resolve, address->generic.sa_family)) {
		resolve_take(resolve, address, 1);
		return;
	}
	resolve->failure = LOOKUP_FAILED;
	snprintf(resolve->reason, sizeof(resolve->reason),
		"the address is not of the family wanted");
}

/* The interface may come later. */
static void resolve_miss_interface(struct resolve *resolve)
{
	const char *zone = strchr(resolve->host, ADDRESS_ZONE);

	resolve->failure = LOOKUP_FAILED;
	snprintf(resolve->reason, sizeof(resolve->reason), "no such interface: '%s'",
		zone ? zone + 1 : "");
}

static void resolve_ask(struct resolve *resolve)
{
	struct lookup_asker *asker = resolve->askers;

	resolve->asking = true;
	for (int family = 0; family < FAMILIES; family++) {
		if (resolve_wants(resolve, resolve_families[family]))
			lookup_ask(resolve->resolver, &asker[family], resolve->host,
				resolve_families[family], resolve_on_answer, resolve);
	}
	resolve->asking = false;
}

static const char *resolve_reason(const struct resolve *resolve)
{
	switch (resolve->failure) {
	case LOOKUP_NO_HOST:
		return "no such host";
	case LOOKUP_NO_ADDRESS:
		return resolve->family == AF_INET     ? "the host has no IPv4 address"
			: resolve->family == AF_INET6 ? "the host has no IPv6 address"
						      : "the host has no address";
	default:
		return resolve->reason;
	}
}

static void resolve_report(evutil_socket_t fd, short events, void *context)
{
	struct resolve *resolve = context;
	struct resolve_answer answer = {
		.addresses = resolve->addresses,
		.count = resolve->count,
		.complete = !resolve_waits_for(resolve, FAMILY_IPV6) &&
			!resolve_waits_for(resolve, FAMILY_IPV4),
	};
	struct error error;

	(void)fd, (void)events;
	resolve->successful |= resolve->count > 0;
	resolve->count = 0;
	if (answer.complete && !resolve->successful) {
		resolver_forget(resolve->resolver, resolve->host);
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
	struct address address;

	resolve->resolver = resolver;
	resolve->host = host;
	resolve->port = port;
	resolve->family = family;
	resolve->found = found;
	resolve->context = context;
	event_assign(&resolve->wake, resolver_base(resolver), -1, 0, resolve_report, resolve);
	if (address_parse(&address, host, port))
		resolve_take_literal(resolve, &address);
	else if (strchr(host, ADDRESS_ZONE))
		resolve_miss_interface(resolve);
	else if (resolve_is_localhost(host))
		resolve_take_localhost(resolve);
	else
		resolve_ask(resolve);
	resolve_schedule(resolve);
	return resolve;
}

void resolve_free(struct resolve *resolve)
{
	if (!resolve)
		return;
	event_del(&resolve->wake);
	for (int family = 0; family < FAMILIES; family++)
		lookup_withdraw(&resolve->askers[family]);
	free(resolve);
}
