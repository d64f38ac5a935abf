#ifndef OUTLET_INPUTS_H
#define OUTLET_INPUTS_H

#include "base/budget.h"
#include "base/turns.h"

/* Shared by the input from the subscribers of all outlets: the turns in which it is taken, and its
 * memory. Free the outlets first. */
struct inputs {
	struct turns turns;
	struct budget budget;
};

/* `memory`: bytes. */
struct inputs *inputs_new(struct event_base *base, uint64_t memory);
void inputs_free(struct inputs *inputs);

/* The part of one subscriber. Zero it, then set the first member, and those of the claim. */
struct inputs_share {
	void (*take)(struct inputs_share *share); /* its turn has come */
	struct turn turn;
	struct budget_claim claim;
};

/* Calls `take` once, however often this is called before. */
void inputs_await(struct inputs *inputs, struct inputs_share *share);
void inputs_forget(struct inputs *inputs, struct inputs_share *share);

#endif
