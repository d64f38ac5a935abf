#ifndef OUTLET_SOURCES_H
#define OUTLET_SOURCES_H

#include <stdbool.h>

/* A connection that feeds the outlet, as far as the outlet knows it. */
struct source {
	char *name;      /* NULL: removed */
	void *thing;     /* the owner's; NULL: removed */
	unsigned length; /* of the name */
	bool announced;  /* every subscriber knows the name, or will learn it from its greeting */
};

/* The sources of an outlet, by their numbers, which are never reused. Zero-initialised is empty. */
struct sources {
	struct source *items;
	unsigned count; /* removed ones included */
};

/* For messages to all sources of an outlet. */
enum { SOURCES_ALL = -1 };

void sources_release(struct sources *sources);

/* Returns the number. Copies the name, borrows `thing`. */
unsigned sources_add(struct sources *sources, const char *name, void *thing);
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
