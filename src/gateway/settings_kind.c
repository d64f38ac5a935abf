#include "gateway/settings_kind.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/settings_private.h"

enum { SHOWN_MAX = 100 }; /* bytes of a wrong text in a problem */

static char *value_shown(const config_setting_t *value)
{
	const char *text;

	switch (config_setting_type(value)) {
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(value);
		return alloc_format("\"%.*s\"", text_cut(text, SHOWN_MAX), text);
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return alloc_format("%lld", config_setting_get_int64(value));
	case CONFIG_TYPE_FLOAT:
		return alloc_format("%g", config_setting_get_float(value));
	case CONFIG_TYPE_BOOL:
		return alloc_string(config_setting_get_bool(value) ? "true" : "false");
	case CONFIG_TYPE_GROUP:
		return alloc_string("a group");
	case CONFIG_TYPE_ARRAY:
		return alloc_string("an array");
	default:
		return alloc_string("a list");
	}
}

void setting_must_be(const struct setting_reading *reading, const config_setting_t *value,
	const char *expected)
{
	char *shown;

	if (reading->setting->flags & SETTING_SECRET) {
		settings_problem(reading->problems, value, "must be %s", expected);
		return;
	}
	shown = value_shown(value);
	settings_problem(reading->problems, value, "must be %s, not %s", expected, shown);
	free(shown);
}

void setting_init_nothing(const struct setting *setting, void *member)
{
	(void)setting, (void)member;
}

void setting_plain_copy(const struct setting *setting, void *member, const void *source)
{
	memcpy(member, source, setting->size);
}

void setting_plain_release(const struct setting *setting, void *member)
{
	memset(member, 0, setting->size);
}

bool setting_plain_equal(const struct setting *setting, const void *one, const void *other)
{
	return memcmp(one, other, setting->size) == 0;
}

bool setting_plain_is_set(const struct setting *setting, const void *member)
{
	(void)setting, (void)member;
	return true;
}
