#ifndef NET_NET_H
#define NET_NET_H

#include <event2/event.h>
#include <stddef.h>

#include "base/log.h"

/*
 * What all connections share to get onto the network: the resolver, and the TLS contexts, one for
 * each distinct set of TLS settings, because a context with the system's CA certificates takes
 * megabytes.
 */
struct net;

/* `servers`: name servers as "ADDRESS[:PORT]", or none for those of /etc/resolv.conf, which is read
 * again when it has changed. Borrows base and log. */
struct net *net_new(struct event_base *base, struct log *log, const char *const *servers,
	size_t server_count);

/* Every dial must have ended or been cancelled, every stream been closed. Free it after whatever
 * else has events on the base: to let cancelled lookups end, it may run the event loop without
 * blocking, and must not be called from within it. NULL is ignored. */
void net_free(struct net *net);

#endif
