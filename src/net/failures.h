#ifndef NET_FAILURES_H
#define NET_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

/*
 * Addresses at which attempts failed recently, so that the next attempt begins with others. Without
 * it, a server that accepts connections and then stays silent would be tried for ever, although the
 * host's next address works. Zero-initialised is empty. Bounded: the oldest failure is dropped
 * first.
 */
struct failures {
	struct failure *items; /* private; the latest is the last */
	size_t count;
};

/* Records a failure. `now`: of timers_now(), as below. */
void failures_note(struct failures *failures, const struct address *address, uint64_t now);

/* Forgets the failure: the address has worked. */
void failures_forgive(struct failures *failures, const struct address *address);

/* 0: no failure in the last ten minutes; otherwise higher for later failures. */
size_t failures_rank(const struct failures *failures, const struct address *address, uint64_t now);

void failures_release(struct failures *failures);

#endif
