#include "outlet/subscriber.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SUBSCRIBER_FINISH_SECONDS = 10 }; /* for reading the last of it */

/* --- life --------------------------------------------------------------------------------------- */

struct subscriber *subscriber_new(struct subscribers *subscribers, int fd,
	event_callback_fn on_input, event_callback_fn on_output)
{
	struct event_base *base = subscribers->core->flush.base;
	struct subscriber *subscriber = alloc_zero(1, sizeof(*subscriber));
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	subscriber->all = subscribers;
	subscriber->fd = fd;
	subscriber->id = ++subscribers->latest;
	subscriber->pid = peer.pid;
	subscriber->uid = peer.uid;
	subscriber->since = clock_realtime();
	subscriber->state = SUBSCRIBER_GREETING;
	subscriber->share.claim.pid = peer.pid;
	subscriber->share.claim.uid = peer.uid;
	TAILQ_INSERT_TAIL(&subscribers->lists[SUBSCRIBER_GREETING], subscriber, link);
	subscribers->count++;
	event_assign(&subscriber->output_event, base, fd, EV_WRITE, on_output, subscriber);
	event_assign(&subscriber->input_event, base, fd, EV_READ | EV_PERSIST, on_input,
		subscriber);
	return subscriber;
}

void subscriber_free(struct subscriber *subscriber)
{
	struct subscribers *subscribers = subscriber->all;

	inputs_forget(subscribers->core->inputs, &subscriber->share);
	budget_drop(&subscribers->core->inputs->budget, &subscriber->share.claim);
	event_del(&subscriber->input_event);
	event_del(&subscriber->output_event);
	readers_forget(&subscribers->readers, &subscriber->reader);
	TAILQ_REMOVE(&subscribers->lists[subscriber->state], subscriber, link);
	close(subscriber->fd);
	if (subscriber->sleeps) {
		subscribers->sleepers--;
		subscribers->ended_mapped = true;
	}
	buffer_release(&subscriber->aside);
	buffer_release(&subscriber->input);
	free(subscriber);
}

void subscriber_move(struct subscriber *subscriber, enum subscriber_state state)
{
	struct subscriber_list *lists = subscriber->all->lists;

	TAILQ_REMOVE(&lists[subscriber->state], subscriber, link);
	subscriber->state = state;
	TAILQ_INSERT_TAIL(&lists[state], subscriber, link);
}

void subscriber_leave(struct subscriber *subscriber, const char *parting)
{
	struct subscribers *subscribers = subscriber->all;

	if (subscriber->state == SUBSCRIBER_GONE)
		return;
	inputs_forget(subscribers->core->inputs, &subscriber->share);
	event_del(&subscriber->input_event);
	event_del(&subscriber->output_event);
	/* What there may be to read is a piece of a greeting, or comes too late. */
	if (!subscriber->joined || subscriber->reader.dropped)
		subscriber->ended = true;
	subscriber->parting = parting;
	readers_detach(&subscribers->readers, &subscriber->reader);
	subscriber_move(subscriber, SUBSCRIBER_GONE);
	subscribers->count--;
	flush_schedule(&subscribers->core->flush);
}

/* --- events of its socket ----------------------------------------------------------------------- */

void subscriber_await_output(struct subscriber *subscriber)
{
	const struct timeval limit = {.tv_sec = SUBSCRIBER_FINISH_SECONDS};

	event_add(&subscriber->output_event,
		subscriber->state == SUBSCRIBER_FINISHING ? &limit : NULL);
}

/*
 * While input is not wanted it stays in the socket's buffer, which bounds it. The event is then
 * edge-triggered, so that it does not fire again and again; libevent wants that of both.
 */
static void subscriber_watch(struct subscriber *subscriber, bool reading)
{
	struct event *input = &subscriber->input_event, *output = &subscriber->output_event;
	struct event_base *base = event_get_base(input);
	short edge = reading ? 0 : EV_ET;
	bool awaiting = event_pending(output, EV_WRITE, NULL);

	event_del(input);
	event_del(output);
	event_assign(input, base, subscriber->fd, (short)(EV_READ | EV_PERSIST | edge),
		event_get_callback(input), subscriber);
	event_assign(output, base, subscriber->fd, (short)(EV_WRITE | edge),
		event_get_callback(output), subscriber);
	event_add(input, NULL);
	if (awaiting)
		subscriber_await_output(subscriber);
	subscriber->reading = reading;
}

/* Subscribers that map the ring may ask for notices of records. */
static bool subscriber_wants_reading(const struct subscriber *subscriber)
{
	return (subscriber->all->core->settings.writable || subscriber->maps) &&
		!subscriber->paused && !subscriber->drained && !subscriber->ended &&
		!subscriber->share.claim.delayed;
}

