#include "gateway/settings_origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strings.h"
#include "gateway/settings_private.h"

struct origin {
	unsigned short number; /* of the setting */
	unsigned short file;   /* index of its name */
	int below; /* lines from the group to it; negative in an included file, perhaps */
};

struct settings_origins {
	unsigned users;
	struct settings_origins *inherited;
	unsigned inherited_line;  /* its group's */
	struct string_list files; /* none: the group came over the control socket */
	struct origin *items;
	size_t count;
};

/* The values in a table and the tables below it. */
static unsigned origins_count(const struct setting *table)
{
	unsigned count = 0;

	for (; table->name; table++)
		count += table->group ? origins_count(table->group) : 1;
	return count;
}

static void origins_add(struct settings_origins *origins, const config_setting_t *value,
	unsigned number, unsigned group_line)
{
	struct origin *added;
	unsigned line = 0;
	const char *file = settings_place_line(value, &line);
	size_t index = file ? string_list_find(&origins->files, file) : 0;

	if (file && index == origins->files.count)
		string_list_add(&origins->files, file);
	origins->items = alloc_one_more(origins->items, origins->count, sizeof(*origins->items));
	added = &origins->items[origins->count++];
	*added = (struct origin){
		(unsigned short)number, (unsigned short)index, (int)line - (int)group_line};
}

static void origins_note(struct settings_origins *origins, const struct setting *table,
	const config_setting_t *group, unsigned number, unsigned group_line)
{
	for (; table->name; table++) {
		const config_setting_t *value = config_setting_get_member(group, table->name);

		if (value && !table->group)
			origins_add(origins, value, number, group_line);
		else if (value && config_setting_is_group(value))
			origins_note(origins, table->group, value, number, group_line);
		number += table->group ? origins_count(table->group) : 1;
	}
}

struct settings_origins *settings_origins_new(enum settings_group kind,
	const config_setting_t *group, struct settings_origins *inherited, unsigned inherited_line,
	unsigned *line)
{
	struct settings_origins *origins = alloc_zero(1, sizeof(*origins));
	unsigned number = 0;

	origins->users = 1;
	origins->inherited = settings_origins_hold(inherited);
	origins->inherited_line = inherited_line;
	settings_place_line(group, line);
	if (!config_setting_is_group(group))
		return origins;
	for (size_t i = 0; settings_tables[kind][i]; i++) {
		origins_note(origins, settings_tables[kind][i], group, number, *line);
		number += origins_count(settings_tables[kind][i]);
	}
	return origins;
}

static bool origins_equal(const struct settings_origins *one, const struct settings_origins *other)
{
	return one->inherited == other->inherited && one->inherited_line == other->inherited_line &&
		one->count == other->count && string_list_equal(&one->files, &other->files) &&
		(!one->count ||
			memcmp(one->items, other->items, one->count * sizeof(*one->items)) == 0);
}

struct settings_origins *settings_origins_share(struct settings_origins *origins,
	struct settings_origins *with)
{
	if (origins == with || !origins_equal(origins, with))
		return origins;
	settings_origins_release(origins);
	return settings_origins_hold(with);
}

struct settings_origins *settings_origins_hold(struct settings_origins *origins)
{
	if (origins)
		origins->users++;
	return origins;
}

void settings_origins_release(struct settings_origins *origins)
{
	if (!origins || --origins->users)
		return;
	settings_origins_release(origins->inherited);
	string_list_release(&origins->files);
	free(origins->items);
	free(origins);
}

static const struct origin *origins_item(const struct settings_origins *origins, unsigned number)
{
	for (size_t i = 0; i < origins->count; i++) {
		if (origins->items[i].number == number)
			return &origins->items[i];
	}
	return NULL;
}

struct settings_origin settings_origins_find(const struct settings_origins *origins, unsigned line,
	unsigned number)
{
	const struct origin *item = origins ? origins_item(origins, number) : NULL;
	struct settings_origin origin = {.from = SETTINGS_FROM_DEFAULT};

	if (origins && !item && origins->inherited) {
		origin = settings_origins_find(origins->inherited, origins->inherited_line, number);
		if (origin.from == SETTINGS_FROM_FILE)
			origin.from = SETTINGS_FROM_DEFAULTS;
	} else if (item && item->file < origins->files.count) {
		origin.from = SETTINGS_FROM_FILE;
		origin.file = origins->files.items[item->file];
		origin.line = (unsigned)((int)line + item->below);
	} else if (item) {
		origin.from = SETTINGS_FROM_CONTROL;
	}
	return origin;
}
