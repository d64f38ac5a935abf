#include "outlet/cursors.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "outlet/readers.h"

enum { CURSORS_FEWEST = 4 };

void cursors_release(struct cursors *cursors)
{
	free(cursors->entries);
	*cursors = (struct cursors){0};
}

static void cursors_put(struct cursors *cursors, size_t place, struct cursors_entry entry)
{
	cursors->entries[place] = entry;
	entry.reader->place = place;
}

/* Puts the entry at that place, or above it. */
static void cursors_rise(struct cursors *cursors, size_t place, struct cursors_entry entry)
{
	while (place > 0) {
		size_t above = (place - 1) / 2;

		if (cursors->entries[above].cursor <= entry.cursor)
			break;
		cursors_put(cursors, place, cursors->entries[above]);
		place = above;
	}
	cursors_put(cursors, place, entry);
}

/* At that place, or below it. */
static void cursors_sink(struct cursors *cursors, size_t place, struct cursors_entry entry)
{
	const struct cursors_entry *entries = cursors->entries;
	size_t below;

	while ((below = 2 * place + 1) < cursors->count) {
		if (below + 1 < cursors->count && entries[below + 1].cursor < entries[below].cursor)
			below++;
		if (entry.cursor <= entries[below].cursor)
			break;
		cursors_put(cursors, place, entries[below]);
		place = below;
	}
	cursors_put(cursors, place, entry);
}

void cursors_add(struct cursors *cursors, struct reader *reader)
{
	if (cursors->count == cursors->capacity) {
		cursors->capacity = cursors->capacity ? 2 * cursors->capacity : CURSORS_FEWEST;
		cursors->entries = alloc_resize(cursors->entries,
			cursors->capacity * sizeof(*cursors->entries));
	}
	cursors_rise(cursors, cursors->count++, (struct cursors_entry){reader->cursor, reader});
}

/* The last one takes its place. */
void cursors_remove(struct cursors *cursors, const struct reader *reader)
{
	size_t place = reader->place;
	struct cursors_entry last = cursors->entries[--cursors->count];

	if (place == cursors->count)
		return;
	if (last.cursor < cursors->entries[place].cursor)
		cursors_rise(cursors, place, last);
	else
		cursors_sink(cursors, place, last);
}

void cursors_update(struct cursors *cursors, const struct reader *reader)
{
	struct cursors_entry entry = cursors->entries[reader->place];

	entry.cursor = reader->cursor;
	cursors_sink(cursors, reader->place, entry);
}
