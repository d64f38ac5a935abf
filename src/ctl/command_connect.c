#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

static void connect_print_headers(const json_t *headers)
{
	char *text, *clean_name;
	const char *name;
	json_t *value, *item;
	size_t i;

	json_object_foreach ((json_t *)headers, name, value) {
		json_t *values =
			json_is_array(value) ? json_incref(value) : json_pack("[O]", value);

		json_array_foreach (values, i, item) {
			clean_name = print_clean(name, strlen(name));
			text = print_clean(json_string_value(item), json_string_length(item));
			printf("%s: %s\n", clean_name, text);
			free(clean_name);
			free(text);
		}
		json_decref(values);
	}
}

/* The server's answer, and how the call went; on failure as far as it came. */
static void connect_print(struct ctl *ctl, const json_t *result)
{
	const json_t *response = json_object_get(result, "response");
	const json_t *info = json_object_get(result, "info");
	const char *phrase = json_string_value(json_object_get(response, "reason"));
	char *reason;

	if (response) {
		reason = print_clean(phrase ? phrase : "-", strlen(phrase ? phrase : "-"));
		printf("HTTP/1.1 %lld %s\n",
			(long long)json_integer_value(json_object_get(response, "status")), reason);
		free(reason);
		connect_print_headers(json_object_get(response, "headers"));
		puts("");
	}
	if (info)
		table_print_object(info, ctl->color);
}

static int run_connect(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"header", required_argument, NULL, 'H'},
		COMMAND_OPTIONS,
	};
	json_t *headers = json_array();
	json_t *answer, *result, *error;
	const char *name;

	while (command_option(ctl, argc, argv, "H:s:h", options) != -1) {
		if (!strchr(optarg, ':') || json_array_append_new(headers, json_string(optarg)))
			command_misuse(ctl, "--header must be like 'Name: value', not '%s'",
				optarg);
	}
	name = *command_arguments(ctl, argc, argv, 1, 1);
	answer = command_ask(ctl, "connect",
		json_pack("{s:s,s:o}", "name", name, "headers", headers));
	result = json_object_get(answer, "result");
	error = json_object_get(answer, "error");
	if (result && ctl->json)
		print_json(stdout, result);
	else if (!ctl->json)
		connect_print(ctl, result ? result : json_object_get(error, "data"));
	if (error)
		command_complain(ctl, error);
	json_decref(answer);
	return error ? CTL_REFUSED : CTL_DONE;
}

const struct command command_connect = {
	.name = "connect",
	.arguments = "[-H 'NAME: VALUE']... NAME",
	.summary = "(Re)connects, and shows the response",
	.details =
		"Waits until the connection is open or has failed, and shows the server's HTTP response\n"
		"and details of the attempt. An open connection is first closed with 1001.\n\n"
		"  -H, --header='NAME: VALUE'  also send this header, with this attempt only; may be\n"
		"                              repeated, up to 64 headers and 32 KiB\n",
	.run = run_connect,
};
