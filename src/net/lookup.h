#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include <event2/event.h>
#include <sys/queue.h>

#include "net/name_service.h"
#include "net/resolver.h"

/* For this room only: a caller that wants the addresses of a name in one family. */

typedef void (*lookup_answered)(const struct lookup_answer *answer, void *context);

struct lookup_asker {
	TAILQ_ENTRY(lookup_asker) entry;
	struct lookup *lookup; /* NULL: nothing is expected */
	lookup_answered answered;
	void *context;
};

/* Calls `answered` once, perhaps from within. It may neither ask nor withdraw. */
void lookup_ask(struct resolver *resolver, struct lookup_asker *asker, const char *host, int family,
	lookup_answered answered, void *context);

/* Without a call. The lookup goes on if it has begun: whoever asks next joins it. */
void lookup_withdraw(struct lookup_asker *asker);

struct event_base *resolver_base(const struct resolver *resolver);

#endif
