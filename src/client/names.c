#include "client/names.h"

#include <stdlib.h>
#include <string.h>

static bool names_grow(struct wsgate_names *names, uint32_t count)
{
	uint32_t room = 2 * names->count > count ? 2 * names->count : count;
	char **memory = realloc(names->names, room * sizeof(*memory));

	if (!memory)
		return false;
	memset(memory + names->count, 0, (room - names->count) * sizeof(*memory));
	names->names = memory;
	names->count = room;
	return true;
}

bool wsgate_names_set(struct wsgate_names *names, uint32_t index, const char *name, size_t length)
{
	const char *known = wsgate_names_get(names, index);
	char *copy;

	if (index >= WSGATE_NAMES_MAX)
		return true;
	if (known && strlen(known) == length && memcmp(known, name, length) == 0)
		return true;
	copy = strndup(name, length);
	if (!copy || (index >= names->count && !names_grow(names, index + 1))) {
		free(copy);
		return false;
	}
	free(names->names[index]);
	names->names[index] = copy;
	return true;
}

void wsgate_names_release(struct wsgate_names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct wsgate_names){0};
}
