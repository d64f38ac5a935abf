#ifndef OUTLET_CURSORS_H
#define OUTLET_CURSORS_H

#include <stddef.h>
#include <stdint.h>

struct reader;

/*
 * Readers by their cursors: a binary heap, whose first is one that is furthest behind. Cursors
 * only move forward. Zero-initialised is empty; it has memory once somebody has been added.
 */
struct cursors {
	struct cursors_entry {
		uint64_t cursor;
		struct reader *reader; /* its `place` is the index of this */
	} * entries;
	size_t count;
	size_t capacity;
};

void cursors_release(struct cursors *cursors);

void cursors_add(struct cursors *cursors, struct reader *reader);
void cursors_remove(struct cursors *cursors, const struct reader *reader);

/* Its cursor has moved. */
void cursors_update(struct cursors *cursors, const struct reader *reader);

/* NULL if the heap is empty. */
static inline struct reader *cursors_first(const struct cursors *cursors)
{
	return cursors->count ? cursors->entries[0].reader : NULL;
}

#endif
