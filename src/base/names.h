#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>

/* Things by name, found in constant time. Zero-initialised is empty. */
struct names {
	struct names_entry *entries; /* private: a hash table, like the next two */
	size_t capacity;
	size_t count;
};

/* Both are borrowed, and must stay as long as they are here. The name must not be there yet. */
void names_add(struct names *names, const char *name, void *thing);

/* NULL: there is none of that name. */
void *names_find(const struct names *names, const char *name);

/* A name that is not there is ignored. */
void names_remove(struct names *names, const char *name);

void names_release(struct names *names);

#endif
