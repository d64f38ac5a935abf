#include "base/clock.h"
#include "gateway/change_private.h"

/* --- what will run, not to be seen yet ------------------------------------------------------- */

/* Takes the configurations of new connections out of the settings. */
bool change_make_connection(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	struct connection *connection;

	if (index == settings->connection_count)
		return false;
	connection = change->plan.connections[index].running;
	if (!connection) {
		connection = connection_new(&change->gateway->host, settings->connections[index]);
		settings->connections[index] = NULL;
		connection_list_add(&change->added, connection);
	}
	roster_add_connection(&change->roster, connection);
	return true;
}

bool change_make_outlet(struct gateway_change *change, size_t index)
{
	struct outlet *made;

	if (index == change->settings->outlet_count)
		return false;
	made = change->prepared[index].made;
	roster_add_outlet(&change->roster,
		made ? gateway_outlet_new(made) : change->plan.outlets[index].running);
	return true;
}

/* From here on everybody sees what is new, though not all of it is in force yet. */
bool change_swap(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	const struct gateway_settings *settings = &change->settings->gateway;
	const struct roster before = gateway->roster;

	if (index)
		return false;
	gateway->roster = change->roster;
	change->roster = before;
	admission_limit(gateway->admission, settings->connecting.at_once,
		settings->connecting.per_second);
	return true;
}

/* --- what goes, and what comes in ------------------------------------------------------------ */

bool change_retire_connection(struct gateway_change *change, size_t index)
{
	const struct plan_running_connection *running;
	struct gateway *gateway = change->gateway;

	if (index == change->plan.running_connection_count)
		return false;
	running = &change->plan.running_connections[index];
	if (running->stays)
		return true;
	gateway_emit_connection(gateway, EVENT_TYPE_REMOVED, connection_name(running->connection));
	gateway_retire(gateway, running->connection);
	return true;
}

static void change_attach_added(const struct gateway_change *change,
	const struct gateway_outlet *entry)
{
	const struct outlet_config config = gateway_outlet_config(entry);

	for (size_t i = 0; i < change->added.count; i++) {
		if (outlet_config_takes(&config, connection_name(change->added.items[i])))
			connection_attach(change->added.items[i], entry->outlet);
	}
}

static void change_attach(const struct gateway_change *change, const struct gateway_outlet *entry,
	enum planned_outlet_sources sources)
{
	if (sources == PLAN_REROUTE)
		gateway_outlet_detach(entry);
	if (sources == PLAN_ATTACH_ADDED)
		change_attach_added(change, entry);
	else
		gateway_outlet_attach(entry, &change->gateway->roster);
}

/* Takes the outlet's configuration out of the settings. Connections change over from a replaced
 * outlet in one step, so that each message is in one of the two. */
bool change_commit_outlet(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	const struct planned_outlet *planned;
	struct gateway_outlet *entry;
	struct outlet_config *config;
	struct error error;

	if (index == settings->outlet_count)
		return false;
	planned = &change->plan.outlets[index];
	entry = change->gateway->roster.outlets[index];
	config = settings->outlets[index];
	settings->outlets[index] = NULL;
	if (planned->action != PLAN_ADAPT)
		outlet_settle(entry->outlet);
	else if (!outlet_reconfigure(entry->outlet, &config->outlet,
			 &error)) /* prepared: cannot be */
		log_write(change->gateway->log, LOG_ERR, NULL, "%s", error.text);
	gateway_outlet_configure(entry, config);
	if (planned->action == PLAN_REPLACE)
		gateway_drop_outlet(change->gateway, planned->running);
	change_attach(change, entry, planned->sources);
	return true;
}

/* After the connections that go have begun to close: what they still deliver is for these, too. */
bool change_drop_outlet(struct gateway_change *change, size_t index)
{
	const struct plan_running_outlet *running;

	if (index == change->plan.running_outlet_count)
		return false;
	running = &change->plan.running_outlets[index];
	if (!running->stays)
		gateway_drop_outlet(change->gateway, running->outlet);
	return true;
}

/* Connections that were idle are gone when the reload is answered. */
bool change_free_retired(struct gateway_change *change, size_t index)
{
	(void)index;
	return gateway_free_retired(change->gateway);
}

static void change_connection(struct gateway_change *change, struct connection *connection,
	struct connection_config *config, enum settings_change difference)
{
	struct names *names = &change->gateway->roster.connections_by_name;

	if (difference != SETTINGS_SAME)
		gateway_emit_connection(change->gateway, EVENT_TYPE_CHANGED, config->name);
	names_remove(names, config->name); /* its name becomes another string */
	connection_change(connection, config, difference);
	names_add(names, connection_name(connection), connection);
}

/* Takes the connection's configuration out of the settings. */
bool change_commit_connection(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	const struct planned_connection *planned;
	struct connection *connection;

	if (index == settings->connection_count)
		return false;
	planned = &change->plan.connections[index];
	connection = change->gateway->roster.connections.items[index];
	if (planned->running)
		change_connection(change, connection, settings->connections[index],
			planned->difference);
	else
		gateway_emit_connection(change->gateway, EVENT_TYPE_ADDED,
			connection_name(connection));
	settings->connections[index] = NULL;
	return true;
}

bool change_start_connection(struct gateway_change *change, size_t index)
{
	const struct connection_list *connections = &change->gateway->roster.connections;

	if (index == connections->count || change->abandoned)
		return false;
	connection_start(connections->items[index]);
	return true;
}

/* --- the end --------------------------------------------------------------------------------- */

static void change_emit(struct gateway *gateway, const struct gateway_changes *changes)
{
	struct event_members members = {0};
	const struct gateway_event event = {
		.type = EVENT_TYPE_RELOAD,
		.time = clock_realtime(),
		.members = &members,
	};

	event_add_number(&members, "added", changes->added);
	event_add_number(&members, "removed", changes->removed);
	event_add_number(&members, "changed", changes->changed);
	event_add_number(&members, "unchanged", changes->unchanged);
	event_add_number(&members, "outlets_added", changes->outlets_added);
	event_add_number(&members, "outlets_removed", changes->outlets_removed);
	event_add_number(&members, "outlets_changed", changes->outlets_changed);
	gateway_emit(gateway, &event);
}

bool change_settle(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	struct settings *settings = change->settings;

	if (index)
		return false;
	settings->connection_count = settings->outlet_count = 0; /* all have been taken out */
	settings_free(gateway->settings);
	gateway->settings = settings;
	gateway->shared.endpoints.drain_timeout = settings->gateway.drain_timeout;
	budget_set_limit(&gateway->inputs->budget, settings->gateway.input_memory);
	gateway->network.untold = gateway->network.untold ? gateway->roster.connections.count : 0;
	gateway_update_reserve(gateway);
	gateway_check_descriptors(gateway);
	change_emit(gateway, &change->plan.changes);
	return true;
}
