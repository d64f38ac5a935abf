#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/names.h"

/*
 * Memory for the input of many processes. Input that is not complete may never be: beyond the limit
 * it is given up, first that of the process with the most bytes times age, so that no
 * process can keep the others from sending. Input that is complete, and waits for somebody else, is
 * never given up; but it leaves half of the limit to the rest, and large input is not read meanwhile.
 */

enum budget_use {
	BUDGET_UNFINISHED, /* the process has to send more */
	BUDGET_WAITING,    /* it is complete */
};

TAILQ_HEAD(budget_claims, budget_claim);

/* The input from one socket. Zero it, then set the first four members. */
struct budget_claim {
	pid_t pid;
	uid_t uid;

	/* It is given up, and holds nothing any more: drop it, and read no more. */
	void (*give_up)(struct budget_claim *claim);

	/* It may be read again. NULL: budget_admits() is never asked. */
	void (*resume)(struct budget_claim *claim);

	/* private from here on */
	uint64_t bytes;
	uint64_t since; /* of the message at its front; monotonic ns */
	enum budget_use use;
	struct budget_process *process;  /* NULL: holds nothing */
	TAILQ_ENTRY(budget_claim) entry; /* of its process */
	TAILQ_ENTRY(budget_claim) delayed_entry;
	bool delayed;
};

/* All private. */
struct budget {
	uint64_t limit;
	uint64_t used[BUDGET_WAITING + 1];
	TAILQ_HEAD(, budget_process) processes; /* that hold something */
	struct names processes_by_key;
	struct budget_claims delayed; /* to be resumed */
};

void budget_init(struct budget *budget, uint64_t limit);

/* All claims must have been released. */
void budget_release(struct budget *budget);

void budget_set_limit(struct budget *budget, uint64_t limit);
uint64_t budget_limit(const struct budget *budget);

/* The claim now holds that many bytes. Input may be given up meanwhile, also that of the claim. */
void budget_hold(struct budget *budget, struct budget_claim *claim, uint64_t bytes,
	enum budget_use use);

/* Another message is at its front: its age begins anew. */
void budget_restart(struct budget_claim *claim);

/* True if more may be read into the claim. If not, `resume` follows. */
bool budget_admits(struct budget *budget, struct budget_claim *claim);

/* The claim holds nothing any more, and waits for nothing. */
void budget_drop(struct budget *budget, struct budget_claim *claim);

#endif
