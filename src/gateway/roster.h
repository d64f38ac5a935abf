#ifndef GATEWAY_ROSTER_H
#define GATEWAY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/names.h"

struct connection;
struct gateway_outlet;

/* An array of connections; zeroed, it is empty. It owns none of them. */
struct connection_list {
	struct connection **items;
	size_t count;
};

void connection_list_add(struct connection_list *list, struct connection *connection);

/* Keeps the order of the others. False: it is not in the list. */
bool connection_list_remove(struct connection_list *list, const struct connection *connection);

/*
 * The connections and outlets of a configuration, in its order and by name. Zeroed, it is empty. It
 * owns neither; their names must stay while they are in it.
 */
struct roster {
	struct connection_list connections;
	struct names connections_by_name;
	struct gateway_outlet **outlets;
	size_t outlet_count;
	struct names outlets_by_name;
};

void roster_release(struct roster *roster);

/* Appended; no other may have its name. */
void roster_add_connection(struct roster *roster, struct connection *connection);
void roster_add_outlet(struct roster *roster, struct gateway_outlet *entry);

/* False: it is not in the roster. */
bool roster_remove_connection(struct roster *roster, const struct connection *connection);
void roster_remove_outlet(struct roster *roster, const struct gateway_outlet *entry);

/* NULL: none has that name. */
struct connection *roster_connection(const struct roster *roster, const char *name);
struct gateway_outlet *roster_outlet(const struct roster *roster, const char *name);

#endif
