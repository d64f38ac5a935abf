#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/settings_private.h"

static void *setting_member(const struct setting *setting, void *target)
{
	return (char *)target + setting->offset;
}

static const void *setting_member_const(const struct setting *setting, const void *target)
{
	return (const char *)target + setting->offset;
}

/* Permission bits in octal, with or without a 0 in front. */
static bool setting_parse_mode(const char *text, uint64_t *mode)
{
	size_t length = strlen(text);

	if (length < 3 || length > 4 || strspn(text, "01234567") != length)
		return false;
	*mode = strtoul(text, NULL, 8);
	return *mode <= 0777;
}

bool setting_parse_amount(enum setting_type type, const char *text, uint64_t *amount)
{
	switch (type) {
	case SETTING_DURATION:
		return text_parse_duration(text, amount);
	case SETTING_SIZE:
		return text_parse_size(text, amount);
	case SETTING_MODE:
		return setting_parse_mode(text, amount);
	default:
		*amount = strtoull(text, NULL, 10);
		return true;
	}
}

void setting_store(const struct setting *setting, void *target, uint64_t amount)
{
	void *member = setting_member(setting, target);
	uint32_t narrow = (uint32_t)amount;
	bool truth = amount != 0;

	if (setting->size == sizeof(amount))
		memcpy(member, &amount, sizeof(amount));
	else if (setting->size == sizeof(narrow))
		memcpy(member, &narrow, sizeof(narrow));
	else
		memcpy(member, &truth, sizeof(truth));
}

/* The members are partly `const char *`, of other rooms: hence the copies. */
char *setting_text(const struct setting *setting, const void *target)
{
	char *text;

	memcpy(&text, setting_member_const(setting, target), sizeof(text));
	return text;
}

void setting_replace_text(const struct setting *setting, void *target, char *text)
{
	alloc_wipe(setting_text(setting, target));
	memcpy(setting_member(setting, target), &text, sizeof(text));
}

void setting_replace_integers(struct integer_list *target, struct integer_list list)
{
	free(target->items);
	*target = list;
}

static uint64_t setting_choice_value(const struct setting *setting, const char *name)
{
	const struct choice *choice = setting->choices;

	while (strcmp(choice->name, name) != 0)
		choice++;
	return (uint64_t)choice->value;
}

static void setting_init(const struct setting *setting, void *target)
{
	double number;
	uint64_t amount;

	if (!setting->standard)
		return;

	switch (setting->type) {
	case SETTING_BOOL:
		setting_store(setting, target, strcmp(setting->standard, "true") == 0);
		break;
	case SETTING_CHOICE:
		setting_store(setting, target, setting_choice_value(setting, setting->standard));
		break;
	case SETTING_NUMBER:
		number = strtod(setting->standard, NULL);
		memcpy(setting_member(setting, target), &number, sizeof(number));
		break;
	case SETTING_INTEGER:
	case SETTING_DURATION:
	case SETTING_SIZE:
	case SETTING_MODE:
		setting_parse_amount(setting->type, setting->standard, &amount);
		setting_store(setting, target, amount);
		break;
	default:
		setting_replace_text(setting, target, alloc_string(setting->standard));
	}
}

void settings_table_init(const struct setting *table, void *target)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		if (setting->type == SETTING_GROUP)
			settings_table_init(setting->group, target);
		else
			setting_init(setting, target);
	}
}

static struct integer_list integers_copy(const struct integer_list *source)
{
	struct integer_list copy = {0};

	if (source->count == 0)
		return copy;
	copy.items = alloc_zero(source->count, sizeof(*copy.items));
	copy.count = source->count;
	memcpy(copy.items, source->items, source->count * sizeof(*copy.items));
	return copy;
}

static void setting_copy(const struct setting *setting, void *target, const void *source)
{
	void *to = setting_member(setting, target);
	const void *from = setting_member_const(setting, source);
	const char *text;

	switch (setting->type) {
	case SETTING_GROUP:
		settings_table_copy(setting->group, target, source);
		break;
	case SETTING_STRINGS:
		string_list_release(to);
		*(struct string_list *)to = string_list_copy(from);
		break;
	case SETTING_INTEGERS:
		setting_replace_integers(to, integers_copy(from));
		break;
	case SETTING_HEADERS:
	case SETTING_HEADER_FILES:
		header_list_release(to);
		*(struct header_list *)to = header_list_copy(from);
		break;
	case SETTING_STRING:
	case SETTING_TEXT:
	case SETTING_NAME:
	case SETTING_FILE:
	case SETTING_JSON:
		text = setting_text(setting, source);
		setting_replace_text(setting, target, text ? alloc_string(text) : NULL);
		break;
	default:
		memcpy(to, from, setting->size);
	}
}

