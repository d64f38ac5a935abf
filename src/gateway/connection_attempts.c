#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/connection_private.h"

/* A server that asks to be left alone for longer is asked again all the same. */
#define CONNECTION_RETRY_AFTER_MAX (3600 * CLOCK_NS_PER_SECOND)

/* --- calling ------------------------------------------------------------------------------- */

static void connection_on_called(struct call_result *result, struct call_report *report,
	const struct error *error, void *context);

static void connection_on_redirected(const char *from, const char *to, void *context)
{
	struct connection *connection = context;
	struct event_members members = {0};

	connection_log(connection, LOG_INFO, "redirected from %s to %s", from, to);
	event_add_text(&members, "from", from);
	event_add_text(&members, "to", to);
	connection_emit(connection, EVENT_TYPE_REDIRECT, &members);
}

void connection_on_admitted(void *context)
{
	static const struct call_callbacks callbacks = {
		.redirected = connection_on_redirected,
		.done = connection_on_called,
	};
	struct connection *connection = context;
	struct call_order order = {
		.config = connection->config,
		.extra = &connection->extra,
		.failures = &connection->failures,
	};

	connection->attempt++;
	connection->stats.attempts++;
	if (!connection->session)
		connection_enter(connection, CONNECTION_CONNECTING);
	connection->call = call_start(&connection->host->call, &order, &callbacks, connection);
}

static enum admission_rank connection_rank(const struct connection *connection)
{
	if (connection->urgent)
		return ADMISSION_URGENT;
	return connection->attempt > 0 ? ADMISSION_DOUBTFUL : ADMISSION_HOPEFUL;
}

void connection_call(struct connection *connection)
{
	enum admission_rank rank = connection_rank(connection);

	timer_clear(&connection->timer);
	connection->redial = false;
	connection->urgent = false;
	if (admission_enter(connection->host->admission, &connection->ticket, rank))
		connection_on_admitted(connection);
	else if (!connection->session)
		connection_enter(connection, CONNECTION_WAITING);
}

void connection_cancel_call(struct connection *connection)
{
	if (connection->call)
		call_cancel(connection->call);
	connection->call = NULL;
	admission_leave(connection->host->admission, &connection->ticket);
}

bool connection_calls(const struct connection *connection)
{
	return connection->ticket.place != ADMISSION_OUTSIDE;
}

static void connection_on_timer(void *context)
{
	struct connection *connection = context;

	if (connection->session)
		connection_renew(connection);
	else
		connection_call(connection);
}

void connection_set_timer(struct connection *connection, uint64_t ns)
{
	timer_set(&connection->timer, connection->host->shared->base, ns, connection_on_timer,
		connection);
}

/* --- and when not ---------------------------------------------------------------------------- */

void connection_rest(struct connection *connection)
{
	connection->wanted = false;
	connection_enter(connection, CONNECTION_IDLE);
	if (connection->retired && !connection->leaving)
		connection->host->retired(connection, connection->host->context);
}

void connection_start_anew(struct connection *connection)
{
	connection->attempt = 0;
	backoff_reset(&connection->backoff);
	if (connection_gave_up(connection)) {
		free(connection->last->gave_up);
		connection->last->gave_up = NULL;
	}
}

/* Why this failure is the last one; NULL: it is not. */
static char *connection_last_straw(const struct connection *connection, unsigned code)
{
	const struct integer_list *codes = &connection->settings->reconnect.give_up;
	unsigned attempts = connection->settings->reconnect.attempts;

	for (size_t i = 0; i < codes->count; i++) {
		if (codes->items[i] == code)
			return alloc_format(code < 1000 ? "the server has answered with status %u"
							: "it was closed with code %u",
				code);
	}
	if (attempts && connection->attempt >= attempts)
		return alloc_format("%u attempt%s in a row failed", connection->attempt,
			connection->attempt > 1 ? "s" : "");
	return NULL;
}

static void connection_give_up(struct connection *connection, char *reason)
{
	struct connection_last *last = connection_last(connection);
	struct event_members members = {0};

	free(last->gave_up);
	last->gave_up = reason;
	connection_log(connection, LOG_ERR, "gave up: %s", reason);
	connection_rest(connection);

	event_add_own_text(&members, "reason", reason);
	connection_emit(connection, EVENT_TYPE_GAVE_UP, &members);
}

static uint64_t connection_delay(struct connection *connection, uint64_t retry_after)
{
	const struct backoff_settings *settings = &connection->settings->reconnect.backoff;
	uint64_t random, ns;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	ns = backoff_next(&connection->backoff, settings, random);
	if (retry_after > CONNECTION_RETRY_AFTER_MAX)
		retry_after = CONNECTION_RETRY_AFTER_MAX;
	if (settings->jitter == BACKOFF_NONE)
		return ns > retry_after ? ns : retry_after;
	return retry_after + ns;
}

static void connection_try_later(struct connection *connection, uint64_t retry_after)
{
	uint64_t ns = connection_delay(connection, retry_after);
	struct event_members members = {0};

	connection->next_try = clock_monotonic() + ns;
	connection_set_timer(connection, ns);
	if (!connection->session)
		connection_enter(connection, CONNECTION_WAITING);

	event_add_number(&members, "attempt", connection->attempt + 1);
	event_add_number(&members, "in_ms", ns / CLOCK_NS_PER_MS);
	connection_emit(connection, EVENT_TYPE_RETRY, &members);
}

void connection_retry(struct connection *connection, unsigned code, uint64_t retry_after)
{
	char *reason;

	if (connection->session) { /* it could not be renewed, but it is still there */
		connection_try_later(connection, retry_after);
		return;
	}
	if (!connection->wanted || !connection->settings->reconnect.enabled) {
		connection_rest(connection);
		return;
	}
	reason = connection_last_straw(connection, code);
	if (reason)
		connection_give_up(connection, reason);
	else
		connection_try_later(connection, retry_after);
}

/* --- the end of a call --------------------------------------------------------------------- */

/* A server that is down for hours gets one warning, not one for each attempt. */
static void connection_log_failure(struct connection *connection, const struct error *error)
{
	const struct connection_last *last = connection->last;
	bool known = connection->attempt > 1 && last && last->error &&
		strcmp(last->error_text, error->text) == 0;

	connection_log(connection, known ? LOG_DEBUG : LOG_WARNING, "%s (attempt %u)", error->text,
		connection->attempt);
}

static void connection_failed(struct connection *connection, const struct error *error)
{
	connection->stats.failures++;
	connection_log_failure(connection, error);
	connection_note_error(connection, error);
	connection_emit_error(connection, EVENT_TYPE_ERROR, error);
	connection->renewing = false;
	connection_retry(connection, connection->report.response.status,
		connection->report.retry_after);
	connection_answer(connection, CONNECTION_FOR_OPEN, &connection->report, error);
}

static void connection_on_called(struct call_result *result, struct call_report *report,
	const struct error *error, void *context)
{
	struct connection *connection = context;

	connection->call = NULL;
	admission_leave(connection->host->admission, &connection->ticket);
	connection_release_extra(connection);
	call_report_release(&connection->report);
	connection->report = *report;
	connection_judge_call(connection);
	if (result)
		connection_opened(connection, result);
	else
		connection_failed(connection, error);
}
