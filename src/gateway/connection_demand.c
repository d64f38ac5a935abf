#include "gateway/connection_private.h"
#include "ws/protocol.h"

/* WHEN_SUBSCRIBED: open while there are subscribers. */

static void connection_on_lingered(void *context);

static void connection_linger(struct connection *connection)
{
	timer_set(&connection->linger, connection->host->shared->timers,
		connection->config->settings->linger, connection_on_lingered, connection);
}

static void connection_on_lingered(void *context)
{
	struct connection *connection = context;
	struct error error;

	if (connection->check) {
		connection_linger(connection); /* a `connect` may be about to keep it */
		return;
	}
	if (!connection_is_wanted(connection))
		return;
	error_set(&error, ERROR_SOCKET_NOT_OPEN, "its last subscriber has left");
	connection_end(connection, GOAL_REST, WS_CLOSE_GOING_AWAY, "", &error);
}

/* A session that is closing makes way for a new one. */
static void connection_open_on_demand(struct connection *connection)
{
	if (connection->goal != GOAL_REST || connection_gave_up(connection))
		return;
	connection->goal = GOAL_REOPEN;
	connection_decide(connection, NULL);
}

void connection_update_demand(struct connection *connection)
{
	enum connection_when when = connection->config->settings->when;
	bool demanded;

	if (when != WHEN_SUBSCRIBED || connection->goal == GOAL_NONE ||
		connection_is_retired(connection))
		return;
	demanded = routes_attended(&connection->routes);
	if (demanded == connection->demanded)
		return;
	connection->demanded = demanded;
	if (demanded) {
		timer_clear(&connection->linger);
		connection_open_on_demand(connection);
	} else if (connection_is_wanted(connection)) {
		connection_linger(connection);
	}
}

void connection_configure_demand(struct connection *connection,
	const struct connection_settings *before)
{
	bool lingering = timer_is_set(&connection->linger);

	timer_clear(&connection->linger);
	if (connection->config->settings->when != WHEN_SUBSCRIBED)
		return;
	if (before->when != WHEN_SUBSCRIBED) {
		/* Whatever there is, it is a change. */
		connection->demanded = !routes_attended(&connection->routes);
		connection_update_demand(connection);
	} else if (lingering) {
		connection_linger(connection);
	}
}
