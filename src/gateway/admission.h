#ifndef GATEWAY_ADMISSION_H
#define GATEWAY_ADMISSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/timers.h"

/*
 * Limits the calls of all connections: how many are under way at once, and how many begin in a
 * second. Others wait in a queue.
 *
 * Servers that never answer must not keep others waiting. So a call holds its place for half a
 * second only: one that takes longer mostly waits, which costs nothing. And connections whose last
 * call failed have at most half of the places, and let others go first, except every eighth time.
 */
struct admission;

enum admission_rank {
	ADMISSION_DOUBTFUL, /* the last call failed */
	ADMISSION_HOPEFUL,
	ADMISSION_URGENT, /* somebody waits for it: ahead of all others */
	ADMISSION_RANKS,
};

enum admission_place {
	ADMISSION_OUTSIDE,
	ADMISSION_QUEUED,
	ADMISSION_INSIDE,
};

/* Zero it and set the first two. It must not move while it is queued or inside. */
struct admission_ticket {
	/* It was queued, and is inside now. Never called from within an admission_… function. */
	void (*admitted)(void *context);
	void *context;
	enum admission_place place : 8;      /* to be read */
	enum admission_rank rank : 8;        /* private, like the rest */
	bool holds;                          /* a place */
	uint64_t entered;                    /* of timers_now() */
	TAILQ_ENTRY(admission_ticket) entry; /* in a queue, or among the holders of places */
};

struct admission *admission_new(struct event_base *base, struct timers *timers);

/* All tickets must be outside. */
void admission_free(struct admission *admission);

/* 0: no limit. They apply from now on; tickets that are inside stay there. */
void admission_limit(struct admission *admission, unsigned at_once, unsigned per_second);

/* The ticket must be outside. True: it is inside. False: it is queued behind those of its rank, and
 * `admitted` follows. */
bool admission_enter(struct admission *admission, struct admission_ticket *ticket,
	enum admission_rank rank);

/* From wherever the ticket is. If it held a place, that goes to the next. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

#endif
