#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/print.h"
#include "ctl/table.h"

static const char group[] = "Connections";

static void connect_print_headers(const json_t *headers)
{
	char *text, *clean_name;
	const char *name;
	json_t *value, *item;
	size_t i;

	json_object_foreach((json_t *)headers, name, value) {
		json_t *values = json_is_array(value) ? json_incref(value)
						      : json_pack("[O]", value);

		json_array_foreach(values, i, item) {
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
			command_misused(ctl, "a header must be like 'Name: value', not '%s'", optarg);
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
		command_no_answer();
	open = json_is_true(result);
	puts(open ? "true" : "false");
	json_decref(result);
	return open ? CTL_DONE : CTL_REFUSED;
}

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

	json_array_foreach(result, i, line) {
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

static void status_print(struct ctl *ctl, const json_t *result)
{
	table_print_object(result, ctl->color);
}

static int run_status(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_show(ctl, "status",
		command_name(*command_arguments(ctl, argc, argv, 1, 1)), status_print);
}

static int send_message(struct ctl *ctl, const char *name, bool binary, const void *data,
	size_t length)
{
	json_t *parameters = command_name(name);
	char *base64;

	if (binary) {
		base64 = alloc_zero(1, text_base64_length(length) + 1);
		text_base64_encode(base64, data, length);
		json_object_set_new(parameters, "base64", json_string(base64));
		free(base64);
	} else if (memchr(data, '\0', length)) {
		command_misused(ctl, "the message has a NUL byte: send it with --binary");
	} else if (json_object_set_new(parameters, "text", json_stringn(data, length))) {
		command_misused(ctl, "the message is not UTF-8: send it with --binary");
	}
	return command_do(ctl, "send", parameters);
}

static int send_input(struct ctl *ctl, const char *name, bool binary)
{
	struct buffer input = {0};
	size_t length;
	int status;

	do {
		length = fread(buffer_reserve(&input, 65536), 1, 65536, stdin);
		buffer_commit(&input, length);
	} while (length);
	if (ferror(stdin)) {
		perror("wsgatectl: cannot read standard input");
		status = CTL_USAGE;
	} else {
		status = send_message(ctl, name, binary, buffer_data(&input), input.length);
	}
	buffer_release(&input);
	return status;
}

static int send_lines(struct ctl *ctl, const char *name, bool binary)
{
	int status = CTL_DONE;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while (status == CTL_DONE && (length = getline(&line, &room, stdin)) > 0) {
		if (line[length - 1] == '\n')
			length--;
		status = send_message(ctl, name, binary, line, (size_t)length);
	}
	free(line);
	return status;
}

static int run_send(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"binary", no_argument, NULL, 'b'},
		{"lines", no_argument, NULL, 'l'},
		COMMAND_OPTIONS,
	};
	bool binary = false, lines = false;
	char **arguments;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "s:h", options)) != -1) {
		if (letter == 'b')
			binary = true;
		else
			lines = true;
	}
	arguments = command_arguments(ctl, argc, argv, 2, 2);
	if (strcmp(arguments[1], "-") != 0) {
		if (lines)
			command_misused(ctl, "--lines goes with '-', standard input");
		return send_message(ctl, arguments[0], binary, arguments[1], strlen(arguments[1]));
	}
	return lines ? send_lines(ctl, arguments[0], binary)
		     : send_input(ctl, arguments[0], binary);
}

