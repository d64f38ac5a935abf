#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/gateway_private.h"

/*
 * Changing over to other settings, a little in each turn of the loop, as there may be thousands of
 * everything. First all that can fail, in such a way that it can be undone: the sockets. What comes
 * then cannot fail. Nothing else adds or removes anything meanwhile.
 */

#define CHANGE_TURN (2 * CLOCK_NS_PER_MS) /* of work, before the loop polls again */
#define CHANGE_RETRY (2 * CLOCK_NS_PER_MS) /* after which a locked folder is tried again */

enum { CHANGE_RETRIES = 1500 }; /* in all: three seconds */

/* What becomes of one outlet of the settings. */
struct change_outlet {
	struct gateway_outlet **old; /* the one at its path: its place in the array before; NULL: none */
	struct outlet *made;         /* NULL: the old one can become it */
	bool changed;                /* mode, owner or group of the old one have been changed */
};

/* What is done for one item after the other; false: there is none of that index. */
typedef bool change_step(struct gateway_change *change, size_t index);

struct gateway_change {
	struct gateway *gateway;
	struct settings *settings;
	struct settings_problems *problems;
	struct gateway_changing callbacks;
	struct gateway_changes changes;
	struct event turn;

	change_step *const *steps; /* the present one, and those that are left; NULL ends them */
	size_t index;              /* of the next item */
	bool waits;                /* until another process has unlocked a folder */
	unsigned retries;          /* because of that */
	bool failed;
	bool abandoned; /* the gateway stops */

	struct names paths;            /* of the outlets there are: their places in the array */
	struct change_outlet *planned; /* as many as the settings have outlets */

	/* What will be, and after change_swap(), what was: some of it is on its way out. */
	struct connection **connections;
	size_t connection_count;
	struct names connections_by_name;
	struct gateway_outlet **outlets; /* NULL where it has been taken over */
	size_t outlet_count;
	struct names outlets_by_name;
	struct connection **added; /* of the connections that will be, those that are new */
	size_t added_count;
};

/* --- what can fail -------------------------------------------------------------------------- */

static bool change_index_path(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;

	if (index == gateway->outlet_count)
		return false;
	names_add(&change->paths, outlet_settings(gateway->outlets[index]->outlet)->path,
		&gateway->outlets[index]);
	return true;
}

static bool change_make_outlet(struct gateway_change *change, struct change_outlet *planned,
	const struct outlet_config *config, struct error *error)
{
	struct outlet *old = planned->old ? (*planned->old)->outlet : NULL;

	if (!old)
		planned->made = gateway_make_outlet(change->gateway, config, true, error);
	else if (!outlet_can_become(outlet_settings(old), &config->outlet))
		planned->made = outlet_new_for(old, &config->outlet, error);
	else
		planned->changed = outlet_set_access(old, &config->outlet, error);
	return planned->made || planned->changed;
}

/* Whether to wait for the lock of a folder: the time for that is one for all of them. */
static bool change_awaits_lock(struct gateway_change *change, const struct error *error)
{
	change->waits = strcmp(error->name, ERROR_LOCKED) == 0 && change->retries < CHANGE_RETRIES;
	change->retries += change->waits;
	return change->waits;
}

static bool change_prepare_outlet(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	const struct outlet_config *config;
	struct change_outlet *planned;
	struct error error;

	if (index == settings->outlet_count || change->abandoned)
		return false;
	config = settings->outlets[index];
	planned = &change->planned[index];
	planned->old = names_find(&change->paths, config->outlet.path);
	if (change_make_outlet(change, planned, config, &error) || change_awaits_lock(change, &error))
		return true;
	settings_problem_at(change->problems, config->place, error.text);
	change->failed = true;
	return true;
}

static bool change_undo_outlet(struct gateway_change *change, size_t index)
{
	size_t count = change->settings->outlet_count;
	struct change_outlet *planned;
	struct log_subject about;
	struct outlet *old;
	struct error error;

	if (index == count)
		return false;
	planned = &change->planned[count - 1 - index];
	old = planned->old ? (*planned->old)->outlet : NULL;
	if (planned->made && old)
		outlet_withdraw(planned->made);
	else
		outlet_free(planned->made);
	if (!planned->changed || outlet_set_access(old, outlet_settings(old), &error))
		return true;
	about = (struct log_subject){.kind = "outlet", .name = outlet_settings(old)->name};
	log_write(change->gateway->log, LOG_ERR, &about, "%s", error.text);
	return true;
}

