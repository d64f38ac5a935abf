#include "outlet/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void sources_release(struct sources *sources)
{
	for (unsigned i = 0; i < sources->count; i++)
		free(sources->items[i].name);
	free(sources->items);
	*sources = (struct sources){0};
}

static unsigned sources_take_number(struct sources *sources, uint64_t oldest)
{
	for (unsigned i = 0; sources->removed && i < sources->count; i++) {
		if (sources->items[i].thing || sources->items[i].last >= oldest)
			continue;
		sources->removed--;
		return i;
	}
	sources->items = alloc_one_more(sources->items, sources->count, sizeof(*sources->items));
	return sources->count++;
}

unsigned sources_add(struct sources *sources, uint64_t oldest, const char *name, void *thing)
{
	unsigned number = sources_take_number(sources, oldest);

	sources->items[number] = (struct source){
		.name = alloc_string(name),
		.thing = thing,
		.length = (unsigned)strlen(name),
		.version = sources->version++ & INT32_MAX,
	};
	return number;
}

void sources_remove(struct sources *sources, unsigned number)
{
	free(sources->items[number].name);
	sources->items[number] = (struct source){
		.last = sources->items[number].last,
		.announced = sources->items[number].announced,
	};
	sources->removed++;
}

bool sources_remain(const struct sources *sources)
{
	for (unsigned i = 0; i < sources->count; i++) {
		if (sources->items[i].thing)
			return true;
	}
	return false;
}

int sources_find(const struct sources *sources, const char *name)
{
	for (unsigned i = 0; i < sources->count; i++) {
		if (sources->items[i].name && strcmp(sources->items[i].name, name) == 0)
			return (int)i;
	}
	return SOURCES_ALL;
}
