#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/text.h"
#include "gateway/settings_private.h"
#include "gateway/settings_source.h"

struct load_file {
	struct settings_source source;
	config_t config;
};

/* A load under way. Problems point into the parsed files, which stay until its end. */
struct load {
	struct settings *settings;
	struct settings_problems *problems;
	const struct gateway_settings *running; /* NULL: at the start */
	struct load_file **files;               /* the first one is the main file */
	size_t file_count;
	struct settings_places places;
};

static char *directory_of(const char *file)
{
	char *copy = alloc_string(file);
	char *directory = alloc_string(dirname(copy));

	free(copy);
	return directory;
}

/* A pipe only where a person tests what it brings: a reload could not read it again. */
static enum file_kinds load_kinds(const struct load *load)
{
	return load->problems->testing && load->file_count == 1 ? FILE_OR_PIPE : FILE_REGULAR;
}

static bool load_parse_file(struct load *load, struct load_file *parsed, const char *file)
{
	unsigned number;
	const char *where;

	config_init(&parsed->config);
	if (!settings_source_read(&parsed->source, file, load_kinds(load), load->problems))
		return false;
	config_setting_set_hook(config_root_setting(&parsed->config), &parsed->source.lines);
	if (config_read_string(&parsed->config, (const char *)buffer_data(&parsed->source.text))) {
		/* Reading has made a new root. */
		config_setting_set_hook(config_root_setting(&parsed->config),
			&parsed->source.lines);
		return true;
	}
	where = settings_lines_find(&parsed->source.lines,
		(unsigned)config_error_line(&parsed->config), &number);
	settings_problem_plain(load->problems, "%s:%u: %s", where, number,
		config_error_text(&parsed->config));
	return false;
}

/* NULL if it cannot be parsed. */
static const config_setting_t *load_parse(struct load *load, const char *file)
{
	struct load_file *added = alloc_zero(1, sizeof(*added));
	bool parsed;

	load->files = alloc_one_more(load->files, load->file_count, sizeof(*load->files));
	load->files[load->file_count++] = added;
	parsed = load_parse_file(load, added, file);
	load->places.complete = load->places.complete && parsed;
	return parsed ? config_root_setting(&added->config) : NULL;
}

static void connection_config_read(struct connection_config *connection,
	const config_setting_t *group, unsigned forbidden, struct settings_problems *problems)
{
	const struct settings_part parts[] = {
		{connection_config_table, connection},
		{connection_settings_table, connection->settings},
		{0},
	};

	settings_read_parts(parts, group, forbidden, problems);
}

static struct connection_config *connection_config_make(const struct connection_config *defaults,
	const config_setting_t *group, struct settings_problems *problems)
{
	struct connection_config *connection = connection_config_copy(defaults);

	connection->origins = settings_origins_new(SETTINGS_CONNECTION, group, defaults->origins,
		defaults->line, &connection->line);
	connection_config_read(connection, group, 0, problems);
	if (config_setting_is_group(group)) {
		settings_read_required(connection_config_table, connection, group, problems);
		connection_config_check(connection, group, problems);
	}
	connection_config_share(connection, defaults);
	return connection;
}

static void load_connection(struct load *load, const config_setting_t *group)
{
	struct settings *settings = load->settings;
	struct connection_config *connection =
		connection_config_make(settings->defaults, group, load->problems);
	size_t count = settings->connection_count++;

	settings->connections =
		alloc_one_more(settings->connections, count, sizeof(*settings->connections));
	settings->connections[count] = connection;
	load->places.connections =
		alloc_one_more(load->places.connections, count, sizeof(*load->places.connections));
	load->places.connections[count] = group;
	if (count)
		connection_config_share(connection, settings->connections[count - 1]);
}

static void load_take_outlet(struct load *load, struct outlet_config *outlet,
	const config_setting_t *where)
{
	struct settings *settings = load->settings;
	size_t count = settings->outlet_count++;

	settings->outlets = alloc_one_more(settings->outlets, count, sizeof(*settings->outlets));
	settings->outlets[count] = outlet;
	outlet->place = settings_place(where);
	load->places.outlets =
		alloc_one_more(load->places.outlets, count, sizeof(*load->places.outlets));
	load->places.outlets[count] = where;
}

static void load_outlet(struct load *load, const config_setting_t *group)
{
	struct outlet_config *outlet = outlet_config_new();

	load_take_outlet(load, outlet, group);
	outlet->origins = settings_origins_new(SETTINGS_OUTLET, group, NULL, 0, &outlet->line);
	settings_read_group(outlet_config_table, outlet, group, 0, load->problems);
	if (config_setting_is_group(group))
		settings_read_required(outlet_config_table, outlet, group, load->problems);
	outlet_config_resolve(outlet, load->settings->gateway.runtime_dir);
}

