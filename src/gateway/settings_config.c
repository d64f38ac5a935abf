#include "gateway/settings_config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/settings_private.h"

/* Bytes in a ring beside the payload of a record: header, padding, the end. */
enum { RECORD_OVERHEAD = 64 };

/* --- connections ------------------------------------------------------------------------------ */

static struct connection_config *connection_config_empty(void)
{
	struct connection_config *connection = alloc_zero(1, sizeof(*connection));

	connection->settings = alloc_zero(1, sizeof(*connection->settings));
	connection->settings->users = 1;
	return connection;
}

struct connection_config *connection_config_new(void)
{
	struct connection_config *connection = connection_config_empty();

	settings_table_init(connection_settings_table, connection->settings);
	return connection;
}

struct connection_config *connection_config_copy(const struct connection_config *connection)
{
	struct connection_config *copy = connection_config_empty();

	settings_table_copy(connection_config_table, copy, connection);
	settings_table_copy(connection_settings_table, copy->settings, connection->settings);
	return copy;
}

void connection_settings_release(struct connection_settings *settings)
{
	if (--settings->users)
		return;
	settings_table_release(connection_settings_table, settings);
	free(settings);
}

void connection_config_share(struct connection_config *connection,
	const struct connection_config *with)
{
	if (connection->origins && with->origins)
		connection->origins = settings_origins_share(connection->origins, with->origins);
	if (connection->settings == with->settings ||
		settings_table_compare(connection_settings_table, connection->settings,
			with->settings) != SETTINGS_SAME)
		return;
	with->settings->users++;
	connection_settings_release(connection->settings);
	connection->settings = with->settings;
}

void connection_config_take_origin(struct connection_config *connection,
	struct connection_config *from)
{
	settings_origins_release(connection->origins);
	connection->origins = from->origins;
	from->origins = NULL;
	connection->line = from->line;
	connection->untrusted = from->untrusted;
}

void connection_config_free(struct connection_config *connection)
{
	if (!connection)
		return;
	settings_table_release(connection_config_table, connection);
	connection_settings_release(connection->settings);
	settings_origins_release(connection->origins);
	free(connection);
}

enum settings_change connection_config_compare(const struct connection_config *before,
	const struct connection_config *after)
{
	enum settings_change own = settings_table_compare(connection_config_table, before, after);
	enum settings_change shared = settings_table_compare(connection_settings_table,
		before->settings, after->settings);

	return own > shared ? own : shared;
}

/* --- outlets ---------------------------------------------------------------------------------- */

struct outlet_config *outlet_config_new(void)
{
	struct outlet_config *outlet = alloc_zero(1, sizeof(*outlet));

	settings_table_init(outlet_config_table, outlet);
	return outlet;
}

void outlet_config_resolve(struct outlet_config *config, const char *runtime_dir)
{
	struct outlet_settings *outlet = &config->outlet;
	const char *given = outlet->path;

	if (given && given[0] == '/')
		return;
	if (given)
		outlet->path = alloc_format("%s/%s", runtime_dir, given);
	else if (outlet->name)
		outlet->path = alloc_format("%s/%s.sock", runtime_dir, outlet->name);
	free((char *)given);
}

void outlet_config_free(struct outlet_config *outlet)
{
	if (!outlet)
		return;
	settings_table_release(outlet_config_table, outlet);
	settings_origins_release(outlet->origins);
	free(outlet->place);
	free(outlet);
}

bool outlet_config_takes(const struct outlet_config *outlet, const char *connection)
{
	for (size_t i = 0; i < outlet->from.count; i++) {
		if (text_matches(outlet->from.items[i], connection))
			return true;
	}
	return outlet->implicit && strcmp(outlet->outlet.name, connection) == 0;
}

bool outlet_config_has_glob(const struct outlet_config *outlet)
{
	for (size_t i = 0; i < outlet->from.count; i++) {
		if (text_is_glob(outlet->from.items[i]))
			return true;
	}
	return false;
}

bool outlet_config_holds(const struct outlet_config *outlet,
	const struct connection_config *connection, struct error *error)
{
	uint64_t message_max = connection->settings->endpoint.max_message;

	if (outlet->outlet.on_lag != OUTLET_WAIT || !outlet_config_takes(outlet, connection->name))
		return true;
	if (outlet->outlet.ring >= message_max + RECORD_OVERHEAD)
		return true;
	return error_set(error, ERROR_SETTINGS,
		"with on_lag = \"wait\" the ring of outlet '%s' (%" PRIu64
		" bytes) must hold the largest message of connection '%s' (max_message, %" PRIu64
		" bytes) and %d bytes more",
		outlet->outlet.name, outlet->outlet.ring, connection->name, message_max,
		RECORD_OVERHEAD);
}

bool outlet_config_same(const struct outlet_config *before, const struct outlet_config *after)
{
	return settings_table_compare(outlet_config_table, before, after) == SETTINGS_SAME;
}

bool outlet_config_takes_same(const struct outlet_config *before, const struct outlet_config *after)
{
	if (before->implicit != after->implicit || before->from.count != after->from.count)
		return false;
	for (size_t i = 0; i < before->from.count; i++) {
		if (strcmp(before->from.items[i], after->from.items[i]) != 0)
			return false;
	}
	return true;
}
