#include "outlet/outlet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/container.h"
#include "outlet/outlet_private.h"

#define OUTLET_RING_MAX (UINT64_C(1) << 32)

enum {
	OUTLET_GREETING_SECONDS = 10,
};

const struct choice outlet_on_lags[] = {
	{"skip", OUTLET_SKIP},
	{"close", OUTLET_CLOSE},
	{"wait", OUTLET_WAIT},
	{0},
};

const struct choice outlet_starts[] = {
	{"live", OUTLET_LIVE},
	{"oldest", OUTLET_OLDEST},
	{0},
};

static void outlet_copy_settings(struct outlet_settings *copy, const struct outlet_settings *from)
{
	*copy = *from;
	copy->name = alloc_string(from->name);
	copy->path = alloc_string(from->path);
	copy->owner = alloc_string(from->owner);
	copy->group = alloc_string(from->group);
}

static void outlet_release_settings(struct outlet_settings *settings)
{
	free((char *)settings->name);
	free((char *)settings->path);
	free((char *)settings->owner);
	free((char *)settings->group);
}

static struct socket_access outlet_access(const struct outlet_settings *settings)
{
	return (struct socket_access){
		settings->mode, settings->owner, settings->group, settings->uid, settings->gid};
}

static bool outlet_on_input(struct subscribers *subscribers, int source, bool binary,
	const void *data, size_t length)
{
	struct outlet *outlet = container_of(subscribers, struct outlet, subscribers);

	return outlet->callbacks->input(outlet, source, binary, data, length,
		outlet->callbacks->context);
}

static size_t outlet_on_input_max(struct subscribers *subscribers)
{
	struct outlet *outlet = container_of(subscribers, struct outlet, subscribers);

	return outlet->callbacks->input_max(outlet, outlet->callbacks->context);
}

static void outlet_on_event(struct subscribers *subscribers, enum event_type type,
	const struct event_members *members)
{
	struct outlet *outlet = container_of(subscribers, struct outlet, subscribers);

	outlet->callbacks->event(outlet, type, members, outlet->callbacks->context);
}

static void outlet_on_accept(int fd, void *context)
{
	struct outlet *outlet = context;

	if (listener_may_keep(outlet->listener, fd)) {
		subscribers_accept(&outlet->subscribers, fd);
		return;
	}
	outlet->core.counts.refused++;
	close(fd);
}

static void outlet_update_keeps(struct outlet *outlet)
{
	outlet->keeps =
		outlet->core.format->shareable || outlet->core.settings.start == OUTLET_OLDEST;
}

static struct outlet *outlet_create(struct event_base *base, struct log *log, struct inputs *inputs,
	const struct outlet_settings *settings, const struct outlet_callbacks *callbacks)
{
	static const struct subscriber_callbacks from_subscribers = {
		.input = outlet_on_input,
		.input_max = outlet_on_input_max,
		.event = outlet_on_event,
	};
	struct outlet *outlet = alloc_zero(1, sizeof(*outlet));
	struct outlet_core *core = &outlet->core;

	core->log = log;
	outlet_copy_settings(&core->settings, settings);
	core->subject = (struct log_subject){"outlet", core->settings.name, settings->untrusted};
	core->format = outlet_format(settings->format);
	core->flush = (struct flush){.base = base, .run = outlet_on_flush};
	core->inputs = inputs;
	core->greeting_timeout = OUTLET_GREETING_SECONDS * CLOCK_NS_PER_SECOND;
	ring_init(&core->ring, settings->ring, clock_realtime() / CLOCK_NS_PER_US);
	subscribers_init(&outlet->subscribers, core, &from_subscribers);
	outlet->callbacks = callbacks;
	if (core->format->timed)
		outlet->clock = alloc_zero(1, sizeof(*outlet->clock));
	TAILQ_INIT(&outlet->waiters);
	outlet_update_keeps(outlet);
	return outlet;
}

/* One of the ways to make a listener. */
typedef struct listener *outlet_listen(struct listeners *listeners, const struct log_subject *about,
	const char *path, int type, const struct socket_access *access, listener_accept *accept,
	void *context, struct error *error);

