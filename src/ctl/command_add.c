#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/commands.h"

/* "reconnect.min=1s" into {"reconnect":{"min":"1s"}}; what is not JSON is a string. */
static void add_setting(struct ctl *ctl, json_t *settings, char *text)
{
	char *value = strchr(text, '=');
	char *dot;
	json_t *json;

	if (!value)
		command_misuse(ctl, "a setting must be like 'name=value', not '%s'", text);
	*value++ = '\0';
	while ((dot = strchr(text, '.'))) {
		*dot = '\0';
		if (!json_is_object(json_object_get(settings, text)))
			json_object_set_new(settings, text, json_object());
		settings = json_object_get(settings, text);
		if (!settings)
			command_misuse(ctl, "'%s' is not a setting", text);
		text = dot + 1;
	}
	json = json_loads(value, JSON_DECODE_ANY, NULL);
	if (json_object_set_new(settings, text, json ? json : json_string(value)))
		command_misuse(ctl, "the setting '%s' is not UTF-8", text);
}

static json_t *add_settings(struct ctl *ctl, char **arguments)
{
	json_t *settings = command_name(arguments[0]);

	if (json_object_set_new(settings, "url", json_string(arguments[1])))
		command_misuse(ctl, "the URL is not UTF-8");
	for (char **setting = arguments + 2; *setting; setting++)
		add_setting(ctl, settings, *setting);
	return settings;
}

static json_t *add_settings_from_input(struct ctl *ctl)
{
	json_error_t error;
	json_t *settings = json_loadf(stdin, 0, &error);

	if (!json_is_object(settings))
		command_misuse(ctl, "standard input is not a JSON object: %s",
			settings ? "another value" : command_json_fault(&error));
	return settings;
}

static int run_add(struct ctl *ctl, int argc, char **argv)
{
	char **arguments;

	command_no_options(ctl, argc, argv);
	arguments = command_arguments(ctl, argc, argv, 1, argc);
	if (strcmp(arguments[0], "-") == 0 && !arguments[1])
		return command_do(ctl, "add", add_settings_from_input(ctl));
	if (!arguments[1])
		command_misuse(ctl, "missing argument");
	return command_do(ctl, "add", add_settings(ctl, arguments));
}

const struct command command_add = {
	.name = "add",
	.arguments = "NAME URL [SETTING=VALUE]... | -",
	.summary = "Adds a connection",
	.details =
		"The connection stays until 'remove' or the next 'reload'. SETTING is a connection setting\n"
		"of wsgated.conf(5), with dots for groups: reconnect.max=10s. VALUE is JSON, or else a\n"
		"string. 'add -' reads all settings as a JSON object from standard input. Only root and\n"
		"the daemon's user may name files, local sockets or environment variables.\n",
	.run = run_add,
};
