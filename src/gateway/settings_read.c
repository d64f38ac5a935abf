#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/json_put.h"
#include "base/text.h"
#include "gateway/settings_private.h"
#include "ws/utf8.h"

/* A setting of the file on its way into its member of `target`. */
struct reading {
	const struct setting *setting;
	const config_setting_t *value;
	void *target;
	struct settings_problems *problems;
};

enum { SHOWN_MAX = 100 };

/* A value as a problem shows it. */
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

/* "must be …, not …"; the latter is left out where it may be a secret. */
static void problem_must_be(const struct reading *reading, const config_setting_t *value,
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

static void problem_range(const struct reading *reading)
{
	char *range =
		alloc_format("from %s to %s", reading->setting->minimum, reading->setting->maximum);

	problem_must_be(reading, reading->value, range);
	free(range);
}

static bool is_type(const config_setting_t *value, int type)
{
	return config_setting_type(value) == type;
}

static void read_bool(const struct reading *reading)
{
	if (!is_type(reading->value, CONFIG_TYPE_BOOL)) {
		problem_must_be(reading, reading->value, "true or false");
		return;
	}
	setting_store(reading->setting, reading->target,
		(uint64_t)config_setting_get_bool(reading->value));
}

static void store_amount(const struct reading *reading, uint64_t amount)
{
	const struct setting *setting = reading->setting;
	uint64_t minimum, maximum;

	if (setting->minimum) {
		setting_parse_amount(setting->type, setting->minimum, &minimum);
		setting_parse_amount(setting->type, setting->maximum, &maximum);
		if (amount < minimum || amount > maximum) {
			problem_range(reading);
			return;
		}
	}
	setting_store(setting, reading->target, amount);
}

static void read_integer(const struct reading *reading)
{
	if (!is_type(reading->value, CONFIG_TYPE_INT) &&
		!is_type(reading->value, CONFIG_TYPE_INT64)) {
		problem_must_be(reading, reading->value, "a whole number");
		return;
	}
	/* A negative one is far above any maximum. */
	store_amount(reading, (uint64_t)config_setting_get_int64(reading->value));
}

static void read_number(const struct reading *reading)
{
	const struct setting *setting = reading->setting;
	double number;

	if (!config_setting_is_number(reading->value)) {
		problem_must_be(reading, reading->value, "a number");
		return;
	}
	number = is_type(reading->value, CONFIG_TYPE_FLOAT)
			 ? config_setting_get_float(reading->value)
			 : (double)config_setting_get_int64(reading->value);
	if (number < strtod(setting->minimum, NULL) || number > strtod(setting->maximum, NULL)) {
		problem_range(reading);
		return;
	}
	memcpy((char *)reading->target + setting->offset, &number, sizeof(number));
}

/* Durations, sizes and modes: text with a meaning of its own. */
static void read_amount(const struct reading *reading)
{
	static const char *const expected[] = {
		[SETTING_DURATION] = "a duration such as \"5s\"",
		[SETTING_SIZE] = "a size such as \"64K\"",
		[SETTING_MODE] = "a file mode such as \"0660\"",
	};
	const char *text = config_setting_get_string(reading->value);
	enum setting_type type = reading->setting->type;
	uint64_t amount;

	if (text && setting_parse_amount(type, text, &amount))
		store_amount(reading, amount);
	else
		problem_must_be(reading, reading->value, expected[type]);
}

/* The text of a string; NULL, and the problem is said, if it is none. */
static const char *read_text(const struct reading *reading, const config_setting_t *value)
{
	const char *text = config_setting_get_string(value);

	if (!text)
		problem_must_be(reading, value, "a string");
	else if (!ws_utf8_valid(text, strlen(text)))
		settings_problem(reading->problems, value, "must be UTF-8");
	else
		return text;
	return NULL;
}

/* The same for text that goes into one line of a request, or names a file. */
static const char *read_line(const struct reading *reading, const config_setting_t *value)
{
	const char *text = read_text(reading, value);

	for (const char *c = text; c && *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			settings_problem(
				reading->problems, value, "must not have control characters");
			return NULL;
		}
	}
	return text;
}

