#include "gateway/routes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Waits behind those that wait for room in an outlet, other than `but`. */
static bool routes_queue(struct routes *routes, const struct outlet *but)
{
	for (size_t i = 0; i < routes->count; i++) {
		struct outlet *outlet = routes->items[i].outlet;

		if (outlet == but || !outlet_has_waiters(outlet))
			continue;
		if (!routes->waiter.outlet)
			outlet_await_room(outlet, &routes->waiter, NULL);
		return true;
	}
	return false;
}

static bool routes_on_room(struct outlet *outlet, void *context)
{
	struct routes *routes = context;

	return !routes_queue(routes, outlet) && routes->callbacks->room(routes->context);
}

void routes_init(struct routes *routes, const struct routes_callbacks *callbacks, void *context)
{
	*routes = (struct routes){
		.callbacks = callbacks,
		.context = context,
		.waiter = {.room = routes_on_room, .context = routes},
	};
}

void routes_release(struct routes *routes)
{
	free(routes->items);
}

/* --- attaching ------------------------------------------------------------------------------- */

/* The index of the outlet's route, or where it would be inserted. */
static size_t routes_index(const struct routes *routes, const struct outlet *outlet)
{
	size_t from = 0, to = routes->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if ((uintptr_t)routes->items[middle].outlet < (uintptr_t)outlet)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

bool routes_has(const struct routes *routes, const struct outlet *outlet)
{
	size_t index = routes_index(routes, outlet);

	return index < routes->count && routes->items[index].outlet == outlet;
}

void routes_attach(struct routes *routes, struct outlet *outlet, const char *name, void *thing)
{
	size_t index = routes_index(routes, outlet);
	struct route *route;

	if (routes_has(routes, outlet))
		return;
	routes->items = alloc_one_more(routes->items, routes->count, sizeof(*routes->items));
	route = &routes->items[index];
	memmove(route + 1, route, (routes->count - index) * sizeof(*route));
	routes->count++;
	route->outlet = outlet;
	route->source = outlet_add_source(outlet, name, thing);
}

void routes_detach(struct routes *routes, struct outlet *outlet, size_t lost)
{
	size_t index = routes_index(routes, outlet);
	struct route *route = &routes->items[index];

	if (!routes_has(routes, outlet))
		return;
	if (lost)
		outlet_lose(outlet, route->source, lost);
	outlet_remove_source(outlet, route->source);
	outlet_resume_input(outlet); /* its subscribers no longer wait for this source's server */
	routes->count--;
	memmove(route, route + 1, (routes->count - index) * sizeof(*route));
	if (routes->waiter.outlet == outlet) {
		outlet_forget_waiter(&routes->waiter);
		routes->callbacks->room(routes->context);
	}
}

struct outlet *routes_outlet(const struct routes *routes, size_t index)
{
	return routes->items[index].outlet;
}

bool routes_attended(const struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++) {
		if (outlet_subscribers(routes->items[i].outlet))
			return true;
	}
	return false;
}

/* --- publishing ------------------------------------------------------------------------------ */

/* It waits for one outlet at a time, whatever else is held up. */
bool routes_refuse(struct routes *routes, struct outlet *outlet,
	const struct outlet_message *message)
{
	if (!routes->waiter.outlet)
		outlet_await_room(outlet, &routes->waiter, message);
	return false;
}

/* Into the last one if all others have room, and then into these. */
bool routes_offer_all(struct routes *routes, struct outlet_message *message)
{
	const struct route *items = routes->items;
	size_t last = routes->count - 1;

	if (routes->count == 0)
		return true;
	for (size_t i = 0; i < last; i++) {
		message->source = items[i].source;
		if (!outlet_has_room(items[i].outlet, message))
			return routes_refuse(routes, items[i].outlet, message);
	}
	message->source = items[last].source;
	if (!outlet_offer(items[last].outlet, message))
		return routes_refuse(routes, items[last].outlet, message);
	for (size_t i = 0; i < last; i++) {
		message->source = items[i].source;
		outlet_publish(items[i].outlet, message);
	}
	return true;
}

void routes_publish(struct routes *routes, struct outlet_message *message)
{
	for (size_t i = 0; i < routes->count; i++) {
		message->source = routes->items[i].source;
		outlet_publish(routes->items[i].outlet, message);
	}
}

bool routes_held_up(struct routes *routes)
{
	return routes->waiter.outlet || routes_queue(routes, NULL);
}

void routes_stop_waiting(struct routes *routes)
{
	outlet_forget_waiter(&routes->waiter);
}

void routes_lose(const struct routes *routes, size_t messages)
{
	for (size_t i = 0; i < routes->count; i++)
		outlet_lose(routes->items[i].outlet, routes->items[i].source, messages);
}

void routes_forget_input_max(const struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		outlet_forget_input_max(routes->items[i].outlet);
}

void routes_resume_input(const struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		outlet_resume_input(routes->items[i].outlet);
}
