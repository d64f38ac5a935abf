#ifndef GATEWAY_ADMISSION_H
#define GATEWAY_ADMISSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * Who may call a server now: limits how many calls are under way at once, and how many start in a
 * second, over all connections. Those that have to wait stand in a queue.
 */
struct admission;

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
	enum admission_place place;            /* to be read */
	bool urgent;                           /* private */
	TAILQ_ENTRY(admission_ticket) entry;   /* private */
};

struct admission *admission_new(struct event_base *base);

/* All tickets must be outside. */
void admission_free(struct admission *admission);

/* 0: any number. They hold from now on; who is inside stays there. */
void admission_limit(struct admission *admission, unsigned at_once, unsigned per_second);

/*
 * True: the ticket, which must be outside, is inside. False: it is queued, an urgent one behind
 * other urgent ones only, and `admitted` says when it is inside.
 */
bool admission_enter(struct admission *admission, struct admission_ticket *ticket, bool urgent);

/* From wherever it is; the place of one that was inside is free for the next. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

#endif
