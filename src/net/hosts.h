#ifndef NET_HOSTS_H
#define NET_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "net/address.h"

/* The addresses of one family that a hosts(5) file has for a name. */
struct hosts_answer {
	bool listed; /* the name is in the file, if only with addresses of the other family */
	size_t count;
	struct address *addresses; /* at least `max` of them */
	size_t max;
};

/* Reads the file, so it may block. A missing one has no names; false if it cannot be read now, for
 * want of descriptors, say. Upper and lower case, and a dot at the end, make no difference. */
bool hosts_find(const char *path, const char *host, int family, struct hosts_answer *answer,
	struct error *error);

#endif
