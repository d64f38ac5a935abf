#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

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

	json_array_foreach (result, i, warning)
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

struct following {
	const char *only; /* the connection; NULL: all */
	json_t *seen;     /* number of the last warning shown, by connection */
};

/* True once for each: it may come from the queue and as an event, with the same number. */
static bool following_mark(struct following *following, const json_t *warning)
{
	const char *name = json_string_value(json_object_get(warning, "connection"));
	json_int_t seq = json_integer_value(json_object_get(warning, "seq"));

	if (seq <= json_integer_value(json_object_get(following->seen, name)))
		return false;
	json_object_set_new(following->seen, name, json_integer(seq));
	return true;
}

static void following_show(struct ctl *ctl, const char *method, const json_t *parameters,
	void *context)
{
	const json_t *warning = json_object_get(parameters, "warning");
	const char *name = json_string_value(json_object_get(warning, "connection"));
	struct following *following = context;

	if (!method || strcmp(method, "event") != 0 || !name)
		return;
	if ((!following->only || strcmp(name, following->only) == 0) &&
		following_mark(following, warning))
		warnings_print_one(ctl, warning);
}

/* Events are asked for first, so that no warning falls between the queue and them. */
static int warnings_follow(struct ctl *ctl, const char *name, json_t *parameters)
{
	struct following following = {name, json_object()};
	json_t *answer, *queued;
	const json_t *warning;
	size_t i;

	ctl->client.keeps = true;
	answer = command_call(ctl, "events", NULL);
	queued = answer ? command_call(ctl, "warnings", parameters) : NULL;
	json_decref(answer);
	if (!queued)
		return CTL_REFUSED;
	json_array_foreach (queued, i, warning) {
		if (following_mark(&following, warning))
			warnings_print_one(ctl, warning);
	}
	json_decref(queued);
	command_flush();
	return command_follow(ctl, following_show, &following);
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
	const char *name;
	bool follow = false;
	int letter;

	while ((letter = command_option(ctl, argc, argv, "fs:h", options)) != -1) {
		if (letter == 'f')
			follow = true;
		else if (letter == 't')
			json_object_set_new(more, "take", json_true());
		else
			json_object_set_new(more, "after", command_integer(ctl, "--after", optarg));
	}
	if (follow && json_object_get(more, "take"))
		command_misuse(ctl, "--follow and --take exclude each other");
	name = *command_arguments(ctl, argc, argv, 0, 1);
	parameters = name ? command_name(name) : json_object();
	json_object_update(parameters, more);
	json_decref(more);
	if (follow)
		return warnings_follow(ctl, name, parameters);
	return command_show(ctl, "warnings", parameters, warnings_print);
}

const struct command command_warnings = {
	.name = "warnings",
	.arguments = "[--follow|--take] [--after=SEQ] [NAME]",
	.summary = "Shows the queued warnings",
	.details =
		"Warnings stay queued unless they are taken. SEQ numbers those of a connection.\n\n"
		"  -f, --follow     then wait for more until interrupted\n"
		"      --take       remove them from the queue: nobody else gets them\n"
		"      --after=SEQ  show only those with a higher number\n",
	.run = run_warnings,
};
