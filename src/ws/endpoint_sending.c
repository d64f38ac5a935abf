#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ws/endpoint_private.h"

/*
 * From messages to output. A message is encoded (compressed, masked) as it is sent, as long as
 * that takes little time. Large messages for hundreds of connections, or many at once, would take
 * much: when the turn's share of encoding is used up, messages wait in their order, and each
 * endpoint encodes its own when its owner writes.
 */

/* The cost of encoding, in bytes that could be masked meanwhile: about half a nanosecond each. */
enum {
	ENCODING_COST_MESSAGE = 512,  /* whatever its length */
	ENCODING_COST_EXPIRED = 64,   /* one that is dropped */
	ENCODING_COST_DEFLATED = 64,  /* each byte that is compressed */
	ENCODING_COST_TURN = 1 << 20, /* of all endpoints; beyond it messages wait for the next */
	ENCODING_COST_ONCE = 1 << 18, /* of messages that wait, in one call */
};

enum { ENCODING_OUTPUT_MAX = 64 << 10 }; /* bytes of output, above which messages go on waiting */

/* A message in the output. */
struct endpoint_mark {
	uint64_t end;    /* position */
	uint64_t bytes;  /* of its frame */
	uint32_t length; /* without it */
	bool transient;
	bool taken; /* from the queue, where it is the oldest when all before it have been written */
};

static size_t endpoint_cost(const struct ws_endpoint *endpoint, size_t length)
{
	bool deflated = endpoint->deflater && ws_deflater_wants(endpoint->deflater, length);

	return ENCODING_COST_MESSAGE + (deflated ? ENCODING_COST_DEFLATED * length : length);
}

static void endpoint_count_deflated(struct ws_endpoint *endpoint)
{
	struct ws_deflate_volume volume;

	if (!endpoint->deflater)
		return;
	volume = ws_deflater_take_volume(endpoint->deflater);
	endpoint->counts->compressed_sent += volume.compressed;
	endpoint->counts->uncompressed_sent += volume.uncompressed;
}

void endpoint_queue(struct ws_endpoint *endpoint, enum ws_opcode opcode, const void *data,
	size_t length, uint64_t now)
{
	bool message = opcode == WS_TEXT || opcode == WS_BINARY;

	if (endpoint->out.length == 0)
		endpoint->out_start = now;
	ws_send(&endpoint->out, &endpoint->shared->masks, message ? endpoint->deflater : NULL,
		opcode, data, length);
	endpoint->counts->frames_sent++;
}

static void endpoint_queue_message(struct ws_endpoint *endpoint, const struct ws_outgoing *message,
	bool taken, uint64_t now)
{
	struct endpoint_mark mark = {
		.length = (uint32_t)message->length,
		.transient = message->transient,
		.taken = taken,
	};
	size_t before = endpoint->out.length;

	endpoint_queue(endpoint, message->opcode, message->data, message->length, now);
	endpoint_count_deflated(endpoint);
	mark.bytes = endpoint->out.length - before;
	mark.end = endpoint->out_written + endpoint->out.length;
	buffer_append(&endpoint->out_marks, &mark, sizeof(mark));
}

/* False: there are no more. */
static bool endpoint_mark(const struct ws_endpoint *endpoint, size_t index,
	struct endpoint_mark *mark)
{
	if ((index + 1) * sizeof(*mark) > endpoint->out_marks.length)
		return false;
	memcpy(mark, buffer_data(&endpoint->out_marks) + index * sizeof(*mark), sizeof(*mark));
	return true;
}

/* An answer to the server's close frame gives no reason. */
static void endpoint_encode_close(struct ws_endpoint *endpoint)
{
	endpoint->close_waits = false;
	ws_send_close(&endpoint->out, &endpoint->shared->masks, endpoint->close_code,
		endpoint->close_remote ? NULL : endpoint->close_reason);
	endpoint->counts->frames_sent++;
}

/* Bytes that leave before a close frame that is queued now; those that are taken are in the output. */
static size_t endpoint_ahead(const struct ws_endpoint *endpoint)
{
	const struct ws_endpoint_throttle *throttle = endpoint->throttle;

	return ws_endpoint_queued(endpoint) - (throttle ? throttle->waiting.taken_size : 0);
}

void endpoint_queue_close(struct ws_endpoint *endpoint)
{
	endpoint->close_waits = true;
	endpoint_watch(endpoint, endpoint_ahead(endpoint));
	if (endpoint_waiting(endpoint) == 0)
		endpoint_encode_close(endpoint);
}

