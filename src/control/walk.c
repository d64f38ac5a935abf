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
	enum report_view view;
	json_t *(*report)(const struct connection *connection, enum report_view view);
};

static json_t *walk_connections_next(const char **name, void *context)
{
	struct walk_connections *walk = context;
	const struct connection *connection = walk_next_connection(&walk->walk);

	if (!connection)
		return NULL;
	*name = connection_name(connection);
	return walk->report(connection, walk->view);
}

static void walk_connections_end(void *context)
{
	struct walk_connections *walk = context;

	string_list_release(&walk->walk.names);
	free(walk);
}

void walk_connections(struct rpc_call *call, struct gateway *gateway, enum report_view view,
	bool named, json_t *(*report)(const struct connection *connection, enum report_view view))
{
	struct walk_connections *walk = alloc_zero(1, sizeof(*walk));

	*walk = (struct walk_connections){{.gateway = gateway}, view, report};
	walk_add_connections(&walk->walk, NULL);
	rpc_answer_items(call,
		&(struct rpc_items){walk, named, walk_connections_next, walk_connections_end});
}

/* --- outlets ------------------------------------------------------------------------------- */

static json_t *walk_outlets_next(const char **name, void *context)
{
	struct walk *walk = context;
	struct outlet *outlet = NULL;

	(void)name;
	while (!outlet && walk->at < walk->names.count)
		outlet = gateway_outlet(walk->gateway, walk->names.items[walk->at++]);
	return outlet ? report_outlet(outlet) : NULL;
}

static void walk_outlets_end(void *context)
{
	struct walk *walk = context;

	string_list_release(&walk->names);
	free(walk);
}

void walk_outlets(struct rpc_call *call, struct gateway *gateway)
{
	struct walk *walk = alloc_zero(1, sizeof(*walk));
	size_t count = gateway_outlet_count(gateway);

	walk->gateway = gateway;
	for (size_t i = 0; i < count; i++)
		string_list_add(&walk->names, outlet_settings(gateway_outlet_at(gateway, i))->name);
	rpc_answer_items(call,
		&(struct rpc_items){walk, false, walk_outlets_next, walk_outlets_end});
}

/* --- subscribers: as they are when the walk begins, as they have no names ------------------- */

struct walk_subscriber {
	size_t outlet; /* index of its name */
	struct outlet_subscriber_info info;
};

struct walk_subscribers {
	struct walk outlets;
	struct walk_subscriber *items;
	size_t count;
	size_t at;
};

static void walk_subscribers_visit(const struct outlet_subscriber_info *info, void *context)
{
	struct walk_subscribers *walk = context;

	walk->items = alloc_one_more(walk->items, walk->count, sizeof(*walk->items));
	walk->items[walk->count++] = (struct walk_subscriber){walk->outlets.names.count - 1, *info};
}

static void walk_subscribers_add(struct walk_subscribers *walk, const struct outlet *outlet)
{
	string_list_add(&walk->outlets.names, outlet_settings(outlet)->name);
	outlet_each_subscriber(outlet, walk_subscribers_visit, walk);
}

static json_t *walk_subscribers_next(const char **name, void *context)
{
	struct walk_subscribers *walk = context;
	const struct walk_subscriber *item = &walk->items[walk->at];

	(void)name;
	if (walk->at == walk->count)
		return NULL;
	walk->at++;
	return report_subscriber(&item->info, walk->outlets.names.items[item->outlet]);
}

static void walk_subscribers_end(void *context)
{
	struct walk_subscribers *walk = context;

	string_list_release(&walk->outlets.names);
	free(walk->items);
	free(walk);
}

void walk_subscribers(struct rpc_call *call, struct gateway *gateway, const struct outlet *only)
{
	struct walk_subscribers *walk = alloc_zero(1, sizeof(*walk));
	size_t count = gateway_outlet_count(gateway);

	if (only)
		walk_subscribers_add(walk, only);
	for (size_t i = 0; !only && i < count; i++)
		walk_subscribers_add(walk, gateway_outlet_at(gateway, i));
	rpc_answer_items(call,
		&(struct rpc_items){walk, false, walk_subscribers_next, walk_subscribers_end});
}

/* --- warnings ------------------------------------------------------------------------------ */

struct walk_warnings {
	struct walk walk;
	uint64_t from;  /* of each connection, those above this number */
	uint64_t after; /* the number of the last one in the answer, of the present connection */
	bool take;
};

/* The next of a connection; NULL: it has no other. */
static json_t *walk_warnings_of(struct walk_warnings *walk, struct connection *connection)
{
	struct connection_status status;
	const struct warning *warning;
	json_t *report;

	connection_status(connection, &status);
	warning = warnings_after(status.warnings, walk->after);
	if (!warning)
		return NULL;
	walk->after = warning->seq;
	report = report_warning(warning, connection_name(connection));
	if (walk->take)
		connection_take_warnings(connection, walk->after);
	return report;
}

static json_t *walk_warnings_next(const char **name, void *context)
{
	struct walk_warnings *walk = context;
	struct connection *connection;
	json_t *report;

	(void)name;
	while ((connection = walk_next_connection(&walk->walk))) {
		report = walk_warnings_of(walk, connection);
		if (report) {
			walk->walk.at--; /* it may have another one */
			return report;
		}
		walk->after = walk->from;
	}
	return NULL;
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
	struct walk_warnings *walk = alloc_zero(1, sizeof(*walk));

	*walk = (struct walk_warnings){{.gateway = gateway}, after, after, take};
	walk_add_connections(&walk->walk, only);
	rpc_answer_items(call,
		&(struct rpc_items){walk, false, walk_warnings_next, walk_warnings_end});
}
