#ifndef GATEWAY_HOLD_H
#define GATEWAY_HOLD_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "gateway/timer.h"
#include "ws/message_queue.h"

/*
 * Messages for a server that is not connected: held until it is, but not more than so many bytes,
 * and each not for longer than so much time.
 */
struct hold {
	struct ws_message_queue messages;
	uint64_t bytes_max; /* overheads included */
	const char *limit;  /* the setting that says so: static */
	uint64_t age_max;   /* ns */
	struct event_base *base; /* private, like the next */
	struct timer timer;      /* until the oldest is too old */

	/* Messages have become too old, and are dropped. May be called from within hold_first(). */
	void (*expired)(size_t messages, void *context);
	void *context;
};

void hold_init(struct hold *hold, struct event_base *base,
	void (*expired)(size_t messages, void *context), void *context);
void hold_release(struct hold *hold);

/* From now on; what is held stays, if it is not too old now. */
void hold_set_limits(struct hold *hold, const char *limit, uint64_t bytes, uint64_t age);

/* Holds the message. Fails if there is no room. */
bool hold_take(struct hold *hold, struct ws_outgoing *message, struct error *error);

/* The oldest that is not too old, as from ws_message_queue_first(); false: nothing is held, or so much
 * that is too old that the rest has to wait for another call. */
bool hold_first(struct hold *hold, struct ws_outgoing *oldest);
void hold_drop_first(struct hold *hold);
void hold_drop_all(struct hold *hold);

#endif
