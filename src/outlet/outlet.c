#include "outlet/outlet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "outlet/outlet_private.h"

#define OUTLET_RING_MAX (UINT64_C(1) << 32)

enum {
	OUTLET_GREETING_SECONDS = 10,
	OUTLET_CHUNK = 32,   /* this part of a ring is forgotten at a time */
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

static char *outlet_copy_text(const char *text)
{
	return text ? alloc_string(text) : NULL;
}

static void outlet_copy_settings(struct outlet_settings *copy, const struct outlet_settings *from)
{
	*copy = *from;
	copy->name = outlet_copy_text(from->name);
	copy->path = outlet_copy_text(from->path);
	copy->owner = outlet_copy_text(from->owner);
	copy->group = outlet_copy_text(from->group);
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
	return (struct socket_access){settings->mode, settings->owner, settings->group,
		settings->uid, settings->gid};
}

static struct outlet *outlet_create(struct event_base *base, struct log *log,
	const struct outlet_settings *settings, const struct outlet_callbacks *callbacks)
{
	struct outlet *outlet = alloc_zero(1, sizeof(*outlet));

	outlet->base = base;
	outlet->log = log;
	outlet_copy_settings(&outlet->settings, settings);
	outlet->subject = (struct log_subject){"outlet", outlet->settings.name, settings->untrusted};
	outlet->callbacks = callbacks;
	outlet->format = outlet_format(settings->format);
	if (outlet->format->timed)
		outlet->clock = alloc_zero(1, sizeof(*outlet->clock));
	outlet->greeting_timeout = OUTLET_GREETING_SECONDS * CLOCK_NS_PER_SECOND;
	for (int state = 0; state < SUBSCRIBER_STATES; state++)
		TAILQ_INIT(&outlet->subscribers[state]);
	TAILQ_INIT(&outlet->laggards);
	TAILQ_INIT(&outlet->waiters);
	ring_init(&outlet->ring, settings->ring, clock_realtime() / CLOCK_NS_PER_US);
	outlet_update_encodes(outlet);
	return outlet;
}

/* One of the ways to make a listener. */
typedef struct listener *outlet_listen(struct listeners *listeners,
	const struct log_subject *about, const char *path, int type,
	const struct socket_access *access, listener_accept *accept, void *context,
	struct error *error);

static struct outlet *outlet_make(struct event_base *base, struct log *log,
	struct listeners *listeners, struct input_turns *turns,
	const struct outlet_settings *settings, const struct outlet_callbacks *callbacks,
	outlet_listen *listen_to, struct error *error)
{
	struct socket_access access = outlet_access(settings);
	struct outlet *outlet;

	if (settings->ring > OUTLET_RING_MAX) {
		error_set(error, ERROR_SETTINGS, "a ring of %llu bytes is larger than 4G",
			(unsigned long long)settings->ring);
		return NULL;
	}
	outlet = outlet_create(base, log, settings, callbacks);
	outlet->input_turns = turns;
	outlet->listener = listen_to(listeners,
		&outlet->subject, outlet->settings.path, outlet->format->socket_type, &access, subscriber_accept, outlet,
		error);
	if (!outlet->listener) {
		outlet_free(outlet);
		return NULL;
	}
	return outlet;
}

struct outlet *outlet_new(struct event_base *base, struct log *log, struct listeners *listeners,
	struct input_turns *turns, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error)
{
	return outlet_make(base, log, listeners, turns, settings, callbacks, listener_new, error);
}

struct outlet *outlet_new_held(struct event_base *base, struct log *log,
	struct listeners *listeners, struct input_turns *turns,
	const struct outlet_settings *settings, const struct outlet_callbacks *callbacks,
	struct error *error)
{
	return outlet_make(base, log, listeners, turns, settings, callbacks, listener_new_held,
		error);
}

struct outlet *outlet_new_for(struct outlet *old, const struct outlet_settings *settings,
	struct error *error)
{
	struct outlet *outlet = outlet_make(old->base, old->log, listener_listeners(old->listener),
		old->input_turns, settings, old->callbacks, listener_new_beside, error);

