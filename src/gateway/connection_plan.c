#include "gateway/connection_plan.h"

static enum connection_step plan_none(const struct connection_facts *facts)
{
	(void)facts;
	return STEP_NONE;
}

static enum connection_step plan_call(const struct connection_facts *facts)
{
	(void)facts;
	return STEP_CALL;
}

static enum connection_step plan_stop(const struct connection_facts *facts)
{
	(void)facts;
	return STEP_STOP;
}

static enum connection_step plan_close(const struct connection_facts *facts)
{
	(void)facts;
	return STEP_CLOSE;
}

/* A wait goes on, but not past another failure. */
static enum connection_step plan_wait(const struct connection_facts *facts)
{
	if (!facts->failed)
		return STEP_NONE;
	if (!facts->reconnects)
		return STEP_REST;
	return facts->gives_up ? STEP_GIVE_UP : STEP_RETRY;
}

static enum connection_step plan_open(const struct connection_facts *facts)
{
	return facts->failed ? plan_wait(facts) : STEP_CALL;
}

/* A renewal that fails is tried again for as long as the session stays open. */
static enum connection_step plan_renew(const struct connection_facts *facts)
{
	if (facts->failed)
		return STEP_RETRY;
	if (facts->busy)
		return STEP_POSTPONE;
	return facts->overlap ? STEP_CALL : STEP_CLOSE;
}

/* A session that was replaced still delivers. */
static enum connection_step plan_finish(const struct connection_facts *facts)
{
	return facts->leaving ? STEP_NONE : STEP_FINISH;
}

/* The columns are the phases: idle, waiting, calling, open, renewing, closing. */
static enum connection_step (*const plans[GOALS][PHASES])(const struct connection_facts *facts) = {
	[GOAL_NONE] = {plan_none, plan_none, plan_none, plan_none, plan_none, plan_none},
	[GOAL_REST] = {plan_none, plan_stop, plan_stop, plan_close, plan_stop, plan_none},
	[GOAL_OPEN] = {plan_open, plan_wait, plan_none, plan_none, plan_none, plan_none},
	[GOAL_REOPEN] = {plan_call, plan_stop, plan_stop, plan_close, plan_stop, plan_none},
	[GOAL_RENEW] = {plan_open, plan_wait, plan_none, plan_renew, plan_none, plan_none},
	[GOAL_RETIRE] = {plan_finish, plan_stop, plan_stop, plan_close, plan_stop, plan_none},
	[GOAL_GONE] = {plan_none, plan_none, plan_none, plan_none, plan_none, plan_none},
};

enum connection_step connection_plan(enum connection_goal goal, enum connection_phase phase,
	const struct connection_facts *facts)
{
	return plans[goal][phase](facts);
}
