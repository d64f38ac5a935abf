#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/json_put.h"
#include "gateway/settings_kind.h"
#include "gateway/settings_private.h"

/* A setting that takes any value of the file, and keeps it as JSON. */

static void json_put_float(struct json_writer *json, const char *name, double number)
{
	if (isfinite(number))
		json_put_real(json, name, number);
	else
		json_put_null(json, name);
}

static bool json_put_value(struct json_writer *json, const char *name,
	const struct setting_reading *reading, const config_setting_t *value);

static bool json_put_elements(struct json_writer *json, const struct setting_reading *reading,
	const config_setting_t *parent)
{
	unsigned count = (unsigned)config_setting_length(parent);

	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *value = config_setting_get_elem(parent, i);

		if (!json_put_value(json, config_setting_name(value), reading, value))
			return false;
	}
	return true;
}

static bool json_put_compound(struct json_writer *json, const char *name,
	const struct setting_reading *reading, const config_setting_t *value)
{
	bool group = config_setting_is_group(value), whole;

	if (group)
		json_put_object(json, name);
	else
		json_put_array(json, name);
	whole = json_put_elements(json, reading, value);
	if (group)
		json_put_object_end(json);
	else
		json_put_array_end(json);
	return whole;
}

/* False: a text in it is not UTF-8, and a problem says so. */
static bool json_put_value(struct json_writer *json, const char *name,
	const struct setting_reading *reading, const config_setting_t *value)
{
	const char *text;

	switch (config_setting_type(value)) {
	case CONFIG_TYPE_STRING:
		text = setting_read_text(reading, value);
		if (text)
			json_put_string(json, name, text, strlen(text));
		return text != NULL;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		json_put_integer(json, name, config_setting_get_int64(value));
		return true;
	case CONFIG_TYPE_FLOAT:
		json_put_float(json, name, config_setting_get_float(value));
		return true;
	case CONFIG_TYPE_BOOL:
		json_put_boolean(json, name, config_setting_get_bool(value));
		return true;
	default:
		return json_put_compound(json, name, reading, value);
	}
}

static void json_read(const struct setting_reading *reading, void *member)
{
	struct buffer text = {0};
	struct json_writer json = {&text, false};

	if (json_put_value(&json, NULL, reading, reading->value)) {
		buffer_append(&text, "", 1);
		setting_replace_text(member, alloc_string((const char *)buffer_data(&text)));
	}
	buffer_release(&text);
}

static void json_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	const char *text = setting_text(member);

	(void)setting, (void)masked;
	json_put_raw(json, name, text ? text : "null");
}

const struct setting_kind setting_kind_json = {
	.read = json_read,
	.init = setting_text_init,
	.copy = setting_text_copy,
	.release = setting_text_release,
	.equal = setting_text_equal,
	.is_set = setting_text_is_set,
	.put = json_put,
};
