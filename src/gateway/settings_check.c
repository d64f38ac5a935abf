#include <string.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/names.h"
#include "base/text.h"
#include "gateway/settings_private.h"

enum { CHECK_HINTS_MAX = 100 }; /* problems beyond which nobody reads suggestions */

/* A check under way, and what it has come across, so that nothing is searched for one by one. */
struct check {
	const struct settings *settings;
	const struct settings_places *places;
	struct settings_problems *problems;
	struct names connections;
	struct names outlets_by_name;
	struct names outlets_by_path;
};

static void check_ring_for(struct check *check, size_t index,
	const struct connection_config *connection)
{
	const struct outlet_config *outlet = check->settings->outlets[index];
	const config_setting_t *where = check->places->outlets[index];
	struct error error;

	if (!outlet_config_holds(outlet, connection, &error))
		settings_problem(check->problems, settings_problem_place(where, "ring"), "%s",
			error.text);
}

/* The ring of a `wait` outlet against the messages of the connections that it takes. */
static void check_ring(struct check *check, size_t index)
{
	const struct settings *settings = check->settings;
	const struct outlet_config *outlet = settings->outlets[index];
	const struct connection_config *connection;

	if (!outlet->outlet.name || outlet->outlet.on_lag != OUTLET_WAIT)
		return;
	for (size_t i = 0; i < outlet->from.count && !outlet_config_has_glob(outlet); i++) {
		connection = names_find(&check->connections, outlet->from.items[i]);
		if (connection)
			check_ring_for(check, index, connection);
	}
	for (size_t i = 0; i < settings->connection_count && outlet_config_has_glob(outlet); i++) {
		if (settings->connections[i]->name)
			check_ring_for(check, index, settings->connections[i]);
	}
}

static void check_say_missing(struct check *check, const char *name, const config_setting_t *where)
{
	const struct settings *settings = check->settings;
	struct settings_hint hint = {.wanted = name};
	char text[SETTINGS_HINT_SIZE];

	for (size_t i = 0; i < settings->connection_count; i++) {
		if (settings->connections[i]->name &&
			check->problems->errors.count < CHECK_HINTS_MAX)
			settings_hint_offer(&hint, settings->connections[i]->name);
	}
	settings_hint_text(&hint, text);
	settings_problem(check->problems, settings_problem_place(where, "from"),
		"no connection named '%s'%s", name, text);
}

static bool check_matches_any(const struct settings *settings, const char *glob)
{
	for (size_t i = 0; i < settings->connection_count; i++) {
		const char *name = settings->connections[i]->name;

		if (name && text_matches(glob, name))
			return true;
	}
	return false;
}

/* A plain name that no connection has is a typing error, most of the time; a pattern may wait for
 * connections to come. */
static void check_from(struct check *check, const struct outlet_config *outlet,
	const config_setting_t *where)
{
	for (size_t i = 0; i < outlet->from.count; i++) {
		const char *name = outlet->from.items[i];

		if (text_is_glob(name)) {
			if (!check_matches_any(check->settings, name))
				settings_warning(check->problems,
					settings_problem_place(where, "from"),
					"no connection matches '%s'", name);
		} else if (!names_find(&check->connections, name)) {
			check_say_missing(check, name, where);
		}
	}
}

/* Returns what has that name already; if nothing has, `thing` gets it. */
static void *check_note(struct names *names, const char *name, void *thing)
{
	void *before = name ? names_find(names, name) : NULL;

	if (name && !before)
		names_add(names, name, thing);
	return before;
}

static bool check_is_path_of(const struct socket_settings *socket, const char *path)
{
	return path && socket->path && strcmp(path, socket->path) == 0;
}

/*
 * The name and path of an outlet against those before it. An implicit one stands behind all the
 * others, and its connection is where the problem is.
 */