/* Takes back the messages in the output that have not begun to leave. Those that have stay whole, and
 * so do control frames before the first that is taken back. */
static void endpoint_withdraw(struct ws_endpoint *endpoint)
{
	struct ws_message_queue *waiting = &endpoint->throttle->waiting;
	uint64_t begun = endpoint->out_written + endpoint->committed;
	struct endpoint_mark mark;
	size_t index = 0, taken = 0;

	for (; endpoint_mark(endpoint, index, &mark); index++) {
		if (mark.end - mark.bytes >= begun)
			break;
		taken += mark.taken;
	}
	if (!endpoint_mark(endpoint, index, &mark))
		return;
	buffer_truncate(&endpoint->out, mark.end - mark.bytes - endpoint->out_written);
	endpoint->counts->frames_sent -= endpoint->out_marks.length / sizeof(mark) - index;
	buffer_truncate(&endpoint->out_marks, index * sizeof(mark));
	ws_message_queue_untake(waiting);
	while (taken--)
		ws_message_queue_take(waiting);
}

void endpoint_queue_last_close(struct ws_endpoint *endpoint)
{
	if (!endpoint->throttle || !endpoint->throttle->waiting.kept) {
		endpoint_queue_close(endpoint);
		return;
	}
	endpoint_withdraw(endpoint);
	endpoint_watch(endpoint, endpoint->out.length);
	endpoint_encode_close(endpoint);
}

/* True if the rate lets one message pass now; then it has been counted. */
static bool endpoint_passes(struct ws_endpoint *endpoint, uint64_t now)
{
	struct ws_endpoint_throttle *throttle = endpoint->throttle;
	uint64_t delay = rate_delay(&throttle->rate, now);

	throttle->next = delay ? now + delay : 0;
	return delay == 0;
}

/* Nothing is sent after a close frame. */
static bool endpoint_sends_waiting(const struct ws_endpoint *endpoint)
{
	return endpoint_waiting(endpoint) &&
		(endpoint->state == WS_ENDPOINT_OPEN || endpoint->close_waits);
}

/* One that need not be kept is dropped now, unless others before it stay. */
static void endpoint_encode_next(struct ws_endpoint *endpoint, const struct ws_outgoing *next,
	uint64_t now)
{
	struct ws_message_queue *waiting = &endpoint->throttle->waiting;
	bool take = next->keep || waiting->taken;

	endpoint_queue_message(endpoint, next, take, now);
	if (take)
		ws_message_queue_take(waiting);
	else
		ws_message_queue_drop_first(waiting);
}

static void endpoint_count_gone(struct ws_endpoint *endpoint, size_t length)
{
	endpoint->unsent--;
	endpoint->unsent_bytes -= length;
}

static bool endpoint_expired(const struct ws_endpoint *endpoint, const struct ws_outgoing *message,
	uint64_t now)
{
	return message->keep && message->time + endpoint->settings->keep_age <= now;
}

/* Expired messages wait until they are the oldest, which cannot take long: those before are written. */
size_t ws_endpoint_encode(struct ws_endpoint *endpoint, uint64_t now)
{
	struct ws_outgoing message;
	bool passes = true;
	size_t cost = 0, expired = 0;

	while (endpoint_sends_waiting(endpoint) && endpoint->out.length < ENCODING_OUTPUT_MAX &&
		cost < ENCODING_COST_ONCE) {
		ws_message_queue_next(&endpoint->throttle->waiting, &message);
		if (endpoint_expired(endpoint, &message, now)) {
			if (endpoint->throttle->waiting.taken)
				break;
			cost += ENCODING_COST_EXPIRED;
			endpoint_count_gone(endpoint, message.length);
			ws_message_queue_drop_first(&endpoint->throttle->waiting);
			expired++;
			continue;
		}
		if (!(passes = endpoint_passes(endpoint, now)))
			break;
		cost += endpoint_cost(endpoint, message.length);
		endpoint_encode_next(endpoint, &message, now);
	}
	if (endpoint->close_waits && (endpoint_waiting(endpoint) == 0 || !passes))
		endpoint_encode_close(endpoint);
	return expired;
}

bool ws_endpoint_wants_write(const struct ws_endpoint *endpoint)
{
	bool held_back = endpoint->throttle && endpoint->throttle->next;

	return endpoint->out.length || endpoint->close_waits ||
		(endpoint_sends_waiting(endpoint) && !held_back);
}

