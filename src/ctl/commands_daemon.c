#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

/* The members that do not have a column of their own: "code=1006 remote=true" */
static char *event_details(const json_t *event)
{
	char *text = alloc_string("");
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)event, key, value) {
		char *word, *longer;

		if (strcmp(key, "type") == 0 || strcmp(key, "time") == 0 ||
			strcmp(key, "connection") == 0 || strcmp(key, "outlet") == 0)
			continue;
		word = strcmp(key, "warning") == 0 ? print_warning(value) : print_scalar(value);
		longer = alloc_format("%s%s%s=%s", text, *text ? " " : "", key, word);
		free(word);
		free(text);
		text = longer;
	}
	return text;
}

static enum table_color event_color(const char *type)
{
	static const struct {
		const char *type;
		enum table_color color;
	} colors[] = {
		{"open", TABLE_GREEN},
		{"close", TABLE_YELLOW},
		{"redirect", TABLE_YELLOW},
		{"retry", TABLE_YELLOW},
		{"warning", TABLE_YELLOW},
		{"lag", TABLE_YELLOW},
		{"lost", TABLE_RED},
		{"error", TABLE_RED},
		{"gave-up", TABLE_RED},
		{"undelivered", TABLE_RED},
		{"oversize", TABLE_RED},
		{"input-error", TABLE_RED},
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(*colors); i++) {
		if (strcmp(colors[i].type, type) == 0)
			return colors[i].color;
	}
	return TABLE_PLAIN;
}

static char *event_subject(const json_t *event)
{
	const char *connection = json_string_value(json_object_get(event, "connection"));
	const char *outlet = json_string_value(json_object_get(event, "outlet"));

	return alloc_format("%s%s%s", connection ? connection : "", connection && outlet ? " " : "",
		outlet ? outlet : "");
}

/* A table of one line, as those to come are unknown. */
static void events_print(struct ctl *ctl, const char *method, const json_t *parameters,
	void *context)
{
	static const struct table_column columns[4] = {{0}};
	const char *type = json_string_value(json_object_get(parameters, "type"));
	struct table *table;

	(void)context;
	if (!method)
		return;
	if (!type)
		type = method;
	table = table_new(columns, 4, ctl->color);
	table_add(table, print_time(json_object_get(parameters, "time")), TABLE_DIM);
	table_add(table, alloc_format("%-12s", type), event_color(type));
	table_add(table, event_subject(parameters), TABLE_PLAIN);
	table_add(table, event_details(parameters), TABLE_PLAIN);
	table_print(table);
}

/* "lost" has no type of its own in its parameters; an event has. */
static void events_print_json(struct ctl *ctl, const char *method, const json_t *parameters,
	void *context)
{
	json_t *lost;

	(void)ctl, (void)context;
	if (method && strcmp(method, "lost") == 0) {
		lost = json_pack("{s:s,s:O}", "type", "lost", "count",
			json_object_get(parameters, "count"));
		print_json(stdout, lost);
		json_decref(lost);
	} else if (method) {
		print_json(stdout, parameters);
	}
}

static int run_events(struct ctl *ctl, int argc, char **argv)
{
	json_t *following;

	command_no_options(ctl, argc, argv);
	command_arguments(ctl, argc, argv, 0, 0);
	following = command_call(ctl, "events", NULL);
	if (!following)
		return CTL_REFUSED;
	json_decref(following);
	return command_follow(ctl, ctl->json ? events_print_json : events_print, NULL);
}

static const struct command command_events = {
	.name = "events",
	.arguments = "",
	.summary = "Prints what happens, until interrupted",
	.run = run_events,
};

static void daemon_print(struct ctl *ctl, const json_t *result)
{
	table_print_object(result, ctl->color);
}

/* Warnings go where errors go. */
static void reload_print(struct ctl *ctl, const json_t *result)
{
	json_t *counts = json_copy((json_t *)result);
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(result, "warnings"), i, item) {
		if (json_is_string(item))
			command_tell("warning: %s", json_string_value(item));
	}
	json_array_foreach (json_object_get(result, "restart"), i, item) {
		if (json_is_string(item))
			command_tell("%s: the change takes effect with the next restart",
				json_string_value(item));
	}
	json_object_del(counts, "warnings");
	json_object_del(counts, "restart");
	table_print_object(counts, ctl->color);
	json_decref(counts);
}

static int run_reload(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	command_arguments(ctl, argc, argv, 0, 0);
	return command_show(ctl, "reload", NULL, reload_print);
}

static const struct command command_reload = {
	.name = "reload",
	.arguments = "",
	.summary = "Makes the daemon read its configuration again",
	.run = run_reload,
};

static int run_log(struct ctl *ctl, int argc, char **argv)
{
	json_t *parameters = json_object();
	const char *level;

	command_no_options(ctl, argc, argv);
	level = *command_arguments(ctl, argc, argv, 0, 1);
	if (level)
		json_object_set_new(parameters, "level", json_string(level));
	return command_show(ctl, "log", parameters, daemon_print);
}

static const struct command command_log = {
	.name = "log",
	.arguments = "[LEVEL]",
	.summary = "Shows or changes the log level",
	.details =
		"LEVEL is err, warning, notice, info or debug; without it, shows the current level.\n",
	.run = run_log,
};

static int run_version(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	command_arguments(ctl, argc, argv, 0, 0);
	return command_show(ctl, "version", NULL, daemon_print);
}

static const struct command command_version = {
	.name = "version",
	.arguments = "",
	.summary = "Shows the daemon's version and process",
	.run = run_version,
};

const struct command_group commands_daemon = {
	.title = "Daemon",
	.commands =
		(const struct command *const[]){
			&command_events,
			&command_reload,
			&command_log,
			&command_version,
			NULL,
		},
};