static int run_ping(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "ping", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static void on_open_print(struct ctl *ctl, const json_t *result)
{
	const json_t *message;
	char *text;
	size_t i;

	(void)ctl;
	json_array_foreach(result, i, message) {
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
		command_misused(ctl, "what to do is 'add MESSAGE', 'remove MESSAGE' or 'list'");
	message = json_string(arguments[2]);
	if (!message)
		command_misused(ctl, "the message is not UTF-8");
	json_object_set_new(parameters, what, message);
	return command_do(ctl, "on-open", parameters);
}

/* "reconnect.min=1s" into {"reconnect":{"min":"1s"}}; what is not JSON is a string. */
static void add_setting(struct ctl *ctl, json_t *settings, char *text)
{
	char *value = strchr(text, '=');
	char *dot;
	json_t *json;

	if (!value)
		command_misused(ctl, "a setting must be like 'name=value', not '%s'", text);
	*value++ = '\0';
	while ((dot = strchr(text, '.'))) {
		*dot = '\0';
		if (!json_is_object(json_object_get(settings, text)))
			json_object_set_new(settings, text, json_object());
		settings = json_object_get(settings, text);
		if (!settings)
			command_misused(ctl, "'%s' cannot be the name of a setting", text);
		text = dot + 1;
	}
	json = json_loads(value, JSON_DECODE_ANY, NULL);
	if (json_object_set_new(settings, text, json ? json : json_string(value)))
		command_misused(ctl, "the setting '%s' is not UTF-8", text);
}

static json_t *add_settings(struct ctl *ctl, char **arguments)
{
	json_t *settings = command_name(arguments[0]);

	if (json_object_set_new(settings, "url", json_string(arguments[1])))
		command_misused(ctl, "the URL is not UTF-8");
	for (char **setting = arguments + 2; *setting; setting++)
		add_setting(ctl, settings, *setting);
	return settings;
}

static json_t *add_settings_from_input(struct ctl *ctl)
{
	json_error_t error;
	json_t *settings = json_loadf(stdin, 0, &error);

	if (!json_is_object(settings))
		command_misused(ctl, "standard input is not a JSON object: %s",
			settings ? "it is another JSON value" : command_json_fault(&error));
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
		command_misused(ctl, "an argument is missing");
	return command_do(ctl, "add", add_settings(ctl, arguments));
}

static int run_remove(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "remove", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static const char connect_details[] =
	"Answers once the connection is open or has failed: the server's HTTP response, and how\n"
	"the attempt went. An open connection is closed with 1001 first.\n\n"
	"  -H, --header='NAME: VALUE'  send this header, too, this once; may be repeated,\n"
	"                              up to 64 times and 32 KiB\n";

static const char disconnect_details[] =
	"CODE is a close code, 1001 by default: 1000 to 1014 except 1004 to 1006, or 3000\n"
	"to 4999. REASON is a text of up to 123 bytes. It stays closed until 'connect'.\n";

static const char send_details[] =
	"TEXT is one text message; '-' sends what comes on standard input as one message.\n"
	"Put '--' before a TEXT that begins with a dash.\n\n"
	"      --binary  send a binary message\n"
	"      --lines   with '-': each line of standard input is a message\n";

static const char on_open_details[] =
	"Messages that are sent, after those of the configuration, each time the connection has\n"
	"opened. 'add' also sends the message now if it is open, 'remove' only forgets it. They\n"
	"stay until the daemon stops. In a MESSAGE, %n is the connection's name, %{VARIABLE} an\n"
	"environment variable of the daemon, and %% a percent sign.\n";

static const char add_details[] =
	"The connection lives until 'remove' or the next 'reload'. A SETTING is one of those in\n"
	"wsgated.conf(5), with dots for groups: reconnect.max=10s. A VALUE is JSON, or else a\n"
	"string. 'add -' reads all settings as a JSON object from standard input. Only root and\n"
	"the daemon's user may name files, local sockets or environment variables.\n";

const struct command commands_connection[] = {
	{"list", group, "", "Lists the connections", NULL, run_list},
	{"status", group, "NAME", "Shows everything about a connection", NULL,
		run_status},
	{"connect", group, "[-H 'NAME: VALUE']... NAME", "(Re)connects, and shows the response",
		connect_details, run_connect},
	{"disconnect", group, "NAME [CODE [REASON]]", "Closes a connection", disconnect_details,
		run_disconnect},
	{"is-open", group, "NAME", "Prints true or false; exit status 0 or 1", NULL, run_is_open},
	{"send", group, "[--binary] [--lines] NAME TEXT|-", "Sends a message to the server",
		send_details, run_send},
	{"ping", group, "NAME", "Sends a ping to the server", NULL, run_ping},
	{"on-open", group, "NAME add|remove MESSAGE | NAME list",
		"Changes what is sent each time the connection opens", on_open_details, run_on_open},
	{"add", group, "NAME URL [SETTING=VALUE]... | -", "Adds a connection", add_details,
		run_add},
	{"remove", group, "NAME", "Closes and removes a connection", NULL, run_remove},
	{0},
};
