#ifndef NET_NAME_SERVICE_H
#define NET_NAME_SERVICE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/resolver.h"

struct address;

/* For this room only: a way to look names up, without blocking. */

enum lookup_outcome { /* in the order in which they matter when two families fail */
	LOOKUP_FOUND,
	LOOKUP_NO_HOST,
	LOOKUP_NO_ADDRESS, /* a host without addresses of this family */
	LOOKUP_NO_ANSWER,  /* no server could be asked, or answered */
	LOOKUP_FAILED,
};

struct lookup_answer {
	enum lookup_outcome outcome;
	const struct address *addresses; /* borrowed */
	size_t count;                    /* at most RESOLVE_PER_FAMILY */
	uint64_t lifetime;               /* ns for which the answer is good; 0: only now */
	const char *reason;              /* static or borrowed; of the last two outcomes */
};

/* The addresses of one name in one family, being looked up: to a service, a token. */
struct lookup;

struct name_service {
	/* Has `ended` called once, perhaps from within. `host` is borrowed for the time of the call.
	 * False if it cannot be asked now, for want of threads or descriptors. */
	bool (*ask)(struct name_service *service, struct lookup *lookup, const char *host,
		int family, struct error *error);

	/* After a change of the network; nobody waits for what has been asked, but it ends. */
	void (*flush)(struct name_service *service);

	/* Lookups under way do not end any more. */
	void (*free)(struct name_service *service);

	/* The resolver's. */
	void (*ended)(struct lookup *lookup, const struct lookup_answer *answer);
};

/* getaddrinfo(3). */
struct name_service *system_names_new(struct event_base *base);

/* The hosts file, then these name servers. */
struct name_service *dns_names_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings);

#endif