static void check_outlet_unique(struct check *check, struct outlet_config *config,
	const config_setting_t *where)
{
	const struct outlet_settings *outlet = &config->outlet;
	const struct outlet_config *named =
		check_note(&check->outlets_by_name, outlet->name, config);
	const struct outlet_config *placed =
		check_note(&check->outlets_by_path, outlet->path, config);
	const struct gateway_settings *gateway = &check->settings->gateway;
	const char *whose = "";

	if (config->implicit)
		whose = "no outlet takes this connection, and the one of its own cannot be made: ";
	if (check_is_path_of(&gateway->control, outlet->path))
		settings_problem(check->problems, settings_problem_place(where, "path"),
			"%sthe path is that of the control socket", whose);
	if (check_is_path_of(&gateway->observe, outlet->path))
		settings_problem(check->problems, settings_problem_place(where, "path"),
			"%sthe path is that of the observe socket", whose);
	if (named)
		settings_problem(check->problems, settings_problem_place(where, "name"),
			"%sthere is already an outlet '%s'", whose, outlet->name);
	if (placed && placed != named)
		settings_problem(check->problems, settings_problem_place(where, "path"),
			"%sthe path is that of outlet '%s'", whose,
			placed->outlet.name ? placed->outlet.name : "");
}

static void check_path_length(const char *path, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;

	if (path && !folder_check_path(path, &error))
		settings_problem(problems, where, "%s", error.text);
}

/* Asks the file, not the settings: a reload leaves the path as it runs. An empty string is as if it
 * were not there. */
static const config_setting_t *check_observe_member(const config_setting_t *gateway,
	const char *name)
{
	const config_setting_t *observe =
		gateway ? config_setting_get_member(gateway, "observe") : NULL;
	const config_setting_t *member = observe ? config_setting_get_member(observe, name) : NULL;
	const char *text = member ? config_setting_get_string(member) : NULL;

	return text && *text ? member : NULL;
}

static void check_observe(const config_setting_t *gateway, struct settings_problems *problems)
{
	static const char *const others[] = {"mode", "owner", "group"};
	const config_setting_t *member;

	if (check_observe_member(gateway, "path"))
		return;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		member = check_observe_member(gateway, others[i]);
		if (member)
			settings_problem(problems, member,
				"there is no observe socket without a 'path'");
	}
}

static void check_sockets(const struct gateway_settings *gateway, const config_setting_t *where,
	struct settings_problems *problems)
{
	const struct socket_settings *observe = &gateway->observe;
	const config_setting_t *place = settings_problem_place(where, "observe.path");

	check_path_length(gateway->control.path, settings_problem_place(where, "control.path"),
		problems);
	check_path_length(observe->path, place, problems);
	if (check_is_path_of(observe, gateway->control.path))
		settings_problem(problems, place, "the path is that of the control socket");
	check_observe(where, problems);
}

static void check_connections(struct check *check)
{
	const struct settings *settings = check->settings;

	for (size_t i = 0; i < settings->connection_count; i++) {
		const char *name = settings->connections[i]->name;

		if (check_note(&check->connections, name, settings->connections[i]))
			settings_problem(check->problems,
				settings_problem_place(check->places->connections[i], "name"),
				"there is already a connection '%s'", name);
	}
}

static void check_outlets(struct check *check)
{
	for (size_t i = 0; i < check->settings->outlet_count; i++) {
		struct outlet_config *outlet = check->settings->outlets[i];
		const config_setting_t *where = check->places->outlets[i];

		check_outlet_unique(check, outlet, where);
		check_path_length(outlet->outlet.path, settings_problem_place(where, "path"),
			check->problems);
		if (check->places->complete && !outlet->implicit)
			check_from(check, outlet, where);
		check_ring(check, i);
	}
}

/* The daemon asks systemd for more time; another supervisor may end it earlier. */
static void check_drain_timeout(uint64_t drain_timeout, const config_setting_t *gateway,
	struct settings_problems *problems)
{
	if (drain_timeout > UNIT_STOP_SECONDS * CLOCK_NS_PER_SECOND)
		settings_warning(problems, settings_problem_place(gateway, "drain_timeout"),
			"is longer than TimeoutStopSec=%d of the unit; systemd is asked for more "
			"when the daemon stops",
			UNIT_STOP_SECONDS);
}

void settings_check(const struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems)
{
	struct check check = {.settings = settings, .places = places, .problems = problems};

	check_drain_timeout(settings->gateway.drain_timeout, places->gateway, problems);
	check_sockets(&settings->gateway, places->gateway, problems);
	check_connections(&check);
	check_outlets(&check);
	names_release(&check.connections);
	names_release(&check.outlets_by_name);
	names_release(&check.outlets_by_path);
}
