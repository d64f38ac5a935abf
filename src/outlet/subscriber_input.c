#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/packet.h"
#include "outlet/format_input.h"
#include "outlet/subscriber.h"

/* Messages from a subscriber. */

enum {
	INPUT_LAST_READS = 4096, /* of a subscriber that is gone */
	INPUT_READ = 16 << 10,
	INPUT_MAX_LEAST = 64 << 10, /* bytes of a message that are taken, whatever can be sent */
	INPUT_PACKETS = 16,         /* limit for each call, so that a flood holds up nobody else; */
	INPUT_MESSAGES = 256,       /* the limit for a stream */
};

/* Time limit for each call: one message may go to thousands of connections. */
#define INPUT_TIME (CLOCK_NS_PER_MS / 4)

/* Result of taking the front of the input. */
enum input_outcome {
	INPUT_TAKEN,   /* delivered, or rejected */
	INPUT_PARTIAL, /* the rest is still to come */
	INPUT_REFUSED, /* the owner wants to be asked again */
	INPUT_BROKEN,  /* the start of the next message is unknown */
};

static struct budget *input_budget(const struct subscriber *subscriber)
{
	return &subscriber->all->core->inputs->budget;
}

/* A message may take half of the memory at most, so that others can send meanwhile. */
static struct format_limit input_limit(const struct subscriber *subscriber)
{
	uint64_t memory = budget_limit(input_budget(subscriber)) / 2;
	struct outlet_core *core = subscriber->all->core;

	if (!core->input_max)
		core->input_max = subscriber->all->callbacks->input_max(subscriber->all);
	if (core->input_max < INPUT_MAX_LEAST)
		core->input_max = INPUT_MAX_LEAST;
	if (memory < core->input_max)
		return (struct format_limit){memory, "gateway.input_memory"};
	return (struct format_limit){core->input_max, "send_queue"};
}

/* May give the input up. */
static void input_account(struct subscriber *subscriber)
{
	budget_hold(input_budget(subscriber), &subscriber->share.claim, subscriber->input.length,
		subscriber->paused ? BUDGET_WAITING : BUDGET_UNFINISHED);
}

void subscriber_give_up_input(struct budget_claim *claim)
{
	static const char text[] = "given up, as unfinished input takes more memory than "
				   "gateway.input_memory permits";
	struct subscriber *subscriber = container_of(claim, struct subscriber, share.claim);

	buffer_release(&subscriber->input);
	subscriber_report_fault(subscriber, text, "");
	subscriber->ended = true;
	subscriber_fail(subscriber, text, "input error");
}

void subscriber_resume_delayed(struct budget_claim *claim)
{
	struct subscriber *subscriber = container_of(claim, struct subscriber, share.claim);

	subscriber_update_reading(subscriber);
	if (subscriber->reading)
		inputs_await(subscriber->all->core->inputs, &subscriber->share);
}

static enum input_outcome input_wrong(struct subscriber *subscriber,
	const struct format_input *input)
{
	subscriber_report_fault(subscriber, input->fault, input->quote);
	return INPUT_TAKEN;
}

static enum input_outcome input_offer(struct subscriber *subscriber,
	const struct format_input *input)
{
	struct subscribers *subscribers = subscriber->all;

	if (!subscribers->core->settings.writable) {
		subscriber_report_fault(subscriber, "the outlet is not writable", "");
		return INPUT_TAKEN;
	}
	if (!subscribers->callbacks->input(subscribers, input->source, input->binary,
		    input->message, input->message_length))
		return INPUT_REFUSED;
	subscriber->inputs++;
	subscribers->core->counts.inputs++;
	return INPUT_TAKEN;
}

static void input_await(struct subscriber *subscriber, uint64_t seq)
{
	subscriber->awaited = seq;
	subscriber_move(subscriber, SUBSCRIBER_AWAITING);
	flush_schedule(&subscriber->all->core->flush);
}

/* Takes the message at the front, and offers it to the owner. */
static enum input_outcome input_take_next(struct subscriber *subscriber, struct format_input *input)
{
	switch (subscriber->all->core->format->take(input)) {
	case FORMAT_MESSAGE:
		return input_offer(subscriber, input);
	case FORMAT_AWAIT:
		input_await(subscriber, input->awaited);
		return INPUT_TAKEN;
	case FORMAT_PARTIAL:
		return INPUT_PARTIAL;
	case FORMAT_WRONG:
		return input_wrong(subscriber, input);
	case FORMAT_BROKEN:
		break;
	}
	subscriber_report_fault(subscriber, input->fault, input->quote);
	subscriber_fail(subscriber, input->fault, "input error");
	return INPUT_BROKEN;
}

static struct format_input input_begin(const struct subscriber *subscriber)
{
	return (struct format_input){
		.data = buffer_data(&subscriber->input),
		.length = subscriber->input.length,
		.searched = subscriber->searched,
		.sources = &subscriber->all->core->sources,
		.maps = subscriber->maps,
		.ended = subscriber->drained,
		.limit = input_limit(subscriber),
	};
}

/*
 * Takes messages off the front while they are complete, the owner accepts them, and there is time;
 * `done`: the bytes that they had.
 */
static enum input_outcome input_take_some(struct subscriber *subscriber, size_t *done)
{
	uint64_t end = clock_monotonic() + INPUT_TIME;
	struct format_input input = input_begin(subscriber);
	enum input_outcome outcome = INPUT_TAKEN;

