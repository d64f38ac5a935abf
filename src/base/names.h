#ifndef BASE_NAMES_H
#define BASE_NAMES_H

/* Things by name, found in logarithmic time. Zero-initialised is empty. */
struct names {
	void *root; /* private */
};

/* The name is copied, the thing borrowed. The name must not be there yet. */
void names_add(struct names *names, const char *name, void *thing);

/* NULL: there is none of that name. */
void *names_find(const struct names *names, const char *name);

/* A name that is not there is ignored. */
void names_remove(struct names *names, const char *name);

void names_release(struct names *names);

#endif
