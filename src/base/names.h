#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>

/* Things by name, found in constant time. Zero-initialised is empty. */
struct names {
	struct names_entry *entries; /* private: a hash table, like the next two */
	size_t capacity;
	size_t count;
};

/* Borrows both until they are removed. The name must not be in use. */
void names_add(struct names *names, const char *name, void *thing);

/* NULL if there is none of that name. */
void *names_find(const struct names *names, const char *name);

/* An unknown name is ignored. */
void names_remove(struct names *names, const char *name);

void names_release(struct names *names);

#endif
