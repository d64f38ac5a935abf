#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/print.h"
#include "ctl/table.h"

/* "ticker, binance-btc" */
static char *outlet_from(const json_t *outlet)
{
	const json_t *from = json_object_get(outlet, "from"), *name;
	char *text = alloc_string("");
	size_t i;

	json_array_foreach (from, i, name) {
		char *longer = alloc_format("%s%s%s", text, i ? ", " : "",
			json_is_string(name) ? json_string_value(name) : "");

		free(text);
		text = longer;
	}
	return text;
}

static void outlets_print(struct ctl *ctl, const json_t *result)
{
	static const struct table_column columns[] = {
		{"NAME", false},
		{"FORMAT", false},
		{"ON LAG", false},
		{"RING", true},
		{"SUBSCRIBERS", true},
		{"MESSAGES", true},
		{"SENT", true},
		{"LOST", true},
		{"PATH", false},
		{"FROM", false},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns), ctl->color);
	const json_t *outlet;
	size_t i;

	json_array_foreach (result, i, outlet) {
		bool waiting = json_is_true(json_object_get(outlet, "waiting"));

		table_add(table, print_scalar(json_object_get(outlet, "name")), TABLE_PLAIN);
		table_add(table, print_scalar(json_object_get(outlet, "format")), TABLE_PLAIN);
		table_add(table, print_scalar(json_object_get(outlet, "on_lag")),
			waiting ? TABLE_YELLOW : TABLE_PLAIN);
		table_add(table, print_bytes(print_number(outlet, "ring")), TABLE_PLAIN);
		table_add(table, print_count(outlet, "subscribers"), TABLE_PLAIN);
		table_add(table, print_count(outlet, "messages"), TABLE_PLAIN);
		table_add(table, print_bytes(print_number(outlet, "sent")), TABLE_PLAIN);
		table_add(table, print_count(outlet, "lost"),
			print_number(outlet, "lost") ? TABLE_YELLOW : TABLE_PLAIN);
		table_add(table, print_scalar(json_object_get(outlet, "path")), TABLE_PLAIN);
		table_add(table, outlet_from(outlet), TABLE_PLAIN);
	}
	table_print(table);
}

static int run_outlets(struct ctl *ctl, int argc, char **argv)
{
	command_no_options(ctl, argc, argv);
	command_arguments(ctl, argc, argv, 0, 0);
	return command_show(ctl, "outlets", NULL, outlets_print);
}

static const struct command command_outlets = {
	.name = "outlets",
	.arguments = "",
	.summary = "Lists the outlets",
	.run = run_outlets,
};

static char *subscriber_user(const json_t *subscriber)
{
	json_int_t uid = print_number(subscriber, "uid");
	const struct passwd *user = getpwuid((uid_t)uid);

	return user ? alloc_string(user->pw_name) : alloc_format("%lld", (long long)uid);
}

/* The program's name, as long as it lives and may be seen from here. */
static char *subscriber_program(const json_t *subscriber)
{
	char *path = alloc_format("/proc/%lld/comm", (long long)print_number(subscriber, "pid"));
	char name[64] = "";
	FILE *file = fopen(path, "r");

	free(path);
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
	}
	return alloc_string(name);
}

/* Of one that reads the ring itself the daemon does not know where it is. */
static char *subscriber_behind(const json_t *subscriber)
{
	if (json_is_null(json_object_get(subscriber, "behind")))
		return alloc_string("-");
	return print_bytes(print_number(subscriber, "behind"));
}

static char *subscriber_loss(const json_t *subscriber, const char *key)
{
	return json_is_null(json_object_get(subscriber, key)) ? alloc_string("-")
							      : print_count(subscriber, key);
}

static void subscribers_print(struct ctl *ctl, const json_t *result)
{
	static const struct table_column columns[] = {
		{"OUTLET", false},
		{"ID", true},
		{"PID", true},
		{"USER", false},
		{"PROGRAM", false},
		{"FOR", true},
		{"MODE", false},
		{"SENT", true},
		{"BEHIND", true},
		{"LOST", true},
		{"LAGS", true},
		{"INPUTS", true},
		{"ERRORS", true},
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns), ctl->color);
	const json_t *subscriber;
	size_t i;

	json_array_foreach (result, i, subscriber) {
		table_add(table, print_scalar(json_object_get(subscriber, "outlet")), TABLE_PLAIN);
		table_add(table, print_count(subscriber, "id"), TABLE_PLAIN);
		table_add(table, print_count(subscriber, "pid"), TABLE_PLAIN);
		table_add(table, subscriber_user(subscriber), TABLE_PLAIN);
		table_add(table, subscriber_program(subscriber), TABLE_PLAIN);
		table_add(table, print_since(json_object_get(subscriber, "since")), TABLE_PLAIN);
		table_add(table, print_scalar(json_object_get(subscriber, "mode")), TABLE_PLAIN);
		table_add(table, print_bytes(print_number(subscriber, "sent")), TABLE_PLAIN);
		table_add(table, subscriber_behind(subscriber), TABLE_PLAIN);
		table_add(table, subscriber_loss(subscriber, "lost"),
			print_number(subscriber, "lost") ? TABLE_YELLOW : TABLE_PLAIN);
		table_add(table, subscriber_loss(subscriber, "lags"), TABLE_PLAIN);
		table_add(table, print_count(subscriber, "inputs"), TABLE_PLAIN);
		table_add(table, print_count(subscriber, "input_errors"),
			print_number(subscriber, "input_errors") ? TABLE_YELLOW : TABLE_PLAIN);
	}
	table_print(table);
}

static int run_subscribers(struct ctl *ctl, int argc, char **argv)
{
	json_t *parameters = json_object();
	const char *outlet;

	command_no_options(ctl, argc, argv);
	outlet = *command_arguments(ctl, argc, argv, 0, 1);
	if (outlet)
		json_object_set_new(parameters, "outlet", json_string(outlet));
	return command_show(ctl, "subscribers", parameters, subscribers_print);
}

static const struct command command_subscribers = {
	.name = "subscribers",
	.arguments = "[OUTLET]",
	.summary = "Lists the subscribers",
	.run = run_subscribers,
};

const struct command_group commands_outlet = {
	.title = "Outlets",
	.commands =
		(const struct command *const[]){
			&command_outlets,
			&command_subscribers,
			&command_tail,
			NULL,
		},
};
