#include <event2/util.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gateway/settings_private.h"

static void check_dns(const struct string_list *servers, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct sockaddr_storage address;
	int length;

	for (size_t i = 0; i < servers->count; i++) {
		length = sizeof(address);
		if (evutil_parse_sockaddr_port(
			    servers->items[i], (struct sockaddr *)&address, &length) != 0)
			settings_problem(problems, settings_problem_place(where, "dns"),
				"must be addresses of name servers such as \"127.0.0.1:53\", not "
				"\"%s\"",
				servers->items[i]);
	}
}

static void check_ring(const struct settings *settings, const struct outlet_config *outlet,
	const config_setting_t *where, struct settings_problems *problems)
{
	struct error error;

	for (size_t i = 0; i < settings->connection_count && outlet->outlet.name; i++) {
		const struct connection_settings *connection = settings->connections[i];

		if (connection->name && !outlet_config_holds(outlet, connection, &error))
			settings_problem(problems, settings_problem_place(where, "ring"), "%s",
				error.text);
	}
}

static bool is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/* A plain name that no connection has is a typing error, most of the time. */
static void check_from(const struct settings *settings, const struct outlet_config *outlet,
	const config_setting_t *where, struct settings_problems *problems)
{
	for (size_t i = 0; i < outlet->from.count; i++) {
		struct settings_hint hint = {.wanted = outlet->from.items[i]};
		char text[SETTINGS_HINT_SIZE];
		bool found = is_glob(hint.wanted);

		for (size_t j = 0; j < settings->connection_count && !found; j++) {
			const char *name = settings->connections[j]->name;

			found = name && strcmp(name, hint.wanted) == 0;
			if (name)
				settings_hint_offer(&hint, name);
		}
		if (found)
			continue;
		settings_hint_text(&hint, text);
		settings_problem(problems, settings_problem_place(where, "from"),
			"no connection named '%s'%s", hint.wanted, text);
	}
}

static bool same(const char *one, const char *other)
{
	return one && other && strcmp(one, other) == 0;
}

/*
 * The name and path of an outlet against those before it. An implicit one stands behind all the
 * others, and its connection is where the problem is.
 */
static void check_outlet_unique(const struct settings *settings, size_t index,
	const config_setting_t *where, struct settings_problems *problems)
{
	const struct outlet_settings *outlet = &settings->outlets[index]->outlet;
	const char *whose = "";

	if (settings->outlets[index]->implicit)
		whose = "no outlet takes this connection, and the one of its own cannot be made: ";
	if (same(outlet->path, settings->gateway.control.path))
		settings_problem(problems, settings_problem_place(where, "path"),
			"%sthe path is that of the control socket", whose);
	for (size_t i = 0; i < index; i++) {
		const struct outlet_settings *other = &settings->outlets[i]->outlet;

		if (same(outlet->name, other->name))
			settings_problem(problems, settings_problem_place(where, "name"),
				"%sthere is already an outlet '%s'", whose, outlet->name);
		else if (same(outlet->path, other->path))
			settings_problem(problems, settings_problem_place(where, "path"),
				"%sthe path is that of outlet '%s'", whose,
				other->name ? other->name : "");
	}
}

static void check_path_length(const char *path, const config_setting_t *where,
	struct settings_problems *problems)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (path && strlen(path) > most)
		settings_problem(problems, where,
			"the path of a socket can have %zu bytes, '%s' has %zu", most, path,
			strlen(path));
}

static void check_connections(const struct settings *settings,
	const config_setting_t *const *places, struct settings_problems *problems)
{
	for (size_t i = 0; i < settings->connection_count; i++) {
		const char *name = settings->connections[i]->name;

		for (size_t j = 0; j < i; j++) {
			if (same(name, settings->connections[j]->name))
				settings_problem(problems,
					settings_problem_place(places[i], "name"),
					"there is already a connection '%s'", name);
		}
	}
}

static void check_outlets(const struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems)
{
	for (size_t i = 0; i < settings->outlet_count; i++) {
		const struct outlet_config *outlet = settings->outlets[i];
		const config_setting_t *where = places->outlets[i];

		check_outlet_unique(settings, i, where, problems);
		check_path_length(
			outlet->outlet.path, settings_problem_place(where, "path"), problems);
		if (places->complete && !outlet->implicit)
			check_from(settings, outlet, where, problems);
		check_ring(settings, outlet, where, problems);
	}
}

void settings_check(const struct settings *settings, const struct settings_places *places,
	struct settings_problems *problems)
{
	check_dns(&settings->gateway.dns, places->gateway, problems);
	check_path_length(settings->gateway.control.path,
		settings_problem_place(places->gateway, "control.path"), problems);
	check_connections(settings, places->connections, problems);
	check_outlets(settings, places, problems);
}
