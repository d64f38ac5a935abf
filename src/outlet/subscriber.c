#include "outlet/subscriber.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/packet.h"
#include "outlet/outlet_private.h"

enum {
	SUBSCRIBER_FINISH_SECONDS = 10, /* for reading the last of it */
	SUBSCRIBER_LAST_READS = 4096,   /* of the input of one that is gone */
};

static void subscriber_on_input(evutil_socket_t fd, short what, void *context);
static void subscriber_on_output(evutil_socket_t fd, short what, void *context);

/* Whether it is in the list of laggards. */
static bool subscriber_has_losses(const struct subscriber *subscriber)
{
	return subscriber->report_lags || subscriber->report_lost || subscriber->report_refused;
}

static void subscriber_lose(struct subscriber *subscriber, uint64_t lost)
{
	struct outlet *outlet = subscriber->outlet;

	subscriber->lost += lost;
	outlet->stats.lost += lost;
	if (!subscriber_has_losses(subscriber))
		TAILQ_INSERT_TAIL(&outlet->laggards, subscriber, laggard_link);
	outlet_schedule_flush(outlet);
}

static void subscriber_forget_lap(struct subscriber *subscriber)
{
	subscriber->outlet->lapped--;
	subscriber->outlet->lapped_lost_to -= subscriber->lost_to;
}

/* Counts what it has lost since it was lapped. */
static void subscriber_end_lap(struct subscriber *subscriber)
{
	uint64_t lost = outlet_skip_target(subscriber->outlet) - subscriber->lost_to;

	subscriber_forget_lap(subscriber);
	if (lost == 0)
		return;
	subscriber_lose(subscriber, lost);
	subscriber->report_lost += lost;
}

void subscriber_move(struct subscriber *subscriber, enum subscriber_state state)
{
	struct subscriber_list *lists = subscriber->outlet->subscribers;

	TAILQ_REMOVE(&lists[subscriber->state], subscriber, link);
	if (subscriber->state == SUBSCRIBER_BLOCKED)
		cursors_remove(&subscriber->outlet->behind, subscriber);
	else if (subscriber->state == SUBSCRIBER_LAPPED)
		subscriber_end_lap(subscriber);
	if (state == SUBSCRIBER_BLOCKED)
		cursors_add(&subscriber->outlet->behind, subscriber);
	subscriber->state = state;
	TAILQ_INSERT_TAIL(&lists[state], subscriber, link);
}

static void subscriber_release_rest(struct subscriber *subscriber)
{
	struct subscriber_rest *rest = subscriber->rest;

	subscriber->rest = NULL;
	subscriber->rest_left = 0;
	if (!rest || --rest->users)
		return;
	if (subscriber->outlet->rest == rest)
		subscriber->outlet->rest = NULL;
	free(rest);
}

void subscriber_leave(struct subscriber *subscriber, const char *parting)
{
	if (subscriber->state == SUBSCRIBER_GONE)
		return;
	input_forget_turn(subscriber);
	event_del(&subscriber->input_event);
	event_del(&subscriber->output_event);
	if (!subscriber->joined)
		subscriber->ended = true; /* what has been read is a piece of a hello */
	subscriber->parting = parting;
	subscriber_move(subscriber, SUBSCRIBER_GONE);
	subscriber->outlet->subscriber_count--;
	outlet_schedule_flush(subscriber->outlet);
}

static void subscriber_await_output(struct subscriber *subscriber)
{
	const struct timeval limit = {.tv_sec = SUBSCRIBER_FINISH_SECONDS};

	event_add(&subscriber->output_event,
		subscriber->state == SUBSCRIBER_FINISHING ? &limit : NULL);
}

enum { SUBSCRIBER_PARTS = 3 }; /* the rest of a record, what is set aside, and the ring */

/* The names that may have been lost in the gap. */
static void subscriber_repeat_names(struct subscriber *subscriber)
{
	const struct outlet *outlet = subscriber->outlet;
	const struct sources *sources = &outlet->sources;

	if (!outlet->format->name)
		return;
	for (unsigned i = subscriber->named; i < sources->count; i++) {
		if (sources_has(sources, i) && sources->items[i].announced)
			outlet->format->name(&subscriber->aside, subscriber->gap_to + 1, i,
				&sources->items[i]);
	}
}