/* What stands behind a choice when they are listed. */
static const char *choice_separator(const struct choice *choice)
{
	if (!choice[1].name)
		return "";
	return choice[2].name ? ", " : " or ";
}

static const struct choice *choice_of(const struct reading *reading)
{
	const char *text = config_setting_get_string(reading->value);
	const struct choice *choice = reading->setting->choices;
	struct buffer expected = {0};

	for (; text && choice->name; choice++) {
		if (strcmp(choice->name, text) == 0)
			return choice;
	}
	for (choice = reading->setting->choices; choice->name; choice++)
		buffer_append_format(&expected, "\"%s\"%s", choice->name, choice_separator(choice));
	buffer_append(&expected, "", 1);
	problem_must_be(reading, reading->value, (const char *)buffer_data(&expected));
	buffer_release(&expected);
	return NULL;
}

static void read_choice(const struct reading *reading)
{
	const struct choice *choice = choice_of(reading);

	if (choice)
		setting_store(reading->setting, reading->target, (uint64_t)choice->value);
}

/* An empty string is as none: so a connection can take back what `defaults` say. */
static void replace_text(const struct reading *reading, const char *text)
{
	setting_replace_text(reading->setting, reading->target, *text ? alloc_string(text) : NULL);
}

static void read_string(const struct reading *reading)
{
	const char *text = read_line(reading, reading->value);

	if (!text)
		return;
	if (reading->setting->choices && !choice_of(reading))
		return;
	replace_text(reading, text);
}

static void read_any_text(const struct reading *reading)
{
	const char *text = read_text(reading, reading->value);

	if (text)
		replace_text(reading, text);
}

/* A bad name is kept all the same: what refers to it shall not be a problem too. */
static void read_name(const struct reading *reading)
{
	const char *text = read_line(reading, reading->value);

	if (!text)
		return;
	if (!text_is_name(text))
		problem_must_be(reading, reading->value,
			"1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with . or -");
	setting_replace_text(reading->setting, reading->target, alloc_string(text));
}

static const char credentials[] = "${CREDENTIALS_DIRECTORY}";

static bool is_credential(const char *text)
{
	return strncmp(text, credentials, sizeof(credentials) - 1) == 0;
}

/* The text with ${CREDENTIALS_DIRECTORY} in front expanded; NULL if there is no such directory. A
 * test takes it as it is, as no more than the service has the directory. */
static char *file_expanded(const struct reading *reading, const config_setting_t *value,
	const char *text)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	if (!is_credential(text))
		return alloc_string(text);
	if (directory)
		return alloc_format("%s%s", directory, text + sizeof(credentials) - 1);
	if (reading->problems->testing) {
		settings_warning(reading->problems, value,
			"unchecked: only the service has CREDENTIALS_DIRECTORY");
		return alloc_string(text);
	}
	settings_problem(reading->problems, value,
		"needs the environment variable CREDENTIALS_DIRECTORY, which is not set; systemd "
		"sets it for a unit with LoadCredential=");
	return NULL;
}

/* The absolute path that the text stands for, for the caller to free; NULL if it is none. */
static char *file_path(
	const struct reading *reading, const config_setting_t *value, const char *text)
{
	char *file = file_expanded(reading, value, text);

	if (!file || file[0] == '/' || is_credential(file))
		return file;
	problem_must_be(reading, value, "an absolute path");
	free(file);
	return NULL;
}

static void read_file(const struct reading *reading)
{
	const char *text = read_line(reading, reading->value);
	char *file;

	if (!text)
		return;
	file = *text ? file_path(reading, reading->value, text) : NULL;
	if (file || !*text)
		setting_replace_text(reading->setting, reading->target, file);
}

