#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "ctl/commands.h"
#include "ctl/print.h"

/* Settings as the configuration file would have them, with where they come from as comments. */

/* The comments of settings that take more columns are not lined up. */
enum { CONFIG_COLUMN_MAX = 48 };

static void config_append(struct buffer *out, const json_t *value);

static void config_append_elements(struct buffer *out, const json_t *value)
{
	const json_t *item;
	const char *key;
	size_t i;

	json_array_foreach (value, i, item) {
		buffer_append_text(out, i ? ", " : " ");
		config_append(out, item);
	}
	json_object_foreach ((json_t *)value, key, item) {
		buffer_append_format(out, " %s = ", key);
		config_append(out, item);
		buffer_append_text(out, ";");
	}
}

/* In the syntax of libconfig. An empty string is a setting that is not set. */
static void config_append(struct buffer *out, const json_t *value)
{
	const bool group = json_is_object(value);
	char *text;

	if (group || json_is_array(value)) {
		buffer_append_text(out, group ? "{" : "[");
		config_append_elements(out, value);
		buffer_append_text(out, group ? " }" : " ]");
		return;
	}
	text = json_is_null(value) ? NULL
				   : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	buffer_append_text(out, text ? text : "\"\"");
	free(text);
}

/* "ping.interval = \"30s\";" */
static char *config_setting(const json_t *setting)
{
	const char *name = json_string_value(json_object_get(setting, "name"));
	struct buffer text = {0};
	char *clean;

	buffer_append_format(&text, "%s = ", name ? name : "?");
	config_append(&text, json_object_get(setting, "value"));
	buffer_append_text(&text, ";");
	clean = print_clean((const char *)buffer_data(&text), text.length);
	buffer_release(&text);
	return clean;
}

static char *config_place(const json_t *setting)
{
	const char *file = json_string_value(json_object_get(setting, "file"));
	char *place, *clean;

	if (!file)
		return alloc_string("");
	place = alloc_format("%s:%lld", file, (long long)print_number(setting, "line"));
	clean = print_clean(place, strlen(place));
	free(place);
	return clean;
}

static char *config_comment(const json_t *setting)
{
	static const struct {
		const char *from, *comment;
	} comments[] = {
		{"file", ""},
		{"defaults", "defaults, "},
		{"environment", "environment"},
		{"control", "added"},
		{"running", "until a restart, then "},
	};
	const char *from = json_string_value(json_object_get(setting, "from"));
	char *place = config_place(setting), *comment = NULL;

	for (size_t i = 0; from && i < sizeof(comments) / sizeof(*comments) && !comment; i++) {
		if (strcmp(comments[i].from, from) == 0)
			comment = alloc_join(comments[i].comment, place, "");
	}
	free(place);
	return comment ? comment : alloc_string("default");
}

/* Columns of a terminal. */
static size_t config_length(const char *text)
{
	const size_t size = strlen(text) + 1;
	wchar_t *wide = alloc_zero(size, sizeof(*wide));
	int columns = mbstowcs(wide, text, size) == (size_t)-1 ? -1 : wcswidth(wide, size);

	free(wide);
	return columns < 0 ? size - 1 : (size_t)columns;
}

static void config_print_setting(const json_t *setting, size_t width)
{
	char *text = config_setting(setting), *comment = config_comment(setting);
	const size_t length = config_length(text);

	printf("%s%*s  # %s\n", text, length < width ? (int)(width - length) : 0, "", comment);
	free(text);
	free(comment);
}

static size_t config_width(const json_t *settings)
{
	const json_t *setting;
	size_t width = 0, i;

	json_array_foreach (settings, i, setting) {
		char *text = config_setting(setting);
		const size_t length = config_length(text);

		if (length > width && length <= CONFIG_COLUMN_MAX)
			width = length;
		free(text);
	}
	return width;
}

static void config_print(struct ctl *ctl, const json_t *result)
{
	const json_t *settings, *setting;
	const char *of;
	size_t i, groups = 0;

	(void)ctl;
	json_object_foreach ((json_t *)result, of, settings) {
		const size_t width = config_width(settings);

		if (json_object_size(result) > 1)
			printf("%s# %s\n", groups++ ? "\n" : "", of);
		json_array_foreach (settings, i, setting)
			config_print_setting(setting, width);
	}
}

static int run_config(struct ctl *ctl, int argc, char **argv)
{
	const char *name;

	command_no_options(ctl, argc, argv);
	name = *command_arguments(ctl, argc, argv, 0, 1);
	return command_show(ctl, "config", name ? command_name(name) : NULL, config_print);
}

static const struct command command_config = {
	.name = "config",
	.arguments = "[NAME]",
	.summary = "Shows the settings in force",
	.details =
		"Without NAME those of the gateway, else those of the connection and of the outlet with\n"
		"that name. A comment says where each comes from: the line of a file, 'defaults' and a\n"
		"line, 'added' over the control socket, or built in ('default'). Secrets are ***.\n",
	.run = run_config,
};

const struct command_group commands_config = {
	.title = "Configuration",
	.commands =
		(const struct command *const[]){
			&command_config,
			NULL,
		},
};
