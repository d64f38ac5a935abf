#include "gateway/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/connection.h"
#include "gateway/gateway_private.h"

void connection_list_add(struct connection_list *list, struct connection *connection)
{
	list->items = alloc_one_more(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = connection;
}

bool connection_list_remove(struct connection_list *list, const struct connection *connection)
{
	size_t index = 0;

	while (index < list->count && list->items[index] != connection)
		index++;
	if (index == list->count)
		return false;
	list->count--;
	memmove(&list->items[index], &list->items[index + 1],
		(list->count - index) * sizeof(*list->items));
	return true;
}

void roster_release(struct roster *roster)
{
	names_release(&roster->connections_by_name);
	names_release(&roster->outlets_by_name);
	free(roster->connections.items);
	free(roster->outlets);
	*roster = (struct roster){0};
}

void roster_add_connection(struct roster *roster, struct connection *connection)
{
	connection_list_add(&roster->connections, connection);
	names_add(&roster->connections_by_name, connection_name(connection), connection);
}

void roster_add_outlet(struct roster *roster, struct gateway_outlet *entry)
{
	roster->outlets =
		alloc_one_more(roster->outlets, roster->outlet_count, sizeof(*roster->outlets));
	roster->outlets[roster->outlet_count++] = entry;
	names_add(&roster->outlets_by_name, outlet_settings(entry->outlet)->name, entry);
}

bool roster_remove_connection(struct roster *roster, const struct connection *connection)
{
	const char *name = connection_name(connection);

	if (roster_connection(roster, name) != connection)
		return false;
	names_remove(&roster->connections_by_name, name);
	return connection_list_remove(&roster->connections, connection);
}

void roster_remove_outlet(struct roster *roster, const struct gateway_outlet *entry)
{
	size_t index = 0;

	while (roster->outlets[index] != entry)
		index++;
	roster->outlet_count--;
	memmove(&roster->outlets[index], &roster->outlets[index + 1],
		(roster->outlet_count - index) * sizeof(*roster->outlets));
	names_remove(&roster->outlets_by_name, outlet_settings(entry->outlet)->name);
}

struct connection *roster_connection(const struct roster *roster, const char *name)
{
	return names_find(&roster->connections_by_name, name);
}

struct gateway_outlet *roster_outlet(const struct roster *roster, const char *name)
{
	return names_find(&roster->outlets_by_name, name);
}
