#include "outlet/subscribers.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/packet.h"
#include "outlet/mapped.h"

enum {
	SUBSCRIBERS_CLOCK_EVERY = 16,      /* units of work, between looks at the clock */
	SUBSCRIBERS_SEND_UNIT = 256 << 10, /* bytes; a subscriber is a unit as well */
};

static struct subscriber *subscriber_of(struct reader *reader)
{
	return container_of(reader, struct subscriber, reader);
}

/* --- events of their sockets -------------------------------------------------------------------- */

/* A subscriber that has only shut down its sending side still reads. */
static void subscribers_check_end(struct subscriber *subscriber)
{
	struct pollfd socket = {.fd = subscriber->fd};

	if (poll(&socket, 1, 0) > 0 && (socket.revents & (POLLHUP | POLLERR)))
		subscriber_leave(subscriber, "left");
}

static void subscribers_on_input(evutil_socket_t fd, short what, void *context)
{
	struct subscriber *subscriber = context;

	(void)fd;
	if (subscriber->state == SUBSCRIBER_GREETING && (what & EV_TIMEOUT))
		subscriber_time_out_greeting(subscriber);
	else if (subscriber->state == SUBSCRIBER_GREETING)
		subscriber_read_greeting(subscriber);
	else if (subscriber->reading)
		inputs_await(subscriber->all->core->inputs, &subscriber->share);
	else
		subscribers_check_end(subscriber);
}

static bool subscribers_can_write(const struct subscriber *subscriber)
{
	struct pollfd socket = {.fd = subscriber->fd, .events = POLLOUT};

	return poll(&socket, 1, 0) > 0;
}

/* Schedules the flush: somebody may have waited for this subscriber to read. It may also have read
 * while this process did not run: if both are due, libevent tells of the time only. */
static void subscribers_on_output(evutil_socket_t fd, short what, void *context)
{
	struct subscriber *subscriber = context;

	(void)fd;
	if ((what & EV_TIMEOUT) && !subscribers_can_write(subscriber))
		subscriber_leave(subscriber, subscriber->parting);
	else
		subscriber_send(subscriber);
	flush_schedule(&subscriber->all->core->flush);
}

/* --- coming ------------------------------------------------------------------------------------- */

void subscribers_init(struct subscribers *subscribers, struct outlet_core *core,
	const struct subscriber_callbacks *callbacks)
{
	enum outlet_on_lag on_lag = core->settings.on_lag;

	subscribers->core = core;
	subscribers->callbacks = callbacks;
	for (int state = 0; state < SUBSCRIBER_STATES; state++)
		TAILQ_INIT(&subscribers->lists[state]);
	readers_init(&subscribers->readers, &core->ring);
	readers_set_lag(&subscribers->readers, on_lag == OUTLET_WAIT, on_lag == OUTLET_CLOSE);
}

/* A `wait` outlet without memory for its ring would lose messages, which it promises not to. */
static bool subscribers_can_be_promised(struct subscribers *subscribers)
{
	struct outlet_core *core = subscribers->core;

	return core->settings.on_lag != OUTLET_WAIT || outlet_core_open_ring(core);
}

static void subscribers_turn_away(struct subscribers *subscribers, int fd)
{
	struct outlet_core *core = subscribers->core;
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	close(fd);
	core->counts.refused++;
	log_write(core->log, LOG_WARNING, &core->subject,
		"turned away a subscriber (pid %ld, uid %lu): there are %u of at most %u "
		"(max_subscribers); turned away in total: %llu",
		(long)peer.pid, (unsigned long)peer.uid, subscribers->count,
		core->settings.max_subscribers, (unsigned long long)core->counts.refused);
}

