#ifndef GATEWAY_HOLD_H
#define GATEWAY_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/timers.h"
#include "ws/endpoint.h"
#include "ws/message_queue.h"

/* Holds messages for a server until it is connected, up to a number of bytes, and each up to an
 * age. */
struct hold {
	struct ws_message_queue returned; /* private: from a session that has ended; the oldest */
	struct ws_message_queue messages; /* private: the others */
	uint64_t bytes_max;               /* overheads included */
	const char *limit;                /* name of the setting with that number: static */
	uint64_t age_max;                 /* ns */
	struct timers *timers;            /* private */
	struct timer timer;               /* private: until the oldest message expires */

	/* Messages have expired and are dropped. May be called from within hold_first(). */
	void (*expired)(size_t messages, void *context);
	void *context;
};

void hold_init(struct hold *hold, struct timers *timers,
	void (*expired)(size_t messages, void *context), void *context);
void hold_release(struct hold *hold);

/* What is held stays unless it has now expired. */
void hold_set_limits(struct hold *hold, const char *limit, uint64_t bytes, uint64_t age);

/* How many are held, and the bytes that they take, overheads included. */
size_t hold_count(const struct hold *hold);
size_t hold_size(const struct hold *hold);

/* Their age counts from the message's time, or from now. Fails if the hold is full. */
bool hold_take(struct hold *hold, struct ws_outgoing *message, struct error *error);

/* The oldest message that has not expired, as from ws_message_queue_first(). False: there is none,
 * or so many have expired that the rest is left to another call. */
bool hold_first(struct hold *hold, struct ws_outgoing *oldest);

/* Takes over messages that a session had, and could not send: those to be kept, the oldest first, as
 * far as there is room. They come before all others. Returns how many, and the bytes in them. */
struct ws_endpoint_unsent hold_return(struct hold *hold, struct ws_message_queue *queue);
void hold_drop_first(struct hold *hold);
void hold_drop_all(struct hold *hold);

#endif