static void load_each(struct load *load, const config_setting_t *root, const char *name,
	void (*load_item)(struct load *load, const config_setting_t *group))
{
	config_setting_t *list = config_setting_get_member((config_setting_t *)root, name);

	if (!list)
		return;
	if (!config_setting_is_list(list)) {
		settings_problem(load->problems, list,
			"must be a list of groups such as ( { name = …; }, { name = …; } )");
		return;
	}
	for (unsigned i = 0; i < (unsigned)config_setting_length(list); i++)
		load_item(load, config_setting_get_elem(list, i));
}

/* Only these parts, an array that NULL ends, may be in the file; `rule` says so. */
static void load_check_parts(struct load *load, const config_setting_t *root,
	const char *const *parts, const char *rule)
{
	for (unsigned i = 0; i < (unsigned)config_setting_length(root); i++) {
		config_setting_t *part = config_setting_get_elem((config_setting_t *)root, i);
		struct settings_hint hint = {.wanted = config_setting_name(part)};
		const char *const *known = parts;
		char text[SETTINGS_HINT_SIZE];

		for (; *known && strcmp(*known, hint.wanted) != 0; known++)
			settings_hint_offer(&hint, *known);
		if (*known)
			continue;
		settings_hint_text(&hint, text);
		settings_problem(load->problems, part, "unknown setting '%s'%s%s", hint.wanted,
			rule, text);
	}
}

/*
 * Settings that only a restart can change keep their running values, so that nothing is half moved.
 * The runtime directory first: paths are relative to it.
 */
static void load_gateway(struct load *load)
{
	struct settings *settings = load->settings;
	struct gateway_settings *gateway = &settings->gateway;

	if (load->running)
		settings_table_keep(gateway_settings_table, "gateway", gateway, load->running,
			"runtime_dir", &settings->restart);
	gateway_settings_resolve(gateway);
	if (load->running)
		settings_table_keep(gateway_settings_table, "gateway", gateway, load->running, NULL,
			&settings->restart);
	gateway->control.place =
		settings_place(settings_problem_place(load->places.gateway, "control"));
	gateway->observe.place =
		settings_place(settings_problem_place(load->places.gateway, "observe"));
}

static void load_gateway_group(struct load *load, const config_setting_t *group)
{
	struct settings *settings = load->settings;

	settings->gateway_origins =
		settings_origins_new(SETTINGS_GATEWAY, group, NULL, 0, &settings->gateway_line);
	settings_read_group(gateway_settings_table, &settings->gateway, group, 0, load->problems);
}

static void load_defaults(struct load *load, const config_setting_t *group)
{
	struct connection_config *defaults = load->settings->defaults;

	defaults->origins =
		settings_origins_new(SETTINGS_CONNECTION, group, NULL, 0, &defaults->line);
	connection_config_read(defaults, group, SETTING_OWN, load->problems);
}

/* The gateway and the defaults come first: connections and outlets build on them. */
static void load_main(struct load *load, const config_setting_t *root)
{
	static const char *const parts[] = {"gateway", "defaults", "connections", "outlets", NULL};
	config_setting_t *gateway = config_setting_get_member((config_setting_t *)root, "gateway");
	config_setting_t *defaults =
		config_setting_get_member((config_setting_t *)root, "defaults");

	load_check_parts(load, root, parts, "");
	load->places.gateway = gateway ? gateway : root;
	if (gateway)
		load_gateway_group(load, gateway);
	load_gateway(load);
	if (defaults)
		load_defaults(load, defaults);
}

static void load_items(struct load *load, const config_setting_t *root)
{
	load_each(load, root, "connections", load_connection);
	load_each(load, root, "outlets", load_outlet);
}

static int is_conf(const struct dirent *entry)
{
	const char *suffix = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && suffix && strcmp(suffix, ".conf") == 0;
}

