#ifndef NET_FAILURES_H
#define NET_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

/*
 * The addresses at which somebody has failed lately, so that the next attempt begins with others: a
 * server that accepts connections and then says nothing would else be tried for ever, though the
 * next address of the host is a good one. Zero-initialised is empty. Bounded: the oldest failure
 * goes first.
 */
struct failures {
	struct failure *items; /* private; the latest is the last */
	size_t count;
};

/* It has failed now. */
void failures_note(struct failures *failures, const struct address *address);

/* It has worked. */
void failures_forgive(struct failures *failures, const struct address *address);

/* 0: it has not failed in the last ten minutes; else the higher the later it has. */
size_t failures_rank(const struct failures *failures, const struct address *address);

void failures_release(struct failures *failures);

#endif
