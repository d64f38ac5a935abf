#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"
#include "gateway/settings_kind.h"
#include "gateway/settings_private.h"

/* Kinds of numbers: those that the file has as numbers, and those that have a text of their own. */

/* A bool, or an integer of 32 or 64 bits. */
static void number_store(const struct setting *setting, void *member, uint64_t amount)
{
	uint32_t narrow = (uint32_t)amount;
	bool truth = amount != 0;

	if (setting->size == sizeof(amount))
		memcpy(member, &amount, sizeof(amount));
	else if (setting->size == sizeof(narrow))
		memcpy(member, &narrow, sizeof(narrow));
	else
		memcpy(member, &truth, sizeof(truth));
}

static uint64_t number_load(const struct setting *setting, const void *member)
{
	uint64_t amount = 0;
	uint32_t narrow = 0;
	bool truth = false;

	if (setting->size == sizeof(amount))
		memcpy(&amount, member, sizeof(amount));
	else if (setting->size == sizeof(narrow))
		memcpy(&narrow, member, sizeof(narrow));
	else
		memcpy(&truth, member, sizeof(truth));
	return amount + narrow + truth;
}

static bool is_type(const config_setting_t *value, int type)
{
	return config_setting_type(value) == type;
}

static void problem_range(const struct setting_reading *reading)
{
	char *range =
		alloc_format("from %s to %s", reading->setting->minimum, reading->setting->maximum);

	setting_must_be(reading, reading->value, range);
	free(range);
}

/* --- true and false --------------------------------------------------------------------------- */

static void bool_read(const struct setting_reading *reading, void *member)
{
	if (is_type(reading->value, CONFIG_TYPE_BOOL))
		number_store(reading->setting, member,
			(uint64_t)config_setting_get_bool(reading->value));
	else
		setting_must_be(reading, reading->value, "true or false");
}

static void bool_init(const struct setting *setting, void *member)
{
	number_store(setting, member, strcmp(setting->standard, "true") == 0);
}

static void bool_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	(void)masked;
	json_put_boolean(json, name, number_load(setting, member) != 0);
}

const struct setting_kind setting_kind_bool = {
	.read = bool_read,
	.init = bool_init,
	.put = bool_put,
	SETTING_KIND_PLAIN,
};

/* --- integers, and amounts that have a text of their own ----------------------------------------- */

static void amount_init(const struct setting *setting, void *member)
{
	uint64_t amount;

	if (setting->standard && setting->kind->parse(setting->standard, &amount))
		number_store(setting, member, amount);
}

static void amount_take(const struct setting_reading *reading, void *member, uint64_t amount)
{
	const struct setting *setting = reading->setting;
	uint64_t minimum, maximum;

	if (setting->minimum && setting->kind->parse(setting->minimum, &minimum) &&
		setting->kind->parse(setting->maximum, &maximum) &&
		(amount < minimum || amount > maximum))
		problem_range(reading);
	else
		number_store(setting, member, amount);
}

static void amount_read(const struct setting_reading *reading, void *member)
{
	const struct setting_kind *kind = reading->setting->kind;
	const char *text = config_setting_get_string(reading->value);
	uint64_t amount;

	if (text && kind->parse(text, &amount))
		amount_take(reading, member, amount);
	else
		setting_must_be(reading, reading->value, kind->expected);
}

static void amount_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	char text[SETTING_AMOUNT_SIZE];

	(void)masked;
	setting->kind->format(text, number_load(setting, member));
	json_put_text(json, name, text);
}

static void integer_read(const struct setting_reading *reading, void *member)
{
	/* A negative one is far above any maximum. */
	if (is_type(reading->value, CONFIG_TYPE_INT) || is_type(reading->value, CONFIG_TYPE_INT64))
		amount_take(reading, member, (uint64_t)config_setting_get_int64(reading->value));
	else
		setting_must_be(reading, reading->value, reading->setting->kind->expected);
}

static bool integer_parse(const char *text, uint64_t *amount)
{
	*amount = strtoull(text, NULL, 10);
	return true;
}

static void integer_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	(void)masked;
	json_put_number(json, name, number_load(setting, member));
}