static struct outlet *outlet_make(struct event_base *base, struct log *log,
	struct listeners *listeners, struct inputs *inputs, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, outlet_listen *listen_to, struct error *error)
{
	struct socket_access access = outlet_access(settings);
	struct outlet *outlet;

	if (settings->ring > OUTLET_RING_MAX) {
		error_set(error, ERROR_SETTINGS, "a ring of %llu bytes is larger than 4G",
			(unsigned long long)settings->ring);
		return NULL;
	}
	outlet = outlet_create(base, log, inputs, settings, callbacks);
	outlet->listener = listen_to(listeners, &outlet->core.subject, outlet->core.settings.path,
		outlet->core.format->socket_type, &access, outlet_on_accept, outlet, error);
	if (!outlet->listener) {
		outlet_free(outlet);
		return NULL;
	}
	return outlet;
}

struct outlet *outlet_new(struct event_base *base, struct log *log, struct listeners *listeners,
	struct inputs *inputs, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error)
{
	return outlet_make(base, log, listeners, inputs, settings, callbacks, listener_new, error);
}

struct outlet *outlet_new_held(struct event_base *base, struct log *log,
	struct listeners *listeners, struct inputs *inputs, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error)
{
	return outlet_make(base, log, listeners, inputs, settings, callbacks, listener_new_held,
		error);
}

struct outlet *outlet_new_for(struct outlet *old, const struct outlet_settings *settings,
	struct error *error)
{
	bool beside = listener_in_place(old->listener);
	struct outlet *outlet = outlet_make(old->core.flush.base, old->core.log,
		listener_listeners(old->listener), old->core.inputs, settings, old->callbacks,
		beside ? listener_new_beside : listener_new_held, error);

	if (!outlet)
		return NULL;
	if ((!old->core.ring.memory || ring_open(&outlet->core.ring, error)) &&
		(!beside || listener_exchange(outlet->listener, error)))
		return outlet;
	outlet_free(outlet);
	return NULL;
}

void outlet_withdraw(struct outlet *outlet)
{
	struct error error;

	if (listener_replaces(outlet->listener) && !listener_exchange(outlet->listener, &error))
		log_write(outlet->core.log, LOG_ERR, &outlet->core.subject, "%s", error.text);
	outlet_free(outlet);
}

void outlet_settle(struct outlet *outlet)
{
	listener_settle(outlet->listener);
}

void outlet_free(struct outlet *outlet)
{
	if (!outlet)
		return;
	listener_free(outlet->successor);
	listener_free(outlet->listener);
	outlet_release_room(outlet);
	subscribers_release(&outlet->subscribers);
	flush_release(&outlet->core.flush);
	sources_release(&outlet->core.sources);
	ring_release(&outlet->core.ring);
	free(outlet->clock);
	outlet_release_settings(&outlet->core.settings);
	free(outlet);
}

void outlet_drain(struct outlet *outlet)
{
	listener_free(outlet->successor);
	listener_free(outlet->listener);
	outlet->successor = outlet->listener = NULL;
	outlet->draining = true;
	subscribers_stop_greeting(&outlet->subscribers);
	flush_schedule(&outlet->core.flush);
}

bool outlet_drained(const struct outlet *outlet)
{
	return outlet->draining && outlet->subscribers.count == 0;
}

static bool outlet_same_ring(uint64_t before, uint64_t after)
{
	return after <= OUTLET_RING_MAX && ring_rounded(before) == ring_rounded(after);
}

static const char *outlet_fixed_difference(const struct outlet_settings *before,
	const struct outlet_settings *after)
{
	if (strcmp(before->name, after->name) != 0)
		return "name";
	if (strcmp(before->path, after->path) != 0)
		return "path";
	if (before->format != after->format)
		return "format";
	if (!outlet_same_ring(before->ring, after->ring))
		return "ring";
	return NULL;
}

bool outlet_can_become(const struct outlet_settings *before, const struct outlet_settings *after)
{
	return outlet_fixed_difference(before, after) == NULL;
}

static bool outlet_set_access(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error)
{
	struct socket_access access = outlet_access(settings);

	return listener_set_access(outlet->successor ? outlet->successor : outlet->listener,
		&access, error);
}

bool outlet_prepare(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error)
{
	struct socket_access access = outlet_access(settings);

	if (!outlet->listener)
		return true;
	if (outlet->successor || listener_in_place(outlet->listener))
		return outlet_set_access(outlet, settings, error);
	outlet->successor = listener_new_again(outlet->listener, &access, error);
	return outlet->successor != NULL;
}

