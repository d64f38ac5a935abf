/*
 * An endpoint between a server, an owner and a clock, each of which may do anything at any time.
 * Whatever they do, its output is frames of a client, with nothing behind a close frame; its state
 * only moves on; every message is accounted for; a deadline that has passed is not due again at
 * once; and once it closes it ends in time.
 *
 * Input: a byte of options, and then steps: a byte that says what is done, a byte that says how
 * much.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ws/endpoint.h"

enum {
	OPTION_DEFLATE = 1,
	OPTION_PAYLOAD = 2,
	OPTION_NO_DRAIN = 4,
};

enum step {
	STEP_RECEIVE, /* that many of the bytes that follow */
	STEP_SEND,
	STEP_SEND_LARGE,
	STEP_PING,
	STEP_CLOSE,
	STEP_PASS_TIME,
	STEP_EXPIRE,
	STEP_ENCODE,
	STEP_WRITE,
	STEP_PAUSE,
	STEP_RESUME,
	STEP_CONFIGURE,
	STEP_NEXT_TURN,
	STEP_LOSE_OUTPUT,
	STEP_LOSE_INPUT,
	STEP_TRAFFIC,
	STEP_COUNT,
};

struct fuzz {
	struct ws_endpoint_shared shared;
	struct ws_endpoint_settings settings;
	struct ws_endpoint_counts counts;
	struct ws_endpoint endpoint;
	struct ws_traffic traffic;
	enum ws_endpoint_state state;
	uint64_t now;
	uint64_t accepted;  /* messages to the server, */
	uint64_t kept;      /* those of them that are to be kept, */
	uint64_t sent;      /* and those that have left */
	struct buffer wire; /* output written, from the last whole frame on */
	uint64_t messages;  /* whole frames of it that are messages */
	bool closed;        /* one was a close frame */
	bool over;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- what the server sees --------------------------------------------------------------------- */

/* The size of a whole frame at the front of the wire; 0: it is not whole. */
static size_t frame_size(const struct buffer *wire)
{
	const uint8_t *frame = buffer_data(wire);
	size_t header = 2, length;

	if (wire->length < 2)
		return 0;
	length = frame[1] & 0x7F;
	header = length == 127 ? 10 : length == 126 ? 4 : 2;
	if (wire->length < header)
		return 0;
	if (header > 2)
		length = 0;
	for (size_t i = 2; i < header; i++)
		length = length << 8 | frame[i];
	return wire->length < header + 4 + length ? 0 : header + 4 + length;
}

static void check_frames(struct fuzz *fuzz)
{
	size_t size;

	while ((size = frame_size(&fuzz->wire))) {
		const uint8_t *frame = buffer_data(&fuzz->wire);
		unsigned opcode = frame[0] & 0x0F;

		require(!fuzz->closed);
		require(frame[0] & 0x80 && frame[1] & 0x80);
		require(opcode == WS_TEXT || opcode >= WS_CLOSE);
		require(opcode == WS_TEXT || size <= 2 + 4 + WS_CONTROL_MAX);
		fuzz->messages += opcode == WS_TEXT;
		fuzz->closed = opcode == WS_CLOSE;
		buffer_consume(&fuzz->wire, size);
	}
}

static void write_some(struct fuzz *fuzz, size_t most)
{
	struct ws_endpoint_sent sent;
	const uint8_t *output;
	size_t length;

	output = ws_endpoint_output(&fuzz->endpoint, &length);
	require(!output == (length == 0));
	if (length > most)
		length = most;
	if (length)
		buffer_append(&fuzz->wire, output, length);
	ws_endpoint_wrote(&fuzz->endpoint, length);
	output = ws_endpoint_output(&fuzz->endpoint, &length);
	ws_endpoint_commit(&fuzz->endpoint, length < most ? length : most);
	check_frames(fuzz);
	while (ws_endpoint_next_sent(&fuzz->endpoint, &sent, fuzz->now)) {
		require(sent.bytes >= 6 && sent.us <= fuzz->now / CLOCK_NS_PER_US);
		fuzz->sent++;
	}
	require(fuzz->messages == fuzz->sent);
}

/* --- what the owner does ---------------------------------------------------------------------- */

static void receive(struct fuzz *fuzz, const uint8_t *data, size_t length)
{
	struct ws_input input = {.data = data, .length = length};
	enum ws_received received;
	struct ws_message message;

	while (ws_endpoint_reads(&fuzz->endpoint)) {
		received = ws_endpoint_next(&fuzz->endpoint, &input, &message, fuzz->now);
		if (received == WS_RECEIVED_MESSAGE)
			require(message.length <= fuzz->settings.max_message);
		else if (received == WS_RECEIVED_NOTHING && input.length == 0)
			break;
	}
	ws_endpoint_count_received(&fuzz->endpoint, fuzz->now);
}

static void send_message(struct fuzz *fuzz, size_t length)
{
	static const uint8_t zeros[256 << 10];
	struct ws_outgoing message = {
		.opcode = WS_TEXT,
		.data = zeros,
		.length = length,
		.time = fuzz->now,
		.keep = length % 3 == 0,
	};
	bool room = ws_endpoint_has_room(&fuzz->endpoint, length);
	bool open = fuzz->endpoint.state == WS_ENDPOINT_OPEN;
	struct error error;
	bool sent = ws_endpoint_send(&fuzz->endpoint, &message, fuzz->now, &error);

	require(sent == (open && room));
	require(!sent || ws_endpoint_wants_write(&fuzz->endpoint) ||
		fuzz->settings.send_rate.messages > 0);
	fuzz->accepted += sent;
	fuzz->kept += sent && message.keep;
	ws_outgoing_release(&message);
}

static void encode(struct fuzz *fuzz)
{
	size_t expired = ws_endpoint_encode(&fuzz->endpoint, fuzz->now);

	require(expired <= fuzz->kept);
	fuzz->kept -= expired;
	fuzz->accepted -= expired;
}

static void configure(struct fuzz *fuzz, unsigned bits)
{
	static char beat[] = "beat";
	struct ws_endpoint_settings *settings = &fuzz->settings;

	settings->close_timeout = (bits & 1 ? 1 : 5) * CLOCK_NS_PER_SECOND;
	settings->ping.interval = bits & 2 ? 10 * CLOCK_NS_PER_SECOND : 0;
	settings->ping.timeout = bits & 4 ? 4 * CLOCK_NS_PER_SECOND : 0;
	settings->idle_timeout = bits & 8 ? 20 * CLOCK_NS_PER_SECOND : 0;
	settings->max_message = bits & 16 ? 64 : 1 << 16;
	settings->send_queue = bits & 32 ? 1000 : 1 << 20;
	settings->keep_age = (bits & 32 ? 2 : 30) * CLOCK_NS_PER_SECOND;
	settings->send_rate.messages = bits & 64 ? 2 : 0;
	settings->send_rate.burst = 3;
	settings->heartbeat.every = bits & 128 ? 7 * CLOCK_NS_PER_SECOND : 0;
	settings->heartbeat.message = beat;
	settings->heartbeat.only_idle = bits & 1;
}

/* Handed in whether or not it is wanted. */
static void move_traffic(struct fuzz *fuzz, unsigned bits)
{
	struct ws_traffic *traffic = &fuzz->traffic;

	traffic->received += bits & 1;
	traffic->sent = fuzz->counts.bytes_sent;
	traffic->acknowledged = bits & 2 ? traffic->sent : traffic->acknowledged - (bits >> 7);
	traffic->window = bits & 4 ? traffic->window + 1 : 0;
	traffic->silence = bits & 8 ? 0 : UINT64_MAX;
	traffic->full = bits & 16;
	traffic->unread = bits & 32;
	ws_endpoint_take_traffic(&fuzz->endpoint, traffic, fuzz->now);
	require(!ws_endpoint_wants_traffic(&fuzz->endpoint));
}

static void expire(struct fuzz *fuzz)
{
	bool due = ws_endpoint_deadline(&fuzz->endpoint) <= fuzz->now;

	fuzz->over = !ws_endpoint_expire(&fuzz->endpoint, fuzz->now);
	require(due || !fuzz->over);
	require(fuzz->over || ws_endpoint_deadline(&fuzz->endpoint) > fuzz->now);
}

static void do_step(struct fuzz *fuzz, enum step step, unsigned amount)
{
	static const struct error lost = {ERROR_SOCKET_CLOSED, "lost"};
	struct ws_endpoint *endpoint = &fuzz->endpoint;
	struct error error;

	switch (step) {
	case STEP_SEND:
		send_message(fuzz, amount);
		break;
	case STEP_SEND_LARGE:
		send_message(fuzz, amount << 10);
		break;
	case STEP_PING:
		ws_endpoint_ping(endpoint, fuzz->now, &error);
		break;
	case STEP_CLOSE:
		ws_endpoint_close(endpoint, amount % 2 ? WS_CLOSE_NORMAL : WS_CLOSE_NO_STATUS,
			"reason", fuzz->now);
		break;
	case STEP_PASS_TIME:
		fuzz->now += amount * amount * CLOCK_NS_PER_MS;
		break;
	case STEP_EXPIRE:
		expire(fuzz);
		break;
	case STEP_ENCODE:
		encode(fuzz);
		break;
	case STEP_WRITE:
		write_some(fuzz, amount ? amount : SIZE_MAX);
		break;
	case STEP_PAUSE:
		ws_endpoint_pause(endpoint);
		break;
	case STEP_RESUME:
		ws_endpoint_resume(endpoint, fuzz->now);
		break;
	case STEP_CONFIGURE:
		configure(fuzz, amount);
		ws_endpoint_configure(endpoint, &fuzz->settings, fuzz->now);
		break;
	case STEP_NEXT_TURN:
		fuzz->shared.encoded = amount << 14;
		break;
	case STEP_LOSE_OUTPUT:
		ws_endpoint_lose_output(endpoint, &lost, fuzz->now);
		buffer_release(&fuzz->wire);
		break;
	case STEP_LOSE_INPUT:
		ws_endpoint_lose_input(endpoint, &lost);
		fuzz->over = true;
		break;
	case STEP_TRAFFIC:
		move_traffic(fuzz, amount);
		break;
	case STEP_RECEIVE:
	case STEP_COUNT:
		break;
	}
}

/* --- what always holds ------------------------------------------------------------------------ */

static bool may_enter(enum ws_endpoint_state from, enum ws_endpoint_state to)
{
	if (from == to || from == WS_ENDPOINT_OPEN)
		return true;
	if (from == WS_ENDPOINT_CLOSING)
		return to != WS_ENDPOINT_OPEN;
	return from == WS_ENDPOINT_LOST && to > WS_ENDPOINT_LOST;
}

/* Heartbeats may be among those that have left. */
static void check_unsent(const struct fuzz *fuzz)
{
	struct ws_endpoint_unsent unsent = ws_endpoint_unsent(&fuzz->endpoint);

	require(unsent.messages <= fuzz->accepted);
	require(fuzz->accepted <= fuzz->sent + unsent.messages);
	require(fuzz->sent + unsent.messages <= fuzz->accepted + fuzz->counts.heartbeats_sent);
	require(unsent.messages || !unsent.bytes);
}

static void check_state(struct fuzz *fuzz)
{
	struct ws_endpoint *endpoint = &fuzz->endpoint;
	struct ws_endpoint_end end;

	require(may_enter(fuzz->state, endpoint->state));
	fuzz->state = endpoint->state;
	check_unsent(fuzz);
	require(endpoint->state == WS_ENDPOINT_OPEN ||
		ws_endpoint_deadline(endpoint) != WS_ENDPOINT_NEVER);
	ws_endpoint_end(endpoint, &end);
	require(end.reason && end.code >= 1000);
	require(end.code == WS_CLOSE_NO_STATUS || end.code == WS_CLOSE_ABNORMAL ||
		ws_close_code_valid(end.code));
}

/* However it stands, a close ends it within the close timeout, or the time to drain. */
static void check_end(struct fuzz *fuzz)
{
	uint64_t limit;

	fuzz->shared.encoded = 0;
	ws_endpoint_close(&fuzz->endpoint, WS_CLOSE_GOING_AWAY, "", fuzz->now);
	limit = fuzz->now + fuzz->shared.drain_timeout + fuzz->settings.close_timeout +
		5 * CLOCK_NS_PER_SECOND; /* of other settings, when it began to close */
	for (int turns = 0; ws_endpoint_wants_write(&fuzz->endpoint); turns++) {
		require(turns < 100000);
		encode(fuzz);
		write_some(fuzz, SIZE_MAX);
	}
	require(fuzz->closed || fuzz->state == WS_ENDPOINT_LOST ||
		fuzz->endpoint.state >= WS_ENDPOINT_LOST);
	while (!fuzz->over) {
		uint64_t deadline = ws_endpoint_deadline(&fuzz->endpoint);

		if (deadline > fuzz->now)
			fuzz->now = deadline;
		expire(fuzz);
	}
	require(fuzz->now <= limit);
	check_state(fuzz);
}

/* All that were to be kept and have not left are there, and nothing that has. */
static void check_kept(struct fuzz *fuzz)
{
	struct ws_endpoint_unsent unsent = ws_endpoint_unsent(&fuzz->endpoint);
	struct ws_message_queue queue = {0};

	ws_endpoint_take_unsent(&fuzz->endpoint, &queue);
	require(!queue.taken && queue.kept <= unsent.messages);
	require(queue.kept + fuzz->sent >= fuzz->kept);
	ws_message_queue_release(&queue);
}

static void run(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
	while (size >= 2 && !fuzz->over) {
		enum step step = data[0] % STEP_COUNT;
		size_t amount = data[1];

		data += 2;
		size -= 2;
		if (step == STEP_RECEIVE) {
			if (amount > size)
				amount = size;
			receive(fuzz, data, amount);
			data += amount;
			size -= amount;
		} else {
			do_step(fuzz, step, (unsigned)amount);
		}
		check_state(fuzz);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ws_deflate_parameters agreed = {
		.client_max_window_bits = 15,
		.server_max_window_bits = 15,
	};
	struct fuzz fuzz = {.now = 1000 * CLOCK_NS_PER_SECOND};

	if (size < 1)
		return 0;
	fuzz.shared.drain_timeout = data[0] & OPTION_NO_DRAIN ? 0 : 10 * CLOCK_NS_PER_SECOND;
	fuzz.settings.ping.payload = data[0] & OPTION_PAYLOAD ? (char[]){"ping"} : NULL;
	configure(&fuzz, 0);
	ws_endpoint_init(&fuzz.endpoint, &fuzz.shared, &fuzz.settings, &fuzz.counts, fuzz.now);
	if (data[0] & OPTION_DEFLATE)
		ws_endpoint_compress(&fuzz.endpoint, &agreed, 1, 64);
	run(&fuzz, data + 1, size - 1);
	if (!fuzz.over)
		check_end(&fuzz);
	check_kept(&fuzz);
	ws_endpoint_release(&fuzz.endpoint);
	buffer_release(&fuzz.wire);
	return 0;
}
