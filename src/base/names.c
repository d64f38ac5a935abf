#include "base/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Open addressing with linear probing: an entry is at its place, or after it without a gap. */

enum { NAMES_CAPACITY_MIN = 8 }; /* capacities are powers of two */

struct names_entry {
	const char *name; /* NULL: free */
	void *thing;
};

/* FNV-1a. Names come from trusted users, so nobody aims at collisions. */
static size_t names_place(const struct names *names, const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ hash >> 32) & (names->capacity - 1);
}

static size_t names_next(const struct names *names, size_t index)
{
	return (index + 1) & (names->capacity - 1);
}

/* The index of the name, or of the free entry for it; there always is one. */
static size_t names_index(const struct names *names, const char *name)
{
	size_t index = names_place(names, name);

	while (names->entries[index].name && strcmp(names->entries[index].name, name) != 0)
		index = names_next(names, index);
	return index;
}

static void names_grow(struct names *names)
{
	struct names larger = {
		.capacity = names->capacity ? names->capacity * 2 : NAMES_CAPACITY_MIN,
		.count = names->count,
	};

	larger.entries = alloc_zero(larger.capacity, sizeof(*larger.entries));
	for (size_t i = 0; i < names->capacity; i++) {
		if (names->entries[i].name)
			larger.entries[names_index(&larger, names->entries[i].name)] =
				names->entries[i];
	}
	free(names->entries);
	*names = larger;
}

void names_add(struct names *names, const char *name, void *thing)
{
	if (names->count >= names->capacity / 4 * 3)
		names_grow(names);
	names->entries[names_index(names, name)] = (struct names_entry){name, thing};
	names->count++;
}

void *names_find(const struct names *names, const char *name)
{
	return names->count ? names->entries[names_index(names, name)].thing : NULL;
}

void names_remove(struct names *names, const char *name)
{
	struct names_entry moved;
	size_t index;

	if (!names_find(names, name))
		return;
	names->count--;
	index = names_index(names, name);
	names->entries[index] = (struct names_entry){0};
	/* Entries after it may be there only because it was in their way. */
	while (names->entries[index = names_next(names, index)].name) {
		moved = names->entries[index];
		names->entries[index] = (struct names_entry){0};
		names->entries[names_index(names, moved.name)] = moved;
	}
}

void names_release(struct names *names)
{
	free(names->entries);
	*names = (struct names){0};
}
