#include "gateway/change_plan.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"

void change_plan_init(struct change_plan *plan, const struct settings *settings)
{
	*plan = (struct change_plan){
		.settings = settings,
		.connections = alloc_zero(settings->connection_count, sizeof(*plan->connections)),
		.outlets = alloc_zero(settings->outlet_count, sizeof(*plan->outlets)),
	};
}

void change_plan_release(struct change_plan *plan)
{
	names_release(&plan->connections_by_name);
	names_release(&plan->outlets_by_path);
	free(plan->connections);
	free(plan->outlets);
	free(plan->running_connections);
	free(plan->running_outlets);
}

/* --- what runs ------------------------------------------------------------------------------- */

/* The arrays still move, so the indexes hold numbers. */
static void plan_index(struct names *names, const char *key, size_t index)
{
	names_add(names, key, (void *)(uintptr_t)(index + 1));
}

/* False: there is none. */
static bool plan_find(const struct names *names, const char *key, size_t *index)
{
	uintptr_t found = (uintptr_t)names_find(names, key);

	*index = found - 1;
	return found != 0;
}

void change_plan_add_connection(struct change_plan *plan, struct connection *connection,
	const struct connection_config *config)
{
	size_t index = plan->running_connection_count++;

	plan->running_connections = alloc_one_more(plan->running_connections, index,
		sizeof(*plan->running_connections));
	plan->running_connections[index] = (struct plan_running_connection){
		.connection = connection,
		.config = config,
	};
	plan_index(&plan->connections_by_name, config->name, index);
	plan->changes.removed++; /* unless the settings have it, too */
}

void change_plan_add_outlet(struct change_plan *plan, struct gateway_outlet *outlet,
	const struct outlet_config *config)
{
	size_t index = plan->running_outlet_count++;

	plan->running_outlets =
		alloc_one_more(plan->running_outlets, index, sizeof(*plan->running_outlets));
	plan->running_outlets[index] = (struct plan_running_outlet){
		.outlet = outlet,
		.config = *config,
	};
	plan_index(&plan->outlets_by_path, config->outlet.path, index);
	plan->changes.outlets_removed++;
}

/* --- what becomes of it ---------------------------------------------------------------------- */

void change_plan_connection(struct change_plan *plan, size_t index)
{
	const struct connection_config *config = plan->settings->connections[index];
	struct planned_connection *planned = &plan->connections[index];
	struct plan_running_connection *running;
	size_t place;

	if (!plan_find(&plan->connections_by_name, config->name, &place)) {
		plan->changes.added++;
		return;
	}
	running = &plan->running_connections[place];
	running->stays = true;
	plan->changes.removed--;
	planned->running = running->connection;
	planned->difference = connection_config_compare(running->config, config);
	if (planned->difference == SETTINGS_SAME)
		plan->changes.unchanged++;
	else
		plan->changes.changed++;
}

/* Only new connections can be missing in an outlet that takes the same; names are looked up faster
 * than all new connections are compared with them. */
static enum planned_outlet_sources plan_sources(const struct outlet_config *before,
	const struct outlet_config *after)
{
	if (!outlet_config_takes_same(before, after))
		return PLAN_REROUTE;
	return outlet_config_has_glob(after) ? PLAN_ATTACH_ADDED : PLAN_ATTACH;
}

void change_plan_outlet(struct change_plan *plan, size_t index)
{
	const struct outlet_config *config = plan->settings->outlets[index];
	struct planned_outlet *planned = &plan->outlets[index];
	struct plan_running_outlet *running;
	size_t place;

	if (!plan_find(&plan->outlets_by_path, config->outlet.path, &place)) {
		plan->changes.outlets_added++;
		return; /* PLAN_CREATE, PLAN_ATTACH */
	}
	running = &plan->running_outlets[place];
	running->stays = true;
	plan->changes.outlets_removed--;
	plan->changes.outlets_changed += !outlet_config_same(&running->config, config);
	planned->running = running->outlet;
	if (!outlet_can_become(&running->config.outlet, &config->outlet)) {
		planned->action = PLAN_REPLACE;
		return;
	}
	planned->action = PLAN_ADAPT;
	planned->sources = plan_sources(&running->config, config);
}