	if (!outlet)
		return NULL;
	if ((!old->ring.memory || ring_open(&outlet->ring, error)) &&
		listener_in_place(old->listener, error) &&
		listener_exchange(outlet->listener, error))
		return outlet;
	outlet_free(outlet);
	return NULL;
}

void outlet_withdraw(struct outlet *outlet)
{
	struct error error;

	if (!listener_exchange(outlet->listener, &error))
		log_write(outlet->log, LOG_ERR, &outlet->subject, "%s", error.text);
	outlet_free(outlet);
}

void outlet_settle(struct outlet *outlet)
{
	listener_settle(outlet->listener);
}

void outlet_free(struct outlet *outlet)
{
	struct subscriber *subscriber;

	if (!outlet)
		return;
	listener_free(outlet->listener);
	while (outlet_has_waiters(outlet))
		outlet_forget_waiter(TAILQ_FIRST(&outlet->waiters));
	for (int state = 0; state < SUBSCRIBER_STATES; state++) {
		while ((subscriber = TAILQ_FIRST(&outlet->subscribers[state])))
			subscriber_free(subscriber);
	}
	mapped_left(outlet);
	if (outlet->flush)
		event_free(outlet->flush);
	sources_release(&outlet->sources);
	cursors_release(&outlet->behind);
	ring_release(&outlet->ring);
	free(outlet->clock);
	outlet_release_settings(&outlet->settings);
	free(outlet);
}

void outlet_drain(struct outlet *outlet)
{
	struct subscriber *subscriber;

	listener_free(outlet->listener);
	outlet->listener = NULL;
	outlet->draining = true;
	while ((subscriber = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_JOINING])))
		subscriber_leave(subscriber, "drained");
	outlet_schedule_flush(outlet);
}

bool outlet_drained(const struct outlet *outlet)
{
	return outlet->draining && outlet->subscriber_count == 0;
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

bool outlet_set_access(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error)
{
	struct socket_access access = outlet_access(settings);

	return !outlet->listener || listener_set_access(outlet->listener, &access, error);
}

/* Another on_lag holds for those as well that have been lapped: from where they would go on now. */
static void outlet_on_lag_changed(struct outlet *outlet)
{
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_LAPPED])))
		subscriber_return(subscriber);
	outlet->room_head = 0; /* measured for the other one */
}

/* Takes over what concerns subscribers that are already there. */
static void outlet_settings_changed(struct outlet *outlet)
{
	struct subscriber *subscriber;

	mapped_refuse(outlet);
	for (int state = SUBSCRIBER_READY; state <= SUBSCRIBER_AWAITING; state++) {
		TAILQ_FOREACH (subscriber, &outlet->subscribers[state], link)
			subscriber_update_reading(subscriber);
	}
	outlet_update_encodes(outlet);
	if (outlet->subscriber_count)
		outlet_schedule_flush(outlet);
}

bool outlet_reconfigure(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error)
{
	const char *difference = outlet_fixed_difference(&outlet->settings, settings);
	struct outlet_settings before = outlet->settings;

	if (difference)
		return error_set(error, ERROR_SETTINGS,
			"outlet '%s': its %s cannot change while it is in use",
			outlet->settings.name, difference);
	if (!outlet_set_access(outlet, settings, error))
		return false;

	outlet_copy_settings(&outlet->settings, settings);
	/* The listener and the log hold on to these two. */
	free((char *)outlet->settings.name);
	free((char *)outlet->settings.path);
	outlet->settings.name = before.name;
	outlet->settings.path = before.path;
	outlet->subject.crowd = settings->untrusted;
	free((char *)before.owner);
	free((char *)before.group);
	if (settings->on_lag != before.on_lag)
		outlet_on_lag_changed(outlet);
	outlet_settings_changed(outlet);
	return true;
}

const struct outlet_settings *outlet_settings(const struct outlet *outlet)
{
	return &outlet->settings;
}

/* Tells a successor the names of the sources `from` to `end` - 1, or that they have been removed. */
static void outlet_record_names(struct outlet *outlet, unsigned from, unsigned end)
{
	struct buffer names = {0};
	struct error error;

	if (!outlet->ring.memory)
		return;
	for (unsigned i = from; i < end; i++)
		ring_append_name(&names, i, outlet->sources.items[i].name);
	if (!ring_write_names(&outlet->ring, &names, &error))
		log_write(outlet->log, LOG_ERR, &outlet->subject, "%s", error.text);
	buffer_release(&names);
}

