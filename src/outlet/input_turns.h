#ifndef OUTLET_INPUT_TURNS_H
#define OUTLET_INPUT_TURNS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * Turns in which input from subscribers is taken, shared by outlets: however many there are, they
 * take at most two milliseconds between two polls. Free the outlets first.
 */
struct input_turns;
struct input_turns *input_turns_new(struct event_base *base);
void input_turns_free(struct input_turns *turns);

/* Waits for a turn. Zero it, then set `take`. */
struct input_turn {
	void (*take)(struct input_turn *turn);
	TAILQ_ENTRY(input_turn) entry;
	unsigned since; /* number of the turn in which it began to wait */
	bool waits;
};

/* Calls `take` once, when its turn comes, however often this is called before. */
void input_turns_await(struct input_turns *turns, struct input_turn *turn);
void input_turns_forget(struct input_turns *turns, struct input_turn *turn);

#endif
