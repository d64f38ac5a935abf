#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "outlet/outlet_private.h"

/* The conversation with a subscriber before its first record, if its format has one. */

static void greeting_fail(struct subscriber *subscriber, const char *text)
{
	input_error(subscriber, text);
	subscriber_fail(subscriber, text, "bad hello");
}

/* The number of the first record that the subscriber gets. */
static uint64_t greeting_next(const struct outlet *outlet, const struct format_greeting *greeting)
{
	const struct ring *ring = &outlet->ring;
	uint64_t after = greeting->after;

	switch (greeting->start) {
	case FORMAT_START_AFTER:
		if (after < ring->next)
			return after + 1 > ring->first ? after + 1 : ring->first;
		return ring->next;
	case FORMAT_START_OLDEST:
		return ring->first;
	case FORMAT_START_DEFAULT:
		return outlet->settings.start == OUTLET_OLDEST ? ring->first : ring->next;
	case FORMAT_START_LIVE:
		break;
	}
	return ring->next;
}

static void greeting_welcome(struct subscriber *subscriber, const struct format_greeting *greeting,
	uint64_t next)
{
	struct outlet *outlet = subscriber->outlet;
	const struct ring *ring = &outlet->ring;
	bool resumes = greeting->start == FORMAT_START_AFTER;
	bool ahead = resumes && greeting->after >= ring->next;
	const struct format_welcome welcome = {
		.outlet = outlet->settings.name,
		.begun = outlet->ring.begun,
		.sources = &outlet->sources,
		.next = next,
		.missing = resumes && !ahead ? next - greeting->after - 1 : 0,
		.ahead = ahead,
		.ring_size = greeting->maps ? ring->size : 0,
		.position = ring_start(ring, next),
	};

	subscriber->named = outlet->sources.count;
	if (outlet->format->welcome)
		outlet->format->welcome(&subscriber->aside, &welcome);
}

/* An outlet that does not share its ring is no error: the subscriber may not know, and do without. */
static void greeting_complete(struct subscriber *subscriber,
	const struct format_greeting *greeting)
{
	struct outlet *outlet = subscriber->outlet;
	uint64_t next = greeting_next(outlet, greeting);
	struct error error;

	if (greeting->maps && !mapped_allow(outlet, &error)) {
		subscriber_fail(subscriber, error.text, "no ring");
		return;
	}
	subscriber->maps = greeting->maps;
	subscriber->sleeps = greeting->sleeps;
	subscriber->hands_over = greeting->maps;
	if (greeting->maps)
		ring_publish(&outlet->ring);
	greeting_welcome(subscriber, greeting, next);
	subscriber_attach(subscriber, ring_start(&outlet->ring, next));
}

/* The input event is the timer as well. */
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
	const struct outlet_format *format = subscriber->outlet->format;
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

void greeting_begin(struct subscriber *subscriber)
{
	subscriber->greeting_end = clock_monotonic() + subscriber->outlet->greeting_timeout;
	greeting_go_on(subscriber);
}

/* What follows the greeting is input like any other. */
void greeting_read(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	size_t limit = subscriber->outlet->format->greeting_max - input->length;
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

void greeting_time_out(struct subscriber *subscriber)
{
	greeting_fail(subscriber, "no hello arrived in time");
}