void ws_endpoint_wrote(struct ws_endpoint *endpoint, size_t length)
{
	buffer_consume(&endpoint->out, length);
	endpoint->out_written += length;
	endpoint->counts->bytes_sent += length;
}

bool ws_endpoint_next_sent(struct ws_endpoint *endpoint, struct ws_endpoint_sent *sent,
	uint64_t now)
{
	struct endpoint_mark mark;

	if (!endpoint_mark(endpoint, 0, &mark) || mark.end > endpoint->out_written)
		return false;
	buffer_consume(&endpoint->out_marks, sizeof(mark));
	if (mark.taken)
		ws_message_queue_drop_first(&endpoint->throttle->waiting);
	if (!mark.transient)
		endpoint_count_gone(endpoint, mark.length);
	sent->bytes = mark.bytes;
	sent->us = (now - endpoint->out_start) / CLOCK_NS_PER_US;
	endpoint->out_start = endpoint->last_sent = now;
	endpoint->counts->messages_sent++;
	return true;
}

size_t ws_endpoint_queued(const struct ws_endpoint *endpoint)
{
	const struct ws_endpoint_throttle *throttle = endpoint->throttle;

	return endpoint->out.length + (throttle ? ws_message_queue_size(&throttle->waiting) : 0);
}

struct ws_endpoint_unsent ws_endpoint_unsent(const struct ws_endpoint *endpoint)
{
	return (struct ws_endpoint_unsent){endpoint->unsent, endpoint->unsent_bytes};
}

void ws_endpoint_take_unsent(struct ws_endpoint *endpoint, struct ws_message_queue *queue)
{
	struct ws_endpoint_throttle *throttle = endpoint->throttle;

	if (!throttle)
		return;
	ws_message_queue_untake(&throttle->waiting);
	*queue = throttle->waiting;
	throttle->waiting = (struct ws_message_queue){0};
	buffer_release(&endpoint->out_marks);
}

bool ws_endpoint_has_room(const struct ws_endpoint *endpoint, size_t length)
{
	size_t queued = ws_endpoint_queued(endpoint);

	return queued == 0 || queued + length <= endpoint->settings->send_queue;
}

bool ws_endpoint_has_turn(const struct ws_endpoint_shared *shared)
{
	return shared->encoded < ENCODING_COST_TURN;
}

/* The first message of a turn is encoded at once, however large it is. */
static bool endpoint_encodes_at_once(const struct ws_endpoint *endpoint)
{
	return endpoint_waiting(endpoint) == 0 && endpoint->settings->send_rate.messages <= 0 &&
		ws_endpoint_has_turn(endpoint->shared);
}

static struct ws_endpoint_throttle *endpoint_throttle(struct ws_endpoint *endpoint)
{
	if (!endpoint->throttle)
		endpoint->throttle = alloc_zero(1, sizeof(*endpoint->throttle));
	return endpoint->throttle;
}

/* Without a rate, what waits may leave at once. */
void endpoint_set_rate(struct ws_endpoint *endpoint)
{
	const struct ws_endpoint_settings *settings = endpoint->settings;
	struct rate *rate;

	if (!endpoint->throttle && settings->send_rate.messages <= 0)
		return;
	rate = &endpoint_throttle(endpoint)->rate;
	rate->per_second = settings->send_rate.messages;
	rate->burst = settings->send_rate.burst;
	endpoint->throttle->next = 0;
}

bool ws_endpoint_send(struct ws_endpoint *endpoint, struct ws_outgoing *message, uint64_t now,
	struct error *error)
{
	bool at_once = !message->keep && endpoint_encodes_at_once(endpoint);

	if (endpoint->state != WS_ENDPOINT_OPEN)
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "the connection is closing");
	if (!ws_endpoint_has_room(endpoint, message->length))
		return error_set(error, ERROR_WEBSOCKET,
			"the queue to the server is full: %zu of %llu bytes wait to be sent",
			ws_endpoint_queued(endpoint),
			(unsigned long long)endpoint->settings->send_queue);
	endpoint->shared->encoded += endpoint_cost(endpoint, message->length);
	if (!message->transient) {
		endpoint->unsent++;
		endpoint->unsent_bytes += message->length;
	}
	if (at_once)
		endpoint_queue_message(endpoint, message, false, now);
	else
		ws_message_queue_append(&endpoint_throttle(endpoint)->waiting, message);
	return true;
}
