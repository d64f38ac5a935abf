#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/gateway_private.h"

/*
 * Changing over to other settings. First everything that can fail, in such a way that it can be
 * undone: the sockets. What is left then cannot fail.
 */

/* What becomes of one outlet of the settings. */
struct plan_outlet {
	struct gateway_outlet **old; /* the one at its path: its place in the gateway's array */
	struct outlet *made;         /* NULL: the old one can become it */
	bool changed;                /* mode, owner or group of the old one have been changed */
};

struct gateway_plan {
	struct gateway *gateway;
	struct settings *settings;
	struct plan_outlet *outlets; /* as many as the settings have */
};

/* --- what can fail -------------------------------------------------------------------------- */

/* Where each outlet of ours stands, by its path: a pointer to its place in the array. */
static void gateway_index_paths(const struct gateway *gateway, struct names *paths)
{
	for (size_t i = 0; i < gateway->outlet_count; i++)
		names_add(paths, outlet_settings(gateway->outlets[i]->outlet)->path, &gateway->outlets[i]);
}

static bool plan_prepare_outlet(struct gateway_plan *plan, struct plan_outlet *planned,
	const struct outlet_config *config, struct error *error)
{
	struct outlet *old = planned->old ? (*planned->old)->outlet : NULL;

	if (!old)
		planned->made = gateway_make_outlet(plan->gateway, config, error);
	else if (!outlet_can_become(old, &config->outlet))
		planned->made = outlet_new_for(old, &config->outlet, error);
	else
		planned->changed = outlet_set_access(old, &config->outlet, error);
	return planned->made || planned->changed;
}

static void plan_undo_outlet(struct gateway_plan *plan, struct plan_outlet *planned)
{
	struct outlet *old = planned->old ? (*planned->old)->outlet : NULL;
	struct log_subject about;
	struct error error;

	if (planned->made && old)
		outlet_withdraw(planned->made);
	else
		outlet_free(planned->made);
	if (!planned->changed || outlet_set_access(old, outlet_settings(old), &error))
		return;
	about = (struct log_subject){.kind = "outlet", .name = outlet_settings(old)->name};
	log_write(plan->gateway->log, LOG_ERR, &about, "%s", error.text);
}

static void plan_free(struct gateway_plan *plan)
{
	free(plan->outlets);
	free(plan);
}

void gateway_withdraw(struct gateway_plan *plan)
{
	for (size_t i = plan->settings->outlet_count; i > 0; i--)
		plan_undo_outlet(plan, &plan->outlets[i - 1]);
	plan_free(plan);
}

struct gateway_plan *gateway_prepare(struct gateway *gateway, struct settings *settings,
	struct settings_problems *problems)
{
	struct gateway_plan *plan = alloc_zero(1, sizeof(*plan));
	struct names paths = {0};
	bool prepared = true;
	struct error error;

	plan->gateway = gateway;
	plan->settings = settings;
	plan->outlets = alloc_zero(settings->outlet_count, sizeof(*plan->outlets));
	gateway_index_paths(gateway, &paths);
	for (size_t i = 0; i < settings->outlet_count; i++) {
		const struct outlet_config *config = settings->outlets[i];

		plan->outlets[i].old = names_find(&paths, config->outlet.path);
		if (plan_prepare_outlet(plan, &plan->outlets[i], config, &error))
			continue;
		settings_problem_at(problems, config->place, error.text);
		prepared = false;
	}
	names_release(&paths);
	if (prepared)
		return plan;
	gateway_withdraw(plan);
	return NULL;
}

/* --- what cannot ---------------------------------------------------------------------------- */

/* The outlet that is there from now on. Takes the old entry over. */
static struct outlet *plan_commit_outlet(struct gateway_plan *plan, struct plan_outlet *planned,
	const struct outlet_config *config, struct gateway_changes *changes)
{
	struct gateway_outlet *entry = planned->old ? *planned->old : NULL;
	struct outlet *outlet = planned->made;
	struct outlet_config before;
	struct error error;

	if (!entry) {
		changes->outlets_added++;
		return outlet;
	}
	*planned->old = NULL;
	before = gateway_outlet_config(entry);
	changes->outlets_changed += !outlet_config_same(&before, config);
	if (outlet) {
		outlet_settle(outlet);
		gateway_drop_outlet(plan->gateway, entry);
		return outlet;
	}
	outlet = entry->outlet;
	if (!outlet_reconfigure(outlet, &config->outlet, &error)) /* it was asked beforehand */
		log_write(plan->gateway->log, LOG_ERR, NULL, "%s", error.text);
	gateway_free_entry(entry);
	return outlet;
}

/* Takes the outlets' configurations out of the settings. */
/* Leaves those in `before` that are there no longer. */
static void plan_commit_outlets(struct gateway_plan *plan, struct gateway_changes *changes)
{
	struct gateway *gateway = plan->gateway;
	struct settings *settings = plan->settings;
	struct outlet *outlet;

	gateway->outlets = NULL;
	gateway->outlet_count = 0;
	names_release(&gateway->outlets_by_name);
	for (size_t i = 0; i < settings->outlet_count; i++) {
		outlet = plan_commit_outlet(plan, &plan->outlets[i], settings->outlets[i], changes);
		gateway_insert_outlet(gateway, outlet, settings->outlets[i]);
	}
	settings->outlet_count = 0;
	free(settings->outlets);
	settings->outlets = NULL;
}

