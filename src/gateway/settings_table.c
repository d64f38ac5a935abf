#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/settings_private.h"

/* Operations on a whole struct: those of each row's kind on its member. */

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

static enum settings_change setting_compare(const struct setting *setting, const void *before,
	const void *after)
{
	if (setting->group)
		return settings_table_compare(setting->group, before, after);
	if (setting->kind->equal(setting, before, after))
		return SETTINGS_SAME;
	return setting->flags & SETTING_LIVE ? SETTINGS_LIVE : SETTINGS_RECONNECT;
}

enum settings_change settings_table_compare(const struct setting *table, const void *before,
	const void *after)
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
