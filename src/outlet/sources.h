#ifndef OUTLET_SOURCES_H
#define OUTLET_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

/* A connection that feeds the outlet, as far as the outlet knows it. */
struct source {
	char *name;            /* NULL: removed */
	void *thing;           /* the owner's; NULL: removed */
	uint64_t last;         /* number of its latest record; 0: it has none */
	unsigned length;       /* of the name */
	unsigned version : 31; /* of the sources, when it was added */
	bool announced : 1; /* every subscriber knows the name, or will learn it from its greeting */
};

/* The sources of an outlet, by their numbers. Zero-initialised is empty. */
struct sources {
	struct source *items;
	unsigned count;   /* removed ones included */
	unsigned removed; /* of these */
	unsigned version; /* sources added so far */
};

/* For messages to all sources of an outlet. */
enum { SOURCES_ALL = -1 };

void sources_release(struct sources *sources);

/*
 * Returns the number: that of a removed source whose latest record is older than number `oldest`, or a
 * new one. Copies the name, borrows `thing`.
 */
unsigned sources_add(struct sources *sources, uint64_t oldest, const char *name, void *thing);
void sources_remove(struct sources *sources, unsigned number);

/* True until the last source has been removed. */
bool sources_remain(const struct sources *sources);

/* True if the number belongs to a source that has not been removed. */
static inline bool sources_has(const struct sources *sources, unsigned number)
{
	return number < sources->count && sources->items[number].name;
}

/* The number of the source with that name; SOURCES_ALL if not found. */
int sources_find(const struct sources *sources, const char *name);

#endif