void subscribers_accept(struct subscribers *subscribers, int fd)
{
	struct outlet_core *core = subscribers->core;
	struct subscriber *subscriber;

	if (subscribers->count >= core->settings.max_subscribers ||
		!subscribers_can_be_promised(subscribers)) {
		subscribers_turn_away(subscribers, fd);
		return;
	}
	core->counts.accepted++;
	subscriber = subscriber_new(subscribers, fd, subscribers_on_input, subscribers_on_output);
	subscriber->share.take = subscriber_take_turn;
	subscriber->share.claim.give_up = subscriber_give_up_input;
	subscriber->share.claim.resume = subscriber_resume_delayed;
	flush_schedule(&core->flush); /* reports the first one to the owner */
	if (core->format->socket_type == SOCK_SEQPACKET)
		packet_prepare(fd);
	subscriber_greet(subscriber);
}

void subscribers_reconfigure(struct subscribers *subscribers)
{
	enum outlet_on_lag on_lag = subscribers->core->settings.on_lag;
	struct subscriber *subscriber;

	readers_set_lag(&subscribers->readers, on_lag == OUTLET_WAIT, on_lag == OUTLET_CLOSE);
	mapped_refuse(subscribers);
	for (int state = SUBSCRIBER_READING; state <= SUBSCRIBER_AWAITING; state++) {
		TAILQ_FOREACH (subscriber, &subscribers->lists[state], link)
			subscriber_update_reading(subscriber);
	}
	if (subscribers->count)
		flush_schedule(&subscribers->core->flush);
}

void subscribers_resume_input(struct subscribers *subscribers)
{
	struct subscriber *subscriber;

	for (int state = SUBSCRIBER_READING; state <= SUBSCRIBER_AWAITING; state++) {
		TAILQ_FOREACH (subscriber, &subscribers->lists[state], link)
			subscriber_resume_input(subscriber);
	}
}

/* --- sending ------------------------------------------------------------------------------------ */

bool subscribers_send_ready(struct subscribers *subscribers, uint64_t time)
{
	const uint64_t *sent = &subscribers->core->counts.sent;
	long credit = SUBSCRIBERS_CLOCK_EVERY;
	struct reader *reader;
	uint64_t end = 0;

	while ((reader = readers_next(&subscribers->readers))) {
		uint64_t before = *sent;

		/* It may come first again, but only after it has been sent much. */
		subscriber_send(subscriber_of(reader));
		credit -= 1 + (long)((*sent - before) / SUBSCRIBERS_SEND_UNIT);
		if (credit > 0)
			continue;
		credit = SUBSCRIBERS_CLOCK_EVERY;
		if (!end)
			end = clock_monotonic() + time;
		if (time == 0 || clock_monotonic() >= end)
			break;
	}
	return !readers_next(&subscribers->readers);
}

/* A subscriber lapped while ready has not found its socket full yet. */
static void subscribers_look_after(struct subscriber *subscriber)
{
	const struct reader *reader = &subscriber->reader;

	subscriber_report_losses(subscriber);
	if (reader->dropped && subscriber->state == SUBSCRIBER_READING)
		subscriber_finish(subscriber, "lagged");
	else if (reader->state == READER_BLOCKED || reader->state == READER_LAPPED)
		subscriber_await_output(subscriber);
}

void subscribers_report_losses(struct subscribers *subscribers)
{
	uint64_t end = clock_monotonic() + OUTLET_TURN_TIME;
	struct reader *reader;

	while ((reader = readers_next_overtaken(&subscribers->readers))) {
		subscribers_look_after(subscriber_of(reader));
		if (clock_monotonic() >= end) {
			flush_schedule(&subscribers->core->flush);
			return;
		}
	}
}

/* --- leaving ------------------------------------------------------------------------------------ */

void subscribers_stop_greeting(struct subscribers *subscribers)
{
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(&subscribers->lists[SUBSCRIBER_GREETING])))
		subscriber_leave(subscriber, "drained");
}

/* A subscriber with nothing more to get. Those that have mapped the ring keep it. */
static struct subscriber *subscribers_next_complete(const struct subscribers *subscribers)
{
	struct reader *reader = readers_complete(&subscribers->readers);
	struct subscriber *mapped = TAILQ_FIRST(&subscribers->lists[SUBSCRIBER_MAPPED]);

	if (reader)
		return subscriber_of(reader);
	return mapped ? mapped : TAILQ_FIRST(&subscribers->lists[SUBSCRIBER_AWAITING]);
}

