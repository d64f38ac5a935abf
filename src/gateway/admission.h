#ifndef GATEWAY_ADMISSION_H
#define GATEWAY_ADMISSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * Who may call a server now: limits how many calls are under way at once, and how many start in a
 * second, over all connections. Those that have to wait stand in a queue.
 *
 * Servers that never answer must not keep the others waiting. So a call holds its place for half a
 * second: one that takes longer mostly waits, which costs nothing. And those whose last call has
 * failed have at most half of the places, and let the others go first, but for every eighth time.
 */
struct admission;

enum admission_rank {
	ADMISSION_DOUBTFUL, /* its last call has failed */
	ADMISSION_HOPEFUL,
	ADMISSION_URGENT,   /* somebody waits for it: in front of all others */
	ADMISSION_RANKS,
};

enum admission_place {
	ADMISSION_OUTSIDE,
	ADMISSION_QUEUED,
	ADMISSION_INSIDE,
};

/* What a connection asks with. Zero it, set the first two; it must stay where it is while it is not
 * outside. */
struct admission_ticket {
	/* It was queued and is inside now. Never called from within an admission_… function. */
	void (*admitted)(void *context);
	void *context;
	enum admission_place place : 8;            /* to be read */
	enum admission_rank rank : 8;              /* private, as is what follows */
	bool holds;                            /* a place */
	uint64_t entered;                      /* monotonic ns */
	TAILQ_ENTRY(admission_ticket) entry;   /* of a queue, or of those that hold a place */
};

struct admission *admission_new(struct event_base *base);

/* All tickets must be outside. */
void admission_free(struct admission *admission);

/* 0: any number. They hold from now on; who is inside stays there. */
void admission_limit(struct admission *admission, unsigned at_once, unsigned per_second);

/*
 * True: the ticket, which must be outside, is inside. False: it is queued, behind those of the same
 * rank, and `admitted` says when it is inside.
 */
bool admission_enter(struct admission *admission, struct admission_ticket *ticket,
	enum admission_rank rank);

/* From wherever it is; the place of one that was inside is free for the next. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

#endif
