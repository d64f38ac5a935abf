#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"
#include "gateway/settings_private.h"

/* Longer names get no hint: no setting has one. */
enum { HINT_NAME_MAX = 64 };

/* Of the text, which the file may have given any bytes. */
static void problem_take(struct settings_problems *problems, const char *text)
{
	problems->texts =
		alloc_resize(problems->texts, (problems->count + 1) * sizeof(*problems->texts));
	problems->texts[problems->count++] = text_clean_copy(text, strlen(text));
}

/* "connections[0].ping.interval". */
static void problem_path(struct buffer *out, const config_setting_t *setting)
{
	const config_setting_t *parent = config_setting_parent(setting);
	size_t before;

	if (!parent)
		return;
	before = out->length;
	problem_path(out, parent);
	if (!config_setting_name(setting))
		buffer_append_format(out, "[%d]", config_setting_index(setting));
	else
		buffer_append_format(
			out, "%s%s", out->length > before ? "." : "", config_setting_name(setting));
}

void settings_problem(struct settings_problems *problems, const config_setting_t *where,
	const char *format, ...)
{
	struct buffer text = {0};
	va_list arguments;
	char *message;

	if (config_setting_source_file(where))
		buffer_append_format(&text, "%s:%u: ", config_setting_source_file(where),
			(unsigned)config_setting_source_line(where));
	if (!config_setting_is_root(where)) {
		problem_path(&text, where);
		buffer_append_text(&text, ": ");
	}

	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		abort();
	va_end(arguments);
	buffer_append(&text, message, strlen(message) + 1);
	free(message);
	problem_take(problems, (const char *)buffer_data(&text));
	buffer_release(&text);
}

void settings_problem_plain(struct settings_problems *problems, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	problem_take(problems, text);
	free(text);
}

const config_setting_t *settings_problem_place(const config_setting_t *group, const char *member)
{
	const config_setting_t *found = config_setting_lookup((config_setting_t *)group, member);

	return found ? found : group;
}

/* Levenshtein's distance: letters to insert, to remove or to replace. */
static size_t hint_distance(const char *one, const char *other)
{
	size_t row[HINT_NAME_MAX + 1];
	size_t length = strlen(other);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; one[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t replaced = diagonal + (one[i] != other[j]);
			size_t nearest = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;

			diagonal = row[j + 1];
			row[j + 1] = replaced < nearest ? replaced : nearest;
		}
	}
	return row[length];
}

void settings_hint_offer(struct settings_hint *hint, const char *name)
{
	size_t length = strlen(hint->wanted);
	size_t distance;

	if (length > HINT_NAME_MAX || strlen(name) > HINT_NAME_MAX)
		return;
	distance = hint_distance(hint->wanted, name);
	if (distance > 1 + length / 4 || distance >= length)
		return;
	if (!hint->nearest || distance < hint->distance) {
		hint->nearest = name;
		hint->distance = distance;
	}
}

void settings_hint_text(const struct settings_hint *hint, char text[SETTINGS_HINT_SIZE])
{
	text[0] = '\0';
	if (hint->nearest)
		snprintf(text, SETTINGS_HINT_SIZE, "; did you mean '%s'?", hint->nearest);
}

void settings_problems_release(struct settings_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->texts[i]);
	free(problems->texts);
	*problems = (struct settings_problems){0};
}
