#ifndef BASE_TURNS_H
#define BASE_TURNS_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * A queue of those that have work to do. It is served in rounds: each gets one turn a round, and a
 * round ends after TURNS_TIME, however many wait. Whoever comes during a round, or has more to do
 * after its turn, waits for the next one, which comes after a poll and the events that it finds.
 */

/* Waits for a turn; embedded in what has the work. Zero-initialised, it does not wait. */
struct turn {
	TAILQ_ENTRY(turn) entry;
	unsigned round; /* in which it began to wait */
	bool waits;
};

struct turns_callbacks {
	/* Before and after each round. May be NULL. */
	void (*reset)(void *context);

	/* Its turn has come, and it waits no more. False: enough for this round. */
	bool (*take)(struct turn *turn, void *context);
};

/* All private. */
struct turns {
	struct event event; /* active, or due, while somebody waits */
	TAILQ_HEAD(, turn) waiting;
	unsigned round;
	const struct turns_callbacks *callbacks;
	void *context;
};

/* Borrows the callbacks. */
void turns_init(struct turns *turns, struct event_base *base,
	const struct turns_callbacks *callbacks, void *context);

/* Nobody may wait any more. */
void turns_release(struct turns *turns);

/* Gets one turn, however often this is called before. */
void turns_await(struct turns *turns, struct turn *turn);
void turns_forget(struct turns *turns, struct turn *turn);

#endif
