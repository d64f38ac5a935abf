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

unsigned sources_add(struct sources *sources, const char *name, void *thing)
{
	unsigned number = sources->count++;

	sources->items = alloc_one_more(sources->items, number, sizeof(*sources->items));
	sources->items[number] = (struct source){
		.name = alloc_string(name),
		.thing = thing,
		.length = (unsigned)strlen(name),
	};
	return number;
}

void sources_remove(struct sources *sources, unsigned number)
{
	free(sources->items[number].name);
	sources->items[number] = (struct source){
		.announced = sources->items[number].announced,
	};
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