static void subscriber_announce_gap(struct subscriber *subscriber)
{
	uint8_t *notice = buffer_reserve(&subscriber->aside, FORMAT_GAP_MAX);

	buffer_commit(&subscriber->aside, subscriber->outlet->format->gap(notice,
						  subscriber->gap_from, subscriber->gap_to));
	subscriber->gap_from = 0;
	subscriber_repeat_names(subscriber);
}

/* What there is to send, in order: returns how many parts. */
static int subscriber_gather(struct subscriber *subscriber, struct iovec parts[SUBSCRIBER_PARTS])
{
	const struct outlet *outlet = subscriber->outlet;
	const struct ring *ring = &outlet->ring;
	struct subscriber_rest *rest = subscriber->rest;
	struct buffer *aside = &subscriber->aside;
	int count = 0;

	if (subscriber->state == SUBSCRIBER_LAPPED && aside->length == 0 && !rest)
		subscriber_return(subscriber);
	if (subscriber->gap_from && aside->length == 0 && !rest)
		subscriber_announce_gap(subscriber);
	if (rest)
		parts[count++] = (struct iovec){
			rest->bytes + rest->length - subscriber->rest_left,
			subscriber->rest_left,
		};
	if (aside->length)
		parts[count++] = (struct iovec){aside->memory + aside->start, aside->length};
	if (!subscriber->joined || subscriber->maps || subscriber->gap_from ||
		subscriber->state == SUBSCRIBER_FINISHING || subscriber->state == SUBSCRIBER_LAPPED)
		return count;
	if (subscriber->cursor < ring->head)
		parts[count++] = (struct iovec){
			ring->memory + (subscriber->cursor & (ring->size - 1)),
			ring->head - subscriber->cursor,
		};
	return count;
}