void subscriber_begin_reading(struct subscriber *subscriber)
{
	subscriber->unfinished = subscriber->input.length > 0; /* sent along with the greeting */
	subscriber_watch(subscriber, subscriber_wants_reading(subscriber));
	subscriber_resume_input(subscriber);
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

void subscriber_resume_input(struct subscriber *subscriber)
{
	if ((subscriber->paused || (subscriber->unfinished && subscriber->reading)) &&
		subscriber->state != SUBSCRIBER_GONE && !subscriber->ended)
		inputs_await(subscriber->all->core->inputs, &subscriber->share);
}

/* --- its end ------------------------------------------------------------------------------------ */

void subscriber_finish(struct subscriber *subscriber, const char *parting)
{
	if (subscriber->aside.length == 0 && !subscriber->reader.rest) {
		subscriber_leave(subscriber, parting);
		return;
	}
	subscriber->parting = parting;
	subscriber->ended = true;
	readers_finish(&subscriber->all->readers, &subscriber->reader);
	subscriber_move(subscriber, SUBSCRIBER_FINISHING);
	subscriber_watch(subscriber, false);
	subscriber_await_output(subscriber);
}

void subscriber_fail(struct subscriber *subscriber, const char *text, const char *parting)
{
	struct outlet_core *core = subscriber->all->core;

	if (subscriber->state == SUBSCRIBER_GONE)
		return; /* this was the last of its input */
	subscriber->ended = true;
	readers_finish(&subscriber->all->readers, &subscriber->reader);
	flush_schedule(&core->flush); /* reports what it has lost */
	if (core->format->error)
		core->format->error(&subscriber->aside, text);
	subscriber_finish(subscriber, parting);
}

/* --- reports ------------------------------------------------------------------------------------ */

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
	subscriber->all->callbacks->event(subscriber->all, type, members);
}

void subscriber_report_losses(struct subscriber *subscriber)
{
	struct reader *reader = &subscriber->reader;
	struct reader_losses losses = readers_take_losses(&subscriber->all->readers, reader);

	if (losses.lags || losses.lost) {
		struct event_members members = subscriber_members(subscriber);

		subscriber_log(subscriber, reader->dropped ? LOG_WARNING : LOG_NOTICE,
			"does not read fast enough: %llu messages lost%s (%llu in total)",
			(unsigned long long)losses.lost,
			reader->dropped ? ", and it is closed" : "",
			(unsigned long long)reader_lost(&subscriber->all->readers, reader));

		event_add_number(&members, "lags", losses.lags);
		event_add_number(&members, "lost", losses.lost);
		event_add_boolean(&members, "closed", reader->dropped);
		subscriber_report(subscriber, EVENT_TYPE_LAG, &members);
	}
	if (losses.refused) {
		struct event_members members = subscriber_members(subscriber);

		subscriber->oversize += losses.refused;
		subscriber_log(subscriber, LOG_WARNING,
			"messages too large for its socket are lost: %llu, the last of %zu bytes (%llu "
			"in total)",
			(unsigned long long)losses.refused, losses.refused_length,
			(unsigned long long)subscriber->oversize);

		event_add_number(&members, "messages", losses.refused);
		event_add_number(&members, "length", losses.refused_length);
		subscriber_report(subscriber, EVENT_TYPE_OVERSIZE, &members);
	}
}

void subscriber_report_left(const struct subscriber *subscriber)
{
	struct event_members members = subscriber_members(subscriber);

	event_add_own_text(&members, "reason", subscriber->parting);
	event_add_number(&members, "sent", subscriber->sent);
	event_add_number(&members, "lost", subscriber->reader.lost);
	subscriber_report(subscriber, EVENT_TYPE_UNSUBSCRIBED, &members);
}

void subscriber_report_fault(struct subscriber *subscriber, const char *text, const char *quote)
{
	struct event_members members = subscriber_members(subscriber);
	char whole[512];

	subscriber->all->core->counts.input_errors++;
	subscriber->input_errors++;
	subscriber_log(subscriber, LOG_WARNING, "invalid input: %s", text);
	if (subscriber->input_errors & (subscriber->input_errors - 1))
		return;
	snprintf(whole, sizeof(whole), "%s%s%s", text, *quote ? ": " : "", quote);
	event_add_text(&members, "error", whole);
	event_add_number(&members, "errors", subscriber->input_errors);
	subscriber_report(subscriber, EVENT_TYPE_INPUT_ERROR, &members);
}
