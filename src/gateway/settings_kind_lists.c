#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strings.h"
#include "gateway/settings_kind.h"
#include "gateway/settings_private.h"

/* Kinds of lists. */

static bool is_list(const config_setting_t *value)
{
	return config_setting_is_array(value) || config_setting_is_list(value);
}

/* --- strings ---------------------------------------------------------------------------------- */

static void strings_read(const struct setting_reading *reading, void *member)
{
	const config_setting_t *value = reading->value;
	struct string_list *list = member;
	unsigned count;

	if (!is_list(value)) {
		setting_must_be(reading, value, "an array of strings such as [ \"a\", \"b\" ]");
		return;
	}
	string_list_release(list);
	count = (unsigned)config_setting_length(value);
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(value, i);
		const char *text = setting_read_text(reading, element);

		if (text && setting_check_text(reading, element, text))
			string_list_add(list, text);
	}
}

static void strings_copy(const struct setting *setting, void *member, const void *source)
{
	(void)setting;
	string_list_release(member);
	*(struct string_list *)member = string_list_copy(source);
}

static void strings_release(const struct setting *setting, void *member)
{
	(void)setting;
	string_list_release(member);
}

static bool strings_equal(const struct setting *setting, const void *one, const void *other)
{
	(void)setting;
	return string_list_equal(one, other);
}

static bool strings_is_set(const struct setting *setting, const void *member)
{
	(void)setting;
	return ((const struct string_list *)member)->count > 0;
}

static void strings_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	const struct string_list *list = member;

	(void)setting;
	json_put_array(json, name);
	for (size_t i = 0; i < list->count; i++) {
		const char *text = masked ? SETTING_MASK : list->items[i];

		json_put_string(json, NULL, text, strlen(text));
	}
	json_put_array_end(json);
}

const struct setting_kind setting_kind_strings = {
	.put = strings_put,
	.read = strings_read,
	.init = setting_init_nothing,
	.copy = strings_copy,
	.release = strings_release,
	.equal = strings_equal,
	.is_set = strings_is_set,
};

/* --- integers --------------------------------------------------------------------------------- */

static void integers_release(const struct setting *setting, void *member)
{
	struct integer_list *list = member;

	(void)setting;
	free(list->items);
	*list = (struct integer_list){0};
}

/* Which integers it takes is the setting's own: settings_check_connection.c. */
static void integers_read(const struct setting_reading *reading, void *member)
{
	const config_setting_t *value = reading->value;
	struct integer_list *list = member;
	unsigned count;

	if (!is_list(value)) {
		setting_must_be(reading, value, "an array of whole numbers such as [ 1, 2 ]");
		return;
	}
	integers_release(reading->setting, list);
	count = (unsigned)config_setting_length(value);
	list->items = count ? alloc_zero(count, sizeof(*list->items)) : NULL;
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *item = config_setting_get_elem(value, i);

		if (config_setting_type(item) == CONFIG_TYPE_INT &&
			config_setting_get_int(item) >= 0)
			list->items[list->count++] = (unsigned)config_setting_get_int(item);
		else
			setting_must_be(reading, item, "a whole number");
	}
}

static void integers_copy(const struct setting *setting, void *member, const void *source)
{
	const struct integer_list *from = source;
	struct integer_list *list = member;

	integers_release(setting, list);
	if (from->count == 0)
		return;
	list->items = alloc_zero(from->count, sizeof(*list->items));
	list->count = from->count;
	memcpy(list->items, from->items, from->count * sizeof(*list->items));
}

static bool integers_equal(const struct setting *setting, const void *one, const void *other)
{
	const struct integer_list *list = one, *other_list = other;

	(void)setting;
	return list->count == other_list->count &&
		(!list->count ||
			memcmp(list->items, other_list->items,
				list->count * sizeof(*list->items)) == 0);
}

static bool integers_is_set(const struct setting *setting, const void *member)
{
	(void)setting;
	return ((const struct integer_list *)member)->count > 0;
}

static void integers_put(const struct setting *setting, const void *member,
	struct json_writer *json, const char *name, bool masked)
{
	const struct integer_list *list = member;

	(void)setting, (void)masked;
	json_put_array(json, name);
	for (size_t i = 0; i < list->count; i++)
		json_put_number(json, NULL, list->items[i]);
	json_put_array_end(json);
}

const struct setting_kind setting_kind_integers = {
	.put = integers_put,
	.read = integers_read,
	.init = setting_init_nothing,
	.copy = integers_copy,
	.release = integers_release,
	.equal = integers_equal,
	.is_set = integers_is_set,
};

/* --- headers ---------------------------------------------------------------------------------- */

/* Takes over the value of each header, which `read_value` returns. */
static void headers_take(const struct setting_reading *reading, struct header_list *list,
	char *(*read_value)(const struct setting_reading *, const config_setting_t *))
{
	unsigned count = (unsigned)config_setting_length(reading->value);

	header_list_release(list);
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *header = config_setting_get_elem(reading->value, i);
		char *value = read_value(reading, header);

		if (value)
			header_list_take(list, alloc_string(config_setting_name(header)), value);
	}
}

static char *header_read(const struct setting_reading *reading, const config_setting_t *header)
{
	return alloc_string(setting_read_line(reading, header));
}

static void headers_read(const struct setting_reading *reading, void *member)
{
	if (config_setting_is_group(reading->value))
		headers_take(reading, member, header_read);
	else
		setting_must_be(reading, reading->value, "a group such as { X-Api-Key = \"k\"; }");
}

static void headers_copy(const struct setting *setting, void *member, const void *source)
{
	(void)setting;
	header_list_release(member);
	*(struct header_list *)member = header_list_copy(source);
}

static void headers_release(const struct setting *setting, void *member)
{
	(void)setting;
	header_list_release(member);
}

static bool headers_equal(const struct setting *setting, const void *one, const void *other)
{
	(void)setting;
	return header_list_equal(one, other);
}

static bool headers_is_set(const struct setting *setting, const void *member)
{
	(void)setting;
	return ((const struct header_list *)member)->count > 0;
}

static void headers_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	const struct header_list *list = member;

	(void)setting;
	json_put_object(json, name);
	for (size_t i = 0; i < list->count; i++) {
		const char *value = masked ? SETTING_MASK : list->items[i].value;

		json_put_string(json, list->items[i].name, value, strlen(value));
	}
	json_put_object_end(json);
}

const struct setting_kind setting_kind_headers = {
	.put = headers_put,
	.read = headers_read,
	.init = setting_init_nothing,
	.copy = headers_copy,
	.release = headers_release,
	.equal = headers_equal,
	.is_set = headers_is_set,
};

static char *header_read_path(const struct setting_reading *reading, const config_setting_t *header)
{
	const char *text = setting_read_line(reading, header);

	return text ? setting_read_path(reading, header, text) : NULL;
}

static void header_files_read(const struct setting_reading *reading, void *member)
{
	if (config_setting_is_group(reading->value))
		headers_take(reading, member, header_read_path);
	else
		setting_must_be(reading, reading->value,
			"a group such as { X-Api-Key = \"/path\"; }");
}

static const char *header_file_named(const void *member, size_t index)
{
	const struct header_list *list = member;

	return index < list->count ? list->items[index].value : NULL;
}

const struct setting_kind setting_kind_header_files = {
	.put = headers_put,
	.read = header_files_read,
	.file = header_file_named,
	.init = setting_init_nothing,
	.copy = headers_copy,
	.release = headers_release,
	.equal = headers_equal,
	.is_set = headers_is_set,
};