const struct setting_kind setting_kind_integer = {
	.read = integer_read,
	.init = amount_init,
	.put = integer_put,
	.parse = integer_parse,
	.expected = "a whole number",
	SETTING_KIND_PLAIN,
};

static void duration_format(char *text, uint64_t ns)
{
	if (ns)
		text_format_duration(text, ns);
	else
		strcpy(text, "0");
}

const struct setting_kind setting_kind_duration = {
	.read = amount_read,
	.init = amount_init,
	.put = amount_put,
	.format = duration_format,
	.parse = text_parse_duration,
	.expected = "a duration such as \"5s\"",
	SETTING_KIND_PLAIN,
};

const struct setting_kind setting_kind_size = {
	.read = amount_read,
	.init = amount_init,
	.put = amount_put,
	.format = text_format_size,
	.parse = text_parse_size,
	.expected = "a size such as \"64K\"",
	SETTING_KIND_PLAIN,
};

/* Permission bits in octal, with or without a leading 0. */
static bool mode_parse(const char *text, uint64_t *mode)
{
	size_t length = strlen(text);

	if (length < 3 || length > 4 || strspn(text, "01234567") != length)
		return false;
	*mode = strtoul(text, NULL, 8);
	return *mode <= 0777;
}

static void mode_format(char *text, uint64_t mode)
{
	snprintf(text, SETTING_AMOUNT_SIZE, "%04o", (unsigned)mode);
}

const struct setting_kind setting_kind_mode = {
	.read = amount_read,
	.init = amount_init,
	.put = amount_put,
	.format = mode_format,
	.parse = mode_parse,
	.expected = "a file mode such as \"0660\"",
	SETTING_KIND_PLAIN,
};

/* --- fractions -------------------------------------------------------------------------------- */

static void number_init(const struct setting *setting, void *member)
{
	double number = strtod(setting->standard, NULL);

	memcpy(member, &number, sizeof(number));
}

static void number_read(const struct setting_reading *reading, void *member)
{
	const struct setting *setting = reading->setting;
	double number;

	if (!config_setting_is_number(reading->value)) {
		setting_must_be(reading, reading->value, "a number");
		return;
	}
	number = is_type(reading->value, CONFIG_TYPE_FLOAT)
		? config_setting_get_float(reading->value)
		: (double)config_setting_get_int64(reading->value);
	if (number >= strtod(setting->minimum, NULL) && number <= strtod(setting->maximum, NULL))
		memcpy(member, &number, sizeof(number));
	else
		problem_range(reading);
}

static void number_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	double number;

	(void)setting, (void)masked;
	memcpy(&number, member, sizeof(number));
	json_put_real(json, name, number);
}

const struct setting_kind setting_kind_number = {
	.read = number_read,
	.init = number_init,
	.put = number_put,
	SETTING_KIND_PLAIN,
};

/* --- choices ---------------------------------------------------------------------------------- */

static const char *choice_separator(const struct choice *choice)
{
	if (!choice[1].name)
		return "";
	return choice[2].name ? ", " : " or ";
}

static void choice_problem(const struct setting_reading *reading)
{
	struct buffer names = {0};

	for (const struct choice *choice = reading->setting->choices; choice->name; choice++)
		buffer_append_format(&names, "\"%s\"%s", choice->name, choice_separator(choice));
	buffer_append(&names, "", 1);
	setting_must_be(reading, reading->value, (const char *)buffer_data(&names));
	buffer_release(&names);
}

static void choice_read(const struct setting_reading *reading, void *member)
{
	const char *text = config_setting_get_string(reading->value);
	const struct choice *choice = text ? choice_find(reading->setting->choices, text) : NULL;

	if (choice)
		number_store(reading->setting, member, (uint64_t)choice->value);
	else
		choice_problem(reading);
}

static void choice_init(const struct setting *setting, void *member)
{
	number_store(setting, member,
		(uint64_t)choice_find(setting->choices, setting->standard)->value);
}

static void choice_put(const struct setting *setting, const void *member, struct json_writer *json,
	const char *name, bool masked)
{
	(void)masked;
	json_put_text(json, name,
		choice_name(setting->choices, (unsigned)number_load(setting, member)));
}

const struct setting_kind setting_kind_choice = {
	.read = choice_read,
	.init = choice_init,
	.put = choice_put,
	SETTING_KIND_PLAIN,
};
