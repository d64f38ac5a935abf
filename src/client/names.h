#ifndef CLIENT_NAMES_H
#define CLIENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names of an outlet's connections by index. Zero-initialised is empty. */
struct wsgate_names {
	char **names; /* NULL: unknown */
	uint32_t count;
};

/* Higher indexes are ignored, so that a hostile daemon cannot use up the memory. */
enum { WSGATE_NAMES_MAX = 1 << 20 };

/* Copies the name. False: out of memory. */
bool wsgate_names_set(struct wsgate_names *names, uint32_t index, const char *name, size_t length);

/* NULL: unknown. Valid until the name is set again. */
static inline const char *wsgate_names_get(const struct wsgate_names *names, uint32_t index)
{
	return index < names->count ? names->names[index] : NULL;
}

void wsgate_names_release(struct wsgate_names *names);

#endif