/* Whether it goes on, or back: what is left to do then begins behind this. */
static bool change_decide(struct gateway_change *change, size_t index)
{
	static change_step *const undo[] = {change_decide, change_undo_outlet, NULL};
	const struct gateway_changing *callbacks = &change->callbacks;
	bool prepared;

	(void)index;
	prepared = !change->abandoned && (!callbacks->prepare ||
		callbacks->prepare(change->settings, change->problems, callbacks->context));
	if (prepared && !change->failed)
		return false;
	if (prepared && callbacks->withdraw)
		callbacks->withdraw(callbacks->context);
	change->failed = true;
	change->steps = undo;
	return false;
}

/* --- what cannot: what will be, not to be seen yet ------------------------------------------- */

/* Takes the settings of those that are new out of the settings. */
static bool change_make_connection(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	struct settings *settings = change->settings;
	struct connection *connection;

	if (index == settings->connection_count)
		return false;
	if (index == 0) {
		change->connections = alloc_zero(settings->connection_count, sizeof(*change->connections));
		change->added = alloc_zero(settings->connection_count, sizeof(*change->added));
	}
	connection = gateway_connection(gateway, settings->connections[index]->name);
	if (!connection) {
		connection = connection_new(&gateway->host, settings->connections[index]);
		settings->connections[index] = NULL;
		change->added[change->added_count++] = connection;
	}
	change->connections[change->connection_count++] = connection;
	names_add(&change->connections_by_name, connection_name(connection), connection);
	return true;
}

static bool change_make_entry(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	struct change_outlet *planned = &change->planned[index];
	struct gateway_outlet *entry;

	if (index == settings->outlet_count)
		return false;
	if (index == 0)
		change->outlets = alloc_zero(settings->outlet_count, sizeof(*change->outlets));
	if (planned->made) {
		entry = alloc_zero(1, sizeof(*entry));
		entry->outlet = planned->made;
	} else {
		entry = *planned->old;
	}
	change->outlets[change->outlet_count++] = entry;
	names_add(&change->outlets_by_name, outlet_settings(entry->outlet)->name, entry);
	return true;
}

static void change_swap_names(struct names *a, struct names *b)
{
	struct names before = *a;

	*a = *b;
	*b = before;
}

/* From here on everybody sees what is new, though not all of it is in force yet. */
static bool change_swap(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	struct connection **connections = gateway->connections;
	struct gateway_outlet **outlets = gateway->outlets;
	const size_t connection_count = gateway->connection_count;
	const size_t outlet_count = gateway->outlet_count;

	if (index)
		return false;
	gateway->connections = change->connections;
	gateway->connection_count = change->connection_count;
	gateway->outlets = change->outlets;
	gateway->outlet_count = change->outlet_count;
	change->connections = connections;
	change->connection_count = connection_count;
	change->outlets = outlets;
	change->outlet_count = outlet_count;
	change_swap_names(&gateway->connections_by_name, &change->connections_by_name);
	change_swap_names(&gateway->outlets_by_name, &change->outlets_by_name);
	admission_limit(gateway->admission, change->settings->gateway.connecting.at_once,
		change->settings->gateway.connecting.per_second);
	return true;
}

/* --- what is on its way out, and what comes in ----------------------------------------------- */

static bool change_retire_connection(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	struct connection *connection;

	if (index == change->connection_count)
		return false;
	connection = change->connections[index];
	if (gateway_connection(gateway, connection_name(connection)) == connection)
		return true;
	change->changes.removed++;
	gateway_emit_connection(gateway, EVENT_TYPE_REMOVED, connection_name(connection));
	gateway_retire(gateway, connection);
	return true;
}

/* What it takes stays the same: only new connections can be among that. */
static void change_attach_added(struct gateway_change *change, struct gateway_outlet *entry)
{
	const struct outlet_config config = gateway_outlet_config(entry);

	for (size_t i = 0; i < change->added_count; i++) {
		if (outlet_config_takes(&config, connection_name(change->added[i])))
			connection_attach(change->added[i], entry->outlet);
	}
}

/* The outlet that stays becomes what the settings say. */
static void change_keep_outlet(struct gateway_change *change, struct gateway_outlet *entry,
	struct outlet_config *config)
{
	const struct outlet_config before = gateway_outlet_config(entry);
	const bool rerouted = !outlet_config_takes_same(&before, config);
	const bool by_name = !outlet_config_has_glob(config);
	struct error error;

