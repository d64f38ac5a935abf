#ifndef OUTLET_OUTLET_PRIVATE_H
#define OUTLET_OUTLET_PRIVATE_H

#include <sys/queue.h>

#include "base/listener.h"
#include "outlet/outlet.h"
#include "outlet/outlet_core.h"
#include "outlet/subscribers.h"

/* The inside of an outlet, for the files outlet*.c. */

TAILQ_HEAD(outlet_waiters, outlet_waiter);

struct outlet {
	struct outlet_core core;
	struct subscribers subscribers;
	const struct outlet_callbacks *callbacks;
	struct format_clock *clock;    /* NULL: the format is not timed */
	struct listener *listener;     /* NULL once drained */
	struct listener *successor;    /* for one whose file is gone; NULL: none is needed */
	struct outlet_waiters waiters; /* for room, in the order of their turns */
	struct event *held_up;         /* a moment after the first came; NULL: none has yet */
	uint64_t held_up_since;        /* there are waiters: monotonic ns; 0: there are none */
	bool held_up_told;             /* and it has been logged */

	size_t oversize_length; /* of the last message larger than the ring */
	uint64_t given_up;      /* messages lost by subscribers that outlet_give_up() has freed */
	unsigned unpublished;   /* openings and closings that found no room; not reported yet */
	unsigned oversize;      /* messages larger than the ring, not reported yet */

	bool keeps;    /* records are for later subscribers as well */
	bool attended; /* there are subscribers, as far as the owner has been told */
	bool draining;
};

/* --- outlet_publish.c --------------------------------------------------------------------------- */

/* The length of the message as a record; of its notice, if it is larger than the ring. */
size_t outlet_record_length(const struct outlet *outlet, const struct outlet_message *message);

/* Tells the owner what found no room, or was too large. */
void outlet_report_unpublished(struct outlet *outlet);

/* --- outlet_room.c ------------------------------------------------------------------------------ */

/* For outlet_free(). */
void outlet_release_room(struct outlet *outlet);

/* Gives those who wait for room their turns, while there is room. */
void outlet_give_room(struct outlet *outlet);

/* --- outlet_flush.c ----------------------------------------------------------------------------- */

/* From the ring to the subscribers: what the core's flush runs. */
void outlet_on_flush(struct flush *flush);

#endif
