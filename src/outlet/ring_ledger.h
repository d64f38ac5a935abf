#ifndef OUTLET_RING_LEDGER_H
#define OUTLET_RING_LEDGER_H

#include <stdint.h>

#include "outlet/ring.h"

/*
 * The private half of a ring: this struct, an index with room for as many records as the ring can
 * hold, and from the next page on the names of the sources. Pages of the index are touched only as
 * it grows. The numbers are those of struct ring as of the last ring_publish(), in host byte order.
 *
 * Each name is a struct ring_name followed by its bytes; the latest one of a source is valid.
 */
struct ring_ledger {
	char magic[8];
	uint64_t size; /* of the ring */
	uint64_t begun;
	uint64_t head;
	uint64_t tail;
	uint64_t first;
	uint64_t next;
	uint64_t capacity; /* part of the index in use, in records */
	uint64_t names;    /* bytes of names */
	uint64_t shared;   /* true: there may be readers in other processes */
	uint64_t starts[];
};

#define RING_LEDGER_MAGIC "WSGLEDG1" /* without its zero */

struct ring_name {
	uint32_t source;
	uint32_t length; /* 0: the source has been removed */
};

/* Bytes of the ledger before the names, for a ring of `size` bytes; a multiple of the page. */
size_t ring_ledger_size(uint64_t size);

/* Stores the numbers of the ring in its ledger. */
static inline void ring_update_ledger(struct ring *ring)
{
	struct ring_ledger *ledger = ring->ledger;

	ledger->head = ring->head;
	ledger->tail = ring->tail;
	ledger->first = ring->first;
	ledger->next = ring->next;
	ledger->capacity = ring->capacity;
}

#endif
