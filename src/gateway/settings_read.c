#include <string.h>

#include "gateway/settings_private.h"

/* From a group of the file to a struct, by the struct's table. */

static void problem_unknown(const struct settings_part *parts, const config_setting_t *value,
	struct settings_problems *problems)
{
	struct settings_hint hint = {.wanted = config_setting_name(value)};
	char text[SETTINGS_HINT_SIZE];

	for (; parts->table; parts++) {
		for (const struct setting *setting = parts->table; setting->name; setting++)
			settings_hint_offer(&hint, setting->name);
	}
	settings_hint_text(&hint, text);
	settings_problem(problems, value, "unknown setting '%s'%s", hint.wanted, text);
}

/* The part that the setting is of, and the setting; NULL: none has it. */
static const struct settings_part *parts_find(const struct settings_part *parts, const char *name,
	const struct setting **setting)
{
	for (; parts->table; parts++) {
		*setting = settings_table_find(parts->table, name);
		if (*setting)
			return parts;
	}
	return NULL;
}

void settings_read_parts(const struct settings_part *parts, const config_setting_t *group,
	unsigned forbidden, struct settings_problems *problems)
{
	const struct settings_part *part;
	const struct setting *setting;
	unsigned count;

	if (!config_setting_is_group(group)) {
		settings_problem(problems, group, "must be a group such as { %s = …; }",
			parts->table->name);
		return;
	}
	count = (unsigned)config_setting_length(group);
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *value = config_setting_get_elem(group, i);

		part = parts_find(parts, config_setting_name(value), &setting);
		if (!part)
			problem_unknown(parts, value, problems);
		else if (setting->flags & forbidden)
			settings_problem(problems, value,
				"cannot have a default: each connection has its own");
		else
			setting->kind->read(&(struct setting_reading){setting, value, problems},
				setting_member(setting, part->target));
	}
}

void settings_read_group(const struct setting *table, void *target, const config_setting_t *group,
	unsigned forbidden, struct settings_problems *problems)
{
	const struct settings_part parts[] = {{table, target}, {0}};

	settings_read_parts(parts, group, forbidden, problems);
}

static bool value_is_empty(const config_setting_t *value)
{
	const char *text = config_setting_get_string(value);

	return text ? !*text : config_setting_is_aggregate(value) && !config_setting_length(value);
}

void settings_read_required(const struct setting *table, const void *target,
	const config_setting_t *where, struct settings_problems *problems)
{
	for (; table->name; table++) {
		const config_setting_t *place = settings_problem_place(where, table->name);

		if (!(table->flags & SETTING_REQUIRED) ||
			table->kind->is_set(table, setting_member_const(table, target)))
			continue;
		if (place == where)
			settings_problem(problems, where, "has no '%s'", table->name);
		else if (value_is_empty(place))
			settings_problem(problems, place, "must not be empty");
	}
}
