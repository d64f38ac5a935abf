#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/gateway_private.h"

/* --- what there is --------------------------------------------------------------------------- */

struct connection *gateway_connection(const struct gateway *gateway, const char *name)
{
	return roster_connection(&gateway->roster, name);
}

struct connection *const *gateway_connections(const struct gateway *gateway, size_t *count)
{
	*count = gateway->roster.connections.count;
	return gateway->roster.connections.items;
}

/* While the gateway stops, outlets can be seen until they are gone. */
static size_t gateway_visible_draining(const struct gateway *gateway)
{
	return gateway->stopped ? gateway->draining_count : 0;
}

struct outlet *gateway_outlet(const struct gateway *gateway, const char *name)
{
	const struct gateway_outlet *entry = roster_outlet(&gateway->roster, name);

	for (size_t i = 0; !entry && i < gateway_visible_draining(gateway); i++) {
		struct outlet *outlet = gateway->draining[i].outlet;

		if (strcmp(outlet_settings(outlet)->name, name) == 0)
			return outlet;
	}
	return entry ? entry->outlet : NULL;
}

size_t gateway_outlet_count(const struct gateway *gateway)
{
	return gateway->roster.outlet_count + gateway_visible_draining(gateway);
}

struct outlet *gateway_outlet_at(const struct gateway *gateway, size_t index)
{
	const struct roster *roster = &gateway->roster;

	return index < roster->outlet_count
		? roster->outlets[index]->outlet
		: gateway->draining[index - roster->outlet_count].outlet;
}

const struct settings *gateway_settings(const struct gateway *gateway)
{
	return gateway->settings;
}

struct budget *gateway_input_budget(const struct gateway *gateway)
{
	return &gateway->inputs->budget;
}

uint64_t gateway_send_max(const struct gateway *gateway)
{
	const struct connection_list *connections = &gateway->roster.connections;
	uint64_t most = 0;

	for (size_t i = 0; i < connections->count; i++) {
		if (connection_send_max(connections->items[i]) > most)
			most = connection_send_max(connections->items[i]);
	}
	return most;
}

struct event_base *gateway_base(const struct gateway *gateway)
{
	return gateway->base;
}

struct log *gateway_log(const struct gateway *gateway)
{
	return gateway->log;
}

/* --- life ------------------------------------------------------------------------------------ */

static void gateway_on_started(bool done, const struct gateway_changes *changes, void *context)
{
	bool *started = context;

	(void)changes;
	*started = done;
}

/* Makes what connections and outlets share. */
static void gateway_make_shared(struct gateway *gateway, const struct gateway_settings *settings)
{
	struct event_base *base = gateway->base;
	struct log *log = gateway->log;

	gateway->net = net_new(base, gateway->timers, log, (const char *const *)settings->dns.items,
		settings->dns.count);
	gateway->admission = admission_new(base, gateway->timers);
	session_shared_init(&gateway->shared, base, gateway->timers);
	gateway->host = (struct connection_host){
		.context = gateway,
		.log = log,
		.dialer = {.call = {base, gateway->timers, gateway->net, log},
			.admission = gateway->admission},
		.shared = &gateway->shared,
		.event = gateway_on_connection_event,
		.retired = gateway_on_retired,
	};
	gateway->outlet_listeners = listeners_new(base, log);
	gateway->inputs = inputs_new(base, settings->input_memory);
	gateway->outlet_callbacks = (struct outlet_callbacks){
		.context = gateway,
		.input = gateway_on_input,
		.input_max = gateway_on_input_max,
		.attended = gateway_on_attended,
		.event = gateway_on_outlet_event,
	};
}

/* Starting is a change from nothing to the settings. */
struct gateway *gateway_new(struct event_base *base, struct timers *timers, struct log *log,
	struct settings *settings, struct settings_problems *problems)
{
	static const struct gateway_change_callbacks callbacks = {.ended = gateway_on_started};
	struct gateway *gateway = alloc_zero(1, sizeof(*gateway));
	bool started = false;

	gateway->base = base;
	gateway->timers = timers;
	gateway->log = log;
	TAILQ_INIT(&gateway->watchers);
	evtimer_assign(&gateway->poll, base, gateway_on_poll, gateway);
	evtimer_assign(&gateway->network.turn, base, gateway_on_network_turn, gateway);
	gateway_make_shared(gateway, &settings->gateway);
	gateway_change(gateway, settings, problems, &callbacks, &started);
	gateway_finish_change(gateway);
	if (started)
		return gateway;
	gateway_free(gateway);
	return NULL;
}

static void gateway_free_connections(struct connection_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		connection_free(list->items[i]);
	free(list->items);
	*list = (struct connection_list){0};
}

static void gateway_free_outlets(struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->roster.outlet_count; i++) {
		outlet_free(gateway->roster.outlets[i]->outlet);
		gateway_outlet_free(gateway->roster.outlets[i]);
	}
	for (size_t i = 0; i < gateway->draining_count; i++)
		outlet_free(gateway->draining[i].outlet);
	free(gateway->draining);
}

void gateway_free(struct gateway *gateway)
{
	gateway_abandon_change(gateway);
	gateway_finish_change(gateway);
	event_del(&gateway->poll);
	event_del(&gateway->network.turn);
	network_watch_free(gateway->network.watch);
	/* Connections detach themselves from their outlets. */
	gateway_free_connections(&gateway->roster.connections);
	gateway_free_connections(&gateway->retiring);
	gateway_free_connections(&gateway->retired);
	gateway_free_outlets(gateway);
	roster_release(&gateway->roster);
	listeners_free(gateway->outlet_listeners);
	inputs_free(gateway->inputs);
	admission_free(gateway->admission);
	net_free(gateway->net);
	settings_free(gateway->settings);
	session_shared_release(&gateway->shared);
	free(gateway);
}
