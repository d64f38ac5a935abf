#include <event2/util.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gateway/connection_private.h"
#include "ws/protocol.h"

/* Every event ends in connection_decide(), which takes the steps of the plan until there is
 * none. */

/* While a session cannot be closed without losing messages: when to look again. */
#define RENEWAL_POSTPONED (200 * CLOCK_NS_PER_MS)

/* --- those who wait -------------------------------------------------------------------------- */

void connection_answer(struct connection *connection, enum connection_waits waits,
	const struct call_report *report, const struct error *error)
{
	struct connection_waiter *waiter, *next;

	for (waiter = LIST_FIRST(&connection->waiters); waiter; waiter = next) {
		next = LIST_NEXT(waiter, entry);
		if (waiter->waits != waits)
			continue;
		LIST_REMOVE(waiter, entry);
		waiter->done(waiter, report, error);
	}
}

void connection_wait(struct connection *connection, struct connection_waiter *waiter,
	enum connection_waits waits)
{
	if (!waiter)
		return;
	waiter->waits = waits;
	LIST_INSERT_HEAD(&connection->waiters, waiter, entry);
}

void connection_forget(struct connection_waiter *waiter)
{
	LIST_REMOVE(waiter, entry);
}

/* --- renewal --------------------------------------------------------------------------------- */

static void connection_on_age(void *context)
{
	struct connection *connection = context;

	if (connection->goal == GOAL_OPEN)
		connection->goal = GOAL_RENEW;
	if (connection->dialer.attempt == 0)
		dialer_reset_backoff(&connection->dialer);
	connection_decide(connection, NULL);
}

static void connection_renew_after(struct connection *connection, uint64_t ns)
{
	timer_set(&connection->renewal, connection->host->shared->timers, ns, connection_on_age,
		connection);
}

void connection_await_age(struct connection *connection)
{
	const struct connection_settings *settings = connection->config->settings;
	uint64_t age = timers_now(connection->host->shared->timers) - connection->opened;
	uint64_t after = settings->max_age.after;
	uint32_t random;

	timer_clear(&connection->renewal);
	if (!after)
		return;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	after -= (uint64_t)((double)after * settings->max_age.jitter * random / 0x1p32);
	connection_renew_after(connection, after > age ? after - age : 0);
}

/* --- steps ----------------------------------------------------------------------------------- */

void connection_close(struct connection *connection, unsigned code, const char *reason)
{
	timer_clear(&connection->renewal);
	connection->closing = true;
	session_close(connection->session, code, reason);
}

static void connection_retry(struct connection *connection, uint64_t retry_after)
{
	uint64_t ns = dialer_retry(&connection->dialer, retry_after);
	struct event_members members = {0};

	event_add_number(&members, "attempt", connection->dialer.attempt + 1);
	event_add_number(&members, "in_ms", ns / CLOCK_NS_PER_MS);
	connection_emit(connection, EVENT_TYPE_RETRY, &members);
}

static void connection_give_up(struct connection *connection, unsigned code)
{
	struct connection_last *last = connection_last(connection);
	struct event_members members = {0};

	connection->goal = GOAL_REST;
	free(last->gave_up);
	last->gave_up = dialer_reason(&connection->dialer, code);
	connection_log(connection, LOG_ERR, "gave up: %s", last->gave_up);
	event_add_own_text(&members, "reason", last->gave_up);
	connection_emit(connection, EVENT_TYPE_GAVE_UP, &members);
}

static void connection_take_step(struct connection *connection, enum connection_step step,
	const struct connection_failure *failure)
{
	switch (step) {
	case STEP_NONE:
		break;
	case STEP_CALL:
		if (connection->goal == GOAL_REOPEN)
			connection->goal = GOAL_OPEN;
		dialer_call(&connection->dialer);
		break;
	case STEP_STOP:
		dialer_stop(&connection->dialer);
		break;
	case STEP_CLOSE:
		connection_close(connection, WS_CLOSE_GOING_AWAY, "");
		break;
	case STEP_RETRY:
		connection_retry(connection, failure->retry_after);
		break;
	case STEP_GIVE_UP:
		connection_give_up(connection, failure->code);
		break;
	case STEP_REST:
		connection->goal = GOAL_REST;
		break;
	case STEP_POSTPONE:
		connection->goal = GOAL_OPEN;
		connection_renew_after(connection, RENEWAL_POSTPONED);
		break;
	case STEP_FINISH:
		connection->goal = GOAL_GONE;
		connection->host->retired(connection, connection->host->context);
		break;
	}
}

/* --- deciding -------------------------------------------------------------------------------- */

static enum connection_phase connection_phase(const struct connection *connection)
{
	enum dialer_state state = dialer_state(&connection->dialer);

	if (connection->session && state != DIALER_IDLE)
		return PHASE_RENEWING;
	if (connection->session)
		return session_is_open(connection->session) ? PHASE_OPEN : PHASE_CLOSING;
	if (state == DIALER_IDLE)
		return PHASE_IDLE;
	return state == DIALER_WAITING ? PHASE_WAITING : PHASE_CALLING;
}

static enum connection_step connection_next_step(const struct connection *connection,
	const struct connection_failure *failure)
{
	const struct connection_settings *settings = connection->config->settings;
	const struct connection_facts facts = {
		.failed = failure != NULL,
		.reconnects = settings->reconnect.enabled,
		.gives_up = failure && dialer_gives_up(&connection->dialer, failure->code),
		.overlap = settings->max_age.overlap,
		.busy = connection->leaving ||
			(connection->session && session_paused(connection->session)),
		.leaving = connection->leaving != NULL,
	};

	return connection_plan(connection->goal, connection_phase(connection), &facts);
}

void connection_decide(struct connection *connection, const struct connection_failure *failure)
{
	enum connection_step step;

	connection_note_state(connection);
	while ((step = connection_next_step(connection, failure)) != STEP_NONE) {
		connection_take_step(connection, step, failure);
		connection_note_state(connection);
		failure = NULL; /* which the step has answered */
	}
}

/* Looks after each step, so that a call or a wait that begins anew has a `since` of its own. A
 * session that closes is still open, and a call that awaits its response still connects. */
void connection_note_state(struct connection *connection)
{
	enum connection_state state = connection_state(connection);

	if (state == CONNECTION_CLOSING)
		state = CONNECTION_OPEN;
	if (state == CONNECTION_UPGRADING)
		state = CONNECTION_CONNECTING;
	if (state == connection->state)
		return;
	connection->state = state;
	connection->since = clock_realtime();
}

/* --- goals ----------------------------------------------------------------------------------- */

void connection_reopen(struct connection *connection)
{
	connection->goal = GOAL_REOPEN;
	connection_start_anew(connection);
	connection_decide(connection, NULL);
}

void connection_end(struct connection *connection, enum connection_goal goal, unsigned code,
	const char *reason, const struct error *error)
{
	if (!connection_is_retired(connection))
		connection->goal = goal;
	connection_answer(connection, CONNECTION_FOR_OPEN, NULL, error);
	if (connection->session)
		connection_close(connection, code, reason);
	connection_decide(connection, NULL);
	dialer_forget_request(&connection->dialer);
}

void connection_start_anew(struct connection *connection)
{
	dialer_reset(&connection->dialer);
	if (!connection_gave_up(connection))
		return;
	free(connection->last->gave_up);
	connection->last->gave_up = NULL;
}