	change->changes.outlets_changed += !outlet_config_same(&before, config);
	if (!outlet_reconfigure(entry->outlet, &config->outlet, &error)) /* it was asked beforehand */
		log_write(change->gateway->log, LOG_ERR, NULL, "%s", error.text);
	gateway_configure_entry(entry, config);
	if (rerouted)
		gateway_detach_outlet(entry);
	if (rerouted || by_name)
		gateway_attach_outlet(change->gateway, entry);
	else
		change_attach_added(change, entry);
}

/* Of an outlet that takes the place of another, connections change over to it in one step, so that
 * each message is in one of them. */
static void change_replace_outlet(struct gateway_change *change, struct gateway_outlet *entry,
	struct gateway_outlet *old, struct outlet_config *config)
{
	const struct outlet_config before =
		old ? gateway_outlet_config(old) : (struct outlet_config){0};

	if (old)
		change->changes.outlets_changed += !outlet_config_same(&before, config);
	else
		change->changes.outlets_added++;
	gateway_configure_entry(entry, config);
	outlet_settle(entry->outlet);
	if (old)
		gateway_drop_outlet(change->gateway, old);
	gateway_attach_outlet(change->gateway, entry);
}

/* Takes the outlet's settings out of the settings. */
static bool change_commit_outlet(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	struct change_outlet *planned = &change->planned[index];
	struct gateway_outlet *entry, *old;

	if (index == settings->outlet_count)
		return false;
	entry = change->gateway->outlets[index];
	old = planned->old ? *planned->old : NULL;
	if (old)
		*planned->old = NULL;
	if (planned->made)
		change_replace_outlet(change, entry, old, settings->outlets[index]);
	else
		change_keep_outlet(change, entry, settings->outlets[index]);
	settings->outlets[index] = NULL;
	return true;
}

/* After the connections that go have begun to close: what they still deliver is for these as well. */
static bool change_drop_outlet(struct gateway_change *change, size_t index)
{
	if (index == change->outlet_count)
		return false;
	if (!change->outlets[index])
		return true;
	change->changes.outlets_removed++;
	gateway_drop_outlet(change->gateway, change->outlets[index]);
	return true;
}

/* What was idle is gone at the end. */
static bool change_free_connection(struct gateway_change *change, size_t index)
{
	(void)index;
	return gateway_free_retired(change->gateway);
}

static void change_connection(struct gateway_change *change, struct connection *connection,
	struct connection_config *config)
{
	const enum settings_change difference =
		connection_config_compare(connection_config(connection), config);
	struct gateway *gateway = change->gateway;

	if (difference == SETTINGS_SAME) {
		change->changes.unchanged++;
	} else {
		change->changes.changed++;
		gateway_emit_connection(gateway, EVENT_TYPE_CHANGED, config->name);
	}
	names_remove(&gateway->connections_by_name, config->name); /* its name is another string */
	connection_change(connection, config, difference);
	names_add(&gateway->connections_by_name, connection_name(connection), connection);
}

/* Takes the connection's settings out of the settings. */
static bool change_commit_connection(struct gateway_change *change, size_t index)
{
	struct settings *settings = change->settings;
	struct connection *connection;

	if (index == settings->connection_count)
		return false;
	connection = change->gateway->connections[index];
	if (settings->connections[index]) {
		change_connection(change, connection, settings->connections[index]);
		settings->connections[index] = NULL;
	} else {
		change->changes.added++;
		gateway_emit_connection(change->gateway, EVENT_TYPE_ADDED, connection_name(connection));
	}
	return true;
}

static bool change_start_connection(struct gateway_change *change, size_t index)
{
	if (index == change->gateway->connection_count || change->abandoned)
		return false;
	connection_start(change->gateway->connections[index]);
	return true;
}

/* --- the end -------------------------------------------------------------------------------- */

static void gateway_emit_reload(struct gateway *gateway, const struct gateway_changes *changes)
{
	struct event_members members = {0};
	const struct gateway_event event = {
		.type = EVENT_TYPE_RELOAD,
		.time = clock_realtime(),
		.members = &members,
	};

	event_add_number(&members, "added", changes->added);
	event_add_number(&members, "removed", changes->removed);
	event_add_number(&members, "changed", changes->changed);
	event_add_number(&members, "unchanged", changes->unchanged);
	event_add_number(&members, "outlets_added", changes->outlets_added);
	event_add_number(&members, "outlets_removed", changes->outlets_removed);
	event_add_number(&members, "outlets_changed", changes->outlets_changed);
	gateway_emit(gateway, &event);
}

