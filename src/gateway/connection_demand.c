#include "base/clock.h"
#include "gateway/connection_private.h"
#include "ws/protocol.h"

/* What WHEN_SUBSCRIBED does. */

static void connection_open_on_demand(struct connection *connection)
{
	if (connection->wanted || connection_gave_up(connection))
		return;
	connection->wanted = true;
	if (connection->session)
		connection->redial = true; /* it is about to close */
	else
		connection_call(connection);
}

static void connection_on_lingered(void *context);

static void connection_linger(struct connection *connection)
{
	timer_set(&connection->linger, connection->host->shared->base,
		connection->settings->linger, connection_on_lingered, connection);
}

static void connection_on_lingered(void *context)
{
	struct connection *connection = context;

	if (connection->check)
		connection_linger(connection); /* a `connect` may be about to keep it */
	else if (connection->wanted)
		connection_disconnect(connection, WS_CLOSE_GOING_AWAY, "", NULL);
}

void connection_update_demand(struct connection *connection)
{
	bool demanded;

	if (connection->settings->when != WHEN_SUBSCRIBED || !connection->started ||
		connection->retired)
		return;
	demanded = routes_attended(&connection->routes);
	if (demanded == connection->demanded)
		return;
	connection->demanded = demanded;
	if (demanded) {
		timer_clear(&connection->linger);
		connection_open_on_demand(connection);
	} else if (connection->wanted) {
		connection_linger(connection);
	}
}

void connection_configure_demand(struct connection *connection,
	const struct connection_settings *before)
{
	bool lingering = timer_is_set(&connection->linger);

	timer_clear(&connection->linger);
	if (connection->settings->when != WHEN_SUBSCRIBED)
		return;
	if (before->when != WHEN_SUBSCRIBED) {
		/* Whatever there is, it is a change. */
		connection->demanded = !routes_attended(&connection->routes);
		connection_update_demand(connection);
	} else if (lingering) {
		connection_linger(connection);
	}
}
