#include "base/clock.h"
#include "gateway/gateway_private.h"

/*
 * The end: the connections close first, then the outlets deliver what is in their rings. Connections
 * stay in the roster, to be seen, until they have closed.
 */

#define STOP_TURN (2 * CLOCK_NS_PER_MS) /* of work, before the loop polls again */

bool gateway_is_running(const struct gateway *gateway, struct error *error)
{
	return !gateway->stopped || error_set(error, ERROR_SYSTEM, "the daemon is stopping");
}

/* False: at `end` there were more. Each takes itself out of the list. */
static bool stop_abort(const struct connection_list *list, uint64_t end)
{
	for (size_t left = list->count; left > 0; left--) {
		if (clock_monotonic() >= end)
			return false;
		connection_abort(list->items[left - 1]);
	}
	return true;
}

/* False: at `end` there were more. */
static bool stop_close_connections(struct gateway *gateway, bool late, uint64_t end)
{
	while (gateway->told < gateway->roster.connections.count) {
		if (clock_monotonic() >= end)
			return false;
		connection_retire(gateway->roster.connections.items[gateway->told++]);
	}
	return !late ||
		(stop_abort(&gateway->roster.connections, end) &&
			stop_abort(&gateway->retiring, end));
}

/* False: at `end` there were more. */
static bool stop_drop_outlets(struct gateway *gateway, uint64_t end)
{
	while (gateway->roster.outlet_count) {
		struct gateway_outlet *last =
			gateway->roster.outlets[gateway->roster.outlet_count - 1];

		if (clock_monotonic() >= end)
			return false;
		roster_remove_outlet(&gateway->roster, last);
		gateway_drop_outlet(gateway, last);
	}
	return true;
}

/* False: at `end` there was more to do. */
static bool gateway_go_on_stopping(struct gateway *gateway, uint64_t end)
{
	bool late = timers_now(gateway->timers) >= gateway->stop_deadline;

	if (!stop_close_connections(gateway, late, end))
		return false;
	if (gateway->roster.connections.count + gateway->retiring.count && !late)
		return true;
	return stop_drop_outlets(gateway, end) && gateway_free_drained(gateway, end);
}

void gateway_on_poll(evutil_socket_t fd, short what, void *context)
{
	struct gateway *gateway = context;
	uint64_t end = clock_monotonic() + STOP_TURN;
	bool stops = gateway->stopped && !gateway->change;
	bool in_time = gateway_free_drained(gateway, end) &&
		(!stops || gateway_go_on_stopping(gateway, end));

	(void)fd, (void)what;
	if (!in_time)
		gateway_poll_now(gateway);
	else if (stops && gateway->roster.outlet_count + gateway->draining_count == 0)
		gateway->stopped(gateway->stopped_context);
	else if (gateway->stopped || gateway->draining_count)
		gateway_poll_soon(gateway);
}

void gateway_stop(struct gateway *gateway, void (*done)(void *context), void *context)
{
	gateway->stopped = done;
	gateway->stopped_context = context;
	gateway->stop_deadline =
		timers_now(gateway->timers) + gateway->settings->gateway.drain_timeout;
	gateway_abandon_change(gateway);
	gateway_poll_now(gateway);
}

void gateway_stop_now(struct gateway *gateway)
{
	gateway->stop_deadline = 0;
	event_active(&gateway->poll, EV_TIMEOUT, 0);
}
