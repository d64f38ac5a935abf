#include "gateway/gateway_private.h"

/* Adding and removing one connection while the gateway runs. */

/* False, and the error: nothing can be added or removed now. */
static bool gateway_can_change(const struct gateway *gateway, struct error *error)
{
	if (!gateway_is_running(gateway, error))
		return false;
	return !gateway->change || error_set(error, ERROR_SYSTEM, "a reload is under way");
}

/* Subscribers write to the servers of an outlet's connections: not to one that somebody has named
 * who is not trusted. */
static bool gateway_may_take(const struct outlet_config *outlet,
	const struct connection_config *connection, struct error *error)
{
	if (!outlet->outlet.writable || !connection->untrusted)
		return true;
	return error_set(error, ERROR_SETTINGS,
		"name: the outlet '%s', which takes '%s', is writable: " SETTINGS_ONLY_TRUSTED
		" may add connections to it",
		outlet->outlet.name, connection->name);
}

/* `taken`: an outlet takes the connection. False: one does, but must not, or cannot hold its
 * messages. */
static bool gateway_find_takers(const struct roster *roster,
	const struct connection_config *connection, bool *taken, struct error *error)
{
	*taken = false;
	for (size_t i = 0; i < roster->outlet_count; i++) {
		const struct outlet_config config = gateway_outlet_config(roster->outlets[i]);

		if (!outlet_config_takes(&config, connection->name))
			continue;
		if (!gateway_may_take(&config, connection, error) ||
			!outlet_config_holds(&config, connection, error))
			return false;
		*taken = true;
	}
	return true;
}

static void gateway_attach_to_takers(const struct roster *roster, struct connection *connection)
{
	for (size_t i = 0; i < roster->outlet_count; i++) {
		const struct outlet_config config = gateway_outlet_config(roster->outlets[i]);

		if (outlet_config_takes(&config, connection_name(connection)))
			connection_attach(connection, roster->outlets[i]->outlet);
	}
}

static bool gateway_add_implicit_outlet(struct gateway *gateway,
	const struct connection_config *connection, struct error *error)
{
	const char *name = connection->name;
	struct outlet_config *config = settings_implicit_outlet(gateway->settings, name);
	struct outlet *outlet = NULL;
	struct gateway_outlet *entry;

	config->outlet.untrusted = connection->untrusted;
	if (roster_outlet(&gateway->roster, name))
		error_set(error, ERROR_EXISTS, "an outlet named '%s' exists, and does not take it",
			name);
	else
		outlet = gateway_make_outlet(gateway, config, false, error);
	if (!outlet) {
		outlet_config_free(config);
		return false;
	}
	entry = gateway_outlet_new(outlet);
	gateway_outlet_configure(entry, config);
	roster_add_outlet(&gateway->roster, entry);
	return true;
}

bool gateway_check_connection(const struct gateway *gateway, const struct connection_config *config,
	struct net_check **check, void (*done)(const struct error *error, void *context),
	void *context, struct error *error)
{
	static const struct header_list none;

	return call_check(&gateway->host.dialer.call, config, &none, check, done, context, error);
}

bool gateway_add(struct gateway *gateway, struct connection_config *config, struct error *error)
{
	struct roster *roster = &gateway->roster;
	struct connection *connection;
	bool taken;

	if (!gateway_can_change(gateway, error))
		return false;
	if (roster_connection(roster, config->name))
		return error_set(error, ERROR_EXISTS, "a connection named '%s' already exists",
			config->name);
	if (!gateway_may_add(gateway, config, error) ||
		!gateway_find_takers(roster, config, &taken, error))
		return false;
	if (!taken && !gateway_add_implicit_outlet(gateway, config, error))
		return false;

	connection = connection_new(&gateway->host, config);
	roster_add_connection(roster, connection);
	gateway_attach_to_takers(roster, connection);
	gateway_update_reserve(gateway);
	gateway_emit_connection(gateway, EVENT_TYPE_ADDED, connection_name(connection));
	connection_start(connection);
	return true;
}

bool gateway_remove(struct gateway *gateway, const char *name, struct error *error)
{
	struct roster *roster = &gateway->roster;
	struct connection *connection = roster_connection(roster, name);
	struct gateway_outlet *outlet = roster_outlet(roster, name);

	if (!gateway_can_change(gateway, error))
		return false;
	if (!connection)
		return error_set(error, ERROR_NOT_FOUND, "no connection named '%s'", name);
	roster_remove_connection(roster, connection);
	gateway_emit_connection(gateway, EVENT_TYPE_REMOVED, connection_name(connection));
	gateway_retire(gateway, connection);
	if (outlet && outlet->implicit) {
		roster_remove_outlet(roster, outlet);
		gateway_drop_outlet(gateway, outlet);
	}
	gateway_update_reserve(gateway);
	return true;
}