unsigned outlet_add_source(struct outlet *outlet, const char *name, void *thing)
{
	unsigned number = sources_add(&outlet->sources, name, thing);

	outlet->sources.items[number].announced = outlet->subscriber_count == 0;
	outlet_record_names(outlet, number, number + 1);
	return number;
}

void outlet_remove_source(struct outlet *outlet, unsigned source)
{
	sources_remove(&outlet->sources, source);
	outlet_record_names(outlet, source, source + 1);
	if (outlet->draining)
		outlet_schedule_flush(outlet);
}

unsigned outlet_source_count(const struct outlet *outlet)
{
	return outlet->sources.count;
}

void *outlet_source(const struct outlet *outlet, unsigned source)
{
	return outlet->sources.items[source].thing;
}

bool outlet_open_ring(struct outlet *outlet)
{
	struct error error;

	if (outlet->ring.memory)
		return true;
	if (ring_open(&outlet->ring, &error)) {
		outlet_record_names(outlet, 0, outlet->sources.count);
		outlet->ring_failed = false;
		return true;
	}
	if (!outlet->ring_failed)
		log_write(outlet->log, LOG_ERR, &outlet->subject, "messages are lost: %s",
			error.text);
	outlet->ring_failed = true;
	return false;
}

static inline struct format_record outlet_record(const struct outlet *outlet,
	const struct outlet_message *message)
{
	const struct source *source = &outlet->sources.items[message->source];

	return (struct format_record){
		.seq = outlet->ring.next,
		.message = message,
		.source = source->name ? source->name : "",
		.source_length = source->length,
		.announce = !source->announced,
	};
}

size_t outlet_record_length(const struct outlet *outlet, const struct outlet_message *message)
{
	const struct format_record record = outlet_record(outlet, message);

	return outlet->format->length(&record);
}

bool outlet_has_room(struct outlet *outlet, const struct outlet_message *message)
{
	return !outlet->encodes ||
		outlet_has_room_for(outlet, outlet_record_length(outlet, message));
}

/*
 * Forgets the oldest records in favour of a new one: more of them than need be, unless a
 * subscriber is still there, so that most records are appended without looking at others.
 */
static void outlet_forget(struct outlet *outlet, size_t length)
{
	struct ring *ring = &outlet->ring;
	uint64_t first = ring_kept_by(ring, length);
	size_t ahead = length + ring->size / OUTLET_CHUNK;
	uint64_t later = ahead <= ring->size ? ring_kept_by(ring, ahead) : first;

	if (ring_start(ring, first) > outlet_slowest(outlet))
		outlet_overtake(outlet, first, length);
	ring_drop(ring, ring_start(ring, later) <= outlet_slowest(outlet) ? later : first);
	mapped_catch_up(outlet);
}

/* Room for a record at the head, from which no subscriber needs anything any more. */
static inline uint8_t *outlet_make_room(struct outlet *outlet, size_t length)
{
	if (!ring_fits(&outlet->ring, length))
		outlet_forget(outlet, length);
	return ring_room(&outlet->ring);
}

static inline void outlet_commit(struct outlet *outlet, size_t length)
{
	ring_commit(&outlet->ring, length);
	outlet->stats.bytes += length;
	outlet_schedule_flush(outlet);
}

/* In the place of a message that is too large stands the notice of its loss. */
static void outlet_drop_oversize(struct outlet *outlet, size_t length)
{
	uint64_t seq = outlet->ring.next;
	uint8_t notice[FORMAT_GAP_MAX];
	size_t notice_length;

	outlet->stats.oversize++;
	outlet->oversize++;
	outlet->oversize_length = length;
	outlet_schedule_flush(outlet);
	if (!outlet->format->gap)
		return;
	notice_length = outlet->format->gap(notice, seq, seq);
	memcpy(outlet_make_room(outlet, notice_length), notice, notice_length);
	outlet_commit(outlet, notice_length);
}

static inline void outlet_append(struct outlet *outlet, const struct format_record *record, size_t length)
{
	if (length > outlet->ring.size) {
		outlet_drop_oversize(outlet, record->message->length);
		return;
	}
	outlet->format->write(outlet_make_room(outlet, length), record, outlet->clock);
	if (record->announce) {
		mapped_tell_name(outlet, record);
		outlet->sources.items[record->message->source].announced = true;
	}
	outlet_commit(outlet, length);
}