/* The limit has been raised as far as it goes. */
static void gateway_look_at_limit(struct gateway *gateway)
{
	struct rlimit limit;
	unsigned ceiling;

	gateway_update_reserve(gateway);
	ceiling = listeners_ceiling(gateway->outlet_listeners);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || ceiling > limit.rlim_cur / 2)
		return;
	log_write(gateway->log, LOG_WARNING, NULL,
		"the limit of %llu descriptors is low for %zu connections and %zu outlets "
		"(LimitNOFILE=, ulimit -n)",
		(unsigned long long)limit.rlim_cur, gateway->connection_count,
		gateway->outlet_count);
}

static bool change_settle(struct gateway_change *change, size_t index)
{
	struct gateway *gateway = change->gateway;
	struct settings *settings = change->settings;

	if (index)
		return false;
	settings->connection_count = settings->outlet_count = 0; /* all have been taken out */
	settings_free(gateway->settings);
	gateway->settings = settings;
	gateway->shared.drain_timeout = settings->gateway.drain_timeout;
	gateway_look_at_limit(gateway);
	gateway_emit_reload(gateway, &change->changes);
	return true;
}

static void change_free(struct gateway_change *change)
{
	event_del(&change->turn);
	names_release(&change->paths);
	names_release(&change->connections_by_name);
	names_release(&change->outlets_by_name);
	free(change->planned);
	free(change->connections);
	free(change->outlets);
	free(change->added);
	free(change);
}

static void change_end(struct gateway_change *change)
{
	const struct gateway_changing callbacks = change->callbacks;
	const struct gateway_changes changes = change->changes;
	struct gateway *gateway = change->gateway;
	const bool done = !change->failed;

	change_free(change);
	gateway->change = NULL;
	callbacks.ended(done, &changes, callbacks.context);
	gateway_tell_settled(gateway);
}

/* --- a turn after the other ------------------------------------------------------------------ */

/* Until `end` (monotonic ns), or until it has to wait. False: it is over, and gone. */
static bool change_run(struct gateway_change *change, uint64_t end)
{
	change->waits = false;
	while (*change->steps && !change->waits && clock_monotonic() < end) {
		if (!(*change->steps)(change, change->index)) {
			change->steps++;
			change->index = 0;
		} else if (!change->waits) {
			change->index++;
		}
	}
	if (*change->steps)
		return true;
	change_end(change);
	return false;
}

static void change_await_turn(struct gateway_change *change)
{
	const struct timeval delay = clock_timeval(change->waits ? CHANGE_RETRY : 0);

	event_add(&change->turn, &delay);
}

static void change_on_turn(evutil_socket_t fd, short what, void *context)
{
	struct gateway_change *change = context;

	(void)fd, (void)what;
	if (change_run(change, clock_monotonic() + CHANGE_TURN))
		change_await_turn(change);
}

void gateway_change(struct gateway *gateway, struct settings *settings,
	struct settings_problems *problems, const struct gateway_changing *callbacks)
{
	static change_step *const steps[] = {
		change_index_path,
		change_prepare_outlet,
		change_decide,
		change_make_connection,
		change_make_entry,
		change_swap,
		change_retire_connection,
		change_commit_outlet,
		change_drop_outlet,
		change_free_connection,
		change_commit_connection,
		change_start_connection,
		change_settle,
		NULL,
	};
	struct gateway_change *change = alloc_zero(1, sizeof(*change));

	change->gateway = gateway;
	change->settings = settings;
	change->problems = problems;
	change->callbacks = *callbacks;
	change->steps = steps;
	change->planned = alloc_zero(settings->outlet_count, sizeof(*change->planned));
	evtimer_assign(&change->turn, gateway->base, change_on_turn, change);
	gateway->change = change;
	change_await_turn(change);
}

bool gateway_is_changing(const struct gateway *gateway)
{
	return gateway->change != NULL;
}

void gateway_finish_change(struct gateway *gateway)
{
	const struct timespec pause = {.tv_nsec = CHANGE_RETRY};

	while (gateway->change && change_run(gateway->change, UINT64_MAX))
		nanosleep(&pause, NULL);
}

void gateway_abandon_change(struct gateway *gateway)
{
	if (gateway->change)
		gateway->change->abandoned = true;
}
