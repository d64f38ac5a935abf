#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/command.h"
#include "ctl/print.h"
#include "ctl/table.h"

static const char group[] = "Statistics and warnings";

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

	json_object_foreach((json_t *)result, name, stats) {
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

static json_t *warn_arg(struct ctl *ctl, const char *text)
{
	json_error_t error;
	json_t *arg = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!arg)
		command_misused(ctl, "--arg is not JSON: %s (a text needs quotes: '\"%s\"')",
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

static int run_unwarn(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	return command_do(ctl, "unwarn", command_name(*command_arguments(ctl, argc, argv, 1, 1)));
}

static void warnings_add(struct table *table, const json_t *warning)
{
	table_add(table, print_time(json_object_get(warning, "time")), TABLE_DIM);
	table_add(table, print_count(warning, "seq"), TABLE_DIM);
	table_add(table, print_scalar(json_object_get(warning, "connection")), TABLE_PLAIN);
	table_add(table, print_warning(warning), TABLE_YELLOW);
	table_add(table, print_scalar(json_object_get(warning, "arg")), TABLE_PLAIN);
}

static void warnings_print(struct ctl *ctl, const json_t *result)
{
	static const struct table_column columns[] = {
		{"TIME", false},
		{"SEQ", true},
		{"CONNECTION", false},
		{"WARNING", false},
		{"ARG", false},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns), ctl->color);
	const json_t *warning;
	size_t i;

	json_array_foreach(result, i, warning)
		warnings_add(table, warning);
	table_print(table);
}

/* A line of its own for each, as the widths of what is to come are unknown. */
static void warnings_print_one(struct ctl *ctl, const json_t *warning)
{
	static const struct table_column columns[5] = {{0}};
	struct table *table;

	if (ctl->json) {
		print_json(stdout, warning);
		return;
	}
	table = table_new(columns, 5, ctl->color);
	warnings_add(table, warning);
	table_print(table);
}

/* Each once, though it may come from the queue and as an event: by its number. */
static bool warnings_is_new(struct ctl *ctl, const json_t *warning)
{
	const char *name = json_string_value(json_object_get(warning, "connection"));
	json_int_t seq = json_integer_value(json_object_get(warning, "seq"));

	if (!ctl->seen)
		ctl->seen = json_object();
	if (seq <= json_integer_value(json_object_get(ctl->seen, name)))
		return false;
	json_object_set_new(ctl->seen, name, json_integer(seq));
	return true;
}

static void warnings_show_event(struct ctl *ctl, const char *method, const json_t *parameters)
{
	const json_t *warning = json_object_get(parameters, "warning");
	const char *name = json_string_value(json_object_get(warning, "connection"));

	if (!method || strcmp(method, "event") != 0 || !name)
		return;
	if ((!ctl->only || strcmp(name, ctl->only) == 0) && warnings_is_new(ctl, warning))
		warnings_print_one(ctl, warning);
}

/* Events are asked for first, so that no warning falls between the queue and them. */
static int warnings_follow(struct ctl *ctl, json_t *parameters)
{
	json_t *following, *queued;
	const json_t *warning;
	size_t i;

	ctl->client.keeps = true;
	following = command_call(ctl, "events", NULL);
	queued = following ? command_call(ctl, "warnings", parameters) : NULL;
	json_decref(following);
	if (!queued)
		return CTL_REFUSED;
	json_array_foreach(queued, i, warning) {
		if (warnings_is_new(ctl, warning))
			warnings_print_one(ctl, warning);
	}
	json_decref(queued);
	command_flush();
	return command_follow(ctl, warnings_show_event);
}

static int run_warnings(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, 'f'},
		{"take", no_argument, NULL, 't'},
		{"after", required_argument, NULL, 'a'},
		COMMAND_OPTIONS,
	};
	json_t *more = json_object();
	json_t *parameters;
	bool follow = false;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "fs:h", options)) != -1) {
		if (letter == 'f')
			follow = true;
		else if (letter == 't')
			json_object_set_new(more, "take", json_true());
		else
			json_object_set_new(more, "after",
				command_integer(ctl, "--after", optarg));
	}
	if (follow && json_object_get(more, "take"))
		command_misused(ctl, "only one of --follow and --take can be given");
	ctl->only = *command_arguments(ctl, argc, argv, 0, 1);
	parameters = ctl->only ? command_name(ctl->only) : json_object();
	json_object_update(parameters, more);
	json_decref(more);
	if (follow)
		return warnings_follow(ctl, parameters);
	return command_show(ctl, "warnings", parameters, warnings_print);
}

static const char stats_details[] =
	"Bytes are those of frames, as they were on the wire: with their headers, and compressed\n"
	"where messages are.\n";

static const char clear_details[] = "      --all  of every connection\n";

static const char warn_details[] =
	"At least one of the first two must be above 0.\n\n"
	"      --warning-ms=N  an operation (resolve, connect, tls, upgrade, send, recv) that\n"
	"                      takes more milliseconds raises a warning\n"
	"      --warning-bs=N  a transfer at fewer bytes per second raises one\n"
	"      --min-ms=N      but only if it takes this many milliseconds [1000]\n"
	"      --arg=JSON      a value that each warning carries\n"
	"      --queue=N       warnings kept, 1 to 100000 [100]\n";

static const char warnings_details[] =
	"Those that are queued; they stay queued unless they are taken. Each has a number, SEQ, of\n"
	"its connection.\n\n"
	"  -f, --follow     then wait for more, until interrupted\n"
	"      --take       take them out of the queue: nobody else gets these\n"
	"      --after=SEQ  only those with a higher number\n";

const struct command commands_counts[] = {
	{"stats", group, "[NAME]", "Shows the statistics", stats_details, run_stats},
	{"clear", group, "NAME... | --all", "Resets the statistics", clear_details, run_clear},
	{"warn", group, "--warning-ms=N --warning-bs=N [OPTION]... NAME",
		"Sets the warning thresholds", warn_details, run_warn},
	{"unwarn", group, "NAME", "Removes the thresholds and the queued warnings", NULL,
		run_unwarn},
	{"warnings", group, "[--follow|--take] [--after=SEQ] [NAME]", "Shows the queued warnings", warnings_details,
		run_warnings},
	{0},
};
