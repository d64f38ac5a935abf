#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/settings_private.h"

/* What a table does with a whole struct: what the kind of each row does with its member. */

void settings_table_init(const struct setting *table, void *target)
{
	for (const struct setting *setting = table; setting->name; setting++)
		setting->kind->init(setting, setting_member(setting, target));
}

void settings_table_copy(const struct setting *table, void *target, const void *source)
{
	for (const struct setting *setting = table; setting->name; setting++)
		setting->kind->copy(setting, setting_member(setting, target),
			setting_member_const(setting, source));
}

void settings_table_release(const struct setting *table, void *target)
{
	for (const struct setting *setting = table; setting->name; setting++)
		setting->kind->release(setting, setting_member(setting, target));
}

void settings_table_reset(const struct setting *table, void *target, unsigned flags)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		void *member = setting_member(setting, target);

		if (setting->group)
			settings_table_reset(setting->group, member, flags);
		if (!(setting->flags & flags))
			continue;
		setting->kind->release(setting, member);
		setting->kind->init(setting, member);
	}
}

static enum settings_change setting_compare(
	const struct setting *setting, const void *before, const void *after)
{
	if (setting->group)
		return settings_table_compare(setting->group, before, after);
	if (setting->kind->equal(setting, before, after))
		return SETTINGS_SAME;
	return setting->flags & SETTING_LIVE ? SETTINGS_LIVE : SETTINGS_RECONNECT;
}

enum settings_change settings_table_compare(
	const struct setting *table, const void *before, const void *after)
{
	enum settings_change change = SETTINGS_SAME;

	for (const struct setting *setting = table; setting->name; setting++) {
		enum settings_change found =
			setting_compare(setting, setting_member_const(setting, before),
				setting_member_const(setting, after));

		if (found > change)
			change = found;
	}
	return change;
}

void settings_table_keep(const struct setting *table, const char *prefix, void *target,
	const void *running, const char *only, struct string_list *restart)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		char *name = alloc_format("%s.%s", prefix, setting->name);
		void *member = setting_member(setting, target);
		const void *kept = setting_member_const(setting, running);

		if (setting->group) {
			settings_table_keep(setting->group, name, member, kept, only, restart);
		} else if ((setting->flags & SETTING_RESTART) &&
			(!only || strcmp(only, setting->name) == 0) &&
			!setting->kind->equal(setting, member, kept)) {
			setting->kind->copy(setting, member, kept);
			string_list_add(restart, name);
		}
		free(name);
	}
}

const struct setting *settings_table_find(const struct setting *table, const char *name)
{
	for (; table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

/* --- a struct within the struct --------------------------------------------------------------- */

static void group_read(const struct setting_reading *reading, void *member)
{
	settings_read_group(
		reading->setting->group, member, reading->value, 0, reading->problems);
}

static void group_init(const struct setting *setting, void *member)
{
	settings_table_init(setting->group, member);
}

static void group_copy(const struct setting *setting, void *member, const void *source)
{
	settings_table_copy(setting->group, member, source);
}

static void group_release(const struct setting *setting, void *member)
{
	settings_table_release(setting->group, member);
}

static bool group_equal(const struct setting *setting, const void *one, const void *other)
{
	return settings_table_compare(setting->group, one, other) == SETTINGS_SAME;
}

const struct setting_kind setting_kind_group = {
	.read = group_read,
	.init = group_init,
	.copy = group_copy,
	.release = group_release,
	.equal = group_equal,
	.is_set = setting_plain_is_set,
};
