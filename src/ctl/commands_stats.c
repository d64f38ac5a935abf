#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

static void stats_print_all(struct ctl *ctl, const json_t *result)
{
	static const struct table_column columns[] = {
		{"NAME", false},
		{"MSGS RECV", true},
		{"BYTES RECV", true},
		{"TIME RECV", true},
		{"MSGS SENT", true},
		{"BYTES SENT", true},
		{"TIME SENT", true},
		{"RTT", true},
		{"OPENS", true},
		{"FAILURES", true},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns), ctl->color);
	const char *name;
	json_t *stats;

	json_object_foreach ((json_t *)result, name, stats) {
		table_add(table, alloc_string(name), TABLE_PLAIN);
		table_add(table, print_count(stats, "messages_recv"), TABLE_PLAIN);
		table_add(table, print_bytes(print_number(stats, "bytes_recv")), TABLE_PLAIN);
		table_add(table, print_microseconds(print_number(stats, "us_recv")), TABLE_PLAIN);
		table_add(table, print_count(stats, "messages_sent"), TABLE_PLAIN);
		table_add(table, print_bytes(print_number(stats, "bytes_sent")), TABLE_PLAIN);
		table_add(table, print_microseconds(print_number(stats, "us_sent")), TABLE_PLAIN);
		table_add(table,
			print_number(stats, "rtt_us")
				? print_microseconds(print_number(stats, "rtt_us"))
				: alloc_string("-"),
			TABLE_PLAIN);
		table_add(table, print_count(stats, "opens"), TABLE_PLAIN);
		table_add(table, print_count(stats, "failures"),
			print_number(stats, "failures") ? TABLE_YELLOW : TABLE_PLAIN);
	}
	table_print(table);
}

static void stats_print_one(struct ctl *ctl, const json_t *result)
{
	table_print_object(result, ctl->color);
}

static int run_stats(struct ctl *ctl, int argc, char **argv)
{
	const char *name;

	command_no_options(ctl, argc, argv);
	name = *command_arguments(ctl, argc, argv, 0, 1);
	if (name)
		return command_show(ctl, "stats", command_name(name), stats_print_one);
	return command_show(ctl, "stats", NULL, stats_print_all);
}

static const struct command command_stats = {
	.name = "stats",
	.arguments = "[NAME]",
	.summary = "Shows the statistics",
	.details =
		"Bytes are those of frames, as on the wire: with headers, compressed if they were.\n",
	.run = run_stats,
};

static int run_clear(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		COMMAND_OPTIONS,
	};
	json_t *names;
	char **arguments;
	bool all = false;

	while (command_option(ctl, argc, argv, "s:h", options) != -1)
		all = true;
	arguments = command_arguments(ctl, argc, argv, all ? 0 : 1, all ? 0 : argc);
	if (all)
		return command_do(ctl, "clear", json_pack("{s:b}", "all", true));
	names = json_array();
	for (; *arguments; arguments++)
		json_array_append_new(names, json_string(*arguments));
	return command_do(ctl, "clear", json_pack("{s:o}", "names", names));
}

static const struct command command_clear = {
	.name = "clear",
	.arguments = "NAME... | --all",
	.summary = "Resets the statistics",
	.details = "      --all  reset those of every connection\n",
	.run = run_clear,
};

static json_t *warn_arg(struct ctl *ctl, const char *text)
{
	json_error_t error;
	json_t *arg = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!arg)
		command_misuse(ctl, "--arg is not JSON: %s (a string needs quotes: '\"%s\"')",
			command_json_fault(&error), text);
	return arg;
}

static int run_warn(struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		int letter;
		const char *option;
		const char *parameter;
	} numbers[] = {
		{'m', "--warning-ms", "warning_ms"},
		{'b', "--warning-bs", "warning_bs"},
		{'i', "--min-ms", "min_ms"},
		{'q', "--queue", "queue"},
	};
	static const struct option options[] = {
		{"warning-ms", required_argument, NULL, 'm'},
		{"warning-bs", required_argument, NULL, 'b'},
		{"min-ms", required_argument, NULL, 'i'},
		{"queue", required_argument, NULL, 'q'},
		{"arg", required_argument, NULL, 'a'},
		COMMAND_OPTIONS,
	};
	json_t *parameters = json_object();
	const char *name;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "s:h", options)) != -1) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
			if (numbers[i].letter == letter)
				json_object_set_new(parameters, numbers[i].parameter,
					command_integer(ctl, numbers[i].option, optarg));
		}
		if (letter == 'a')
			json_object_set_new(parameters, "arg", warn_arg(ctl, optarg));
	}
	name = *command_arguments(ctl, argc, argv, 1, 1);
	json_object_set_new(parameters, "name", json_string(name));
	return command_do(ctl, "warn", parameters);
}

static const struct command command_warn = {
	.name = "warn",
	.arguments = "--warning-ms=N --warning-bs=N [OPTION]... NAME",
	.summary = "Sets the warning thresholds",
	.details =
		"At least one of --warning-ms and --warning-bs must be above 0.\n\n"
		"      --warning-ms=N  warn of operations (resolve, connect, tls, upgrade, send, recv)\n"
		"                      that take more than N milliseconds\n"
		"      --warning-bs=N  warn of transfers at fewer than N bytes per second\n"
		"      --min-ms=N      that take at least N milliseconds [1000]\n"
		"      --arg=JSON      a value to include in each warning\n"
		"      --queue=N       keep up to N warnings, 1 to 100000 [100]\n",
	.run = run_warn,
};

static int run_unwarn(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "unwarn", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static const struct command command_unwarn = {
	.name = "unwarn",
	.arguments = "NAME",
	.summary = "Removes the thresholds and the queued warnings",
	.run = run_unwarn,
};

const struct command_group commands_stats = {
	.title = "Statistics and warnings",
	.commands =
		(const struct command *const[]){
			&command_stats,
			&command_clear,
			&command_warn,
			&command_unwarn,
			&command_warnings,
			NULL,
		},
};