/* After the connections that go have begun to close: what they still deliver is for these as well. */
static void plan_drop_outlets(struct gateway *gateway, struct gateway_outlet **before, size_t count,
	struct gateway_changes *changes)
{
	for (size_t i = 0; i < count; i++) {
		if (!before[i])
			continue;
		changes->outlets_removed++;
		gateway_drop_outlet(gateway, before[i]);
	}
	free(before);
}

static void gateway_change_connection(struct gateway *gateway, struct connection *connection,
	struct connection_config *config, struct gateway_changes *changes)
{
	enum settings_change change =
		connection_config_compare(connection_config(connection), config);

	changes->unchanged += change == SETTINGS_SAME;
	if (change != SETTINGS_SAME) {
		changes->changed++;
		gateway_emit_connection(gateway, "changed", config->name);
	}
	connection_change(connection, config, change);
}

/* Takes the connections out of the settings. New ones are started when their outlets are there. */
static void gateway_apply_connections(struct gateway *gateway, struct settings *settings,
	struct gateway_changes *changes)
{
	struct connection **before = gateway->connections;
	size_t before_count = gateway->connection_count;
	struct names by_name = gateway->connections_by_name;

	gateway->connections = NULL;
	gateway->connection_count = 0;
	gateway->connections_by_name = (struct names){0};
	for (size_t i = 0; i < settings->connection_count; i++) {
		struct connection_config *wanted = settings->connections[i];
		struct connection *connection = names_find(&by_name, wanted->name);

		if (connection) {
			names_remove(&by_name, wanted->name);
			gateway_change_connection(gateway, connection, wanted, changes);
		} else {
			changes->added++;
			gateway_emit_connection(gateway, "added", wanted->name);
			connection = connection_new(&gateway->host, wanted);
		}
		gateway_insert_connection(gateway, connection);
	}
	settings->connection_count = 0;
	free(settings->connections);
	settings->connections = NULL;

	for (size_t i = 0; i < before_count; i++) {
		if (!names_find(&by_name, connection_name(before[i])))
			continue;
		changes->removed++;
		gateway_emit_connection(gateway, "removed", connection_name(before[i]));
		gateway_retire(gateway, before[i]);
	}
	names_release(&by_name);
	free(before);
}

static void gateway_emit_reload(struct gateway *gateway, const struct gateway_changes *changes)
{
	char *details = alloc_format("{\"added\":%u,\"removed\":%u,\"changed\":%u,"
				     "\"unchanged\":%u,\"outlets_added\":%u,"
				     "\"outlets_removed\":%u,\"outlets_changed\":%u}",
		changes->added, changes->removed, changes->changed, changes->unchanged,
		changes->outlets_added, changes->outlets_removed, changes->outlets_changed);
	const struct gateway_event event = {
		.type = "reload",
		.time = clock_realtime(),
		.details = details,
	};

	gateway_emit(gateway, &event);
	free(details);
}

/* The limit has been raised as far as it goes. */
static void gateway_look_at_limit(struct gateway *gateway)
{
	struct rlimit limit;
	unsigned ceiling;

	gateway_update_reserve(gateway);
	ceiling = listeners_ceiling(gateway->outlet_listeners);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || ceiling > limit.rlim_cur / 2)
		return;
	log_write(gateway->log, LOG_WARNING, NULL,
		"the limit of %llu descriptors is low for %zu connections and %zu outlets "
		"(LimitNOFILE=, ulimit -n)",
		(unsigned long long)limit.rlim_cur, gateway->connection_count,
		gateway->outlet_count);
}

void gateway_commit(struct gateway_plan *plan, struct gateway_changes *changes)
{
	struct gateway *gateway = plan->gateway;
	struct settings *settings = plan->settings;
	struct gateway_outlet **before = gateway->outlets;
	size_t before_count = gateway->outlet_count;

	*changes = (struct gateway_changes){0};
	admission_limit(gateway->admission, settings->gateway.connecting.at_once,
		settings->gateway.connecting.per_second);
	plan_commit_outlets(plan, changes);
	gateway_apply_connections(gateway, settings, changes);
	plan_drop_outlets(gateway, before, before_count, changes);
	for (size_t i = 0; i < gateway->outlet_count; i++) {
		gateway_detach_outlet(gateway->outlets[i]);
		gateway_attach_outlet(gateway, gateway->outlets[i]);
	}
	settings_free(gateway->settings);
	gateway->settings = settings;
	gateway->shared.drain_timeout = settings->gateway.drain_timeout;
	gateway_look_at_limit(gateway);
	for (size_t i = 0; i < gateway->connection_count; i++)
		connection_start(gateway->connections[i]);
	gateway_emit_reload(gateway, changes);
	plan_free(plan);
}