/* The shortest decimal text that gives the same double again. */
static void json_put_double(struct json_writer *json, const char *name, double number)
{
	char text[32];

	if (!isfinite(number)) {
		json_put_raw(json, name, "null");
		return;
	}
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, number);
		if (strtod(text, NULL) == number)
			break;
	}
	json_put_raw(json, name, text);
}

static bool json_put_setting(struct json_writer *json, const char *name,
	const struct reading *reading, const config_setting_t *value);

static bool json_put_settings(struct json_writer *json, const struct reading *reading,
	const config_setting_t *parent)
{
	unsigned count = (unsigned)config_setting_length(parent);

	for (unsigned i = 0; i < count; i++) {
		config_setting_t *value = config_setting_get_elem((config_setting_t *)parent, i);

		if (!json_put_setting(json, config_setting_name(value), reading, value))
			return false;
	}
	return true;
}

static bool json_put_compound(struct json_writer *json, const char *name,
	const struct reading *reading, const config_setting_t *value)
{
	bool group = config_setting_is_group(value), whole;

	if (group)
		json_put_object(json, name);
	else
		json_put_array(json, name);
	whole = json_put_settings(json, reading, value);
	if (group)
		json_put_object_end(json);
	else
		json_put_array_end(json);
	return whole;
}

static bool json_put_setting(struct json_writer *json, const char *name,
	const struct reading *reading, const config_setting_t *value)
{
	char number[32];
	const char *text;

	switch (config_setting_type(value)) {
	case CONFIG_TYPE_STRING:
		text = read_text(reading, value);
		if (text)
			json_put_string(json, name, text, strlen(text));
		return text != NULL;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(number, sizeof(number), "%lld", config_setting_get_int64(value));
		json_put_raw(json, name, number);
		return true;
	case CONFIG_TYPE_FLOAT:
		json_put_double(json, name, config_setting_get_float(value));
		return true;
	case CONFIG_TYPE_BOOL:
		json_put_boolean(json, name, config_setting_get_bool(value));
		return true;
	default:
		return json_put_compound(json, name, reading, value);
	}
}

static void read_json(const struct reading *reading)
{
	struct buffer text = {0};
	struct json_writer json = {&text, false};

	if (json_put_setting(&json, NULL, reading, reading->value)) {
		buffer_append(&text, "", 1);
		setting_replace_text(reading->setting, reading->target,
			alloc_string((const char *)buffer_data(&text)));
	}
	buffer_release(&text);
}

static void read_strings(const struct reading *reading)
{
	config_setting_t *value = (config_setting_t *)reading->value;
	struct string_list *list =
		(void *)((char *)reading->target + reading->setting->offset);
	unsigned count;

	if (!is_type(value, CONFIG_TYPE_ARRAY) && !is_type(value, CONFIG_TYPE_LIST)) {
		problem_must_be(reading, value, "an array of strings such as [ \"a\", \"b\" ]");
		return;
	}
	count = (unsigned)config_setting_length(value);
	string_list_release(list);
	for (unsigned i = 0; i < count; i++) {
		const char *text = read_text(reading, config_setting_get_elem(value, i));

		if (text)
			string_list_add(list, text);
	}
}

/* Which integers it takes is the setting's own: settings_check_connection.c. */
static void read_integers(const struct reading *reading)
{
	config_setting_t *value = (config_setting_t *)reading->value;
	struct integer_list list = {0};
	unsigned count;

	if (!is_type(value, CONFIG_TYPE_ARRAY) && !is_type(value, CONFIG_TYPE_LIST)) {
		problem_must_be(reading, value, "an array of whole numbers such as [ 1, 2 ]");
		return;
	}
	count = (unsigned)config_setting_length(value);
	list.items = count ? alloc_zero(count, sizeof(*list.items)) : NULL;
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *item = config_setting_get_elem(value, i);

		if (is_type(item, CONFIG_TYPE_INT) && config_setting_get_int(item) >= 0)
			list.items[list.count++] = (unsigned)config_setting_get_int(item);
		else
			problem_must_be(reading, item, "a whole number");
	}
	setting_replace_integers(
		(void *)((char *)reading->target + reading->setting->offset), list);
}

