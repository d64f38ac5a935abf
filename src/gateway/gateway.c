#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/gateway_private.h"
#include "gateway/settings_private.h"

#define GATEWAY_TURN (2 * CLOCK_NS_PER_MS) /* of tidying up, before the loop polls again */

enum {
	GATEWAY_POLL_MS = 10, /* how often draining outlets are looked at */
	GATEWAY_RESERVE = 64, /* descriptors for control clients, files, helpers, besides: */
	GATEWAY_RESERVE_EACH = 2, /* of a connection, which may be renewed, and of an outlet */
};

static const struct log_subject *gateway_about(const char *kind, const char *name,
	struct log_subject *subject)
{
	*subject = (struct log_subject){.kind = kind, .name = name};
	return subject;
}

/* --- events -------------------------------------------------------------------------------- */

void gateway_listen(struct gateway *gateway, struct gateway_listener *listener)
{
	TAILQ_INSERT_TAIL(&gateway->listeners, listener, entry);
}

void gateway_unlisten(struct gateway *gateway, struct gateway_listener *listener)
{
	TAILQ_REMOVE(&gateway->listeners, listener, entry);
}

void gateway_emit(struct gateway *gateway, const struct gateway_event *event)
{
	struct gateway_listener *listener, *next;

	for (listener = TAILQ_FIRST(&gateway->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, entry);
		if (listener->event)
			listener->event(event, listener->context);
	}
}

void gateway_tell_settled(struct gateway *gateway)
{
	struct gateway_listener *listener, *next;

	for (listener = TAILQ_FIRST(&gateway->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, entry);
		if (listener->settled)
			listener->settled(listener->context);
	}
}

void gateway_emit_connection(struct gateway *gateway, enum event_type type, const char *name)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.connection = name,
	};

	gateway_emit(gateway, &event);
}

static void gateway_on_connection_event(struct connection *connection, enum event_type type,
	const struct event_members *members, const struct warning *warning, void *context)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.connection = connection_name(connection),
		.members = members,
		.warning = warning,
	};

	gateway_emit(context, &event);
}

static void gateway_on_outlet_event(struct outlet *outlet, enum event_type type,
	const struct event_members *members, void *context)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.outlet = outlet_settings(outlet)->name,
		.members = members,
	};

	gateway_emit(context, &event);
}

/* --- between outlets and connections ------------------------------------------------------- */

static void gateway_on_attended(struct outlet *outlet, void *context)
{
	(void)context;
	for (unsigned source = 0; source < outlet_source_count(outlet); source++) {
		struct connection *connection = outlet_source(outlet, source);

		if (connection)
			connection_update_demand(connection);
	}
}

/* Whether the message goes to that source of the outlet: NULL if not. */
static struct connection *gateway_addressee(struct outlet *outlet, unsigned number, int wanted)
{
	return wanted < 0 || number == (unsigned)wanted ? outlet_source(outlet, number) : NULL;
}

static bool gateway_on_input(struct outlet *outlet, int source, bool binary, const void *data,
	size_t length, void *context)
{
	unsigned count = outlet_source_count(outlet);
	struct ws_outgoing message = {
		.opcode = binary ? WS_BINARY : WS_TEXT,
		.data = data,
		.length = length,
	};
	struct connection *connection;
	struct log_subject about;
	struct error error;
	struct gateway *gateway = context;

	/* All connections get the message or none does, so that none gets it twice. */
	for (unsigned number = 0; number < count; number++) {
		connection = gateway_addressee(outlet, number, source);
		if (connection && !connection_has_room(connection, length))
			return false;
	}
	for (unsigned number = 0; number < count; number++) {
		connection = gateway_addressee(outlet, number, source);
		if (connection && !connection_send(connection, &message, &error))
			log_write(gateway->log, LOG_INFO,
				gateway_about("outlet", outlet_settings(outlet)->name, &about),
				"a subscriber's message was not sent: %s", error.text);
	}
	ws_outgoing_release(&message);
	return true;
}

struct outlet *gateway_make_outlet(struct gateway *gateway,
	const struct outlet_config *config, bool held, struct error *error)
{
	return (held ? outlet_new_held : outlet_new)(gateway->base, gateway->log,
		gateway->outlet_listeners, gateway->input_turns, &config->outlet,
		&gateway->outlet_callbacks, error);
}

