#ifndef NET_RESOLVE_PRIVATE_H
#define NET_RESOLVE_PRIVATE_H

#include "net/resolve.h"
#include "net/stamp.h"

/* The inside of a resolver, for resolver.c (its servers) and resolve.c (one lookup). */
struct resolver {
	struct event_base *base;
	struct log *log;
	struct evdns_base *dns;
	const char *resolv_conf; /* NULL: the name servers were given, */
	char **servers;          /* and these of them evdns does not know yet */
	size_t server_count;
	const char *hosts;
	struct stamp resolv_conf_stamp;
	struct stamp hosts_stamp;
	bool has_resolv_conf; /* both: has been read */
	bool has_hosts;
	size_t lookups; /* that evdns will still call back for */
};

/* Call before each lookup. False: the servers cannot be read now, because of a passing shortage. */
bool resolver_refresh(struct resolver *resolver, struct error *error);

#endif
