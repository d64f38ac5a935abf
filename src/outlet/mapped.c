#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "outlet/outlet_private.h"

/*
 * Subscribers that map the ring and read it in place. The daemon does not know where they are, as it
 * could not rely on anything they say. It publishes records, wakes them, and sends through the socket
 * what is not in the ring.
 */

bool mapped_allow(struct outlet *outlet, struct error *error)
{
	if (outlet->settings.on_lag == OUTLET_WAIT)
		error_set(error, ERROR_SETTINGS,
			"this outlet waits for its subscribers (on_lag), and cannot see where one "
			"is that reads the ring");
	else if (!outlet_open_ring(outlet))
		error_set(error, ERROR_SYSTEM, "there is no memory for the ring");
	else if (ring_share(&outlet->ring, error))
		return true;
	return error_prefix(error, "mode ring is not available: ");
}

ssize_t mapped_hand_over(struct subscriber *subscriber, struct msghdr *message)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	ssize_t sent;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &subscriber->outlet->ring.reader_fd, sizeof(int));
	message->msg_control = &control;
	message->msg_controllen = sizeof(control);
	sent = sendmsg(subscriber->fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	message->msg_control = NULL;
	message->msg_controllen = 0;
	if (sent > 0)
		subscriber->hands_over = false;
	return sent;
}

static void mapped_wake(struct outlet *outlet)
{
	outlet->woken = outlet->ring.head;
	ring_wake(&outlet->ring);
}

void mapped_catch_up(struct outlet *outlet)
{
	if (outlet->sleepers && outlet->ring.head - outlet->woken >= outlet->ring.size / 2)
		mapped_wake(outlet);
}

static void mapped_answer_subscriber(struct subscriber *subscriber)
{
	subscriber->outlet->format->arrived(&subscriber->aside, subscriber->awaited);
	subscriber_move(subscriber, SUBSCRIBER_MAPPED);
	subscriber_send(subscriber);
}

/* As long as there is time. One that has not been told of the last arrival yet is not told of another:
 * that would pile up. */
static void mapped_answer(struct outlet *outlet)
{
	struct subscriber *next, *s = TAILQ_FIRST(&outlet->subscribers[SUBSCRIBER_AWAITING]);
	uint64_t end = s ? clock_monotonic() + OUTLET_TURN_TIME : 0;

	for (; s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->awaited >= outlet->ring.next || s->aside.length)
			continue;
		mapped_answer_subscriber(s);
		if (clock_monotonic() >= end) {
			outlet_schedule_flush(outlet);
			return;
		}
	}
}

void mapped_flush(struct outlet *outlet)
{
	ring_publish(&outlet->ring);
	mapped_answer(outlet);
	if (outlet->sleepers && outlet->woken != outlet->ring.head)
		mapped_wake(outlet);
}

void mapped_await(struct subscriber *subscriber, uint64_t seq)
{
	subscriber->awaited = seq;
	subscriber_move(subscriber, SUBSCRIBER_AWAITING);
	outlet_schedule_flush(subscriber->outlet);
}

/* Calls `visit` for each; it may have the subscriber leave. */
static void mapped_each(struct outlet *outlet, void (*visit)(struct subscriber *, const void *),
	const void *context)
{
	struct subscriber *next;

	for (int state = SUBSCRIBER_MAPPED; state <= SUBSCRIBER_AWAITING; state++) {
		struct subscriber *s = TAILQ_FIRST(&outlet->subscribers[state]);

		for (; s; s = next) {
			next = TAILQ_NEXT(s, link);
			visit(s, context);
		}
	}
}

static void mapped_tell_subscriber(struct subscriber *subscriber, const void *context)
{
	const struct outlet *outlet = subscriber->outlet;
	const struct format_record *record = context;
	unsigned source = record->message->source;

	if (source < subscriber->named)
		return; /* by the greeting */
	outlet->format->name(&subscriber->aside, record->seq, source,
		&outlet->sources.items[source]);
	subscriber_send(subscriber);
}

void mapped_tell_name(struct outlet *outlet, const struct format_record *record)
{
	mapped_each(outlet, mapped_tell_subscriber, record);
}

static void mapped_refuse_subscriber(struct subscriber *subscriber, const void *context)
{
	subscriber_fail(subscriber, context, "on_lag has become wait");
}

void mapped_refuse(struct outlet *outlet)
{
	if (outlet->settings.on_lag == OUTLET_WAIT)
		mapped_each(outlet, mapped_refuse_subscriber, "the outlet now waits for its "
			"subscribers (on_lag), and cannot see where one is that reads the ring");
}

void mapped_left(struct outlet *outlet)
{
	if (!outlet->ended_mapped)
		return;
	outlet->ended_mapped = false;
	mapped_wake(outlet);
}