/* --- what there is ------------------------------------------------------------------------- */

struct connection *gateway_connection(const struct gateway *gateway, const char *name)
{
	return names_find(&gateway->connections_by_name, name);
}

struct outlet *gateway_outlet(const struct gateway *gateway, const char *name)
{
	const struct gateway_outlet *entry = names_find(&gateway->outlets_by_name, name);

	for (size_t i = 0; !entry && gateway->stopped && i < gateway->leaving_count; i++) {
		struct outlet *outlet = gateway->leaving[i].outlet;

		if (strcmp(outlet_settings(outlet)->name, name) == 0)
			return outlet;
	}
	return entry ? entry->outlet : NULL;
}

struct connection *const *gateway_connections(const struct gateway *gateway, size_t *count)
{
	*count = gateway->connection_count;
	return gateway->connections;
}

size_t gateway_outlet_count(const struct gateway *gateway)
{
	return gateway->outlet_count + (gateway->stopped ? gateway->leaving_count : 0);
}

struct outlet *gateway_outlet_at(const struct gateway *gateway, size_t index)
{
	return index < gateway->outlet_count ? gateway->outlets[index]->outlet
					     : gateway->leaving[index - gateway->outlet_count].outlet;
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

const struct settings *gateway_settings(const struct gateway *gateway)
{
	return gateway->settings;
}

struct event_base *gateway_base(const struct gateway *gateway)
{
	return gateway->base;
}

struct log *gateway_log(const struct gateway *gateway)
{
	return gateway->log;
}

/*
 * So that subscribers cannot use up what a lost connection needs to come back, or the control
 * socket to answer.
 */
void gateway_update_reserve(struct gateway *gateway)
{
	size_t things = gateway->connection_count + gateway->outlet_count;

	listeners_reserve(gateway->outlet_listeners,
		(unsigned)(GATEWAY_RESERVE + GATEWAY_RESERVE_EACH * things));
}

/* --- leaving ------------------------------------------------------------------------------- */

static void gateway_poll_soon(struct gateway *gateway)
{
	const struct timeval soon = {.tv_usec = GATEWAY_POLL_MS * 1000};

	if (!event_pending(&gateway->poll, EV_TIMEOUT, NULL))
		event_add(&gateway->poll, &soon);
}

static void gateway_poll_now(struct gateway *gateway)
{
	const struct timeval now = {0};

	event_add(&gateway->poll, &now);
}

static void gateway_detach_all(struct outlet *outlet, bool retired_too)
{
	for (unsigned source = 0; source < outlet_source_count(outlet); source++) {
		struct connection *connection = outlet_source(outlet, source);

		if (connection && (retired_too || !connection_is_retired(connection)))
			connection_detach(connection, outlet);
	}
}

/* The outlet delivers what its subscribers still have to get, and what connections that go as well
 * receive until they have closed. */
static void gateway_let_outlet_leave(struct gateway *gateway, struct outlet *outlet)
{
	gateway_detach_all(outlet, false);
	outlet_drain(outlet);
	gateway->leaving = alloc_one_more(gateway->leaving, gateway->leaving_count,
		sizeof(*gateway->leaving));
	gateway->leaving[gateway->leaving_count++] = (struct gateway_leaving){
		.outlet = outlet,
		.deadline = clock_monotonic() + gateway->settings->gateway.drain_timeout,
	};
	gateway_poll_soon(gateway);
}

/* False: at `end` there were more; one outlet can have thousands of subscribers to close. */
static bool gateway_free_left(struct gateway *gateway, uint64_t now, uint64_t end)
{
	bool late = gateway->stopped && gateway->stop_deadline <= now;
	bool in_time = true;
	size_t kept = 0;

	for (size_t i = 0; i < gateway->leaving_count; i++) {
		struct gateway_leaving *leaving = &gateway->leaving[i];

		if (!in_time ||
			(!late && !outlet_drained(leaving->outlet) && leaving->deadline > now)) {
			gateway->leaving[kept++] = *leaving;
			continue;
		}
		gateway_detach_all(leaving->outlet, true);
		if (outlet_give_up(leaving->outlet, end))
			outlet_free(leaving->outlet);
		else
			gateway->leaving[kept++] = *leaving;
		in_time = clock_monotonic() < end;
	}
	gateway->leaving_count = kept;
	return in_time;
}

/* Not the outlet itself. */
static void gateway_free_entry(struct gateway_outlet *entry)
{
	string_list_release(&entry->from);
	free(entry);
}

void gateway_configure_entry(struct gateway_outlet *entry, struct outlet_config *config)
{
	string_list_release(&entry->from);
	entry->from = config->from;
	config->from = (struct string_list){0};
	entry->implicit = config->implicit;
	outlet_config_free(config);
}

/* What the outlet was made from; its strings are borrowed. */
struct outlet_config gateway_outlet_config(const struct gateway_outlet *entry)
{
	return (struct outlet_config){
		.outlet = *outlet_settings(entry->outlet),
		.from = entry->from,
		.implicit = entry->implicit,
	};
}

/* The caller has taken the entry out of the array and the index. */
void gateway_drop_outlet(struct gateway *gateway, struct gateway_outlet *entry)
{
	gateway_let_outlet_leave(gateway, entry->outlet);
	gateway_free_entry(entry);
}

/* Takes the connection out of the array, whose order stays. False: it is not in it. */
static bool gateway_take_out(struct connection **array, size_t *count,
	const struct connection *connection)
{
	size_t index = 0;

	while (index < *count && array[index] != connection)
		index++;
	if (index == *count)
		return false;
	--*count;
	memmove(&array[index], &array[index + 1], (*count - index) * sizeof(*array));
	return true;
}

static void gateway_on_retired(struct connection *connection, void *context)
{
	struct gateway *gateway = context;

	if (gateway_take_out(gateway->connections, &gateway->connection_count, connection)) {
		names_remove(&gateway->connections_by_name, connection_name(connection));
		gateway->closing--;
	} else {
		gateway_take_out(gateway->retiring, &gateway->retiring_count, connection);
	}
	gateway->retired = alloc_one_more(gateway->retired, gateway->retired_count,
		sizeof(*gateway->retired));
	gateway->retired[gateway->retired_count++] = connection;
	gateway_poll_now(gateway);
}

bool gateway_free_retired(struct gateway *gateway)
{
	if (gateway->retired_count == 0)
		return false;
	connection_free(gateway->retired[--gateway->retired_count]);
	return true;
}

/* False: at `end` there were more. Thousands may be retired at once. */
static bool gateway_free_all_retired(struct gateway *gateway, uint64_t end)
{
	while (clock_monotonic() < end) {
		if (!gateway_free_retired(gateway))
			return true;
	}
	return false;
}

void gateway_retire(struct gateway *gateway, struct connection *connection)
{
	gateway->retiring = alloc_one_more(gateway->retiring, gateway->retiring_count,
		sizeof(*gateway->retiring));
	gateway->retiring[gateway->retiring_count++] = connection;
	names_remove(&gateway->connections_by_name, connection_name(connection));
	connection_retire(connection);
}

/* False: at `end` there were more. */
static bool gateway_abort(struct connection *const *connections, size_t count, uint64_t end)
{
	for (; count > 0; count--) { /* it takes itself out */
		if (clock_monotonic() >= end)
			return false;
		connection_abort(connections[count - 1]);
	}
	return true;
}

/* They stay where they are, to be seen, until they have closed. False: at `end` there was more to do. */
static bool gateway_close_connections(struct gateway *gateway, bool late, uint64_t end)
{
	while (gateway->closing < gateway->connection_count) {
		if (clock_monotonic() >= end)
			return false;
		connection_retire(gateway->connections[gateway->closing++]);
	}
	return !late ||
		(gateway_abort(gateway->connections, gateway->connection_count, end) &&
			gateway_abort(gateway->retiring, gateway->retiring_count, end));
}

/* The connections close first, then the outlets deliver what is in their rings. False: at `end`
 * there was more to do. */
static bool gateway_go_on_stopping(struct gateway *gateway, uint64_t now, uint64_t end)
{
	bool late = now >= gateway->stop_deadline;
	struct gateway_outlet *entry;

	if (!gateway_close_connections(gateway, late, end))
		return false;
	if (gateway->connection_count + gateway->retiring_count && !late)
		return true;
	while (gateway->outlet_count) {
		if (clock_monotonic() >= end)
			return false;
		entry = gateway->outlets[--gateway->outlet_count];
		names_remove(&gateway->outlets_by_name, outlet_settings(entry->outlet)->name);
		gateway_drop_outlet(gateway, entry);
	}
	return gateway_free_left(gateway, now, end);
}

static void gateway_on_poll(evutil_socket_t fd, short what, void *context)
{
	struct gateway *gateway = context;
	uint64_t now = clock_monotonic(), end = now + GATEWAY_TURN;
	bool stops = gateway->stopped && !gateway->change;
	bool in_time = gateway_free_all_retired(gateway, end) &&
		gateway_free_left(gateway, now, end) &&
		(!stops || gateway_go_on_stopping(gateway, now, end));

	(void)fd, (void)what;
	if (!in_time)
		gateway_poll_now(gateway);
	else if (stops && gateway->outlet_count + gateway->leaving_count == 0)
		gateway->stopped(gateway->stopped_context);
	else if (gateway->stopped || gateway->leaving_count)
		gateway_poll_soon(gateway);
}

void gateway_stop(struct gateway *gateway, void (*done)(void *context), void *context)
{
	gateway->stopped = done;
	gateway->stopped_context = context;
	gateway->stop_deadline =
		clock_monotonic() + gateway->settings->gateway.drain_timeout;
	gateway_abandon_change(gateway);
	gateway_poll_now(gateway);
}

void gateway_stop_now(struct gateway *gateway)
{
	gateway->stop_deadline = 0;
	event_active(&gateway->poll, EV_TIMEOUT, 0);
}

/* --- connections and their outlets --------------------------------------------------------- */

static void gateway_attach_named(struct gateway *gateway, struct outlet *outlet, const char *name)
{
	struct connection *connection = gateway_connection(gateway, name);

	if (connection)
		connection_attach(connection, outlet);
}

static void gateway_attach_matching(struct gateway *gateway, struct outlet *outlet,
	const char *glob)
{
	for (size_t i = 0; i < gateway->connection_count; i++) {
		if (text_matches(glob, connection_name(gateway->connections[i])))
			connection_attach(gateway->connections[i], outlet);
	}
}

/* Attaches the connections that the outlet takes; plain names without looking at all of them. */
void gateway_attach_outlet(struct gateway *gateway, const struct gateway_outlet *entry)
{
	const struct string_list *from = &entry->from;

	if (entry->implicit)
		gateway_attach_named(gateway, entry->outlet, outlet_settings(entry->outlet)->name);
	for (size_t i = 0; i < from->count; i++) {
		if (text_is_glob(from->items[i]))
			gateway_attach_matching(gateway, entry->outlet, from->items[i]);
		else
			gateway_attach_named(gateway, entry->outlet, from->items[i]);
	}
}

/* Detaches the connections that the outlet takes no longer. */
void gateway_detach_outlet(const struct gateway_outlet *entry)
{
	const struct outlet_config config = gateway_outlet_config(entry);

	for (unsigned source = 0; source < outlet_source_count(entry->outlet); source++) {
		struct connection *connection = outlet_source(entry->outlet, source);

		if (connection && !outlet_config_takes(&config, connection_name(connection)))
			connection_detach(connection, entry->outlet);
	}
}

static void gateway_insert_connection(struct gateway *gateway, struct connection *connection)
{
	gateway->connections = alloc_one_more(gateway->connections,
		gateway->connection_count, sizeof(*gateway->connections));
	gateway->connections[gateway->connection_count++] = connection;
	names_add(&gateway->connections_by_name, connection_name(connection), connection);
}

/* Takes the outlet and its configuration over. */
static void gateway_insert_outlet(struct gateway *gateway, struct outlet *outlet,
	struct outlet_config *config)
{
	struct gateway_outlet *entry = alloc_zero(1, sizeof(*entry));

