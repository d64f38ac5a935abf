#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/change_private.h"

/*
 * A change to other settings, a little in each turn of the loop, as there may be thousands of
 * everything. It is planned; then everything that can fail is done in a way that can be undone: the
 * sockets. What follows cannot fail. Meanwhile nothing else adds or removes anything.
 */

#define CHANGE_TURN  (2 * CLOCK_NS_PER_MS) /* of work, before the loop polls again */
#define CHANGE_RETRY (2 * CLOCK_NS_PER_MS) /* after which a locked folder is tried again */

/* --- the plan -------------------------------------------------------------------------------- */

static bool change_add_connection(struct gateway_change *change, size_t index)
{
	const struct connection_list *connections = &change->gateway->roster.connections;

	if (index == connections->count)
		return false;
	change_plan_add_connection(&change->plan, connections->items[index],
		connection_config(connections->items[index]));
	return true;
}

static bool change_add_outlet(struct gateway_change *change, size_t index)
{
	const struct roster *roster = &change->gateway->roster;
	struct outlet_config config;

	if (index == roster->outlet_count)
		return false;
	config = gateway_outlet_config(roster->outlets[index]);
	change_plan_add_outlet(&change->plan, roster->outlets[index], &config);
	return true;
}

static bool change_plan_next_connection(struct gateway_change *change, size_t index)
{
	if (index == change->settings->connection_count)
		return false;
	change_plan_connection(&change->plan, index);
	return true;
}

static bool change_plan_next_outlet(struct gateway_change *change, size_t index)
{
	if (index == change->settings->outlet_count)
		return false;
	change_plan_outlet(&change->plan, index);
	return true;
}

/* --- one turn after the other ---------------------------------------------------------------- */

static void change_free(struct gateway_change *change)
{
	event_del(&change->turn);
	change_plan_release(&change->plan);
	roster_release(&change->roster);
	free(change->added.items);
	free(change->prepared);
	free(change);
}

static void change_end(struct gateway_change *change)
{
	static const struct gateway_changes none;
	const struct gateway_changes changes = change->failed ? none : change->plan.changes;
	const struct gateway_change_callbacks *callbacks = change->callbacks;
	struct gateway *gateway = change->gateway;
	void *context = change->context;
	const bool done = !change->failed;

	change_free(change);
	gateway->change = NULL;
	callbacks->ended(done, &changes, context);
	gateway_tell_settled(gateway);
}

/* Until `end` (monotonic ns), or until it has to wait. False: it is over, and freed. */
static bool change_run(struct gateway_change *change, uint64_t end)
{
	change->waits = false;
	while (*change->steps && !change->waits && clock_monotonic() < end) {
		if (!(*change->steps)(change, change->index)) {
			change->steps++;
			change->index = 0;
		} else if (!change->waits) {
			change->index++;
		}
	}
	if (*change->steps)
		return true;
	change_end(change);
	return false;
}

static void change_await_turn(struct gateway_change *change)
{
	const struct timeval delay = clock_timeval(change->waits ? CHANGE_RETRY : 0);

	event_add(&change->turn, &delay);
}

static void change_on_turn(evutil_socket_t fd, short what, void *context)
{
	struct gateway_change *change = context;

	(void)fd, (void)what;
	if (change_run(change, clock_monotonic() + CHANGE_TURN))
		change_await_turn(change);
}

void gateway_change(struct gateway *gateway, struct settings *settings,
	struct settings_problems *problems, const struct gateway_change_callbacks *callbacks,
	void *context)
{
	static change_step *const steps[] = {
		change_add_connection,
		change_add_outlet,
		change_plan_next_connection,
		change_plan_next_outlet,

		change_prepare_outlet,
		change_decide,

		change_make_connection,
		change_make_outlet,
		change_swap,
		change_retire_connection,
		change_commit_outlet,
		change_drop_outlet,
		change_free_retired,
		change_commit_connection,
		change_start_connection,
		change_settle,
		NULL,
	};
	struct gateway_change *change = alloc_zero(1, sizeof(*change));

	change->gateway = gateway;
	change->settings = settings;
	change->problems = problems;
	change->callbacks = callbacks;
	change->context = context;
	change->steps = steps;
	change_plan_init(&change->plan, settings);
	change->prepared = alloc_zero(settings->outlet_count, sizeof(*change->prepared));
	evtimer_assign(&change->turn, gateway->base, change_on_turn, change);
	gateway->change = change;
	change_await_turn(change);
}

bool gateway_is_changing(const struct gateway *gateway)
{
	return gateway->change != NULL;
}

void gateway_finish_change(struct gateway *gateway)
{
	const struct timespec pause = {.tv_nsec = CHANGE_RETRY};

	while (gateway->change && change_run(gateway->change, UINT64_MAX))
		nanosleep(&pause, NULL);
}

void gateway_abandon_change(struct gateway *gateway)
{
	if (gateway->change)
		gateway->change->abandoned = true;
}