bool outlet_unprepare(struct outlet *outlet, struct error *error)
{
	if (!outlet->successor)
		return outlet_set_access(outlet, &outlet->core.settings, error);
	listener_free(outlet->successor);
	outlet->successor = NULL;
	return true;
}

static void outlet_succeed_listener(struct outlet *outlet)
{
	struct listener *old = outlet->listener;

	if (!outlet->successor)
		return;
	outlet->listener = outlet->successor;
	outlet->successor = NULL;
	listener_succeed(old, outlet->listener);
}

bool outlet_reconfigure(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error)
{
	const char *difference = outlet_fixed_difference(&outlet->core.settings, settings);
	struct outlet_settings before = outlet->core.settings;

	if (difference)
		return error_set(error, ERROR_SETTINGS,
			"outlet '%s': its %s cannot change while it is in use",
			outlet->core.settings.name, difference);
	if (!outlet_prepare(outlet, settings, error))
		return false;

	outlet_copy_settings(&outlet->core.settings, settings);
	/* The listener and the log hold on to these two. */
	free((char *)outlet->core.settings.name);
	free((char *)outlet->core.settings.path);
	outlet->core.settings.name = before.name;
	outlet->core.settings.path = before.path;
	outlet->core.subject.crowd = settings->untrusted;
	free((char *)before.owner);
	free((char *)before.group);
	outlet_update_keeps(outlet);
	outlet_succeed_listener(outlet);
	subscribers_reconfigure(&outlet->subscribers);
	return true;
}

const struct outlet_settings *outlet_settings(const struct outlet *outlet)
{
	return &outlet->core.settings;
}

/*
 * Numbers of removed sources are taken again if no record in the ring has them: those up to the one
 * before this. Subscribers learn of the new name before its first record. But one that may send might
 * use the number in the old sense: its message would go to another server.
 */
static uint64_t outlet_forgotten_records(const struct outlet *outlet)
{
	if (!outlet->core.format->name)
		return UINT64_MAX; /* its records have no numbers */
	if (outlet->core.settings.writable && outlet->subscribers.count)
		return 0;
	return outlet->core.ring.first;
}

unsigned outlet_add_source(struct outlet *outlet, const char *name, void *thing)
{
	unsigned number =
		sources_add(&outlet->core.sources, outlet_forgotten_records(outlet), name, thing);

	outlet->core.sources.items[number].announced = outlet->subscribers.count == 0;
	outlet_core_record_names(&outlet->core, number, number + 1);
	outlet_forget_input_max(outlet);
	return number;
}

void outlet_remove_source(struct outlet *outlet, unsigned source)
{
	sources_remove(&outlet->core.sources, source);
	outlet_core_record_names(&outlet->core, source, source + 1);
	outlet_forget_input_max(outlet);
	if (outlet->draining)
		flush_schedule(&outlet->core.flush);
}

unsigned outlet_source_count(const struct outlet *outlet)
{
	return outlet->core.sources.count;
}

void *outlet_source(const struct outlet *outlet, unsigned source)
{
	return outlet->core.sources.items[source].thing;
}

void outlet_resume_input(struct outlet *outlet)
{
	subscribers_resume_input(&outlet->subscribers);
}

void outlet_forget_input_max(struct outlet *outlet)
{
	outlet->core.input_max = 0;
}

void outlet_stats(const struct outlet *outlet, struct outlet_stats *stats)
{
	const struct readers *readers = &outlet->subscribers.readers;

	*stats = (struct outlet_stats){
		.counts = outlet->core.counts,
		.messages = outlet->core.ring.next - 1,
		.oldest = outlet->core.ring.first,
		.subscribers = outlet->subscribers.count,
		.waiting = outlet_has_waiters(outlet),
	};
	stats->counts.lost += readers_lost(readers);
	stats->counts.lags += readers->lags;
}

unsigned outlet_subscribers(const struct outlet *outlet)
{
	return outlet->subscribers.count;
}

void outlet_each_subscriber(const struct outlet *outlet,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context)
{
	subscribers_each(&outlet->subscribers, visit, context);
}