	entry->outlet = outlet;
	gateway_configure_entry(entry, config);
	gateway->outlets = alloc_one_more(gateway->outlets, gateway->outlet_count,
		sizeof(*gateway->outlets));
	gateway->outlets[gateway->outlet_count++] = entry;
	names_add(&gateway->outlets_by_name, outlet_settings(outlet)->name, entry);
}

/* --- one connection more, or less ---------------------------------------------------------- */

/* What subscribers write goes to the servers of an outlet's connections: not to one that somebody
 * has named who is not trusted. */
static bool gateway_may_take(const struct outlet_config *outlet,
	const struct connection_config *connection, struct error *error)
{
	if (!outlet->outlet.writable || !connection->untrusted)
		return true;
	return error_set(error, ERROR_SETTINGS,
		"name: the outlet '%s' takes '%s', and is writable: " SETTINGS_ONLY_TRUSTED
		" may add connections to it",
		outlet->outlet.name, connection->name);
}

/* Looks for the outlets that take the connection; fails if one may not, or cannot hold its
 * messages. */
static bool gateway_find_takers(const struct gateway *gateway,
	const struct connection_config *connection, bool *taken, struct error *error)
{
	*taken = false;
	for (size_t i = 0; i < gateway->outlet_count; i++) {
		const struct outlet_config config = gateway_outlet_config(gateway->outlets[i]);

		if (!outlet_config_takes(&config, connection->name))
			continue;
		if (!gateway_may_take(&config, connection, error) ||
			!outlet_config_holds(&config, connection, error))
			return false;
		*taken = true;
	}
	return true;
}

static bool gateway_add_implicit_outlet(struct gateway *gateway,
	const struct connection_config *connection, struct error *error)
{
	const char *name = connection->name;
	struct outlet_config *config = settings_implicit_outlet(gateway->settings, name);
	struct outlet *outlet = NULL;

	config->outlet.untrusted = connection->untrusted;
	if (names_find(&gateway->outlets_by_name, name))
		error_set(error, ERROR_EXISTS, "there is an outlet '%s' that does not take it", name);
	else
		outlet = gateway_make_outlet(gateway, config, false, error);
	if (!outlet) {
		outlet_config_free(config);
		return false;
	}
	gateway_insert_outlet(gateway, outlet, config);
	return true;
}

bool gateway_check_connection(const struct gateway *gateway, const struct connection_config *config,
	struct net_check **check, void (*done)(const struct error *error, void *context),
	void *context, struct error *error)
{
	static const struct header_list none;

	return call_check(&gateway->host.call, config, &none, check, done, context, error);
}

bool gateway_goes_on(const struct gateway *gateway, struct error *error)
{
	return !gateway->stopped || error_set(error, ERROR_SYSTEM, "the daemon is stopping");
}

bool gateway_add(struct gateway *gateway, struct connection_config *config,
	struct error *error)
{
	struct connection *connection;
	bool taken;

