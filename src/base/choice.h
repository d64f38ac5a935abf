#ifndef BASE_CHOICE_H
#define BASE_CHOICE_H

#include <stddef.h>
#include <string.h>

/* A value with a name, as users write and read it. A list of them ends with the name NULL. */
struct choice {
	const char *name;
	unsigned value;
};

/* The name of a value that is in the list. */
static inline const char *choice_name(const struct choice *choices, unsigned value)
{
	while (choices->value != value)
		choices++;
	return choices->name;
}

/* The choice of that name; NULL if there is none. */
static inline const struct choice *choice_find(const struct choice *choices, const char *name)
{
	while (choices->name && strcmp(choices->name, name) != 0)
		choices++;
	return choices->name ? choices : NULL;
}

#endif
