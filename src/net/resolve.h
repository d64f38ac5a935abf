#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "net/address.h"

/* From a host name to addresses, without blocking: hosts file, else DNS (evdns). */
struct resolver;

struct resolver_settings {
	const char *const *servers; /* name servers as "ADDRESS[:PORT]" */
	size_t server_count;        /* 0: those of resolv_conf */
	const char *resolv_conf;
	const char *hosts;
};

/* Reads the files when the first name is resolved, and again after a change or a shortage of
 * descriptors or memory. Borrows all but `servers`; logs servers that cannot be used. */
struct resolver *resolver_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings);

/* Every resolve must have been freed. As evdns ends a cancelled lookup from the event loop, this
 * runs the loop without blocking while there are any. */
void resolver_free(struct resolver *resolver);

/* One name being resolved, in both address families at once unless one is wanted. */
struct resolve;

enum {
	RESOLVE_PER_FAMILY = 32, /* further addresses are ignored: evdns reports no more */
	RESOLVE_ADDRESSES_MAX = 2 * RESOLVE_PER_FAMILY,
};

/*
 * Called once or twice: the addresses of a slow family come in a call of their own (RFC 8305,
 * section 3). After the call with `complete` there is no other; when nothing was found at all, it
 * has the `error`.
 */
struct resolve_answer {
	const struct address *addresses;
	size_t count;
	bool complete;
	const struct error *error;
};

typedef void (*resolve_found)(const struct resolve_answer *answer, void *context);

/* `family`: AF_INET, AF_INET6, or AF_UNSPEC for both. Never calls `found` from within. Borrows
 * `host`. */
struct resolve *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
	int family, resolve_found found, void *context);

/* At any time, from within `found` too. NULL is ignored. */
void resolve_free(struct resolve *resolve);

#endif