static int by_name(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

static void load_conf_file(struct load *load, const char *file)
{
	static const char *const parts[] = {"connections", "outlets", NULL};
	const config_setting_t *root = load_parse(load, file);

	if (!root)
		return;
	load_check_parts(load, root, parts, ": a file in conf.d has only connections and outlets");
	load_items(load, root);
}

static void load_conf_d(struct load *load, const char *main_file)
{
	char *beside = directory_of(main_file);
	char *directory = alloc_format("%s/conf.d", beside);
	struct dirent **entries;
	int count = scandir(directory, &entries, is_conf, by_name);

	if (count < 0 && errno != ENOENT)
		settings_problem_plain(load->problems, "%s: cannot be read: %s", directory,
			strerror(errno));
	for (int i = 0; i < count; i++) {
		char *file = alloc_format("%s/%s", directory, entries[i]->d_name);

		load_conf_file(load, file);
		free(file);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(directory);
	free(beside);
}

/* Which connections the outlets take: those with these names, and those that match a pattern. */
struct takers {
	struct names named;
	struct outlet_config **patterns;
	size_t pattern_count;
};

static void takers_add(struct takers *takers, struct outlet_config *outlet)
{
	for (size_t i = 0; i < outlet->from.count; i++) {
		const char *name = outlet->from.items[i];

		if (!text_is_glob(name) && !names_find(&takers->named, name))
			names_add(&takers->named, name, outlet);
	}
	if (outlet_config_has_glob(outlet))
		takers->patterns[takers->pattern_count++] = outlet;
}

static bool takers_take(const struct takers *takers, const char *connection)
{
	bool taken = names_find(&takers->named, connection) != NULL;

	for (size_t i = 0; i < takers->pattern_count && !taken; i++)
		taken = outlet_config_takes(takers->patterns[i], connection);
	return taken;
}

static void load_implicit_outlets(struct load *load)
{
	struct settings *settings = load->settings;
	struct takers takers = {
		.patterns = alloc_zero(settings->outlet_count, sizeof(*takers.patterns)),
	};

	for (size_t i = 0; i < settings->outlet_count; i++)
		takers_add(&takers, settings->outlets[i]);
	for (size_t i = 0; i < settings->connection_count; i++) {
		const char *name = settings->connections[i]->name;

		if (name && !takers_take(&takers, name))
			load_take_outlet(load, settings_implicit_outlet(settings, name),
				load->places.connections[i]);
	}
	names_release(&takers.named);
	free(takers.patterns);
}

static struct settings *settings_new(void)
{
	struct settings *settings = alloc_zero(1, sizeof(*settings));

	settings->defaults = connection_config_new();
	gateway_settings_init(&settings->gateway);
	return settings;
}

static void load_release(struct load *load)
{
	for (size_t i = 0; i < load->file_count; i++) {
		config_destroy(&load->files[i]->config);
		settings_source_release(&load->files[i]->source);
		free(load->files[i]);
	}
	free(load->files);
	free(load->places.connections);
	free(load->places.outlets);
}

static struct settings *load_all(const char *file, const struct gateway_settings *running,
	bool system, struct settings_problems *problems)
{
	struct load load = {
		.settings = settings_new(),
		.problems = problems,
		.running = running,
		.places.complete = true,
	};
	const config_setting_t *root = load_parse(&load, file);

	if (root) {
		load_main(&load, root);
		load_items(&load, root);
		load_conf_d(&load, file);
		load_implicit_outlets(&load);
		settings_check(load.settings, &load.places, problems);
		if (system)
			settings_check_system(load.settings, &load.places, problems);
	}
	load_release(&load);
	if (problems->errors.count == 0)
		return load.settings;
	settings_free(load.settings);
	return NULL;
}

struct settings *settings_load(const char *file, struct settings_problems *problems)
{
	return load_all(file, NULL, false, problems);
}

struct settings *settings_prepare(const char *file, const struct gateway_settings *running,
	struct settings_problems *problems)
{
	return load_all(file, running, true, problems);
}

void settings_free(struct settings *settings)
{
	if (!settings)
		return;
	for (size_t i = 0; i < settings->connection_count; i++)
		connection_config_free(settings->connections[i]);
	for (size_t i = 0; i < settings->outlet_count; i++)
		outlet_config_free(settings->outlets[i]);
	free(settings->connections);
	free(settings->outlets);
	connection_config_free(settings->defaults);
	gateway_settings_release(&settings->gateway);
	settings_origins_release(settings->gateway_origins);
	string_list_release(&settings->restart);
	free(settings);
}

struct connection_config *settings_connection(const config_setting_t *group,
	const struct settings *settings, bool trusted, struct settings_problems *problems)
{
	struct connection_config *connection, *reduced = NULL;

	if (!trusted) {
		settings_check_untrusted(group, problems);
		reduced = connection_config_copy(settings->defaults);
		reduced->line = settings->defaults->line;
		reduced->origins = settings_origins_hold(settings->defaults->origins);
		settings_table_reset(connection_settings_table, reduced->settings,
			SETTING_SECRET | SETTING_LOGIN);
	}
	connection =
		connection_config_make(reduced ? reduced : settings->defaults, group, problems);
	connection_config_free(reduced);
	connection->untrusted = !trusted;
	if (problems->errors.count == 0)
		connection_config_check_system(connection, group, problems);
	if (problems->errors.count == 0)
		return connection;
	connection_config_free(connection);
	return NULL;
}

struct outlet_config *settings_implicit_outlet(const struct settings *settings,
	const char *connection)
{
	struct outlet_config *outlet = outlet_config_new();

	outlet->implicit = true;
	outlet->outlet.name = alloc_string(connection);
	outlet_config_resolve(outlet, settings->gateway.runtime_dir);
	return outlet;
}