void settings_table_copy(const struct setting *table, void *target, const void *source)
{
	for (const struct setting *setting = table; setting->name; setting++)
		setting_copy(setting, target, source);
}

static void setting_release(const struct setting *setting, void *target)
{
	void *member = setting_member(setting, target);

	switch (setting->type) {
	case SETTING_GROUP:
		settings_table_release(setting->group, target);
		break;
	case SETTING_STRINGS:
		string_list_release(member);
		break;
	case SETTING_INTEGERS:
		setting_replace_integers(member, (struct integer_list){0});
		break;
	case SETTING_HEADERS:
	case SETTING_HEADER_FILES:
		header_list_release(member);
		break;
	case SETTING_STRING:
	case SETTING_TEXT:
	case SETTING_NAME:
	case SETTING_FILE:
	case SETTING_JSON:
		setting_replace_text(setting, target, NULL);
		break;
	default:
		break;
	}
}

void settings_table_release(const struct setting *table, void *target)
{
	for (const struct setting *setting = table; setting->name; setting++)
		setting_release(setting, target);
}

void settings_table_reset(const struct setting *table, void *target, unsigned flags)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		if (setting->type == SETTING_GROUP) {
			settings_table_reset(setting->group, target, flags);
		} else if (setting->flags & flags) {
			setting_release(setting, target);
			setting_init(setting, target);
		}
	}
}

static bool texts_equal(const char *one, const char *other)
{
	if (!one || !other)
		return one == other;
	return strcmp(one, other) == 0;
}

static bool integers_equal(const struct integer_list *one, const struct integer_list *other)
{
	if (one->count != other->count)
		return false;
	return one->count == 0 ||
	       memcmp(one->items, other->items, one->count * sizeof(*one->items)) == 0;
}

static bool setting_equal(const struct setting *setting, const void *before, const void *after)
{
	const void *one = setting_member_const(setting, before);
	const void *other = setting_member_const(setting, after);

	switch (setting->type) {
	case SETTING_STRINGS:
		return string_list_equal(one, other);
	case SETTING_INTEGERS:
		return integers_equal(one, other);
	case SETTING_HEADERS:
	case SETTING_HEADER_FILES:
		return header_list_equal(one, other);
	case SETTING_STRING:
	case SETTING_TEXT:
	case SETTING_NAME:
	case SETTING_FILE:
	case SETTING_JSON:
		return texts_equal(setting_text(setting, before), setting_text(setting, after));
	default:
		return memcmp(one, other, setting->size) == 0;
	}
}

enum settings_change settings_table_compare(
	const struct setting *table, const void *before, const void *after)
{
	enum settings_change change = SETTINGS_SAME;

	for (const struct setting *setting = table; setting->name; setting++) {
		enum settings_change found = SETTINGS_SAME;

		if (setting->type == SETTING_GROUP)
			found = settings_table_compare(setting->group, before, after);
		else if (!setting_equal(setting, before, after))
			found = setting->flags & SETTING_LIVE ? SETTINGS_LIVE : SETTINGS_RECONNECT;
		if (found > change)
			change = found;
	}
	return change;
}

static void settings_keep(const struct setting *table, const char *prefix, void *target,
	const void *running, const char *only, struct string_list *restart)
{
	for (const struct setting *setting = table; setting->name; setting++) {
		char *name = alloc_format("%s.%s", prefix, setting->name);

		if (setting->type == SETTING_GROUP) {
			settings_keep(setting->group, name, target, running, only, restart);
		} else if ((setting->flags & SETTING_RESTART) &&
			(!only || strcmp(only, setting->name) == 0) &&
			!setting_equal(setting, target, running)) {
			setting_copy(setting, target, running);
			string_list_add(restart, name);
		}
		free(name);
	}
}

void settings_keep_running(struct gateway_settings *gateway, const struct gateway_settings *running,
	const char *only, struct string_list *restart)
{
	settings_keep(gateway_settings_table, "gateway", gateway, running, only, restart);
}
