#include <poll.h>
#include <string.h>
#include <time.h>

#include "client/gate.h"

/* Returns records from the ring or the socket, and waits for them. */

enum {
	NEXT_LOOK_MS = 100,   /* ring: how often a reader that does not sleep looks at the socket */
	NEXT_SLEEP_MS = 1000, /* ring: nobody wakes a sleeper after the daemon has been killed, */
	NEXT_OUTPUT_MS = 10,  /* or when the socket has room for the output again */
};

static enum wsgate_result next_break(struct wsgate *gate)
{
	return gate->failed = wsgate_fail(gate, WSGATE_ERROR_PROTOCOL,
		       "the data after record %llu is not in the format frames",
		       (unsigned long long)gate->expected - 1);
}

static enum wsgate_result next_give_gap(struct wsgate *gate)
{
	gate->record = (struct wsgate_record){
		.seq = gate->known - 1,
		.connection = WSGATE_NO_CONNECTION,
		.type = WSGATE_GAP,
		.from = gate->expected,
		.to = gate->known - 1,
	};
	gate->counts.gaps++;
	gate->counts.lost += gate->known - gate->expected;
	gate->expected = gate->known;
	return WSGATE_OK;
}

/*
 * The stream continues with record `seq`. WSGATE_AGAIN: this is the expected one. Otherwise returns
 * the gap before it, or an error if the stream went back.
 */
static enum wsgate_result next_reach(struct wsgate *gate, uint64_t seq)
{
	if (seq < gate->expected || seq == UINT64_MAX)
		return next_break(gate);
	gate->known = seq;
	return gate->expected < seq ? next_give_gap(gate) : WSGATE_AGAIN;
}

static void next_end(struct wsgate *gate, enum wsgate_result ending)
{
	gate->ended = true;
	gate->ending = ending;
}

/* Takes a record that is not for the caller. False: out of memory. */
static bool next_learn(struct wsgate *gate, const struct wsgate_frame *frame,
	const uint8_t *payload)
{
	switch (frame->type) {
	case FRAMES_NAME:
		return wsgate_names_set(&gate->names, frame->connection, (const char *)payload,
			frame->length);
	case FRAMES_ERROR:
		next_end(gate, wsgate_fail_refused(gate, payload, frame->length));
		return true;
	case FRAMES_ARRIVED:
		gate->awaiting = false;
		gate->arrived = frame->seq;
		return true;
	default: /* from a later version of the daemon */
		return true;
	}
}

/* Ring: takes all records from the socket; none of them is for the caller. */
static enum wsgate_result next_learn_input(struct wsgate *gate)
{
	struct wsgate_frame frame;
	enum wsgate_look look;

	while ((look = wsgate_socket_look(gate, &frame)) == WSGATE_LOOK_FRAME) {
		if (!next_learn(gate, &frame, wsgate_bytes_data(&gate->input) + FRAMES_HEADER_SIZE))
			return gate->failed = wsgate_fail_memory(gate);
		gate->input.start += frame.size;
	}
	return look == WSGATE_LOOK_BROKEN ? next_break(gate) : WSGATE_OK;
}

/* WSGATE_OK: received something from the socket, or found its end. */
static enum wsgate_result next_receive(struct wsgate *gate)
{
	enum wsgate_result result = wsgate_socket_receive(gate, NULL);

	if (result < 0)
		return gate->failed = result;
	/* Even if nothing was received: there may be input that came with the hello. */
	if (gate->ring.shared && next_learn_input(gate) != WSGATE_OK)
		return gate->failed;
	if (result == WSGATE_END && !gate->ended)
		next_end(gate, WSGATE_END);
	return result == WSGATE_AGAIN ? WSGATE_AGAIN : WSGATE_OK;
}

/*
 * Ring: the daemon sends the name of a new connection through the socket, before its first record. A
 * connection without a name there has been removed.
 */
static const char *next_name(struct wsgate *gate, uint32_t connection)
{
	const char *name = wsgate_names_get(&gate->names, connection);

	if (name || !gate->ring.shared || gate->ended || gate->unnamed == connection)
		return name;
	while (next_receive(gate) == WSGATE_OK && !gate->ended)
		continue;
	name = wsgate_names_get(&gate->names, connection);
	if (!name)
		gate->unnamed = connection;
	return name;
}

