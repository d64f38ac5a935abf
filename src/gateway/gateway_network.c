#include "base/clock.h"
#include "gateway/gateway_private.h"

/*
 * The network has changed, or the host was suspended: connections are told one after the other, in
 * turns, as there can be thousands. From the last to the first: when one is removed meanwhile, those
 * after it move, and have been told.
 */

#define NETWORK_TURN (2 * CLOCK_NS_PER_MS) /* of work, before the loop polls again */

static void gateway_report_network(struct gateway *gateway)
{
	const struct connection_reactions *reactions = &gateway->network.reactions;
	const char *cause = network_change_name(gateway->network.change);
	struct event_members members = {0};
	const struct gateway_event event = {
		.type = EVENT_TYPE_NETWORK,
		.time = clock_realtime(),
		.members = &members,
	};

	event_add_own_text(&members, "cause", cause);
	event_add_number(&members, "pinged", reactions->pinged);
	event_add_number(&members, "retrying", reactions->retrying);
	gateway_emit(gateway, &event);
	log_write(gateway->log, LOG_NOTICE, NULL,
		"network changed (%s): %u connections pinged, %u retry now", cause,
		reactions->pinged, reactions->retrying);
}

void gateway_on_network_turn(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval next = {0};
	struct gateway *gateway = context;
	struct gateway_network *network = &gateway->network;
	const struct connection_list *all = &gateway->roster.connections;
	uint64_t end = clock_monotonic() + NETWORK_TURN;

	(void)fd, (void)what;
	if (network->untold > all->count)
		network->untold = all->count;
	while (network->untold && !gateway->stopped) {
		connection_on_network_change(all->items[--network->untold], &network->reactions);
		if (clock_monotonic() < end)
			continue;
		event_add(&network->turn, &next);
		return;
	}
	gateway_report_network(gateway);
}

void gateway_on_network_change(enum network_change change, void *context)
{
	struct gateway *gateway = context;
	struct gateway_network *network = &gateway->network;

	if (gateway->stopped)
		return;
	net_flush(gateway->net);
	network->change = change;
	network->reactions = (struct connection_reactions){0};
	network->untold = gateway->roster.connections.count;
	event_active(&network->turn, EV_TIMEOUT, 0);
}

void gateway_watch_network(struct gateway *gateway)
{
	gateway->network.watch = network_watch_new(gateway->base, gateway->timers, gateway->log,
		gateway_on_network_change, gateway);
}
