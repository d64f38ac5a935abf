#ifndef BASE_CHOICE_H
#define BASE_CHOICE_H

/* A value with a name, as users write and read it. A list of them ends with the name NULL. */
struct choice {
	const char *name;
	int value;
};

/* The name of a value that is in the list. */
static inline const char *choice_name(const struct choice *choices, int value)
{
	while (choices->value != value)
		choices++;
	return choices->name;
}

#endif
