#ifndef OUTLET_OUTLET_PRIVATE_H
#define OUTLET_OUTLET_PRIVATE_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "base/listener.h"
#include "outlet/cursors.h"
#include "outlet/format.h"
#include "outlet/formats.h"
#include "outlet/outlet.h"
#include "outlet/ring.h"
#include "outlet/sources.h"
#include "outlet/subscriber.h"

/* The inside of an outlet, for the files of this room. */

/* How long subscribers are looked after at a time, for each reason to: thousands of them would hold up
 * all else. */
#define OUTLET_TURN_TIME CLOCK_NS_PER_MS

TAILQ_HEAD(outlet_waiters, outlet_waiter);

struct outlet {
	struct event_base *base;
	struct log *log;
	struct log_subject subject;
	struct outlet_settings settings; /* its strings are the outlet's own */
	const struct outlet_callbacks *callbacks;
	const struct outlet_format *format;
	struct format_clock *clock; /* NULL: the format is not timed */
	struct listener *listener; /* NULL once drained */
	struct input_turns *input_turns;
	struct ring ring;

	struct sources sources;
	size_t oversize_length; /* of the last message larger than the ring */

	struct subscriber_list subscribers[SUBSCRIBER_STATES];
	struct cursors behind;           /* those that are blocked */
	unsigned lapped;                 /* how many are, */
	uint64_t lapped_lost_to;         /* and the sum of their `lost_to` */
	struct subscriber_list laggards; /* whose losses have not been reported yet */
	struct subscriber_rest *rest;    /* the latest; NULL: it is not needed any more */
	unsigned subscriber_count;       /* without those that are gone */
	unsigned sleepers;               /* of those that map the ring: who may sleep */
	uint64_t subscriber_id;          /* of the latest */
	uint64_t greeting_timeout;       /* ns */

	uint64_t woken; /* the head when sleepers were last woken */

	/*
	 * As long as the head and the next number stay within these, a message has room without
	 * looking at the subscribers again: they can only have moved on since.
	 */
	uint64_t room_head;
	uint64_t room_next;

	struct outlet_waiters waiters; /* for room, in the order of their turns */

	struct event *flush; /* NULL until the first: most outlets of many never have one */

	/* Beside each other: an outlet is one of thousands. */
	bool flush_scheduled;
	bool encodes;      /* there is a subscriber, or history to keep for the next one */
	bool attended;     /* there are subscribers, as far as the owner has been told */
	bool draining;
	bool ended_mapped; /* the socket of one that maps the ring has been closed: it is to look */
	bool ring_failed;  /* no memory for the ring, and it has been logged */

	struct outlet_counts stats;
	uint64_t given_up;    /* messages that those have lost that outlet_give_up() has freed */
	unsigned unpublished; /* openings and closings that found no room; not reported yet */
	unsigned oversize;    /* messages larger than the ring; likewise */
};

/* The cursor that is furthest behind, of those that are ready; UINT64_MAX: there is none. */
static inline uint64_t outlet_slowest_ready(const struct outlet *outlet)
{
	const struct subscriber *ready = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_READY]);

	return ready ? ready->cursor : UINT64_MAX;
}

/* Likewise, of all that have a place in the ring. */
uint64_t outlet_slowest(const struct outlet *outlet);

/* Where a subscriber goes on that has been lapped: number of a record. */
uint64_t outlet_skip_target(const struct outlet *outlet);

/* room.c: whether a record of that length has room, once a few of those who are ready have been sent
 * what there is. */
bool outlet_find_room(struct outlet *outlet, size_t length);

/* Whether a record of that length would overwrite nothing that has to be kept. */
bool outlet_has_space(const struct outlet *outlet, size_t length);

static inline bool outlet_has_room_for(struct outlet *outlet, size_t length)
{
	const struct ring *ring = &outlet->ring;

	return (ring->head + length <= outlet->room_head &&
		       ring->next + ring_places(length) <= outlet->room_next) ||
		outlet_find_room(outlet, length);
}

/* Gives those who wait for room their turns, as long as there is room. */
void outlet_give_room(struct outlet *outlet);

/* How long the message would be as a record. */
size_t outlet_record_length(const struct outlet *outlet, const struct outlet_message *message);

/* Has the flush run when all that is ready to be read in this turn of the loop has been. */
void outlet_schedule_flush(struct outlet *outlet);

/* Sends the ready subscribers what is new: to a few, and to more within `time` (ns). Calls nothing back.
 * False: there are others. */
bool outlet_send_ready(struct outlet *outlet, uint64_t time);

/*
 * Sees to it that the records before `first` can be overwritten, to make room for `length` bytes:
 * subscribers that still need them are treated as on_lag says.
 */
void outlet_overtake(struct outlet *outlet, uint64_t first, size_t length);

void outlet_update_encodes(struct outlet *outlet);

/* False, and logged once: there is no memory. */
bool outlet_open_ring(struct outlet *outlet);

/*
 * mapped.c: subscribers that read the ring themselves. Opens the ring and shares it; fails if there can
 * be no such subscriber.
 */
bool mapped_allow(struct outlet *outlet, struct error *error);

/* Publishes, tells who awaits a record, and wakes who sleeps. */
void mapped_flush(struct outlet *outlet);

/* Wakes who sleeps when it would soon be lapped, in the middle of a batch. */
void mapped_catch_up(struct outlet *outlet);

/* Before the first record of a source: tells its name to who has not had it by hello. */
void mapped_tell_name(struct outlet *outlet, const struct format_record *record);

/* The settings have changed: ends them if on_lag has become wait. */
void mapped_refuse(struct outlet *outlet);

/* After sockets have been closed: has their readers look. */
void mapped_left(struct outlet *outlet);

/* The event that the flush is. */
void outlet_on_flush(evutil_socket_t fd, short what, void *context);

#endif