/* Whether the message becomes a record; if not, at most its number is used up. */
static inline bool outlet_records(struct outlet *outlet, const struct outlet_message *message)
{
	if (message->type >= OUTLET_OPENED && !outlet->format->lifecycle)
		return false;
	if (outlet->encodes && (outlet->ring.memory || outlet_open_ring(outlet)))
		return true;
	if (outlet->encodes)
		outlet->stats.lost += outlet->subscriber_count;
	ring_skip(&outlet->ring);
	return false;
}

/* Who has not asked for room of a `wait` outlet finds the reserve used up before messages
 * are lost. */
static bool outlet_spares_subscribers(struct outlet *outlet, size_t length)
{
	if (outlet->settings.on_lag != OUTLET_WAIT || ring_fits(&outlet->ring, length) ||
		length > outlet->ring.size || outlet_has_space(outlet, length))
		return true;
	outlet->unpublished++;
	outlet_schedule_flush(outlet);
	return false;
}

void outlet_publish(struct outlet *outlet, const struct outlet_message *message)
{
	struct format_record record;
	size_t length;

	if (!outlet_records(outlet, message))
		return;
	record = outlet_record(outlet, message);
	length = outlet->format->length(&record);
	if (outlet_spares_subscribers(outlet, length))
		outlet_append(outlet, &record, length);
}

bool outlet_offer(struct outlet *outlet, const struct outlet_message *message)
{
	struct format_record record;
	size_t length;

	if (!outlet_records(outlet, message))
		return true;
	record = outlet_record(outlet, message);
	length = outlet->format->length(&record);
	if (!outlet_has_room_for(outlet, length))
		return false;
	outlet_append(outlet, &record, length);
	return true;
}

void outlet_resume_input(struct outlet *outlet)
{
	struct subscriber *subscriber;

	for (int state = SUBSCRIBER_READY; state <= SUBSCRIBER_AWAITING; state++) {
		TAILQ_FOREACH (subscriber, &outlet->subscribers[state], link)
			subscriber_resume_input(subscriber);
	}
}

void outlet_stats(const struct outlet *outlet, struct outlet_stats *stats)
{
	*stats = (struct outlet_stats){
		.counts = outlet->stats,
		.messages = outlet->ring.next - 1,
		.oldest = outlet->ring.first,
		.subscribers = outlet->subscriber_count,
		.waiting = outlet_has_waiters(outlet),
	};
	stats->counts.lost += outlet->lapped * outlet_skip_target(outlet) - outlet->lapped_lost_to;
}

unsigned outlet_subscribers(const struct outlet *outlet)
{
	return outlet->subscriber_count;
}

static struct outlet_subscriber_info outlet_subscriber_info(const struct subscriber *subscriber)
{
	const struct outlet *outlet = subscriber->outlet;
	uint64_t unsent = 0, lost = subscriber->lost;

	if (subscriber->state == SUBSCRIBER_LAPPED) {
		uint64_t target = outlet_skip_target(outlet);

		unsent = outlet->ring.head - ring_start(&outlet->ring, target);
		lost += target - subscriber->lost_to;
	} else if (subscriber->joined && !subscriber->maps) {
		unsent = outlet->ring.head - subscriber->cursor;
	}
	return (struct outlet_subscriber_info){
		.id = subscriber->id,
		.pid = subscriber->pid,
		.uid = subscriber->uid,
		.since = subscriber->since,
		.mapped = subscriber->maps,
		.sent = subscriber->sent,
		.behind = unsent + subscriber->rest_left + subscriber->aside.length,
		.lost = lost,
		.lags = subscriber->lags,
		.inputs = subscriber->inputs,
	};
}

void outlet_each_subscriber(const struct outlet *outlet,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context)
{
	const struct subscriber *subscriber;

	for (int state = 0; state < SUBSCRIBER_GONE; state++) {
		TAILQ_FOREACH (subscriber, &outlet->subscribers[state], link) {
			struct outlet_subscriber_info info = outlet_subscriber_info(subscriber);

			visit(&info, context);
		}
	}
}
