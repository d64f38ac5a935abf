#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/gateway_private.h"

/* --- an outlet and its configuration --------------------------------------------------------- */

struct outlet *gateway_make_outlet(struct gateway *gateway, const struct outlet_config *config,
	bool held, struct error *error)
{
	return (held ? outlet_new_held : outlet_new)(gateway->base, gateway->log,
		gateway->outlet_listeners, gateway->inputs, &config->outlet,
		&gateway->outlet_callbacks, error);
}

struct gateway_outlet *gateway_outlet_new(struct outlet *outlet)
{
	struct gateway_outlet *entry = alloc_zero(1, sizeof(*entry));

	entry->outlet = outlet;
	return entry;
}

void gateway_outlet_free(struct gateway_outlet *entry)
{
	string_list_release(&entry->from);
	settings_origins_release(entry->origins);
	free(entry);
}

struct outlet_config gateway_outlet_config(const struct gateway_outlet *entry)
{
	return (struct outlet_config){
		.outlet = *outlet_settings(entry->outlet),
		.from = entry->from,
		.implicit = entry->implicit,
		.origins = entry->origins,
		.line = entry->line,
	};
}

void gateway_outlet_configure(struct gateway_outlet *entry, struct outlet_config *config)
{
	string_list_release(&entry->from);
	entry->from = config->from;
	config->from = (struct string_list){0};
	entry->implicit = config->implicit;
	settings_origins_release(entry->origins);
	entry->origins = settings_origins_hold(config->origins);
	entry->line = config->line;
	outlet_config_free(config);
}

bool gateway_visit_outlet(const struct gateway *gateway, const char *name, settings_visit *visit,
	void *context)
{
	const struct gateway_outlet *entry = roster_outlet(&gateway->roster, name);
	struct outlet_config config;

	if (!entry)
		return false;
	config = gateway_outlet_config(entry);
	outlet_config_visit(&config, visit, context);
	return true;
}

/* --- its connections ------------------------------------------------------------------------- */

static void gateway_attach_named(struct outlet *outlet, const struct roster *roster,
	const char *name)
{
	struct connection *connection = roster_connection(roster, name);

	if (connection)
		connection_attach(connection, outlet);
}

static void gateway_attach_matching(struct outlet *outlet, const struct roster *roster,
	const char *glob)
{
	for (size_t i = 0; i < roster->connections.count; i++) {
		struct connection *connection = roster->connections.items[i];

		if (text_matches(glob, connection_name(connection)))
			connection_attach(connection, outlet);
	}
}

/* Plain names are looked up: only a pattern looks at every connection. */
void gateway_outlet_attach(const struct gateway_outlet *entry, const struct roster *roster)
{
	const struct string_list *from = &entry->from;

	if (entry->implicit)
		gateway_attach_named(entry->outlet, roster, outlet_settings(entry->outlet)->name);
	for (size_t i = 0; i < from->count; i++) {
		if (text_is_glob(from->items[i]))
			gateway_attach_matching(entry->outlet, roster, from->items[i]);
		else
			gateway_attach_named(entry->outlet, roster, from->items[i]);
	}
}

void gateway_outlet_detach(const struct gateway_outlet *entry)
{
	const struct outlet_config config = gateway_outlet_config(entry);

	for (unsigned source = 0; source < outlet_source_count(entry->outlet); source++) {
		struct connection *connection = outlet_source(entry->outlet, source);

		if (connection && !outlet_config_takes(&config, connection_name(connection)))
			connection_detach(connection, entry->outlet);
	}
}

const char **gateway_outlet_sources(const struct outlet *outlet, size_t *count)
{
	unsigned numbers = outlet_source_count(outlet);
	const char **names = alloc_zero(numbers, sizeof(*names));

	*count = 0;
	for (unsigned number = 0; number < numbers; number++) {
		struct connection *connection = outlet_source(outlet, number);

		if (connection)
			names[(*count)++] = connection_name(connection);
	}
	return names;
}

/* --- what an outlet tells -------------------------------------------------------------------- */

void gateway_on_attended(struct outlet *outlet, void *context)
{
	(void)context;
	for (unsigned source = 0; source < outlet_source_count(outlet); source++) {
		struct connection *connection = outlet_source(outlet, source);

		if (connection)
			connection_update_demand(connection);
	}
}

/* The source of that number, if a message for `wanted` (-1: for all) goes to it; else NULL. */
static struct connection *gateway_addressee(struct outlet *outlet, unsigned number, int wanted)
{
	return wanted < 0 || number == (unsigned)wanted ? outlet_source(outlet, number) : NULL;
}

static void gateway_log_unsent(const struct gateway *gateway, const struct outlet *outlet,
	const struct error *error)
{
	const struct log_subject about = {.kind = "outlet", .name = outlet_settings(outlet)->name};

	log_write(gateway->log, LOG_WARNING, &about, "a subscriber's message was not sent: %s",
		error->text);
}

size_t gateway_on_input_max(struct outlet *outlet, void *context)
{
	uint64_t most = 0;

	(void)context;
	for (unsigned source = 0; source < outlet_source_count(outlet); source++) {
		const struct connection *connection = outlet_source(outlet, source);

		if (connection && connection_send_max(connection) > most)
			most = connection_send_max(connection);
	}
	return most;
}

bool gateway_on_input(struct outlet *outlet, int source, bool binary, const void *data,
	size_t length, void *context)
{
	unsigned count = outlet_source_count(outlet);
	struct ws_outgoing message = {
		.opcode = binary ? WS_BINARY : WS_TEXT,
		.data = data,
		.length = length,
	};
	struct connection *connection;
	struct error error;
	bool taken = false;

	/* All connections get the message or none does, so that none gets it twice. */
	for (unsigned number = 0; number < count; number++) {
		connection = gateway_addressee(outlet, number, source);
		if (connection && !connection_has_room(connection, length))
			return false;
	}
	for (unsigned number = 0; number < count; number++) {
		connection = gateway_addressee(outlet, number, source);
		taken = taken || connection;
		if (connection && !connection_send(connection, &message, &error))
			gateway_log_unsent(context, outlet, &error);
	}
	if (!taken) {
		error_set(&error, ERROR_NOT_FOUND, "the outlet has no connection");
		gateway_log_unsent(context, outlet, &error);
	}
	ws_outgoing_release(&message);
	return true;
}
