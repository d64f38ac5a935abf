#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

static int run_disconnect(struct ctl *ctl, int argc, char **argv)
{
	json_t *parameters;
	char **arguments;

	command_no_options(ctl, argc, argv);
	arguments = command_arguments(ctl, argc, argv, 1, 3);
	parameters = command_name(arguments[0]);
	if (arguments[1])
		json_object_set_new(parameters, "code", command_integer(ctl, "CODE", arguments[1]));
	if (arguments[1] && arguments[2])
		json_object_set_new(parameters, "reason", json_string(arguments[2]));
	return command_do(ctl, "disconnect", parameters);
}

static const struct command command_disconnect = {
	.name = "disconnect",
	.arguments = "NAME [CODE [REASON]]",
	.summary = "Closes a connection",
	.details =
		"CODE is a close code, 1001 by default: 1000 to 1014 except 1004 to 1006, or 3000\n"
		"to 4999. REASON has up to 123 bytes. The connection stays closed until 'connect'.\n",
	.run = run_disconnect,
};

static int run_is_open(struct ctl *ctl, int argc, char **argv)
{
	json_t *result;
	bool open;

	command_no_options(ctl, argc, argv);
	result = command_call(ctl, "is-open",
		command_name(*command_arguments(ctl, argc, argv, 1, 1)));
	if (!result)
		return CTL_REFUSED;
	if (!json_is_boolean(result))
		command_bad_answer();
	open = json_is_true(result);
	puts(open ? "true" : "false");
	json_decref(result);
	return open ? CTL_DONE : CTL_REFUSED;
}

static const struct command command_is_open = {
	.name = "is-open",
	.arguments = "NAME",
	.summary = "Prints true or false; exit status 0 or 1",
	.run = run_is_open,
};

static enum table_color state_color(const char *state)
{
	static const struct {
		const char *state;
		enum table_color color;
	} colors[] = {
		{"open", TABLE_GREEN},
		{"waiting", TABLE_RED},
		{"connecting", TABLE_YELLOW},
		{"upgrading", TABLE_YELLOW},
		{"closing", TABLE_YELLOW},
		{"idle", TABLE_DIM},
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(*colors); i++) {
		if (strcmp(colors[i].state, state) == 0)
			return colors[i].color;
	}
	return TABLE_PLAIN;
}

/* "try 3 in 1.2 s: connection refused", "try 1 in its turn", "gave up: …" */
static char *list_note(const json_t *line)
{
	const char *gave_up = json_string_value(json_object_get(line, "gave_up"));
	const json_t *next = json_object_get(line, "next_try_ms");
	const char *error = json_string_value(json_object_get(line, "last_error"));
	char *wait, *note;

	if (gave_up)
		return alloc_format("gave up: %s%s%s", gave_up, error ? ": " : "",
			error ? error : "");
	if (json_is_true(json_object_get(line, "queued")))
		return alloc_format("try %lld in its turn",
			(long long)json_integer_value(json_object_get(line, "attempt")) + 1);
	if (!json_is_integer(next))
		return alloc_string("");
	wait = print_microseconds(json_integer_value(next) * 1000);
	note = alloc_format("try %lld in %s%s%s",
		(long long)json_integer_value(json_object_get(line, "attempt")) + 1, wait,
		error ? ": " : "", error ? error : "");
	free(wait);
	return note;
}

static void list_print(struct ctl *ctl, const json_t *result)
{
	static const struct table_column columns[] = {
		{"NAME", false},
		{"STATE", false},
		{"FOR", true},
		{"RECEIVED", true},
		{"SENT", true},
		{"URL", false},
		{"NOTE", false},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns), ctl->color);
	const json_t *line;
	char *state;
	size_t i;

	json_array_foreach (result, i, line) {
		state = print_scalar(json_object_get(line, "state"));
		table_add(table, print_scalar(json_object_get(line, "name")), TABLE_PLAIN);
		table_add(table, alloc_string(state), state_color(state));
		table_add(table, print_since(json_object_get(line, "since")), TABLE_PLAIN);
		table_add(table,
			print_bytes(json_integer_value(json_object_get(line, "bytes_recv"))),
			TABLE_PLAIN);
		table_add(table,
			print_bytes(json_integer_value(json_object_get(line, "bytes_sent"))),
			TABLE_PLAIN);
		table_add(table, print_scalar(json_object_get(line, "url")), TABLE_PLAIN);
		table_add(table, list_note(line), TABLE_DIM);
		free(state);
	}
	table_print(table);
}

static int run_list(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	command_arguments(ctl, argc, argv, 0, 0);
	return command_show(ctl, "list", NULL, list_print);
}

static const struct command command_list = {
	.name = "list",
	.arguments = "",
	.summary = "Lists the connections",
	.run = run_list,
};

static void status_print(struct ctl *ctl, const json_t *result)
{
	table_print_object(result, ctl->color);
}

static int run_status(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_show(ctl, "status", command_name(*command_arguments(ctl, argc, argv, 1, 1)),
		status_print);
}

static const struct command command_status = {
	.name = "status",
	.arguments = "NAME",
	.summary = "Shows everything about a connection",
	.run = run_status,
};

static int run_ping(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "ping", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static const struct command command_ping = {
	.name = "ping",
	.arguments = "NAME",
	.summary = "Sends a ping to the server",
	.run = run_ping,
};

static void on_open_print(struct ctl *ctl, const json_t *result)
{
	const json_t *message;
	char *text;
	size_t i;

	(void)ctl;
	json_array_foreach (result, i, message) {
		text = print_clean(json_string_value(message), json_string_length(message));
		puts(text);
		free(text);
	}
}

static int run_on_open(struct ctl *ctl, int argc, char **argv)
{
	json_t *parameters, *message;
	char **arguments;
	const char *what;

	command_no_options(ctl, argc, argv);
	arguments = command_arguments(ctl, argc, argv, 2, 3);
	parameters = command_name(arguments[0]);
	what = arguments[1];
	if (strcmp(what, "list") == 0 && !arguments[2])
		return command_show(ctl, "on-open", parameters, on_open_print);
	if ((strcmp(what, "add") != 0 && strcmp(what, "remove") != 0) || !arguments[2])
		command_misuse(ctl, "expected 'add MESSAGE', 'remove MESSAGE' or 'list'");
	message = json_string(arguments[2]);
	if (!message)
		command_misuse(ctl, "the message is not UTF-8");
	json_object_set_new(parameters, what, message);
	return command_do(ctl, "on-open", parameters);
}

static const struct command command_on_open = {
	.name = "on-open",
	.arguments = "NAME add|remove MESSAGE | NAME list",
	.summary = "Changes what is sent each time the connection opens",
	.details =
		"These messages are sent each time the connection opens, after those of the\n"
		"configuration. 'add' also sends the message now if the connection is open. They are\n"
		"kept until the daemon stops. In a MESSAGE, %n is the connection's name, %{VARIABLE} an\n"
		"environment variable of the daemon, and %% a percent sign.\n",
	.run = run_on_open,
};

static int run_remove(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "remove", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static const struct command command_remove = {
	.name = "remove",
	.arguments = "NAME",
	.summary = "Closes and removes a connection",
	.run = run_remove,
};

const struct command_group commands_connection = {
	.title = "Connections",
	.commands =
		(const struct command *const[]){
			&command_list,
			&command_status,
			&command_connect,
			&command_disconnect,
			&command_is_open,
			&command_send,
			&command_ping,
			&command_on_open,
			&command_add,
			&command_remove,
			NULL,
		},
};
