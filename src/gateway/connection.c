#include "gateway/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/connection_private.h"
#include "net/url.h"

/* --- settings -------------------------------------------------------------------------------- */

static void connection_configure_url(struct connection *connection)
{
	struct url url = {0};
	struct error error;
	const char *shown;

	free(connection->shown_url);
	connection->shown_url = NULL;
	shown = url_parse(&url, connection->config->url, &error) ? url.shown : "(invalid)";
	if (strcmp(shown, connection->config->url) != 0)
		connection->shown_url = alloc_string(shown);
	url_release(&url);
}

/* Takes over the configuration. The one before is the caller's. */
static void connection_use(struct connection *connection, struct connection_config *config)
{
	connection->config = config;
	connection_configure_url(connection);
	connection_configure_hold(connection);
}

static bool connection_warn_differs(const struct warn_settings *a, const struct warn_settings *b)
{
	return a->warning_ms != b->warning_ms || a->warning_bs != b->warning_bs ||
		a->min_ms != b->min_ms || a->queue != b->queue ||
		strcmp(a->arg ? a->arg : "", b->arg ? b->arg : "") != 0;
}

/* True if the new settings are a reason to open a connection that nobody wants now. */
static bool connection_opens_now(const struct connection *connection, bool gave_up,
	enum connection_when before)
{
	switch (connection->config->settings->when) {
	case WHEN_ALWAYS:
		return gave_up || before != WHEN_ALWAYS;
	case WHEN_SUBSCRIBED:
		return gave_up && connection->demanded;
	case WHEN_MANUAL:
		return gave_up;
	}
	return false;
}

/* Continues with the new settings: a session may now be of age earlier, later, or never; a wait
 * begins anew. */
static void connection_carry_on(struct connection *connection)
{
	struct dialer *dialer = &connection->dialer;
	const struct connection_failure before = {.retry_after = dialer->report.retry_after};
	bool waited = dialer_state(dialer) == DIALER_WAITING;

	dialer_stop(dialer);
	if (connection->session && session_is_open(connection->session)) {
		if (connection->goal == GOAL_RENEW)
			connection->goal = GOAL_OPEN;
		connection_await_age(connection);
	}
	connection_decide(connection, waited ? &before : NULL);
}

void connection_change(struct connection *connection, struct connection_config *config,
	enum settings_change change)
{
	const struct connection_settings *settings = config->settings;
	struct connection_config *former = connection->config;
	const struct connection_settings *before = former->settings;
	bool gave_up = connection_gave_up(connection);

	if (change == SETTINGS_SAME) {
		connection_config_take_origin(former, config);
		connection_config_free(config);
		return;
	}
	connection_use(connection, config);
	routes_forget_input_max(&connection->routes);
	dialer_set_config(&connection->dialer, config);
	if (connection_warn_differs(&before->warn, &settings->warn))
		connection_configure_warnings(connection); /* else those of `warn` stay */
	if (connection->session)
		session_set_settings(connection->session, settings);
	if (connection->leaving)
		session_set_settings(connection->leaving, settings);
	connection_start_anew(connection);
	if (connection_is_wanted(connection)
			? change == SETTINGS_RECONNECT
			: connection_opens_now(connection, gave_up, before->when))
		connection_reopen(connection);
	else
		connection_carry_on(connection);
	connection_configure_demand(connection, before);
	connection_config_free(former);
}

/* --- life ------------------------------------------------------------------------------------ */

struct connection *connection_new(const struct connection_host *host,
	struct connection_config *config)
{
	struct connection *connection = alloc_zero(1, sizeof(*connection));

	connection->host = host;
	connection->since = clock_realtime();
	LIST_INIT(&connection->waiters);
	connection_use(connection, config);
	connection_listen(connection);
	connection_clear_stats(connection);
	connection_configure_warnings(connection);
	return connection;
}

void connection_free(struct connection *connection)
{
	struct error error;

	connection->goal = GOAL_NONE; /* losing its outlets neither opens nor closes it */
	error_set(&error, ERROR_NOT_FOUND, "the connection has been removed");
	connection_cancel_check(connection, &error);
	connection_answer(connection, CONNECTION_FOR_OPEN, NULL, &error);
	connection_answer(connection, CONNECTION_FOR_CLOSE, NULL, NULL);
	session_free(connection->session);
	session_free(connection->leaving);
	connection->session = connection->leaving = NULL;
	while (connection->routes.count)
		connection_detach(connection,
			routes_outlet(&connection->routes, connection->routes.count - 1));
	routes_release(&connection->routes);
	timer_clear(&connection->renewal);
	timer_clear(&connection->linger);
	dialer_release(&connection->dialer);
	if (connection->hold)
		hold_release(connection->hold);
	free(connection->hold);
	on_open_end(connection->opening);
	on_open_release(&connection->on_open);
	connection_clear_warnings(connection);
	free(connection->warnings);
	connection_release_last(connection);
	connection_config_free(connection->config);
	free(connection->shown_url);
	free(connection);
}

void connection_start(struct connection *connection)
{
	if (connection->goal != GOAL_NONE)
		return;
	connection->goal = GOAL_REST;
	if (connection->config->settings->when == WHEN_ALWAYS)
		connection_reopen(connection);
	else
		connection_update_demand(connection);
}

void connection_on_network_change(struct connection *connection,
	struct connection_reactions *reactions)
{
	struct error error;

	reactions->retrying += dialer_on_network_change(&connection->dialer);
	if (connection_is_open(connection) && connection->config->settings->endpoint.ping.interval)
		reactions->pinged += session_ping(connection->session, &error);
}

void connection_clear_stats(struct connection *connection)
{
	connection->stats = (struct stats){.since = clock_realtime()};
}

/* --- closing --------------------------------------------------------------------------------- */

static void connection_leave(struct connection *connection, enum connection_goal goal,
	unsigned code, const char *reason)
{
	struct error error;

	error_set(&error, ERROR_SOCKET_NOT_OPEN, "the connection was told to disconnect");
	connection_cancel_check(connection, &error);
	connection_end(connection, goal, code, reason, &error);
}

void connection_disconnect(struct connection *connection, unsigned code, const char *reason,
	struct connection_waiter *waiter)
{
	connection_leave(connection, GOAL_REST, code, reason);
	if (connection->session)
		connection_wait(connection, waiter, CONNECTION_FOR_CLOSE);
	else if (waiter)
		waiter->done(waiter, NULL, NULL);
}

void connection_retire(struct connection *connection)
{
	connection_drop_held(connection);
	connection_leave(connection, GOAL_RETIRE, WS_CLOSE_GOING_AWAY, "");
}

void connection_abort(struct connection *connection)
{
	if (connection->leaving)
		session_abort(connection->leaving);
	if (connection->session)
		session_abort(connection->session);
}

/* --- outlets --------------------------------------------------------------------------------- */

void connection_attach(struct connection *connection, struct outlet *outlet)
{
	routes_attach(&connection->routes, outlet, connection_name(connection), connection);
	connection_update_demand(connection);
}

static size_t connection_undelivered(const struct connection *connection)
{
	return (connection->session ? session_undelivered(connection->session) : 0) +
		(connection->leaving ? session_undelivered(connection->leaving) : 0);
}

void connection_detach(struct connection *connection, struct outlet *outlet)
{
	if (!routes_has(&connection->routes, outlet))
		return;
	routes_detach(&connection->routes, outlet, connection_undelivered(connection));
	connection_update_demand(connection);
}

struct outlet *connection_outlet(const struct connection *connection, size_t index)
{
	return routes_outlet(&connection->routes, index);
}
