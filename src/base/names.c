#include "base/names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct names_entry {
	const char *name;
	void *thing;
};

static int names_compare(const void *a, const void *b)
{
	return strcmp(((const struct names_entry *)a)->name, ((const struct names_entry *)b)->name);
}

static void names_free_entry(void *memory)
{
	struct names_entry *entry = memory;

	free((char *)entry->name);
	free(entry);
}

void names_add(struct names *names, const char *name, void *thing)
{
	struct names_entry *entry = alloc_zero(1, sizeof(*entry));

	entry->name = alloc_string(name);
	entry->thing = thing;
	tsearch(entry, &names->root, names_compare);
}

void *names_find(const struct names *names, const char *name)
{
	const struct names_entry key = {.name = name};
	struct names_entry *const *found = tfind(&key, &names->root, names_compare);

	return found ? (*found)->thing : NULL;
}

void names_remove(struct names *names, const char *name)
{
	const struct names_entry key = {.name = name};
	struct names_entry *const *found = tfind(&key, &names->root, names_compare);
	struct names_entry *entry;

	if (!found)
		return;
	entry = *found;
	tdelete(&key, &names->root, names_compare);
	names_free_entry(entry);
}

void names_release(struct names *names)
{
	tdestroy(names->root, names_free_entry);
	names->root = NULL;
}