	if (!gateway_goes_on(gateway, error))
		return false;
	if (gateway->change)
		return error_set(error, ERROR_SYSTEM, "a reload is under way");
	if (gateway_connection(gateway, config->name))
		return error_set(error, ERROR_EXISTS, "there is a connection '%s' already",
			config->name);
	if (!gateway_may_add(gateway, config, error) ||
		!gateway_find_takers(gateway, config, &taken, error))
		return false;
	if (!taken && !gateway_add_implicit_outlet(gateway, config, error))
		return false;

	connection = connection_new(&gateway->host, config);
	gateway_insert_connection(gateway, connection);
	for (size_t i = 0; i < gateway->outlet_count; i++) {
		const struct outlet_config taker = gateway_outlet_config(gateway->outlets[i]);

		if (outlet_config_takes(&taker, config->name))
			connection_attach(connection, gateway->outlets[i]->outlet);
	}
	gateway_update_reserve(gateway);
	gateway_emit_connection(gateway, EVENT_TYPE_ADDED, config->name);
	connection_start(connection);
	return true;
}

/* The outlet that the connection was given because no other took it goes with it. */
static void gateway_remove_implicit_outlet(struct gateway *gateway, const char *name)
{
	struct gateway_outlet *entry = names_find(&gateway->outlets_by_name, name);
	size_t index = 0;

	if (!entry || !entry->implicit)
		return;
	while (gateway->outlets[index] != entry)
		index++;
	gateway->outlet_count--;
	memmove(&gateway->outlets[index], &gateway->outlets[index + 1],
		(gateway->outlet_count - index) * sizeof(*gateway->outlets));
	names_remove(&gateway->outlets_by_name, name);
	gateway_drop_outlet(gateway, entry);
}

bool gateway_remove(struct gateway *gateway, const char *name, struct error *error)
{
	struct connection *connection = gateway_connection(gateway, name);

	if (!gateway_goes_on(gateway, error))
		return false;
	if (gateway->change)
		return error_set(error, ERROR_SYSTEM, "a reload is under way");
	if (!connection)
		return error_set(error, ERROR_NOT_FOUND, "there is no connection '%s'", name);
	gateway_take_out(gateway->connections, &gateway->connection_count, connection);
	gateway_emit_connection(gateway, EVENT_TYPE_REMOVED, connection_name(connection));
	gateway_retire(gateway, connection);
	gateway_remove_implicit_outlet(gateway, connection_name(connection));
	gateway_update_reserve(gateway);
	return true;
}

/* --- life ---------------------------------------------------------------------------------- */

static void gateway_on_started(bool done, const struct gateway_changes *changes, void *context)
{
	bool *started = context;

	(void)changes;
	*started = done;
}

struct gateway *gateway_new(struct event_base *base, struct log *log, struct settings *settings,
	struct settings_problems *problems)
{
	struct gateway *gateway = alloc_zero(1, sizeof(*gateway));
	const struct string_list *dns = &settings->gateway.dns;
	bool started = false;