	for (int i = 0; outcome == INPUT_TAKEN && input.length; i++) {
		if (i == INPUT_MESSAGES || clock_monotonic() >= end)
			break;
		outcome = input_take_next(subscriber, &input);
		if (outcome != INPUT_TAKEN)
			break;
		input.data += input.taken;
		input.length -= input.taken;
		*done += input.taken;
	}
	subscriber->searched = input.searched;
	buffer_release(&input.decoded);
	return outcome;
}

/* Input left when the time is over waits for a later turn. */
static void input_take(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	enum input_outcome outcome;
	size_t done = 0;

	subscriber->unfinished = false;
	outcome = input_take_some(subscriber, &done);
	if (done) {
		buffer_consume(input, done);
		buffer_trim(input);
		budget_restart(&subscriber->share.claim);
	}
	if (outcome == INPUT_BROKEN)
		buffer_release(input);
	subscriber->paused = outcome == INPUT_REFUSED;
	subscriber->unfinished = outcome == INPUT_TAKEN && input->length > 0;
	subscriber->ended = subscriber->ended || (subscriber->drained && input->length == 0);
	subscriber_update_reading(subscriber);
	if (subscriber->unfinished)
		subscriber_resume_input(subscriber);
	input_account(subscriber);
}

/* The rest may be a last line without its newline. */
static void input_end(struct subscriber *subscriber)
{
	subscriber->drained = true;
	input_take(subscriber);
}

/* The packet in the input is one message. */
static void input_take_packet(struct subscriber *subscriber)
{
	struct format_input input = input_begin(subscriber);
	enum input_outcome outcome = input_take_next(subscriber, &input);

	subscriber->paused = outcome == INPUT_REFUSED;
	if (!subscriber->paused)
		buffer_release(&subscriber->input);
	buffer_release(&input.decoded);
	subscriber_update_reading(subscriber);
	input_account(subscriber);
}

static void input_end_packets(struct subscriber *subscriber)
{
	subscriber->ended = true;
	subscriber_update_reading(subscriber);
}

/* The packet is not read. */
static void input_drop_packet(struct subscriber *subscriber, const struct format_limit *limit)
{
	struct format_input input = {.limit = *limit};

	recv(subscriber->fd, NULL, 0, MSG_DONTWAIT);
	format_input_too_large(&input, "a packet");
	input_wrong(subscriber, &input);
}

static void input_receive_packet(struct subscriber *subscriber, size_t length)
{
	uint8_t *room = buffer_reserve(&subscriber->input, length + 1); /* memory even for none */
	ssize_t got = recv(subscriber->fd, room, length, MSG_DONTWAIT);

	if (got < 0 || (size_t)got != length)
		return;
	buffer_commit(&subscriber->input, length);
	input_take_packet(subscriber);
}

static bool input_read_packets(struct subscriber *subscriber)
{
	const struct format_limit limit = input_limit(subscriber);
	uint64_t end = clock_monotonic() + INPUT_TIME;

	for (int i = 0; i < INPUT_PACKETS && !subscriber->paused; i++) {
		size_t length;

		if (i && clock_monotonic() >= end)
			break;
		switch (packet_peek(subscriber->fd, MSG_DONTWAIT, &length)) {
		case PACKET_NONE:
			return false;
		case PACKET_END:
			input_end_packets(subscriber);
			return false;
		case PACKET_WAITING:
			break;
		}
		if (length <= limit.bytes)
			input_receive_packet(subscriber, length);
		else
			input_drop_packet(subscriber, &limit);
	}
	return !subscriber->paused;
}

/* Reads once, or continues with bytes already read. False: nothing more to read now. */
static bool input_read(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	ssize_t got;

	if (subscriber->ended || subscriber->paused)
		return false;
	if (subscriber->all->core->format->socket_type == SOCK_SEQPACKET)
		return input_read_packets(subscriber);
	if (subscriber->unfinished || subscriber->drained) {
		input_take(subscriber);
		return !subscriber->ended;
	}
	if (!budget_admits(input_budget(subscriber), &subscriber->share.claim)) {
		subscriber_update_reading(subscriber);
		return false;
	}
	got = recv(subscriber->fd, buffer_reserve(input, INPUT_READ), INPUT_READ, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (input->length == 0)
			buffer_release(input);
		return false;
	}
	if (got <= 0) {
		input_end(subscriber);
		return !subscriber->ended;
	}
	buffer_commit(input, (size_t)got);
	input_take(subscriber);
	return true;
}

/* Continues with bytes already read, when the owner takes input again, or in a later turn. */
static void input_resume(struct subscriber *subscriber)
{
	if (!subscriber->paused && !subscriber->unfinished)
		return;
	subscriber->paused = false;
	if (subscriber->all->core->format->socket_type == SOCK_SEQPACKET)
		input_take_packet(subscriber);
	else
		input_take(subscriber);
}

void subscriber_take_turn(struct inputs_share *share)
{
	struct subscriber *subscriber = container_of(share, struct subscriber, share);

	if (subscriber->ended || subscriber->reader.dropped)
		return;
	if (subscriber->paused || subscriber->unfinished)
		input_resume(subscriber);
	else if (subscriber->reading)
		input_read(subscriber);
}

/* A process may send a message and exit before the message has been read. */
bool subscriber_read_last(struct subscriber *subscriber)
{
	if (!subscriber->all->core->settings.writable || !subscriber->joined)
		return true;
	if (subscriber->paused)
		input_resume(subscriber);
	if (input_read(subscriber) && ++subscriber->last_reads < INPUT_LAST_READS)
		return false;
	if (subscriber->paused || subscriber->unfinished)
		subscriber_report_fault(subscriber, "left before its input could be taken", "");
	return true;
}
