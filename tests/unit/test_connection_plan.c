#include "test_gateway.h"

#include <stddef.h>

#include "gateway/connection_plan.h"

enum { FACTS = 1 << 6 };

/* All facts that there can be, by number. */
static struct connection_facts facts_of(int number)
{
	return (struct connection_facts){
		.failed = number & 1,
		.reconnects = number & 2,
		.gives_up = number & 4,
		.overlap = number & 8,
		.busy = number & 16,
		.leaving = number & 32,
	};
}

/* A row says what happens with the facts that are named, whatever the others are. */
enum { ANY, YES, NO };
struct row {
	enum connection_step step;
	int failed, reconnects, gives_up, overlap, busy, leaving;
};

static bool fits(int wanted, bool fact)
{
	return wanted == ANY || (wanted == YES) == fact;
}

static bool row_fits(const struct row *row, const struct connection_facts *facts)
{
	return fits(row->failed, facts->failed) && fits(row->reconnects, facts->reconnects) &&
		fits(row->gives_up, facts->gives_up) && fits(row->overlap, facts->overlap) &&
		fits(row->busy, facts->busy) && fits(row->leaving, facts->leaving);
}

/* For each combination of facts exactly one of the rows fits, and says the step. */
static void expect(enum connection_goal goal, enum connection_phase phase, const struct row *rows,
	size_t count)
{
	for (int number = 0; number < FACTS; number++) {
		const struct connection_facts facts = facts_of(number);
		unsigned fitting = 0;

		for (size_t i = 0; i < count; i++) {
			if (!row_fits(&rows[i], &facts))
				continue;
			ck_assert_msg(connection_plan(goal, phase, &facts) == rows[i].step,
				"goal %d, phase %d, facts %d: step %d, not %d", (int)goal,
				(int)phase, number, (int)connection_plan(goal, phase, &facts),
				(int)rows[i].step);
			fitting++;
		}
		ck_assert_uint_eq(fitting, 1);
	}
}

