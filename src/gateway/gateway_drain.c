#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/gateway_private.h"

/*
 * What has been removed: connections until they have closed, outlets until their subscribers have
 * everything. Thousands may go at once, so they are freed in turns.
 */

enum { DRAIN_POLL_MS = 10 }; /* how often draining outlets are looked at */

void gateway_poll_soon(struct gateway *gateway)
{
	const struct timeval soon = {.tv_usec = DRAIN_POLL_MS * 1000};

	if (!event_pending(&gateway->poll, EV_TIMEOUT, NULL))
		event_add(&gateway->poll, &soon);
}

void gateway_poll_now(struct gateway *gateway)
{
	const struct timeval now = {0};

	event_add(&gateway->poll, &now);
}

/* --- connections ----------------------------------------------------------------------------- */

void gateway_retire(struct gateway *gateway, struct connection *connection)
{
	connection_list_add(&gateway->retiring, connection);
	connection_retire(connection);
}

/* While the gateway stops, connections stay in the roster until they have closed. */
void gateway_on_retired(struct connection *connection, void *context)
{
	struct gateway *gateway = context;

	if (roster_remove_connection(&gateway->roster, connection))
		gateway->told--;
	else
		connection_list_remove(&gateway->retiring, connection);
	connection_list_add(&gateway->retired, connection);
	gateway_poll_now(gateway);
}

bool gateway_free_retired(struct gateway *gateway)
{
	if (gateway->retired.count == 0)
		return false;
	connection_free(gateway->retired.items[--gateway->retired.count]);
	return true;
}

/* --- outlets --------------------------------------------------------------------------------- */

/* `retired_too`: also those that are closing, and may still deliver something. */
static void gateway_detach_all(struct outlet *outlet, bool retired_too)
{
	for (unsigned source = 0; source < outlet_source_count(outlet); source++) {
		struct connection *connection = outlet_source(outlet, source);

		if (connection && (retired_too || !connection_is_retired(connection)))
			connection_detach(connection, outlet);
	}
}

void gateway_drop_outlet(struct gateway *gateway, struct gateway_outlet *entry)
{
	struct outlet *outlet = entry->outlet;

	gateway_outlet_free(entry);
	gateway_detach_all(outlet, false);
	outlet_drain(outlet);
	gateway->draining = alloc_one_more(gateway->draining, gateway->draining_count,
		sizeof(*gateway->draining));
	gateway->draining[gateway->draining_count++] = (struct draining_outlet){
		.outlet = outlet,
		.deadline = timers_now(gateway->timers) + gateway->settings->gateway.drain_timeout,
	};
	gateway_poll_soon(gateway);
}

static bool draining_is_over(const struct gateway *gateway, const struct draining_outlet *draining,
	uint64_t now)
{
	return outlet_drained(draining->outlet) || draining->deadline <= now ||
		(gateway->stopped && gateway->stop_deadline <= now);
}

/* False: at `end` the outlet still had subscribers to close. */
static bool draining_free(const struct draining_outlet *draining, uint64_t end)
{
	gateway_detach_all(draining->outlet, true);
	if (!outlet_give_up(draining->outlet, end))
		return false;
	outlet_free(draining->outlet);
	return true;
}

static bool gateway_free_drained_outlets(struct gateway *gateway, uint64_t end)
{
	const uint64_t now = timers_now(gateway->timers);
	bool in_time = true;
	size_t kept = 0;

	for (size_t i = 0; i < gateway->draining_count; i++) {
		const struct draining_outlet draining = gateway->draining[i];

		in_time = in_time && clock_monotonic() < end;
		if (!in_time || !draining_is_over(gateway, &draining, now) ||
			!draining_free(&draining, end))
			gateway->draining[kept++] = draining;
	}
	gateway->draining_count = kept;
	return in_time && clock_monotonic() < end;
}

bool gateway_free_drained(struct gateway *gateway, uint64_t end)
{
	while (gateway->retired.count && clock_monotonic() < end)
		gateway_free_retired(gateway);
	return !gateway->retired.count && gateway_free_drained_outlets(gateway, end);
}