/* The value of a header as its member has it, for the caller to free; NULL if it is none. */
static char *header_value(const struct reading *reading, const config_setting_t *header)
{
	const char *text = read_line(reading, header);

	if (!text)
		return NULL;
	if (reading->setting->type == SETTING_HEADER_FILES)
		return file_path(reading, header, text);
	return alloc_string(text);
}

static void read_headers(const struct reading *reading)
{
	config_setting_t *value = (config_setting_t *)reading->value;
	struct header_list *list =
		(void *)((char *)reading->target + reading->setting->offset);
	unsigned count;

	if (!config_setting_is_group(value)) {
		problem_must_be(reading, value,
			reading->setting->type == SETTING_HEADERS
				? "a group such as { X-Api-Key = \"k\"; }"
				: "a group such as { X-Api-Key = \"/path\"; }");
		return;
	}
	count = (unsigned)config_setting_length(value);
	header_list_release(list);
	for (unsigned i = 0; i < count; i++) {
		const config_setting_t *header = config_setting_get_elem(value, i);
		char *text = header_value(reading, header);

		if (text)
			header_list_take(list, alloc_string(config_setting_name(header)), text);
	}
}

static void read_group(const struct reading *reading)
{
	settings_read_group(
		reading->setting->group, reading->target, reading->value, 0, reading->problems);
}

static void read_setting(const struct reading *reading)
{
	static void (*const readers[])(const struct reading *) = {
		[SETTING_BOOL] = read_bool,
		[SETTING_INTEGER] = read_integer,
		[SETTING_NUMBER] = read_number,
		[SETTING_DURATION] = read_amount,
		[SETTING_SIZE] = read_amount,
		[SETTING_MODE] = read_amount,
		[SETTING_CHOICE] = read_choice,
		[SETTING_STRING] = read_string,
		[SETTING_TEXT] = read_any_text,
		[SETTING_NAME] = read_name,
		[SETTING_FILE] = read_file,
		[SETTING_JSON] = read_json,
		[SETTING_STRINGS] = read_strings,
		[SETTING_INTEGERS] = read_integers,
		[SETTING_HEADERS] = read_headers,
		[SETTING_HEADER_FILES] = read_headers,
		[SETTING_GROUP] = read_group,
	};

	readers[reading->setting->type](reading);
}

static const struct setting *table_find(const struct setting *table, const char *name)
{
	for (; table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

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
		*setting = table_find(parts->table, name);
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
		const config_setting_t *value =
			config_setting_get_elem((config_setting_t *)group, i);

		part = parts_find(parts, config_setting_name(value), &setting);
		if (!part)
			problem_unknown(parts, value, problems);
		else if (setting->flags & forbidden)
			settings_problem(problems, value,
				"cannot have a default: each connection has its own");
		else
			read_setting(&(struct reading){setting, value, part->target, problems});
	}
}

void settings_read_group(const struct setting *table, void *target, const config_setting_t *group,
	unsigned forbidden, struct settings_problems *problems)
{
	const struct settings_part parts[] = {{table, target}, {0}};

	settings_read_parts(parts, group, forbidden, problems);
}

static bool member_is_set(const struct setting *setting, const void *target)
{
	const struct string_list *list;

	if (setting->type != SETTING_STRINGS)
		return setting_text(setting, target) != NULL;
	list = (const void *)((const char *)target + setting->offset);
	return list->count > 0;
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

		if (!(table->flags & SETTING_REQUIRED) || member_is_set(table, target))
			continue;
		if (place == where)
			settings_problem(problems, where, "has no '%s'", table->name);
		else if (value_is_empty(place))
			settings_problem(problems, place, "must not be empty");
	}
}