/* Each one that leaves schedules a flush, which continues with the others. */
void subscribers_end_complete(struct subscribers *subscribers)
{
	uint64_t end = clock_monotonic() + OUTLET_TURN_TIME;
	struct subscriber *subscriber;

	while ((subscriber = subscribers_next_complete(subscribers)) && clock_monotonic() < end)
		subscriber_leave(subscriber, "drained");
}

static bool subscribers_reap_one(struct subscriber *subscriber)
{
	if (!subscriber_read_last(subscriber))
		return false;
	subscriber_report_losses(subscriber);
	if (subscriber->joined)
		subscriber_report_left(subscriber);
	subscriber_free(subscriber);
	return true;
}

/* Each may have left much input to read. */
void subscribers_reap(struct subscribers *subscribers)
{
	struct subscriber_list *gone = &subscribers->lists[SUBSCRIBER_GONE];
	uint64_t end = clock_monotonic() + OUTLET_TURN_TIME;
	struct subscriber *subscriber;

	while ((subscriber = TAILQ_FIRST(gone))) {
		if (clock_monotonic() >= end) {
			flush_schedule(&subscribers->core->flush);
			return;
		}
		if (!subscribers_reap_one(subscriber))
			subscriber_move(subscriber, SUBSCRIBER_GONE);
	}
}

bool subscribers_give_up(struct subscribers *subscribers, uint64_t end, uint64_t *unsent)
{
	struct subscriber *subscriber;

	for (int state = 0; state < SUBSCRIBER_STATES; state++) {
		while ((subscriber = TAILQ_FIRST(&subscribers->lists[state]))) {
			if (clock_monotonic() >= end)
				return false;
			if (state != SUBSCRIBER_GONE) {
				*unsent +=
					reader_unread(&subscribers->readers, &subscriber->reader);
				subscribers->count--;
			}
			subscriber_free(subscriber);
		}
	}
	return true;
}

void subscribers_release(struct subscribers *subscribers)
{
	uint64_t unsent = 0;

	subscribers_give_up(subscribers, UINT64_MAX, &unsent);
	mapped_left(subscribers);
	readers_release(&subscribers->readers);
}

/* --- report ------------------------------------------------------------------------------------- */

static struct outlet_subscriber_info subscribers_info(const struct subscriber *subscriber)
{
	const struct readers *readers = &subscriber->all->readers;

	return (struct outlet_subscriber_info){
		.id = subscriber->id,
		.pid = subscriber->pid,
		.uid = subscriber->uid,
		.since = subscriber->since,
		.mapped = subscriber->maps,
		.sent = subscriber->sent,
		.behind = reader_behind(readers, &subscriber->reader) + subscriber->aside.length,
		.lost = reader_lost(readers, &subscriber->reader),
		.lags = subscriber->reader.lags,
		.behind_since = subscriber->behind_since,
		.oversize = subscriber->oversize,
		.inputs = subscriber->inputs,
		.input_errors = subscriber->input_errors,
	};
}

void subscribers_log_slowest(struct subscribers *subscribers)
{
	const struct subscriber *subscriber, *slowest = NULL;
	uint64_t behind, most = 0;

	for (int state = SUBSCRIBER_READING; state <= SUBSCRIBER_FINISHING; state++) {
		TAILQ_FOREACH (subscriber, &subscribers->lists[state], link) {
			behind = reader_behind(&subscribers->readers, &subscriber->reader);
			if (behind > most) {
				most = behind;
				slowest = subscriber;
			}
		}
	}
	if (slowest)
		subscriber_log(slowest, LOG_WARNING,
			"holds up the outlet's connections: it has not read %llu bytes",
			(unsigned long long)most);
}

void subscribers_each(const struct subscribers *subscribers,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context)
{
	const struct subscriber *subscriber;

	for (int state = 0; state < SUBSCRIBER_GONE; state++) {
		TAILQ_FOREACH (subscriber, &subscribers->lists[state], link) {
			struct outlet_subscriber_info info = subscribers_info(subscriber);

			visit(&info, context);
		}
	}
}
