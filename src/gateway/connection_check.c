#include <stdlib.h>

#include "base/alloc.h"
#include "gateway/connection_private.h"

/* A `connect` that has not touched anything yet: its files are being read. Others join it. */
struct connection_check {
	struct net_check *files;
	struct header_list extra; /* of the latest `connect` */
};

static void connection_end_check(struct connection *connection)
{
	struct connection_check *check = connection->check;

	connection->check = NULL;
	net_check_cancel(check->files);
	header_list_release(&check->extra);
	free(check);
}

void connection_cancel_check(struct connection *connection, const struct error *error)
{
	if (!connection->check)
		return;
	connection_end_check(connection);
	connection_answer(connection, CONNECTION_FOR_CHECK, NULL, error);
}

/* All checks have passed. */
static void connection_connect_now(struct connection *connection)
{
	struct connection_check *check = connection->check;
	struct connection_waiter *waiter;

	LIST_FOREACH (waiter, &connection->waiters, entry) {
		if (waiter->waits == CONNECTION_FOR_CHECK)
			waiter->waits = CONNECTION_FOR_OPEN;
	}
	dialer_request(&connection->dialer, &check->extra);
	connection_end_check(connection);
	timer_clear(&connection->linger);
	connection_reopen(connection);
}

static void connection_on_checked(const struct error *error, void *context)
{
	struct connection *connection = context;

	connection->check->files = NULL;
	if (error)
		connection_cancel_check(connection, error);
	else
		connection_connect_now(connection);
}

void connection_connect(struct connection *connection, const struct header_list *extra,
	struct connection_waiter *waiter)
{
	struct net_check *files;
	struct error error;

	if (!call_check(&connection->host->dialer.call, connection->config, extra, &files,
		    connection_on_checked, connection, &error)) {
		waiter->done(waiter, NULL, &error);
		return;
	}
	connection_wait(connection, waiter, CONNECTION_FOR_CHECK);
	if (!connection->check)
		connection->check = alloc_zero(1, sizeof(*connection->check));
	header_list_release(&connection->check->extra);
	connection->check->extra = header_list_copy(extra);
	if (connection->check->files)
		net_check_cancel(files); /* one is under way */
	else
		connection->check->files = files;
	if (!connection->check->files)
		connection_connect_now(connection);
}
