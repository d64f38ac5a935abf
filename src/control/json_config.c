#include "control/json_config.h"

#include <limits.h>

#include "base/text.h"

static bool json_config_fits_int(const json_t *value)
{
	return json_integer_value(value) >= INT_MIN && json_integer_value(value) <= INT_MAX;
}

/* The libconfig type of a value that is not null. */
static int json_config_type(const json_t *value)
{
	int type = CONFIG_TYPE_LIST;
	const json_t *item;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return CONFIG_TYPE_GROUP;
	case JSON_STRING:
		return CONFIG_TYPE_STRING;
	case JSON_INTEGER:
		return json_config_fits_int(value) ? CONFIG_TYPE_INT : CONFIG_TYPE_INT64;
	case JSON_REAL:
		return CONFIG_TYPE_FLOAT;
	case JSON_TRUE:
	case JSON_FALSE:
		return CONFIG_TYPE_BOOL;
	default:
		break;
	}
	json_array_foreach (value, i, item) {
		if (json_is_object(item) || json_is_array(item) || json_is_null(item))
			return CONFIG_TYPE_LIST;
		if (i && json_config_type(item) != type)
			return CONFIG_TYPE_LIST;
		type = json_config_type(item);
	}
	return CONFIG_TYPE_ARRAY;
}

static bool json_config_add(config_setting_t *parent, const char *name, const json_t *value,
	struct error *error);

static bool json_config_set(config_setting_t *setting, const json_t *value, struct error *error)
{
	const json_t *item;
	size_t i;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return json_config_fill(setting, value, error);
	case CONFIG_TYPE_STRING:
		config_setting_set_string(setting, json_string_value(value));
		break;
	case CONFIG_TYPE_INT:
		config_setting_set_int(setting, (int)json_integer_value(value));
		break;
	case CONFIG_TYPE_INT64:
		config_setting_set_int64(setting, json_integer_value(value));
		break;
	case CONFIG_TYPE_FLOAT:
		config_setting_set_float(setting, json_real_value(value));
		break;
	case CONFIG_TYPE_BOOL:
		config_setting_set_bool(setting, json_is_true(value));
		break;
	default:
		json_array_foreach (value, i, item) {
			if (!json_config_add(setting, NULL, item, error))
				return false;
		}
		break;
	}
	return true;
}

/* `name`: NULL in an array or list. */
static bool json_config_add(config_setting_t *parent, const char *name, const json_t *value,
	struct error *error)
{
	config_setting_t *setting;

	if (json_is_null(value))
		return true;
	setting = config_setting_add(parent, name, json_config_type(value));
	if (!setting)
		return error_set(error, ERROR_SETTINGS, "'%.*s' cannot be the name of a setting",
			text_cut(name ? name : "", 64), name ? name : "");
	return json_config_set(setting, value, error);
}

bool json_config_fill(config_setting_t *group, const json_t *object, struct error *error)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value) {
		if (!json_config_add(group, name, value, error))
			return false;
	}
	return true;
}
