#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"
#include "gateway/settings_lines.h"
#include "gateway/settings_private.h"

/* Longer names get no hint: no setting has one. */
enum { HINT_NAME_MAX = 64 };

/* Takes over the text, which the file may have given any bytes. */
static void texts_take(struct string_list *texts, char *text)
{
	string_list_take(texts, text_clean_copy(text, strlen(text)));
	free(text);
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
		buffer_append_format(out, "%s%s", out->length > before ? "." : "",
			config_setting_name(setting));
}

/* The text that the setting was parsed from; NULL: it comes from elsewhere, as with `add`. */
static const struct settings_lines *problem_lines(const config_setting_t *where)
{
	return config_setting_get_hook(config_root_setting(where->config));
}

const char *settings_place_line(const config_setting_t *where, unsigned *line)
{
	const struct settings_lines *lines = problem_lines(where);

	*line = 0;
	return lines ? settings_lines_find(lines, config_setting_source_line(where), line) : NULL;
}

char *settings_place(const config_setting_t *where)
{
	struct buffer text = {0};
	unsigned line;
	const char *file = settings_place_line(where, &line);
	char *place;

	if (file)
		buffer_append_text(&text, file);
	if (line)
		buffer_append_format(&text, ":%u", line);
	if (!config_setting_is_root(where)) {
		buffer_append_text(&text, file ? ": " : "");
		problem_path(&text, where);
	}
	buffer_append(&text, "", 1);
	place = alloc_string((const char *)buffer_data(&text));
	buffer_release(&text);
	return place;
}

/* The whole text, for the caller to free. */
static char *problem_text(const config_setting_t *where, const char *format, va_list arguments)
{
	char *place = settings_place(where);
	char *message, *text;

	if (vasprintf(&message, format, arguments) < 0)
		abort();
	text = alloc_format("%s%s%s", place, *place ? ": " : "", message);
	free(message);
	free(place);
	return text;
}

void settings_problem(struct settings_problems *problems, const config_setting_t *where,
	const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	texts_take(&problems->errors, problem_text(where, format, arguments));
	va_end(arguments);
}

void settings_warning(struct settings_problems *problems, const config_setting_t *where,
	const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	texts_take(&problems->warnings, problem_text(where, format, arguments));
	va_end(arguments);
}

void settings_problem_at(struct settings_problems *problems, const char *place, const char *text)
{
	texts_take(&problems->errors,
		alloc_format("%s%s%s", place ? place : "", place && *place ? ": " : "", text));
}

void settings_problem_plain(struct settings_problems *problems, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	texts_take(&problems->errors, text);
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
	string_list_release(&problems->errors);
	string_list_release(&problems->warnings);
	*problems = (struct settings_problems){0};
}
