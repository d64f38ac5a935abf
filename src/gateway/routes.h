#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "outlet/outlet.h"

/*
 * The outlets that one source of messages publishes into. All of them take a message or none does,
 * so that none gets it twice.
 */

struct routes_callbacks {
	/*
	 * An outlet that had no room has some, or is gone: a source that was held up may try again.
	 * Returns true if it goes on. Called from the event loop, or from within routes_detach().
	 */
	bool (*room)(void *context);
};

/* Private: an outlet, and the source's number there. */
struct route {
	struct outlet *outlet;
	unsigned source;
};

/* All private but `count`, the number of outlets; it must stay where it is. */
struct routes {
	const struct routes_callbacks *callbacks;
	void *context;
	struct route *items; /* in the order of the outlets' addresses */
	size_t count;
	struct outlet_waiter waiter; /* for room in one of the outlets */
};

/* Borrows the callbacks. */
void routes_init(struct routes *routes, const struct routes_callbacks *callbacks, void *context);

/* All outlets must have been detached. */
void routes_release(struct routes *routes);

/* `name` and `thing` as in outlet_add_source(). Attaching an outlet twice changes nothing. */
void routes_attach(struct routes *routes, struct outlet *outlet, const char *name, void *thing);

bool routes_has(const struct routes *routes, const struct outlet *outlet);

/* `lost`: messages that the outlet would still have got. Does nothing if it is not attached. */
void routes_detach(struct routes *routes, struct outlet *outlet, size_t lost);

/* The `index`th outlet, of `count`. */
struct outlet *routes_outlet(const struct routes *routes, size_t index);

/* True if an outlet has a subscriber. Asks the outlets each time: a count would have to be right
 * whenever outlets come and go. */
bool routes_attended(const struct routes *routes);

/* Private, for routes_offer(). */
bool routes_offer_all(struct routes *routes, struct outlet_message *message);
bool routes_refuse(struct routes *routes, struct outlet *outlet,
	const struct outlet_message *message);

/* Sets the message's `source` for each outlet. False: one has no room, and none has taken the
 * message; `room` follows. Inline, as most sources have one outlet, and each message comes through
 * here. */
static inline bool routes_offer(struct routes *routes, struct outlet_message *message)
{
	const struct route *route = routes->items;

	if (routes->count != 1)
		return routes_offer_all(routes, message);
	message->source = route->source;
	return outlet_offer(route->outlet, message) ||
		routes_refuse(routes, route->outlet, message);
}

/* The same, for what cannot be held up. */
void routes_publish(struct routes *routes, struct outlet_message *message);

/* True if the source must not read: others already wait for room in one of the outlets, and it now
 * waits behind them. `room` follows. */
bool routes_held_up(struct routes *routes);

/* Nothing is held up any more. */
void routes_stop_waiting(struct routes *routes);

/* Messages will never be published. */
void routes_lose(const struct routes *routes, size_t messages);

/* The largest message that the source's server can be sent has changed. */
void routes_forget_input_max(const struct routes *routes);

/* There is room again for what the outlets' subscribers send. */
void routes_resume_input(const struct routes *routes);

#endif