static ssize_t subscriber_write(struct subscriber *subscriber, struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};

	if (subscriber->hands_over)
		return mapped_hand_over(subscriber, &message);
	if (count == 1)
		return send(subscriber->fd, parts->iov_base, parts->iov_len,
			MSG_DONTWAIT | MSG_NOSIGNAL);
	return sendmsg(subscriber->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static size_t subscriber_smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void subscriber_consume(struct subscriber *subscriber, size_t length)
{
	size_t rest = subscriber_smaller(subscriber->rest_left, length);
	size_t aside = subscriber_smaller(subscriber->aside.length, length - rest);

	subscriber->rest_left -= rest;
	if (subscriber->rest && subscriber->rest_left == 0)
		subscriber_release_rest(subscriber);
	if (aside)
		buffer_consume(&subscriber->aside, aside);
	subscriber->cursor += length - rest - aside;
	subscriber->sent += length;
	subscriber->outlet->stats.sent += length;
}

static void subscriber_block(struct subscriber *subscriber)
{
	if (subscriber->state == SUBSCRIBER_BLOCKED)
		cursors_update(&subscriber->outlet->behind, subscriber);
	else if (subscriber->state == SUBSCRIBER_READY)
		subscriber_move(subscriber, SUBSCRIBER_BLOCKED);
	subscriber_await_output(subscriber);
}

static void subscriber_caught_up(struct subscriber *subscriber)
{
	if (subscriber->state == SUBSCRIBER_FINISHING)
		subscriber_leave(subscriber, subscriber->parting);
	else if (subscriber->joined && !subscriber->maps)
		subscriber_move(subscriber, SUBSCRIBER_READY);
}

/* To its place among those that are ready; the flush goes on with it. */
static void subscriber_wait_turn(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;
	struct subscriber_list *ready = &outlet->subscribers[SUBSCRIBER_READY];
	struct subscriber *ahead;

	subscriber_move(subscriber, SUBSCRIBER_READY);
	ahead = TAILQ_FIRST(ready);
	while (ahead->cursor < subscriber->cursor)
		ahead = TAILQ_NEXT(ahead, link);
	if (ahead != subscriber) {
		TAILQ_REMOVE(ready, subscriber, link);
		TAILQ_INSERT_BEFORE(ahead, subscriber, link);
	}
	outlet->room_head = 0; /* measured without this one, if it was blocked */
	outlet_schedule_flush(outlet);
}

static enum subscriber_outcome subscriber_send_bytes(struct subscriber *subscriber)
{
	struct iovec parts[SUBSCRIBER_PARTS];
	int count;

	while ((count = subscriber_gather(subscriber, parts)) > 0) {
		ssize_t sent = subscriber_write(subscriber, parts, count);
		size_t wanted = 0;

		for (int i = 0; i < count; i++)
			wanted += parts[i].iov_len;
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return SUBSCRIBER_BROKEN;
		if (sent > 0)
			subscriber_consume(subscriber, (size_t)sent);
		if (sent < 0 || (size_t)sent < wanted)
			return SUBSCRIBER_FULL;
	}
	return SUBSCRIBER_SENT;
}

void subscriber_send(struct subscriber *subscriber)
{
	enum subscriber_outcome outcome = subscriber->outlet->format->socket_type == SOCK_SEQPACKET
		? packets_send(subscriber)
		: subscriber_send_bytes(subscriber);

	if (outcome == SUBSCRIBER_SENT)
		subscriber_caught_up(subscriber);
	else if (outcome == SUBSCRIBER_MORE)
		subscriber_wait_turn(subscriber);
	else if (outcome == SUBSCRIBER_FULL)
		subscriber_block(subscriber);
	else
		subscriber_leave(subscriber, "left");
}

/*
 * While input is not wanted it stays in the socket's buffer, which bounds it. The event is then
 * edge-triggered, so that it does not fire again and again; libevent wants that of both.
 */
static void subscriber_watch(struct subscriber *subscriber, bool reading)
{
	struct event_base *base = subscriber->outlet->base;
	short edge = reading ? 0 : EV_ET;
	bool awaiting = event_pending(&subscriber->output_event, EV_WRITE, NULL);

	event_del(&subscriber->input_event);
	event_del(&subscriber->output_event);
	event_assign(&subscriber->input_event, base, subscriber->fd,
		(short)(EV_READ | EV_PERSIST | edge), subscriber_on_input, subscriber);
	event_assign(&subscriber->output_event, base, subscriber->fd, (short)(EV_WRITE | edge),
		subscriber_on_output, subscriber);
	event_add(&subscriber->input_event, NULL);
	if (awaiting)
		subscriber_await_output(subscriber);
	subscriber->reading = reading;
}

/* Who reads the ring itself may ask to be told of records. */
static bool subscriber_wants_reading(const struct subscriber *subscriber)
{
	return (subscriber->outlet->settings.writable || subscriber->maps) &&
		!subscriber->paused && !subscriber->ended;
}

void subscriber_update_reading(struct subscriber *subscriber)
{
	bool reading = subscriber_wants_reading(subscriber);

	if (subscriber->state == SUBSCRIBER_GONE || reading == subscriber->reading)
		return;
	subscriber_watch(subscriber, reading);
	if (reading)
		subscriber_resume_input(subscriber);
}

void subscriber_finish(struct subscriber *subscriber, const char *parting)
{
	if (subscriber->aside.length == 0 && !subscriber->rest) {
		subscriber_leave(subscriber, parting);
		return;
	}
	subscriber->parting = parting;
	subscriber->ended = true;
	subscriber_move(subscriber, SUBSCRIBER_FINISHING);
	subscriber_watch(subscriber, false);
	subscriber_await_output(subscriber);
}

static struct subscriber_rest *subscriber_copy_rest(const struct ring *ring, uint64_t from,
	uint64_t end)
{
	struct subscriber_rest *rest = alloc_resize(NULL, sizeof(*rest) + (end - from));

	*rest = (struct subscriber_rest){.end = end, .length = end - from};
	memcpy(rest->bytes, ring_at(ring, from), rest->length);
	return rest;
}

/*
 * The part of a record that the subscriber has not been sent yet, when it has been sent a part.
 * Thousands may be in the middle of the same record: the one furthest behind comes first, and the
 * others share its copy.
 */
static void subscriber_keep_rest(struct subscriber *subscriber, uint64_t next)
{
	struct outlet *outlet = subscriber->outlet;
	uint64_t end = ring_start(&outlet->ring, next);
	uint64_t left = end - subscriber->cursor;

	if (left == 0 || subscriber->state == SUBSCRIBER_LAPPED)
		return;
	if (!outlet->rest || outlet->rest->end != end || outlet->rest->length < left)
		outlet->rest = subscriber_copy_rest(&outlet->ring, subscriber->cursor, end);
	outlet->rest->users++;
	subscriber->rest = outlet->rest;
	subscriber->rest_left = left;
	subscriber->cursor = end;
}

void subscriber_fail(struct subscriber *subscriber, const char *text, const char *parting)
{
	const struct outlet *outlet = subscriber->outlet;

	if (subscriber->state == SUBSCRIBER_GONE)
		return; /* this was the last of its input */
	subscriber->ended = true;
	if (subscriber->joined && !subscriber->maps)
		subscriber_keep_rest(subscriber, ring_seq_from(&outlet->ring, subscriber->cursor));
	subscriber->gap_from = 0;
	if (outlet->format->error)
		outlet->format->error(&subscriber->aside, text);
	subscriber_finish(subscriber, parting);
}

static void subscriber_count_lag(struct subscriber *subscriber, uint64_t lost)
{
	subscriber_lose(subscriber, lost);
	subscriber->lags++;
	subscriber->outlet->stats.lags++;
	subscriber->report_lags++;
	subscriber->report_lost += lost;
}

void subscriber_refuse(struct subscriber *subscriber, size_t length)
{
	subscriber_lose(subscriber, 1);
	subscriber->report_refused++;
	subscriber->refused_length = length;
}

void subscriber_skip(struct subscriber *subscriber, uint64_t target)
{
	struct outlet *outlet = subscriber->outlet;
	uint64_t from = ring_seq_from(&outlet->ring, subscriber->cursor);

	subscriber_keep_rest(subscriber, from);
	if (target == from) {
		subscriber_block(subscriber);
		return;
	}
	if (subscriber->state == SUBSCRIBER_READY)
		subscriber_await_output(subscriber);
	subscriber_move(subscriber, SUBSCRIBER_LAPPED);
	if (outlet->format->gap && !subscriber->gap_from)
		subscriber->gap_from = from;
	subscriber->lost_to = target;
	outlet->lapped++;
	outlet->lapped_lost_to += target;
	subscriber_count_lag(subscriber, target - from);
}

void subscriber_return(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;
	uint64_t target = outlet_skip_target(outlet);

	subscriber->cursor = ring_start(&outlet->ring, target);
	subscriber->gap_to = target - 1;
	subscriber_move(subscriber, SUBSCRIBER_BLOCKED);
}

static const char subscriber_lagged[] = "lagged"; /* the parting of one that is dropped */

static bool subscriber_dropped(const struct subscriber *subscriber)
{
	return subscriber->parting == subscriber_lagged;
}

void subscriber_drop(struct subscriber *subscriber)
{
	const struct ring *ring = &subscriber->outlet->ring;
	uint64_t from = ring_seq_from(ring, subscriber->cursor);

	subscriber_keep_rest(subscriber, from);
	subscriber->gap_from = 0;
	subscriber_count_lag(subscriber, ring->next - from);
	subscriber->parting = subscriber_lagged;
	subscriber->ended = true;
	subscriber_move(subscriber, SUBSCRIBER_FINISHING);
}

struct event_members subscriber_members(const struct subscriber *subscriber)
{
	struct event_members members = {0};

	event_add_number(&members, "subscriber", subscriber->id);
	event_add_number(&members, "pid", (uint64_t)subscriber->pid);
	event_add_number(&members, "uid", subscriber->uid);
	return members;
}

void subscriber_report(const struct subscriber *subscriber, enum event_type type,
	const struct event_members *members)
{
	const struct outlet_callbacks *callbacks = subscriber->outlet->callbacks;

	callbacks->event(subscriber->outlet, type, members, callbacks->context);
}

static void subscriber_report_lag(const struct subscriber *subscriber, uint64_t lags, uint64_t lost)
{
	struct event_members members = subscriber_members(subscriber);

	event_add_number(&members, "lags", lags);
	event_add_number(&members, "lost", lost);
	event_add_boolean(&members, "closed", subscriber_dropped(subscriber));
	subscriber_report(subscriber, EVENT_TYPE_LAG, &members);
}

static void subscriber_report_refused(const struct subscriber *subscriber, uint64_t messages)
{
	struct event_members members = subscriber_members(subscriber);

	event_add_number(&members, "messages", messages);
	event_add_number(&members, "length", subscriber->refused_length);
	subscriber_report(subscriber, EVENT_TYPE_OVERSIZE, &members);
}

static void subscriber_report_left(const struct subscriber *subscriber)
{
	struct event_members members = subscriber_members(subscriber);

	event_add_own_text(&members, "reason", subscriber->parting);
	event_add_number(&members, "sent", subscriber->sent);
	event_add_number(&members, "lost", subscriber->lost);
	subscriber_report(subscriber, EVENT_TYPE_UNSUBSCRIBED, &members);
}

void subscriber_report_losses(struct subscriber *subscriber)
{
	uint64_t lags = subscriber->report_lags;
	uint64_t lost = subscriber->report_lost;
	uint64_t refused = subscriber->report_refused;

	TAILQ_REMOVE(&subscriber->outlet->laggards, subscriber, laggard_link);
	subscriber->report_lags = 0;
	subscriber->report_lost = 0;
	subscriber->report_refused = 0;
	if (lags || lost)
		subscriber_report_lag(subscriber, lags, lost);
	if (refused)
		subscriber_report_refused(subscriber, refused);
	if (subscriber_dropped(subscriber) && subscriber->state == SUBSCRIBER_FINISHING)
		subscriber_finish(subscriber, subscriber_lagged);
}

void subscriber_free(struct subscriber *subscriber)
{
	struct outlet *outlet = subscriber->outlet;

	input_forget_turn(subscriber);
	event_del(&subscriber->input_event);
	event_del(&subscriber->output_event);
	if (subscriber->state == SUBSCRIBER_BLOCKED)
		cursors_remove(&outlet->behind, subscriber);
	else if (subscriber->state == SUBSCRIBER_LAPPED)
		subscriber_forget_lap(subscriber);
	TAILQ_REMOVE(&outlet->subscribers[subscriber->state], subscriber, link);
	if (subscriber_has_losses(subscriber))
		TAILQ_REMOVE(&outlet->laggards, subscriber, laggard_link);
	close(subscriber->fd);
	if (subscriber->joined && subscriber->sleeps) {
		outlet->sleepers--;
		outlet->ended_mapped = true;
	}
	subscriber_release_rest(subscriber);
	buffer_release(&subscriber->aside);
	buffer_release(&subscriber->input);
	free(subscriber);
}

/*
 * Who sends a message and leaves at once may be found gone before the message has been read. False:
 * there is more to read.
 */
static bool subscriber_read_last(struct subscriber *subscriber)
{
	if (!subscriber->outlet->settings.writable || !subscriber->joined)
		return true;
	if (subscriber->paused)
		input_resume(subscriber);
	if (input_read(subscriber) && ++subscriber->last_reads < SUBSCRIBER_LAST_READS)
		return false;
	if (subscriber->paused || subscriber->unfinished)
		input_error(subscriber, "left before its input could be taken");
	return true;
}

bool subscriber_reap(struct subscriber *subscriber)
{
	if (!subscriber_read_last(subscriber))
		return false;
	if (subscriber_has_losses(subscriber))
		subscriber_report_losses(subscriber);
	if (subscriber->joined)
		subscriber_report_left(subscriber);
	subscriber_free(subscriber);
	return true;
}

/* One that has only shut down its sending side still reads. */
static void subscriber_check_end(struct subscriber *subscriber)
{
	struct pollfd socket = {.fd = subscriber->fd};

	if (poll(&socket, 1, 0) > 0 && (socket.revents & (POLLHUP | POLLERR)))
		subscriber_leave(subscriber, "left");
}

static void subscriber_on_input(evutil_socket_t fd, short what, void *context)
{
	struct subscriber *subscriber = context;

	(void)fd;
	if (subscriber->state == SUBSCRIBER_JOINING && (what & EV_TIMEOUT))
		greeting_time_out(subscriber);
	else if (subscriber->state == SUBSCRIBER_JOINING)
		greeting_read(subscriber);
	else if (subscriber->reading)
		input_await_turn(subscriber);
	else
		subscriber_check_end(subscriber);
}

static void subscriber_on_output(evutil_socket_t fd, short what, void *context)
{
	struct subscriber *subscriber = context;
	struct outlet *outlet = subscriber->outlet;

	(void)fd;
	if (what & EV_TIMEOUT) {
		subscriber_leave(subscriber, subscriber->parting);
		return;
	}
	subscriber_send(subscriber);
	if (outlet_has_waiters(outlet) || outlet->draining || subscriber->state == SUBSCRIBER_AWAITING)
		outlet_schedule_flush(outlet);
}

void subscriber_resume_input(struct subscriber *subscriber)
{
	if ((subscriber->paused || (subscriber->unfinished && subscriber->reading)) &&
		subscriber->state != SUBSCRIBER_GONE && !subscriber->ended)
		input_await_turn(subscriber);
}

void subscriber_attach(struct subscriber *subscriber, uint64_t cursor)
{
	struct outlet *outlet = subscriber->outlet;
	struct event_members members;

	subscriber->joined = true;
	subscriber->cursor = cursor;
	if (subscriber->sleeps)
		outlet->sleepers++;
	if (!subscriber->maps)
		outlet->room_head = 0; /* measured without this one */
	subscriber_move(subscriber, subscriber->maps ? SUBSCRIBER_MAPPED : SUBSCRIBER_READY);
	subscriber->unfinished = subscriber->input.length > 0; /* sent along with the greeting */
	subscriber_watch(subscriber, subscriber_wants_reading(subscriber));
	subscriber_resume_input(subscriber);
	outlet_update_encodes(outlet);
	outlet_schedule_flush(outlet);
	members = subscriber_members(subscriber);
	subscriber_report(subscriber, EVENT_TYPE_SUBSCRIBED, &members);
	if (cursor < outlet->ring.head || subscriber->aside.length)
		subscriber_send(subscriber);
}

static struct subscriber *subscriber_new(struct outlet *outlet, int fd)
{
	struct subscriber *subscriber = alloc_zero(1, sizeof(*subscriber));
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	subscriber->outlet = outlet;
	subscriber->fd = fd;
	subscriber->id = ++outlet->subscriber_id;
	subscriber->pid = peer.pid;
	subscriber->uid = peer.uid;
	subscriber->since = clock_realtime();
	subscriber->state = SUBSCRIBER_JOINING;
	TAILQ_INSERT_TAIL(&outlet->subscribers[SUBSCRIBER_JOINING], subscriber, link);
	outlet->subscriber_count++;
	outlet_schedule_flush(outlet); /* so that the owner is told of the first one */
	outlet->stats.accepted++;
	event_assign(&subscriber->output_event, outlet->base, fd, EV_WRITE, subscriber_on_output,
		subscriber);
	event_assign(&subscriber->input_event, outlet->base, fd, EV_READ | EV_PERSIST,
		subscriber_on_input, subscriber);
	return subscriber;
}

/* A `wait` outlet that had no memory for its ring would lose what it promises not to. */
static bool subscriber_can_be_promised(struct outlet *outlet)
{
	return outlet->settings.on_lag != OUTLET_WAIT || outlet_open_ring(outlet);
}

void subscriber_accept(int fd, void *context)
{
	struct outlet *outlet = context;
	struct subscriber *subscriber;

	if (outlet->subscriber_count >= outlet->settings.max_subscribers ||
		!listener_may_keep(outlet->listener, fd) || !subscriber_can_be_promised(outlet)) {
		outlet->stats.refused++;
		close(fd);
		return;
	}
	subscriber = subscriber_new(outlet, fd);
	if (outlet->format->socket_type == SOCK_SEQPACKET)
		packet_prepare(fd);
	if (outlet->format->greet)
		greeting_begin(subscriber);
	else if (outlet->settings.start == OUTLET_OLDEST)
		subscriber_attach(subscriber, outlet->ring.tail);
	else
		subscriber_attach(subscriber, outlet->ring.head);
}
