#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "net/resolver.h"

/* One host being resolved, in both address families at once unless one is wanted. */
struct resolve;

enum {
	RESOLVE_PER_FAMILY = 32, /* further addresses are ignored */
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

/* `host`: as url.lookup; borrowed. `family`: AF_INET, AF_INET6, or AF_UNSPEC for both. Never calls
 * `found` from within. */
struct resolve *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
	int family, resolve_found found, void *context);

/* At any time, from within `found` too. NULL is ignored. */
void resolve_free(struct resolve *resolve);

#endif
