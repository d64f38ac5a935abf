#include "control/walk.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/strings.h"

/* The names of connections or outlets. */
struct walk {
	struct gateway *gateway;
	struct string_list names;
	size_t at;
};

static void walk_add_connections(struct walk *walk, const struct connection *only)
{
	size_t count;
	struct connection *const *connections = gateway_connections(walk->gateway, &count);

	for (size_t i = 0; i < count; i++) {
		if (!only || connections[i] == only)
			string_list_add(&walk->names, connection_name(connections[i]));
	}
}

/* The next that is still there; NULL: that was all. */
static struct connection *walk_next_connection(struct walk *walk)
{
	struct connection *connection = NULL;

	while (!connection && walk->at < walk->names.count)
		connection = gateway_connection(walk->gateway, walk->names.items[walk->at++]);
	return connection;
}

/* --- connections --------------------------------------------------------------------------- */

struct walk_connections {
	struct walk walk;
	bool named;
	enum report_view view;
	walk_report report;
};

static bool walk_connections_next(struct json_writer *json, void *context)
{
	struct walk_connections *walk = context;
	const struct connection *connection = walk_next_connection(&walk->walk);

	if (connection)
		walk->report(json, walk->named ? connection_name(connection) : NULL, connection,
			walk->view);
	return connection != NULL;
}

static void walk_connections_end(void *context)
{
	struct walk_connections *walk = context;

	string_list_release(&walk->walk.names);
	free(walk);
}

void walk_connections(struct rpc_call *call, struct gateway *gateway, enum report_view view,
	bool named, walk_report report)
{
	const struct rpc_items items = {named, walk_connections_next, walk_connections_end};
	struct walk_connections *walk = alloc_zero(1, sizeof(*walk));

	*walk = (struct walk_connections){{.gateway = gateway}, named, view, report};
	walk_add_connections(&walk->walk, NULL);
	rpc_answer_items(call, &items, walk);
}

/* --- outlets ------------------------------------------------------------------------------- */

static bool walk_outlets_next(struct json_writer *json, void *context)
{
	struct walk *walk = context;
	struct outlet *outlet = NULL;

	while (!outlet && walk->at < walk->names.count)
		outlet = gateway_outlet(walk->gateway, walk->names.items[walk->at++]);
	if (outlet)
		report_outlet(json, NULL, outlet);
	return outlet != NULL;
}

static void walk_outlets_end(void *context)
{
	struct walk *walk = context;

	string_list_release(&walk->names);
	free(walk);
}

void walk_outlets(struct rpc_call *call, struct gateway *gateway)
{
	static const struct rpc_items items = {false, walk_outlets_next, walk_outlets_end};
	struct walk *walk = alloc_zero(1, sizeof(*walk));
	size_t count = gateway_outlet_count(gateway);

	walk->gateway = gateway;
	for (size_t i = 0; i < count; i++)
		string_list_add(&walk->names, outlet_settings(gateway_outlet_at(gateway, i))->name);
	rpc_answer_items(call, &items, walk);
}

/* --- subscribers: as they are when the walk begins, as they have no names ------------------- */

struct walk_subscriber {
	size_t outlet; /* index of its name */
	struct outlet_subscriber_info info;
};

struct walk_subscribers {
	struct string_list outlets;
	struct walk_subscriber *items;
	size_t count;
	size_t room;
	size_t at;
};

static void walk_subscribers_visit(const struct outlet_subscriber_info *info, void *context)
{
	struct walk_subscribers *walk = context;

	if (walk->count == walk->room) {
		walk->room = walk->room ? 2 * walk->room : 16;
		walk->items = alloc_resize(walk->items, walk->room * sizeof(*walk->items));
	}
	walk->items[walk->count++] = (struct walk_subscriber){walk->outlets.count - 1, *info};
}

static void walk_subscribers_add(struct walk_subscribers *walk, const struct outlet *outlet)
{
	string_list_add(&walk->outlets, outlet_settings(outlet)->name);
	outlet_each_subscriber(outlet, walk_subscribers_visit, walk);
}

static bool walk_subscribers_next(struct json_writer *json, void *context)
{
	struct walk_subscribers *walk = context;
	const struct walk_subscriber *item = &walk->items[walk->at];

	if (walk->at == walk->count)
		return false;
	walk->at++;
	report_subscriber(json, NULL, &item->info, walk->outlets.items[item->outlet]);
	return true;
}

static void walk_subscribers_end(void *context)
{
	struct walk_subscribers *walk = context;

	string_list_release(&walk->outlets);
	free(walk->items);
	free(walk);
}

void walk_subscribers(struct rpc_call *call, struct gateway *gateway, const struct outlet *only)
{
	static const struct rpc_items items = {false, walk_subscribers_next, walk_subscribers_end};
	struct walk_subscribers *walk = alloc_zero(1, sizeof(*walk));
	size_t count = gateway_outlet_count(gateway);

	if (only)
		walk_subscribers_add(walk, only);
	for (size_t i = 0; !only && i < count; i++)
		walk_subscribers_add(walk, gateway_outlet_at(gateway, i));
	rpc_answer_items(call, &items, walk);
}

/* --- warnings ------------------------------------------------------------------------------ */

struct walk_warnings {
	struct walk walk;
	uint64_t from;  /* of each connection, those above this number */
	uint64_t after; /* number of the last one in the answer, of the current connection */
	bool take;
};

/* Puts the connection's next warning; false: it has no more. */
static bool walk_put_warning(struct walk_warnings *walk, struct json_writer *json,
	struct connection *connection)
{
	struct connection_status status;
	const struct warning *warning;

	connection_status(connection, &status);
	warning = warnings_after(status.warnings, walk->after);
	if (!warning)
		return false;
	walk->after = warning->seq;
	report_warning(json, NULL, warning, connection_name(connection));
	if (walk->take)
		connection_take_warnings(connection, walk->after);
	return true;
}

static bool walk_warnings_next(struct json_writer *json, void *context)
{
	struct walk_warnings *walk = context;
	struct connection *connection;

	while ((connection = walk_next_connection(&walk->walk))) {
		if (walk_put_warning(walk, json, connection)) {
			walk->walk.at--; /* it may have another one */
			return true;
		}
		walk->after = walk->from;
	}
	return false;
}

static void walk_warnings_end(void *context)
{
	struct walk_warnings *walk = context;

	string_list_release(&walk->walk.names);
	free(walk);
}

void walk_warnings(struct rpc_call *call, struct gateway *gateway, struct connection *only,
	uint64_t after, bool take)
{
	static const struct rpc_items items = {false, walk_warnings_next, walk_warnings_end};
	struct walk_warnings *walk = alloc_zero(1, sizeof(*walk));

	*walk = (struct walk_warnings){{.gateway = gateway}, after, after, take};
	walk_add_connections(&walk->walk, only);
	rpc_answer_items(call, &items, walk);
}
