#ifndef CLIENT_NAMES_H
#define CLIENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names of an outlet's connections by index. Zero-initialised: none. */
struct wsgate_names {
	char **names; /* NULL: not known */
	uint32_t count;
};

/* An index above it is no connection's: what a hostile daemon can make grow has to end somewhere. */
enum { WSGATE_NAMES_MAX = 1 << 20 };

/* Takes a copy. False: no memory. */
bool wsgate_names_set(struct wsgate_names *names, uint32_t index, const char *name, size_t length);

/* NULL: not known. Valid until the name is set again. */
static inline const char *wsgate_names_get(const struct wsgate_names *names, uint32_t index)
{
	return index < names->count ? names->names[index] : NULL;
}

void wsgate_names_release(struct wsgate_names *names);

#endif
