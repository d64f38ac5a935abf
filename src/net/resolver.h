#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <event2/event.h>
#include <stddef.h>

#include "base/log.h"

/*
 * Looks up names for all connections without blocking. Without name servers of its own it asks as
 * every other program of the host does: getaddrinfo(3), on threads. Each name is looked up once,
 * however many ask for it; what was found is kept for a few seconds.
 */
struct resolver;

struct resolver_settings {
	const char *const *servers; /* name servers as "ADDRESS[:PORT]" */
	size_t server_count;        /* 0: the system's way */
	const char *hosts; /* the file that is read before these servers are asked; borrowed */
};

/* Logs name servers that cannot be used. */
struct resolver *resolver_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings);

/* Every resolve must have been freed. Look-ups that still run on a thread are abandoned. */
void resolver_free(struct resolver *resolver);

/* The network has changed: forgets all addresses, and asks anew what is being asked. */
void resolver_flush(struct resolver *resolver);

/* What is known of this host was of no use, so it is not used again without asking. */
void resolver_forget(struct resolver *resolver, const char *host);

#endif
