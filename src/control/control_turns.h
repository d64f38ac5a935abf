#ifndef CONTROL_CONTROL_TURNS_H
#define CONTROL_CONTROL_TURNS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

/*
 * Work in turns: all that have something to do are in one queue, which takes a step of each after
 * the other, for a bounded time between two polls. A budget for each would add up with their number.
 */

/* Embedded in what has something to do; zeroed it has nothing. */
struct control_turn {
	bool queued;
	TAILQ_ENTRY(control_turn) entry;
};

/* Takes a step. True: there is another one. False: there is not, and the turn may be gone. */
typedef bool (*control_step)(struct control_turn *turn);

struct control_turns {
	TAILQ_HEAD(, control_turn) queue;
	struct event event;
	control_step step;
};

void control_turns_init(struct control_turns *turns, struct event_base *base, control_step step);

/* The queue must be empty. */
void control_turns_release(struct control_turns *turns);

/* It has something to do; may have said so already. */
void control_turns_await(struct control_turns *turns, struct control_turn *turn);
void control_turns_forget(struct control_turns *turns, struct control_turn *turn);

#endif