	gateway->base = base;
	gateway->log = log;
	TAILQ_INIT(&gateway->listeners);
	evtimer_assign(&gateway->poll, base, gateway_on_poll, gateway);
	gateway->net = net_new(base, log, (const char *const *)dns->items, dns->count);
	gateway->admission = admission_new(base);
	session_shared_init(&gateway->shared, base);
	gateway->host = (struct connection_host){
		.context = gateway,
		.log = log,
		.call = {base, gateway->net, log},
		.shared = &gateway->shared,
		.admission = gateway->admission,
		.event = gateway_on_connection_event,
		.retired = gateway_on_retired,
	};
	gateway->outlet_listeners = listeners_new(base, log);
	gateway->input_turns = input_turns_new(base);
	gateway->outlet_callbacks = (struct outlet_callbacks){
		.context = gateway,
		.input = gateway_on_input,
		.attended = gateway_on_attended,
		.event = gateway_on_outlet_event,
	};
	gateway_change(gateway, settings, problems,
		&(struct gateway_changing){.context = &started, .ended = gateway_on_started});
	gateway_finish_change(gateway);
	if (started)
		return gateway;
	gateway_free(gateway);
	return NULL;
}

void gateway_free(struct gateway *gateway)
{
	gateway_abandon_change(gateway);
	gateway_finish_change(gateway);
	event_del(&gateway->poll);
	for (size_t i = 0; i < gateway->connection_count; i++)
		connection_free(gateway->connections[i]);
	for (size_t i = 0; i < gateway->retiring_count; i++)
		connection_free(gateway->retiring[i]);
	for (size_t i = 0; i < gateway->retired_count; i++)
		connection_free(gateway->retired[i]);
	for (size_t i = 0; i < gateway->outlet_count; i++) {
		outlet_free(gateway->outlets[i]->outlet);
		gateway_free_entry(gateway->outlets[i]);
	}
	for (size_t i = 0; i < gateway->leaving_count; i++)
		outlet_free(gateway->leaving[i].outlet);
	listeners_free(gateway->outlet_listeners);
	input_turns_free(gateway->input_turns);
	names_release(&gateway->connections_by_name);
	names_release(&gateway->outlets_by_name);
	admission_free(gateway->admission);
	net_free(gateway->net);
	settings_free(gateway->settings);
	free(gateway->connections);
	free(gateway->retiring);
	free(gateway->retired);
	free(gateway->outlets);
	free(gateway->leaving);
	session_shared_release(&gateway->shared);
	free(gateway);
}
