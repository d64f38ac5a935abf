#include "gateway/settings_kind.h"
#include "gateway/settings_private.h"

/* A struct within the struct, and a group within the group. */

static void group_read(const struct setting_reading *reading, void *member)
{
	settings_read_group(reading->setting->group, member, reading->value, 0, reading->problems);
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
