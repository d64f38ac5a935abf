#ifndef OUTLET_INPUT_TURNS_H
#define OUTLET_INPUT_TURNS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * Turns in which what subscribers send is taken, of all outlets that share them: however many there
 * are, they take no more than two milliseconds between two polls. The outlets must be gone before
 * they are freed.
 */
struct input_turns;
struct input_turns *input_turns_new(struct event_base *base);
void input_turns_free(struct input_turns *turns);

/* Somebody who may wait for a turn. Zeroed but for `take`. */
struct input_turn {
	void (*take)(struct input_turn *turn);
	TAILQ_ENTRY(input_turn) entry;
	unsigned since; /* the number of the turn in which it came */
	bool waits;
};

/* Calls `take` when it is its turn; once, however often it was asked for. */
void input_turns_await(struct input_turns *turns, struct input_turn *turn);
void input_turns_forget(struct input_turns *turns, struct input_turn *turn);

#endif