static enum wsgate_result next_give(struct wsgate *gate, const struct wsgate_frame *frame,
	const uint8_t *payload)
{
	gate->record = (struct wsgate_record){
		.seq = frame->seq,
		.time = frame->time,
		.connection = frame->connection,
		.type = frame->type,
		.name = next_name(gate, frame->connection),
		.payload = payload,
		.length = frame->length,
	};
	gate->expected = gate->known = frame->seq + 1;
	gate->counts.records++;
	gate->counts.bytes += frame->length;
	return WSGATE_OK;
}

static bool next_is_numbered(const struct wsgate_frame *frame)
{
	return frame->type >= FRAMES_TEXT && frame->type <= FRAMES_CLOSE;
}

/* Takes records from the socket until one is for the caller. */
static enum wsgate_result next_from_socket(struct wsgate *gate)
{
	enum wsgate_result result = WSGATE_AGAIN;
	struct wsgate_frame frame;
	enum wsgate_look look;

	while ((look = wsgate_socket_look(gate, &frame)) == WSGATE_LOOK_FRAME) {
		const uint8_t *payload = wsgate_bytes_data(&gate->input) + FRAMES_HEADER_SIZE;

		if (next_is_numbered(&frame))
			result = next_reach(gate, frame.seq);
		if (result != WSGATE_AGAIN)
			return result;
		gate->input.start += frame.size;
		if (next_is_numbered(&frame))
			return next_give(gate, &frame, payload);
		if (frame.type == FRAMES_GAP)
			result = next_reach(gate, frame.seq + 1);
		else if (!next_learn(gate, &frame, payload))
			return gate->failed = wsgate_fail_memory(gate);
		if (result != WSGATE_AGAIN)
			return result;
	}
	return look == WSGATE_LOOK_BROKEN ? next_break(gate) : WSGATE_AGAIN;
}

/* The daemon does not overwrite the copy, but may have overwritten the original meanwhile. */
static const uint8_t *next_copy(struct wsgate *gate, const uint8_t *payload, size_t length)
{
	struct wsgate_bytes *copy = &gate->copy;

	copy->end = 0;
	if (!wsgate_bytes_reserve(copy, length + 1)) /* never NULL for an empty payload */
		return NULL;
	memcpy(copy->memory, payload, length);
	return copy->memory;
}

/* Ring: names that were lost in a gap have come through the socket, too. */
static void next_learn_names(struct wsgate *gate)
{
	while (!gate->ended && next_receive(gate) == WSGATE_OK)
		continue;
}

/* Takes records from the ring until one is for the caller. */
static enum wsgate_result next_from_ring(struct wsgate *gate)
{
	struct wsgate_ring *ring = &gate->ring;
	struct wsgate_frame frame;
	enum wsgate_look look;

	while ((look = wsgate_ring_look(ring, &frame)) == WSGATE_LOOK_FRAME) {
		const uint8_t *payload = wsgate_ring_payload(ring);
		bool numbered = next_is_numbered(&frame);
		enum wsgate_result result = numbered ? next_reach(gate, frame.seq) : WSGATE_AGAIN;

		if (result == WSGATE_OK)
			next_learn_names(gate);
		if (result != WSGATE_AGAIN)
			return gate->failed ? gate->failed : result;
		if (!numbered || !gate->in_place) {
			payload = next_copy(gate, payload, frame.length);
			if (!payload)
				return gate->failed = wsgate_fail_memory(gate);
			if (!wsgate_ring_intact(ring, ring->position))
				continue;
		}
		gate->record_position = ring->position;
		ring->position += frame.size;
		if (numbered)
			return next_give(gate, &frame, payload);
		if (!next_learn(gate, &frame, payload))
			return gate->failed = wsgate_fail_memory(gate);
	}
	return look == WSGATE_LOOK_BROKEN ? next_break(gate) : WSGATE_AGAIN;
}

static enum wsgate_result next_take(struct wsgate *gate)
{
	if (gate->expected < gate->known)
		return next_give_gap(gate);
	return gate->ring.shared ? next_from_ring(gate) : next_from_socket(gate);
}

