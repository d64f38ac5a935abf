#include "base/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { BUDGET_SMALL = 64 << 10 }; /* bytes of input that are always read */

/* The claims of one process. */
struct budget_process {
	char key[32];
	struct budget_claims claims;
	TAILQ_ENTRY(budget_process) entry;
};

/* --- processes ------------------------------------------------------------------------------- */

static void budget_enter(struct budget *budget, struct budget_claim *claim)
{
	char key[sizeof(claim->process->key)];
	struct budget_process *process;

	snprintf(key, sizeof(key), "%ld %lu", (long)claim->pid, (unsigned long)claim->uid);
	process = names_find(&budget->processes_by_key, key);
	if (!process) {
		process = alloc_zero(1, sizeof(*process));
		memcpy(process->key, key, sizeof(key));
		TAILQ_INIT(&process->claims);
		TAILQ_INSERT_TAIL(&budget->processes, process, entry);
		names_add(&budget->processes_by_key, process->key, process);
	}
	claim->process = process;
	TAILQ_INSERT_TAIL(&process->claims, claim, entry);
}

static void budget_leave(struct budget *budget, struct budget_claim *claim)
{
	struct budget_process *process = claim->process;

	claim->process = NULL;
	TAILQ_REMOVE(&process->claims, claim, entry);
	if (!TAILQ_EMPTY(&process->claims))
		return;
	TAILQ_REMOVE(&budget->processes, process, entry);
	names_remove(&budget->processes_by_key, process->key);
	free(process);
	if (TAILQ_EMPTY(&budget->processes))
		names_release(&budget->processes_by_key); /* the table does not shrink by itself */
}

/* --- giving up ------------------------------------------------------------------------------- */

/* Bytes times milliseconds. */
static uint64_t budget_claim_weight(const struct budget_claim *claim, uint64_t now)
{
	uint64_t age = (now - claim->since) / CLOCK_NS_PER_MS;

	return claim->use == BUDGET_UNFINISHED ? claim->bytes * (age + 1) : 0;
}

static uint64_t budget_process_weight(const struct budget_process *process, uint64_t now)
{
	const struct budget_claim *claim;
	uint64_t weight = 0;

	TAILQ_FOREACH (claim, &process->claims, entry)
		weight += budget_claim_weight(claim, now);
	return weight;
}

static struct budget_claim *budget_heaviest_of(const struct budget_process *process, uint64_t now)
{
	struct budget_claim *claim, *heaviest = NULL;
	uint64_t most = 0;

	TAILQ_FOREACH (claim, &process->claims, entry) {
		uint64_t weight = budget_claim_weight(claim, now);

		if (weight > most) {
			most = weight;
			heaviest = claim;
		}
	}
	return heaviest;
}

static struct budget_claim *budget_heaviest(const struct budget *budget)
{
	const struct budget_process *process, *heaviest = NULL;
	uint64_t now = clock_monotonic(), most = 0;

	TAILQ_FOREACH (process, &budget->processes, entry) {
		uint64_t weight = budget_process_weight(process, now);

		if (weight > most) {
			most = weight;
			heaviest = process;
		}
	}
	return heaviest ? budget_heaviest_of(heaviest, now) : NULL;
}

/* Of the limit that complete input can take from the rest. */
static uint64_t budget_waiting_share(const struct budget *budget)
{
	uint64_t waiting = budget->used[BUDGET_WAITING];

	return waiting < budget->limit / 2 ? waiting : budget->limit / 2;
}

static void budget_enforce(struct budget *budget)
{
	struct budget_claim *claim;

	while (budget->used[BUDGET_UNFINISHED] > budget->limit - budget_waiting_share(budget) &&
		(claim = budget_heaviest(budget))) {
		budget_drop(budget, claim);
		claim->give_up(claim);
	}
}

/* --- delaying -------------------------------------------------------------------------------- */

static bool budget_is_held_up(const struct budget *budget)
{
	return budget->used[BUDGET_WAITING] >= budget->limit / 2;
}

static void budget_forget_delayed(struct budget *budget, struct budget_claim *claim)
{
	if (!claim->delayed)
		return;
	claim->delayed = false;
	TAILQ_REMOVE(&budget->delayed, claim, delayed_entry);
}

static void budget_resume(struct budget *budget)
{
	struct budget_claim *claim;

	while (!budget_is_held_up(budget) && (claim = TAILQ_FIRST(&budget->delayed))) {
		budget_forget_delayed(budget, claim);
		claim->resume(claim);
	}
}

bool budget_admits(struct budget *budget, struct budget_claim *claim)
{
	if (claim->bytes < BUDGET_SMALL || !budget_is_held_up(budget))
		return true;
	if (!claim->delayed) {
		claim->delayed = true;
		TAILQ_INSERT_TAIL(&budget->delayed, claim, delayed_entry);
	}
	return false;
}

/* --- holding --------------------------------------------------------------------------------- */

static void budget_count(struct budget *budget, struct budget_claim *claim, uint64_t bytes,
	enum budget_use use)
{
	budget->used[claim->use] -= claim->bytes;
	budget->used[use] += bytes;
	claim->bytes = bytes;
	claim->use = use;
	if (bytes && !claim->process) {
		budget_enter(budget, claim);
		budget_restart(claim);
	} else if (!bytes && claim->process) {
		budget_leave(budget, claim);
	}
}

void budget_hold(struct budget *budget, struct budget_claim *claim, uint64_t bytes,
	enum budget_use use)
{
	budget_count(budget, claim, bytes, use);
	budget_enforce(budget);
	budget_resume(budget);
}

void budget_restart(struct budget_claim *claim)
{
	claim->since = clock_monotonic();
}

void budget_drop(struct budget *budget, struct budget_claim *claim)
{
	budget_forget_delayed(budget, claim);
	budget_count(budget, claim, 0, BUDGET_UNFINISHED);
	budget_resume(budget);
}

void budget_init(struct budget *budget, uint64_t limit)
{
	*budget = (struct budget){.limit = limit};
	TAILQ_INIT(&budget->processes);
	TAILQ_INIT(&budget->delayed);
}

void budget_release(struct budget *budget)
{
	names_release(&budget->processes_by_key);
}

void budget_set_limit(struct budget *budget, uint64_t limit)
{
	budget->limit = limit;
	budget_enforce(budget);
	budget_resume(budget);
}

uint64_t budget_limit(const struct budget *budget)
{
	return budget->limit;
}