#define EXPECT(goal, phase, ...)                                                                   \
	expect(goal, phase, (const struct row[]){__VA_ARGS__},                                     \
		sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

static void expect_always(enum connection_goal goal, enum connection_phase phase,
	enum connection_step step)
{
	EXPECT(goal, phase, {.step = step});
}

static void expect_nothing(enum connection_goal goal)
{
	for (int phase = 0; phase < PHASES; phase++)
		expect_always(goal, phase, STEP_NONE);
}

START_TEST(nothing_happens_before_there_is_a_goal)
{
	expect_nothing(GOAL_NONE);
}
END_TEST

START_TEST(what_rests_stops_calling_and_closes)
{
	expect_always(GOAL_REST, PHASE_IDLE, STEP_NONE);
	expect_always(GOAL_REST, PHASE_WAITING, STEP_STOP);
	expect_always(GOAL_REST, PHASE_CALLING, STEP_STOP);
	expect_always(GOAL_REST, PHASE_OPEN, STEP_CLOSE);
	expect_always(GOAL_REST, PHASE_RENEWING, STEP_STOP); /* and then closes */
	expect_always(GOAL_REST, PHASE_CLOSING, STEP_NONE);
}
END_TEST

START_TEST(what_is_to_be_open_calls_and_tries_again)
{
	EXPECT(GOAL_OPEN, PHASE_IDLE, {.step = STEP_CALL, .failed = NO},
		{.step = STEP_RETRY, .failed = YES, .reconnects = YES, .gives_up = NO},
		{.step = STEP_GIVE_UP, .failed = YES, .reconnects = YES, .gives_up = YES},
		{.step = STEP_REST, .failed = YES, .reconnects = NO});
	EXPECT(GOAL_OPEN, PHASE_WAITING, /* other settings, or a session lost meanwhile */
		{.step = STEP_NONE, .failed = NO},
		{.step = STEP_RETRY, .failed = YES, .reconnects = YES, .gives_up = NO},
		{.step = STEP_GIVE_UP, .failed = YES, .reconnects = YES, .gives_up = YES},
		{.step = STEP_REST, .failed = YES, .reconnects = NO});
	expect_always(GOAL_OPEN, PHASE_CALLING, STEP_NONE); /* the call was to renew what is lost */
	expect_always(GOAL_OPEN, PHASE_OPEN, STEP_NONE);
	expect_always(GOAL_OPEN, PHASE_RENEWING, STEP_NONE);
	expect_always(GOAL_OPEN, PHASE_CLOSING, STEP_NONE); /* by the server: its end decides */
}
END_TEST

START_TEST(what_is_to_be_opened_anew_makes_way_for_a_call)
{
	expect_always(GOAL_REOPEN, PHASE_IDLE, STEP_CALL); /* also after a failure */
	expect_always(GOAL_REOPEN, PHASE_WAITING, STEP_STOP);
	expect_always(GOAL_REOPEN, PHASE_CALLING, STEP_STOP);
	expect_always(GOAL_REOPEN, PHASE_OPEN, STEP_CLOSE);
	expect_always(GOAL_REOPEN, PHASE_RENEWING, STEP_STOP);
	expect_always(GOAL_REOPEN, PHASE_CLOSING, STEP_NONE);
}
END_TEST

START_TEST(what_is_of_age_is_renewed)
{
	EXPECT(GOAL_RENEW, PHASE_OPEN,
		{.step = STEP_RETRY,
			.failed = YES}, /* it is still open: it neither rests nor gives up */
		{.step = STEP_POSTPONE, .failed = NO, .busy = YES},
		{.step = STEP_CALL, .failed = NO, .busy = NO, .overlap = YES},
		{.step = STEP_CLOSE, .failed = NO, .busy = NO, .overlap = NO});
	EXPECT(GOAL_RENEW, PHASE_IDLE, /* closed for it */
		{.step = STEP_CALL, .failed = NO},
		{.step = STEP_RETRY, .failed = YES, .reconnects = YES, .gives_up = NO},
		{.step = STEP_GIVE_UP, .failed = YES, .reconnects = YES, .gives_up = YES},
		{.step = STEP_REST, .failed = YES, .reconnects = NO});
	EXPECT(GOAL_RENEW, PHASE_WAITING, {.step = STEP_NONE, .failed = NO},
		{.step = STEP_RETRY, .failed = YES, .reconnects = YES, .gives_up = NO},
		{.step = STEP_GIVE_UP, .failed = YES, .reconnects = YES, .gives_up = YES},
		{.step = STEP_REST, .failed = YES, .reconnects = NO});
	expect_always(GOAL_RENEW, PHASE_CALLING, STEP_NONE);
	expect_always(GOAL_RENEW, PHASE_RENEWING, STEP_NONE);
	expect_always(GOAL_RENEW, PHASE_CLOSING, STEP_NONE);
}
END_TEST

START_TEST(what_is_retired_closes_and_is_gone_once_all_is_closed)
{
	EXPECT(GOAL_RETIRE, PHASE_IDLE, {.step = STEP_FINISH, .leaving = NO},
		{.step = STEP_NONE, .leaving = YES});
	expect_always(GOAL_RETIRE, PHASE_WAITING, STEP_STOP);
	expect_always(GOAL_RETIRE, PHASE_CALLING, STEP_STOP);
	expect_always(GOAL_RETIRE, PHASE_OPEN, STEP_CLOSE);
	expect_always(GOAL_RETIRE, PHASE_RENEWING, STEP_STOP);
	expect_always(GOAL_RETIRE, PHASE_CLOSING, STEP_NONE);
}
END_TEST

START_TEST(what_is_gone_does_nothing_more)
{
	expect_nothing(GOAL_GONE);
}
END_TEST

/* --- all of them together -------------------------------------------------------------------- */

struct model {
	enum connection_goal goal;
	enum connection_phase phase;
	struct connection_facts facts;
};

/* What connection_take_step() makes of it. */
static void take(struct model *model, enum connection_step step)
{
	model->facts.failed = false;
	switch (step) {
	case STEP_NONE:
		break;
	case STEP_CALL:
		model->phase = model->phase == PHASE_OPEN ? PHASE_RENEWING : PHASE_CALLING;
		if (model->goal == GOAL_REOPEN)
			model->goal = GOAL_OPEN;
		break;
	case STEP_STOP:
		model->phase = model->phase == PHASE_RENEWING ? PHASE_OPEN : PHASE_IDLE;
		break;
	case STEP_CLOSE:
		model->phase = PHASE_CLOSING;
		break;
	case STEP_RETRY:
		model->phase = model->phase == PHASE_OPEN ? PHASE_RENEWING : PHASE_WAITING;
		break;
	case STEP_GIVE_UP:
	case STEP_REST:
		model->goal = GOAL_REST;
		break;
	case STEP_POSTPONE:
		model->goal = GOAL_OPEN;
		break;
	case STEP_FINISH:
		model->goal = GOAL_GONE;
		break;
	}
}

static bool is_under_way(enum connection_phase phase)
{
	return phase != PHASE_IDLE;
}

/* From wherever it is, steps come to rest: where an event will follow, or where nothing is wanted. */
START_TEST(steps_come_to_rest)
{
	for (int start = 0; start < GOALS * PHASES * FACTS; start++) {
		struct model model = {
			.goal = start % GOALS,
			.phase = start / GOALS % PHASES,
			.facts = facts_of(start / GOALS / PHASES),
		};
		enum connection_step step;
		bool idle_at_goal;
		unsigned steps = 0;

		if (model.goal == GOAL_NONE || model.goal == GOAL_GONE)
			continue;
		while ((step = connection_plan(model.goal, model.phase, &model.facts)) !=
			STEP_NONE) {
			take(&model, step);
			ck_assert_uint_le(++steps, 4);
		}
		idle_at_goal = model.goal == GOAL_REST || model.goal == GOAL_GONE ||
			(model.goal == GOAL_RETIRE && model.facts.leaving);
		ck_assert(is_under_way(model.phase) || idle_at_goal);
	}
}
END_TEST

Suite *connection_plan_suite(void)
{
	TCase *tests = tcase_create("plan");
	Suite *suite = suite_create("connection_plan");

	tcase_add_test(tests, nothing_happens_before_there_is_a_goal);
	tcase_add_test(tests, what_rests_stops_calling_and_closes);
	tcase_add_test(tests, what_is_to_be_open_calls_and_tries_again);
	tcase_add_test(tests, what_is_to_be_opened_anew_makes_way_for_a_call);
	tcase_add_test(tests, what_is_of_age_is_renewed);
	tcase_add_test(tests, what_is_retired_closes_and_is_gone_once_all_is_closed);
	tcase_add_test(tests, what_is_gone_does_nothing_more);
	tcase_add_test(tests, steps_come_to_rest);
	suite_add_tcase(suite, tests);
	return suite;
}