/* Ring: saves a spinning reader a system call for each look at the ring. */
static bool next_wants_socket(struct wsgate *gate)
{
	struct timespec now;
	uint64_t ms;

	if (gate->ended)
		return false;
	if (!gate->ring.shared || gate->awaits)
		return true;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (ms - gate->looked < NEXT_LOOK_MS)
		return false;
	gate->looked = ms;
	return true;
}

/*
 * Ring: asks the daemon to write to the socket when there is more in the ring. Never asks twice for the
 * same number: after a skipped record, the daemon would answer again at once.
 */
static void next_await(struct wsgate *gate)
{
	uint64_t seq = gate->arrived < gate->expected ? gate->expected : gate->arrived + 1;
	const struct frames_header header = {
		.size = htole32(FRAMES_HEADER_SIZE),
		.seq = htole64(seq),
		.connection = htole32(FRAMES_NO_CONNECTION),
		.type = FRAMES_AWAIT,
	};

	if (gate->ring.shared && gate->awaits && !gate->awaiting &&
		wsgate_bytes_length(&gate->output) == 0)
		gate->awaiting = wsgate_socket_send(gate, &header, NULL, 0) == WSGATE_OK;
}

/* Returns a record without waiting. */
static enum wsgate_result next_now(struct wsgate *gate)
{
	enum wsgate_result result = next_take(gate);

	while (result == WSGATE_AGAIN && next_wants_socket(gate)) {
		result = next_receive(gate);
		if (result != WSGATE_OK)
			break;
		result = next_take(gate);
	}
	if (result != WSGATE_AGAIN)
		return result;
	/* Nothing was missed: next_take() was called once more after the end of the socket. */
	if (gate->ended)
		return gate->ending;
	wsgate_socket_flush(gate);
	next_await(gate);
	return WSGATE_AGAIN;
}

/* Waits until there may be something to read, or `deadline`. False: interrupted by a signal. */
static bool next_wait(struct wsgate *gate, uint64_t deadline)
{
	int limit = wsgate_bytes_length(&gate->output) ? NEXT_OUTPUT_MS : NEXT_SLEEP_MS;
	int left = wsgate_left_ms(deadline);

	if (!gate->ring.shared)
		return wsgate_socket_wait(gate, wsgate_events(gate), left) == WSGATE_OK;
	if (gate->info.mode == WSGATE_MODE_RING_SPIN) {
		wsgate_ring_spin(&gate->ring);
		return true;
	}
	if (left < 0 || left > limit)
		left = limit;
	gate->looked = 0; /* the wake-up may announce the end */
	return wsgate_ring_sleep(&gate->ring, (uint64_t)left * WSGATE_NS_PER_MS);
}

enum wsgate_result wsgate_next(struct wsgate *gate, const struct wsgate_record **record,
	int timeout_ms)
{
	enum wsgate_result result = gate->failed ? gate->failed : next_now(gate);

	if (result == WSGATE_AGAIN && timeout_ms != 0) {
		uint64_t deadline = wsgate_deadline(timeout_ms);

		while (result == WSGATE_AGAIN && wsgate_left_ms(deadline) != 0 &&
			next_wait(gate, deadline))
			result = next_now(gate);
	}
	*record = result == WSGATE_OK ? &gate->record : NULL;
	return result;
}

int wsgate_intact(struct wsgate *gate)
{
	const struct wsgate_record *record = &gate->record;

	if (!gate->ring.shared || !gate->in_place || !record->payload ||
		wsgate_ring_intact(&gate->ring, gate->record_position))
		return 1;
	if (gate->expected == record->seq + 1) {
		gate->expected = gate->known = record->seq;
		gate->counts.records--;
		gate->counts.bytes -= record->length;
	}
	return 0;
}

int wsgate_fd(struct wsgate *gate)
{
	gate->awaits = true;
	return gate->fd;
}

short wsgate_events(const struct wsgate *gate)
{
	bool asks = gate->ring.shared && gate->awaits && !gate->awaiting;

	return wsgate_bytes_length(&gate->output) || asks ? POLLIN | POLLOUT : POLLIN;
}
