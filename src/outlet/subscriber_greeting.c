#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "outlet/mapped.h"
#include "outlet/subscriber.h"

/* The conversation with a subscriber before its first record, if its format has one. */

static void greeting_fail(struct subscriber *subscriber, const char *text)
{
	subscriber_report_fault(subscriber, text, "");
	subscriber_fail(subscriber, text, "bad hello");
}

/* The number of the first record that the subscriber gets. */
static uint64_t greeting_next(const struct outlet_core *core,
	const struct format_greeting *greeting)
{
	const struct ring *ring = &core->ring;
	uint64_t after = greeting->after;

	switch (greeting->start) {
	case FORMAT_START_AFTER:
		if (after < ring->next)
			return after + 1 > ring->first ? after + 1 : ring->first;
		return ring->next;
	case FORMAT_START_OLDEST:
		return ring->first;
	case FORMAT_START_DEFAULT:
		return core->settings.start == OUTLET_OLDEST ? ring->first : ring->next;
	case FORMAT_START_LIVE:
		break;
	}
	return ring->next;
}

static void greeting_welcome(struct subscriber *subscriber, const struct format_greeting *greeting,
	uint64_t next)
{
	struct outlet_core *core = subscriber->all->core;
	const struct ring *ring = &core->ring;
	bool resumes = greeting->start == FORMAT_START_AFTER;
	bool ahead = resumes && greeting->after >= ring->next;
	const struct format_welcome welcome = {
		.outlet = core->settings.name,
		.begun = core->ring.begun,
		.sources = &core->sources,
		.next = next,
		.missing = resumes && !ahead ? next - greeting->after - 1 : 0,
		.ahead = ahead,
		.ring_size = greeting->maps ? ring->size : 0,
		.position = ring_start(ring, next),
	};

	subscriber->named = core->sources.version;
	if (core->format->welcome)
		core->format->welcome(&subscriber->aside, &welcome);
}

static void greeting_attach(struct subscriber *subscriber, uint64_t cursor)
{
	struct subscribers *subscribers = subscriber->all;
	struct event_members members = subscriber_members(subscriber);

	subscriber->joined = true;
	if (subscriber->sleeps)
		subscribers->sleepers++;
	subscriber_move(subscriber, subscriber->maps ? SUBSCRIBER_MAPPED : SUBSCRIBER_READING);
	if (!subscriber->maps)
		readers_attach(&subscribers->readers, &subscriber->reader, cursor);
	subscriber_begin_reading(subscriber);
	flush_schedule(&subscribers->core->flush);
	subscriber_report(subscriber, EVENT_TYPE_SUBSCRIBED, &members);
	if (cursor < subscribers->core->ring.head || subscriber->aside.length)
		subscriber_send(subscriber);
}

/* A refused ring is no input error: the subscriber could not know, and may do without it. */
static void greeting_complete(struct subscriber *subscriber, const struct format_greeting *greeting)
{
	struct outlet_core *core = subscriber->all->core;
	uint64_t next = greeting_next(core, greeting);
	struct error error;

	if (greeting->maps && !mapped_allow(subscriber->all, &error)) {
		subscriber_fail(subscriber, error.text, "no ring");
		return;
	}
	subscriber->maps = greeting->maps;
	subscriber->sleeps = greeting->sleeps;
	subscriber->hands_over = greeting->maps;
	if (greeting->maps)
		ring_publish(&core->ring);
	greeting_welcome(subscriber, greeting, next);
	greeting_attach(subscriber, ring_start(&core->ring, next));
}

/* The input event also serves as the timer. */
static void greeting_await(struct subscriber *subscriber)
{
	uint64_t now = clock_monotonic();
	uint64_t end = subscriber->greeting_end;
	const struct timeval limit = clock_timeval(end > now ? end - now : 0);

	event_add(&subscriber->input_event, &limit);
	if (subscriber->aside.length)
		subscriber_send(subscriber);
}

static void greeting_go_on(struct subscriber *subscriber)
{
	const struct outlet_format *format = subscriber->all->core->format;
	struct buffer *input = &subscriber->input;
	struct format_greeting greeting = {
		.data = buffer_data(input),
		.length = input->length,
		.out = &subscriber->aside,
	};
	enum format_greeted greeted = format->greet(&greeting);

	buffer_consume(input, greeting.taken);
	if (greeted == FORMAT_GREETED)
		greeting_complete(subscriber, &greeting);
	else if (greeted == FORMAT_REJECTED)
		greeting_fail(subscriber, greeting.fault);
	else if (input->length == format->greeting_max)
		greeting_fail(subscriber, "the greeting is too long");
	else
		greeting_await(subscriber);
}

void subscriber_greet(struct subscriber *subscriber)
{
	const struct format_greeting none = {0};

	subscriber->greeting_end = clock_monotonic() + subscriber->all->core->greeting_timeout;
	if (subscriber->all->core->format->greet)
		greeting_go_on(subscriber);
	else
		greeting_complete(subscriber, &none);
}

/* Bytes after the greeting are ordinary input. */
void subscriber_read_greeting(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	size_t limit = subscriber->all->core->format->greeting_max - input->length;
	ssize_t got = recv(subscriber->fd, buffer_reserve(input, limit), limit, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		subscriber_leave(subscriber, "left");
		return;
	}
	buffer_commit(input, (size_t)got);
	greeting_go_on(subscriber);
}

/* It may lie in the socket: if both are due, libevent tells of the time only. */
void subscriber_time_out_greeting(struct subscriber *subscriber)
{
	subscriber_read_greeting(subscriber);
	if (subscriber->state == SUBSCRIBER_GREETING)
		greeting_fail(subscriber, "no hello arrived in time");
}
