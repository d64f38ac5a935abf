#include "test_ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ws/endpoint.h"

/* The far end is the test: it writes frames, reads the output, and moves the time. */

#define SECOND CLOCK_NS_PER_SECOND

enum { START = 1000 };

static struct ws_endpoint_shared shared;
static struct ws_endpoint_settings settings;
static struct ws_endpoint_counts counts;
static struct ws_endpoint endpoint;
static uint64_t now;
static struct buffer transcript; /* of messages received */

static void setup(void)
{
	now = START * SECOND;
	shared = (struct ws_endpoint_shared){.drain_timeout = 20 * SECOND};
	counts = (struct ws_endpoint_counts){0};
	settings = (struct ws_endpoint_settings){
		.close_timeout = 5 * SECOND,
		.max_message = 1 << 20,
		.send_queue = 1 << 20,
		.send_rate.burst = 1,
	};
	ws_endpoint_init(&endpoint, &shared, &settings, &counts, now);
}

static void teardown(void)
{
	ws_endpoint_release(&endpoint);
	buffer_release(&transcript);
}

static void configure(void)
{
	ws_endpoint_configure(&endpoint, &settings, now);
}

/* --- the server's part ------------------------------------------------------------------------ */

/* The endpoint takes the bytes, up to where it stops reading. Returns how many are left. */
static size_t receive(const void *bytes, size_t length)
{
	struct ws_input input = {.data = bytes, .length = length};
	struct ws_message message;
	enum ws_received received;

	while (ws_endpoint_reads(&endpoint)) {
		received = ws_endpoint_next(&endpoint, &input, &message, now);
		if (received == WS_RECEIVED_MESSAGE)
			buffer_append_format(&transcript, "%.*s;", (int)message.length,
				(const char *)message.data);
		else if (received == WS_RECEIVED_NOTHING && input.length == 0)
			break;
	}
	ws_endpoint_count_received(&endpoint);
	return input.length;
}

#define RECEIVE(literal) ck_assert_uint_eq(receive(BYTES(literal)), 0)

/* A pong that answers the ping of that time, which is its payload. */
static void receive_pong(uint64_t time)
{
	char frame[2 + sizeof("18446744073709551615")];
	int length = snprintf(frame + 2, sizeof(frame) - 2, "%llu", (unsigned long long)time);

	frame[0] = '\x8A';
	frame[1] = (char)length;
	ck_assert_uint_eq(receive(frame, 2 + (size_t)length), 0);
}

static void expect_received(const char *expected)
{
	buffer_append(&transcript, "", 1);
	ck_assert_str_eq((const char *)buffer_data(&transcript), expected);
	buffer_release(&transcript);
}

static const char *frame_name(uint8_t opcode)
{
	switch (opcode & 0x0F) {
	case WS_TEXT:
		return "text";
	case WS_BINARY:
		return "binary";
	case WS_CLOSE:
		return "close";
	case WS_PING:
		return "ping";
	default:
		return "pong";
	}
}

/* "text hi", "close 1000 bye", "ping"; only the digits of a ping's time are left out. */
static size_t describe_frame(struct buffer *out, const uint8_t *frame)
{
	size_t length = frame[1] & 0x7F, header = 2;
	const uint8_t *key;
	uint8_t *payload;

	if (length == 126) {
		length = (size_t)frame[2] << 8 | frame[3];
		header = 4;
	}
	ck_assert_uint_lt(length, 126 << 8);
	key = frame + header;
	payload = malloc(length + 1);
	ws_mask(payload, key + 4, length, key, 0);
	payload[length] = 0;
	buffer_append_format(out, out->length ? ", %s" : "%s", frame_name(frame[0]));
	if ((frame[0] & 0x0F) == WS_CLOSE && length)
		buffer_append_format(out, " %d %s", payload[0] << 8 | payload[1], payload + 2);
	else if ((frame[0] & 0x0F) != WS_PING ||
		strspn((const char *)payload, "0123456789") != length)
		buffer_append_format(out, " %.40s", payload);
	free(payload);
	return header + 4 + length;
}

/* Encodes, then writes all output, which is expected to be those frames. */
static void expect_output(const char *expected)
{
	struct ws_endpoint_sent sent;
	struct buffer frames = {0};
	size_t length, offset = 0;
	const uint8_t *output;

	ws_endpoint_encode(&endpoint, now);
	output = ws_endpoint_output(&endpoint, &length);
	while (offset < length)
		offset += describe_frame(&frames, output + offset);
	ck_assert_uint_eq(offset, length);
	buffer_append(&frames, "", 1);
	ck_assert_str_eq((const char *)buffer_data(&frames), expected);
	buffer_release(&frames);
	ws_endpoint_wrote(&endpoint, length);
	while (ws_endpoint_next_sent(&endpoint, &sent, now))
		;
}

/* --- the owner's part ------------------------------------------------------------------------- */

static bool send_bytes(const void *data, size_t length)
{
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = data, .length = length};
	struct error error;
	bool sent = ws_endpoint_send(&endpoint, &message, now, &error);

	ws_outgoing_release(&message);
	return sent;
}

static bool send_text(const char *text)
{
	return send_bytes(text, strlen(text));
}

/* Nothing is due until then; time passes, and what is due is done. */
static bool expire_at(uint64_t then)
{
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), then);
	now = then - 1;
	ck_assert(ws_endpoint_expire(&endpoint, now));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), then);
	now = then;
	return ws_endpoint_expire(&endpoint, now);
}

static void expect_end(unsigned code, const char *reason, bool remote, const char *error)
{
	struct ws_endpoint_end end;

	ws_endpoint_end(&endpoint, &end);
	ck_assert_uint_eq(end.code, code);
	ck_assert_str_eq(end.reason, reason);
	ck_assert_int_eq(end.remote, remote);
	if (error) {
		ck_assert_ptr_nonnull(end.error);
		ck_assert_str_eq(end.error->text, error);
	} else {
		ck_assert_ptr_null(end.error);
	}
}

static const struct error broken_pipe = {ERROR_SOCKET_CLOSED, "broken pipe"};

/* --- closing ---------------------------------------------------------------------------------- */

START_TEST(closes)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSING);
	expect_output("close 1000 bye");
	RECEIVE("\x81\x02"
		"hi"); /* messages are delivered until the server's close frame */
	expect_received("hi;");
	now += SECOND;
	RECEIVE("\x88\x05\x03\xE8"
		"bye");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	expect_output("");
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_NORMAL, "bye", false, NULL);
}
END_TEST

/* The server may answer with a code of its own: what counts is who began. */
START_TEST(closes_with_its_own_reason)
{
	ws_endpoint_close(&endpoint, 4001, "mine", now);
	ws_endpoint_close(&endpoint, 4002, "not a second time", now);
	RECEIVE("\x88\x07\x0F\xA3"
		"yours");
	expect_output("close 4001 mine");
	expect_end(4001, "mine", false, NULL);
}
END_TEST

START_TEST(answers_the_server)
{
	RECEIVE("\x81\x01"
		"a"
		"\x88\x07\x0F\xA0"
		"yours");
	expect_received("a;");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	expect_output("close 4000 "); /* RFC 6455, section 5.5.1: echoes the code */
	expect_end(4000, "yours", true, NULL);
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(4000, "yours", true, NULL);
}
END_TEST

START_TEST(answers_a_close_without_a_code)
{
	RECEIVE("\x88\x00");
	expect_output("close ");
	expect_end(WS_CLOSE_NO_STATUS, "", true, NULL);
}
END_TEST

START_TEST(is_not_answered)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("close 1000 ");
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false, "the closing handshake did not end in time");
}
END_TEST

/* Nothing that comes after the server's close frame is read, nor is anything sent after ours. */
START_TEST(nothing_follows_a_close)
{
	struct error error;

	ck_assert_uint_eq(receive(BYTES("\x88\x02\x03\xE8"
					"\x81\x01"
					"x"
					"\x89\x00")),
		5);
	expect_received("");
	ck_assert(!ws_endpoint_takes_input(&endpoint));
	expect_output("close 1000 ");
	ck_assert(!send_text("late"));
	ck_assert(!ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_str_eq(error.text, "the connection is closing");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
}
END_TEST

START_TEST(does_not_answer_pings_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("close 1000 ");
	RECEIVE("\x89\x01"
		"p");
	expect_output("");
	ck_assert_uint_eq(counts.pings_recv, 1);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSING);
}
END_TEST

START_TEST(stream_ends_without_a_close)
{
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_ABNORMAL, "", true, "broken pipe");
}
END_TEST

START_TEST(stream_ends_instead_of_an_answer)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_ABNORMAL, "bye", false, "broken pipe");
}
END_TEST

START_TEST(was_given_up)
{
	ws_endpoint_give_up(&endpoint);
	expect_end(WS_CLOSE_ABNORMAL, "", false, NULL);
	ws_endpoint_close(&endpoint, WS_CLOSE_GOING_AWAY, "", now);
	ws_endpoint_give_up(&endpoint);
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "the closing handshake did not end in time");
}
END_TEST

START_TEST(fails_on_a_broken_frame)
{
	/* A masked frame; the rest is dropped. */
	ck_assert_uint_eq(receive(BYTES("\x81\x01"
					"a"
					"\x81\x81"
					"1234x")),
		5);
	expect_received("a;");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_FAILED);
	expect_output("close 1002 the server sent a masked frame");
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_PROTOCOL_ERROR, "the server sent a masked frame", false,
		"the server sent a masked frame");
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* There is one close frame, and the reason for it stays. */
START_TEST(fails_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	RECEIVE("\x81\x81");
	expect_output("close 1000 bye");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_FAILED);
	expect_end(WS_CLOSE_NORMAL, "bye", false, "the server sent a masked frame");
}
END_TEST

/* --- closing behind messages, and on broken streams ------------------------------------------- */

static char large[200 << 10];

/* Uses up what may be encoded in this turn. */
static void spend_turn(void)
{
	while (ws_endpoint_has_turn(&shared))
		shared.encoded += 1 << 10;
}

START_TEST(closes_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	ck_assert(send_text("two"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ck_assert(ws_endpoint_wants_write(&endpoint));
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 2);
	expect_output("text one, text two, close 1000 ");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 0);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
}
END_TEST

/* The close frame does not wait for the rate: what that holds back is lost. */
START_TEST(closes_ahead_of_messages_held_back)
{
	settings.send_rate.messages = 1;
	settings.send_rate.burst = 2;
	configure();
	for (int i = 0; i < 4; i++)
		ck_assert(send_text("m"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("text m, text m, close 1000 ");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 2);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	now += 10 * SECOND;
	expect_output("");
}
END_TEST

START_TEST(answers_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	RECEIVE("\x88\x02\x03\xE8");
	expect_output("text one, close 1000 ");
}
END_TEST

START_TEST(fails_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	RECEIVE("\x83");
	expect_output("text one, close 1002 the server sent a frame with a reserved opcode");
}
END_TEST

/* Output fails, but what the server has sent before is read. */
START_TEST(output_is_lost)
{
	ck_assert(send_text("x"));
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_LOST);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 1);
	RECEIVE("\x81\x01"
		"a"
		"\x89\x00");
	expect_received("a;");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ws_endpoint_lose_input(&endpoint, &(struct error){ERROR_SOCKET_CLOSED, "end"});
	expect_end(WS_CLOSE_ABNORMAL, "", true, "broken pipe");
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* Among what is read there is a close frame: then all is well. */
START_TEST(output_is_lost_as_the_server_had_closed)
{
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	RECEIVE("\x81\x01"
		"a"
		"\x88\x05\x0F\xA0"
		"bye");
	expect_received("a;");
	expect_output("");
	expect_end(4000, "bye", true, NULL);
}
END_TEST

START_TEST(output_is_lost_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_LOST);
	expect_end(WS_CLOSE_NORMAL, "bye", false, "broken pipe");
}
END_TEST

START_TEST(output_is_lost_in_the_end)
{
	RECEIVE("\x88\x02\x03\xE8");
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	expect_end(WS_CLOSE_NORMAL, "", true, NULL);
}
END_TEST

/* A close frame that waits behind messages goes with them. */
START_TEST(output_is_lost_with_a_close_frame)
{
	spend_turn();
	ck_assert(send_text("x"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	expect_output("");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 1);
}
END_TEST

/* --- held up ---------------------------------------------------------------------------------- */

/* While its messages are held up the server cannot close: only the time to drain runs. */
START_TEST(has_time_to_drain)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	ck_assert_uint_eq(receive(BYTES("\x88\x02\x03\xE8")), 4);
	ck_assert(!expire_at(begin + shared.drain_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false,
		"its last messages were held up for too long (drain_timeout)");
}
END_TEST

START_TEST(has_all_its_time_after_being_held_up)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	now += 12 * SECOND;
	ck_assert(ws_endpoint_expire(&endpoint, now));
	ws_endpoint_resume(&endpoint, now);
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false, "the closing handshake did not end in time");
}
END_TEST

/* Held up again and again, it ends all the same. */
START_TEST(drains_once)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	for (int i = 0; i < 4; i++) {
		ws_endpoint_pause(&endpoint);
		now += 4 * SECOND;
		ws_endpoint_resume(&endpoint, now);
	}
	RECEIVE("\x81\x00");
	ck_assert(!expire_at(begin + shared.drain_timeout));
}
END_TEST

/* The time to drain begins with the first thing that ends it, not with the last. */
START_TEST(drains_once_though_output_is_lost)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	now += 6 * SECOND;
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert(!expire_at(begin + shared.drain_timeout));
}
END_TEST

START_TEST(drains_for_the_close_timeout_at_least)
{
	shared.drain_timeout = 0;
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* While open, neither a pong nor a message can arrive. Pings would pile up; heartbeats are sent. */
START_TEST(is_held_up_while_open)
{
	settings.ping.interval = 30 * SECOND;
	settings.ping.timeout = 10 * SECOND;
	settings.idle_timeout = 40 * SECOND;
	settings.heartbeat.every = 35 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	ws_endpoint_pause(&endpoint);
	ck_assert(expire_at((START + 35) * SECOND));
	expect_output("text beat");
	ck_assert(expire_at((START + 60) * SECOND));
	expect_output("");
	ws_endpoint_resume(&endpoint, now);
	ck_assert(expire_at((START + 70) * SECOND) == false); /* the pong, whose time began anew */
	expect_end(WS_CLOSE_ABNORMAL, "", false, "no answer to a ping within 10s");
}
END_TEST

/* --- pings ------------------------------------------------------------------------------------ */

static void set_pings(void)
{
	settings.ping.interval = 30 * SECOND;
	settings.ping.timeout = 10 * SECOND;
	configure();
}

START_TEST(pings)
{
	uint64_t sent;

	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	sent = now;
	now += 2 * CLOCK_NS_PER_MS;
	receive_pong(sent);
	ck_assert_uint_eq(counts.rtt_us, 2000);
	ck_assert(expire_at((START + 60) * SECOND)); /* the pong's deadline is gone */
	receive_pong(now);
	ck_assert_uint_eq(counts.rtt_us, 1); /* too short to measure; 0 would be none */
	ck_assert_uint_eq(counts.rtt_min_us, 1);
	ck_assert_uint_eq(counts.rtt_max_us, 2000);
	ck_assert_uint_eq(counts.pings_sent, 2);
	ck_assert_uint_eq(counts.pongs_recv, 2);
}
END_TEST

START_TEST(gets_no_pong)
{
	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	RECEIVE("\x81\x01"
		"m"); /* a message is no answer */
	ck_assert(!expire_at((START + 40) * SECOND));
	expect_output("close 1001 ");
	expect_end(WS_CLOSE_ABNORMAL, "", false, "no answer to a ping within 10s");
}
END_TEST

/* The pong of an older ping, or of none, shows that the server is alive, but measures nothing. */
START_TEST(takes_other_pongs)
{
	struct error error;
	uint64_t first = now;

	set_pings();
	receive_pong(first);
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	now += SECOND;
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), first + 10 * SECOND);
	receive_pong(first);
	RECEIVE("\x8A\x08"
		"12345678"
		"\x8A\x00");
	ck_assert_uint_eq(counts.rtt_us, 0);
	ck_assert_uint_eq(counts.pongs_recv, 4);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), (START + 30) * SECOND);
	receive_pong(first + SECOND);
	ck_assert_uint_eq(counts.rtt_us, 1);
	expect_output("ping, ping");
}
END_TEST

START_TEST(pings_with_a_payload)
{
	struct error error;

	settings.ping.payload = (char[]){"hello"};
	settings.ping.timeout = 10 * SECOND;
	configure();
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	expect_output("ping hello");
	now += 3 * CLOCK_NS_PER_MS;
	RECEIVE("\x8A\x05"
		"hellO");
	ck_assert_uint_eq(counts.rtt_us, 0);
	RECEIVE("\x8A\x05"
		"hello");
	ck_assert_uint_eq(counts.rtt_us, 3000);
	now += SECOND;
	RECEIVE("\x8A\x05"
		"hello"); /* again */
	ck_assert_uint_eq(counts.rtt_us, 3000);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
}
END_TEST

START_TEST(waits_for_a_pong_without_limit)
{
	struct error error;

	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
}
END_TEST

/* The limit goes while a pong is awaited, and does not come back as one of no time at all. */
START_TEST(loses_the_limit_for_a_pong)
{
	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	settings.ping.timeout = 0;
	configure();
	ws_endpoint_pause(&endpoint);
	ws_endpoint_resume(&endpoint, now);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), now + 30 * SECOND);
}
END_TEST

START_TEST(answers_pings)
{
	RECEIVE("\x89\x03"
		"abc"
		"\x01\x01"
		"x"
		"\x89\x00"
		"\x80\x01"
		"y");
	expect_received("xy;");
	expect_output("pong abc, pong ");
	ck_assert_uint_eq(counts.pings_recv, 2);
	ck_assert_uint_eq(counts.frames_recv, 4);
	ck_assert_uint_eq(counts.frames_sent, 2);
}
END_TEST

/* A server that pings without reading the pongs does not fill the memory. */
START_TEST(answers_not_every_ping)
{
	size_t length;

	for (int i = 0; i < 10000; i++)
		RECEIVE("\x89\x40"
			"0123456789012345678901234567890123456789012345678901234567890123");
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_gt(length, 60 << 10);
	ck_assert_uint_lt(length, 70 << 10);
	ck_assert_uint_eq(counts.pings_recv, 10000);
}
END_TEST

/* --- idle, heartbeats ------------------------------------------------------------------------- */

START_TEST(is_idle)
{
	settings.idle_timeout = 60 * SECOND;
	configure();
	now += 50 * SECOND;
	RECEIVE("\x81\x01"
		"m");
	RECEIVE("\x8A\x00"); /* a pong is no message */
	ck_assert(expire_at((START + 110) * SECOND));
	expect_output("close 1001 ");
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "no message for 1m");
	ck_assert(!expire_at((START + 115) * SECOND));
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "no message for 1m");
}
END_TEST

START_TEST(beats)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	ck_assert(expire_at((START + 10) * SECOND));
	expect_output("text beat");
	now += SECOND;
	ck_assert(send_text("other"));
	expect_output("text other");
	ck_assert(expire_at((START + 20) * SECOND));
	expect_output("text beat");
	ck_assert_uint_eq(counts.heartbeats_sent, 2);
	ck_assert_uint_eq(counts.messages_sent, 3);
}
END_TEST

START_TEST(beats_only_when_idle)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"AGIB"};
	settings.heartbeat.binary = true;
	settings.heartbeat.only_idle = true;
	configure();
	now += 4 * SECOND;
	ck_assert(send_text("m"));
	expect_output("text m");
	ck_assert(expire_at((START + 10) * SECOND));
	expect_output("");
	ck_assert(expire_at((START + 14) * SECOND));
	expect_output("binary "); /* NUL comes first */
	ck_assert_uint_eq(counts.heartbeats_sent, 1);
}
END_TEST

/* Messages that wait will be as good as a heartbeat, and it would only lengthen their queue. */
START_TEST(does_not_beat_behind_messages)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	settings.send_rate.messages = 0.01;
	configure();
	ck_assert(send_text("one"));
	ck_assert(send_text("two"));
	expect_output("text one");
	ck_assert(expire_at((START + 10) * SECOND));
	ck_assert_uint_eq(counts.heartbeats_sent, 0);
	expect_output("");
}
END_TEST

START_TEST(has_no_room_to_beat)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	settings.send_queue = 10;
	configure();
	ck_assert(send_text("x"));
	ck_assert(expire_at((START + 10) * SECOND));
	ck_assert_uint_eq(counts.heartbeats_sent, 0);
	expect_output("text x");
}
END_TEST

/* --- sending ---------------------------------------------------------------------------------- */

START_TEST(sends)
{
	struct ws_endpoint_sent sent;
	size_t length;

	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert(send_text("one"));
	now += 5 * CLOCK_NS_PER_US;
	ck_assert(send_text("three"));
	ck_assert_uint_eq(ws_endpoint_queued(&endpoint), 9 + 11);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint), 2);
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_eq(length, 20);
	ws_endpoint_wrote(&endpoint, 8);
	ck_assert(!ws_endpoint_next_sent(&endpoint, &sent, now));
	now += 5 * CLOCK_NS_PER_US;
	ws_endpoint_wrote(&endpoint, 2);
	ck_assert(ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert_uint_eq(sent.bytes, 9);
	ck_assert_uint_eq(sent.us, 10);
	ck_assert(!ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	now += 7 * CLOCK_NS_PER_US;
	ws_endpoint_wrote(&endpoint, 10);
	ck_assert(ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert_uint_eq(sent.bytes, 11);
	ck_assert_uint_eq(sent.us, 7);
	ck_assert_uint_eq(counts.messages_sent, 2);
	ck_assert_uint_eq(counts.bytes_sent, 20);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert_ptr_null(ws_endpoint_output(&endpoint, &length));
}
END_TEST

START_TEST(has_a_full_queue)
{
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = large, .length = 600};
	struct error error;

	settings.send_queue = 1000;
	configure();
	ck_assert(ws_endpoint_has_room(&endpoint, 5000));
	ck_assert(send_bytes(large, 600));
	ck_assert(!ws_endpoint_has_room(&endpoint, 600));
	ck_assert(!ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_str_eq(error.text,
		"the queue to the server is full: 608 of 1000 bytes wait to be sent");
	message.length = 1001;
	ck_assert(!ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_str_eq(error.text,
		"a message of 1001 bytes is larger than send_queue (1000 bytes)");
	ck_assert(ws_endpoint_has_room(&endpoint, 100));
}
END_TEST

/* The first of a turn is encoded at once, however large; others wait, and stay in their order. */
START_TEST(encodes_in_turns)
{
	size_t length;

	memset(large, 'x', sizeof(large));
	shared.encoded = 0;
	settings.send_queue = 100 << 20;
	configure();
	while (ws_endpoint_has_turn(&shared))
		ck_assert(send_bytes(large, sizeof(large)));
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_gt(length, 1 << 20);
	ck_assert(send_bytes(large, sizeof(large)));
	ck_assert(send_bytes(large, sizeof(large)));
	shared.encoded = 0;
	ck_assert(send_text("small"));
	ck_assert_uint_eq(endpoint.out.length, length);

	ws_endpoint_encode(&endpoint, now); /* not with so much output */
	ck_assert_uint_eq(endpoint.out.length, length);
	ws_endpoint_wrote(&endpoint, length);
	ck_assert(ws_endpoint_wants_write(&endpoint));
	ws_endpoint_encode(&endpoint, now);
	ck_assert_uint_gt(endpoint.out.length, sizeof(large));
	ck_assert_uint_lt(endpoint.out.length, 2 * sizeof(large));
	ws_endpoint_wrote(&endpoint, endpoint.out.length);
	ws_endpoint_encode(&endpoint, now);
	ws_endpoint_wrote(&endpoint, endpoint.out.length);
	expect_output("text small");
}
END_TEST

START_TEST(keeps_the_rate)
{
	settings.send_rate.messages = 2;
	settings.send_rate.burst = 3;
	configure();
	for (int i = 0; i < 5; i++)
		ck_assert(send_text("m"));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m, text m, text m");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert(expire_at(START * SECOND + SECOND / 2 + 1));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m");

	settings.send_rate.messages = 0; /* without a limit the rest leaves at once */
	configure();
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m");
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	ck_assert(send_text("at once"));
	ck_assert_uint_gt(endpoint.out.length, 0);
}
END_TEST

/* --- the rest --------------------------------------------------------------------------------- */

START_TEST(takes_other_settings)
{
	settings.max_message = 3;
	configure();
	RECEIVE("\x81\x03"
		"abc");
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	settings.ping.interval = 7 * SECOND;
	settings.max_message = 2;
	now += SECOND;
	configure();
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), now + 7 * SECOND);
	settings.ping.interval = 0;
	configure();
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	ck_assert(ws_endpoint_expire(&endpoint, now));
	RECEIVE("\x81\x03");
	expect_end(WS_CLOSE_TOO_BIG, "the server sent a message longer than the limit", false,
		"the server sent a message longer than the limit");
	expect_received("abc;");
}
END_TEST

/* Both ways; a bomb of a message is counted as one. */
START_TEST(compresses)
{
	static const struct ws_deflate_parameters agreed = {
		.client_max_window_bits = 15,
		.server_max_window_bits = 15,
	};
	struct ws_mask_pool masks = {0};
	struct ws_deflater *server = ws_deflater_new(&agreed, 6, 10);
	struct buffer wire = {0};
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = large, .length = 10000};
	struct error error;

	memset(large, 'x', sizeof(large));
	ws_endpoint_compress(&endpoint, &agreed, 6, 10);
	shared.encoded = 0;
	ck_assert(ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_uint_gt(shared.encoded, 10 * 10000); /* it costs much */
	ck_assert_uint_lt(endpoint.out.length, 200);
	ck_assert_uint_eq(counts.uncompressed_sent, 10000);
	ck_assert_uint_lt(counts.compressed_sent, 200);

	spend_turn();
	ck_assert(send_bytes(large, 10000));
	ck_assert(send_bytes(large, 10000));
	ws_endpoint_encode(&endpoint, now); /* at that cost, one at a time */
	ck_assert_uint_eq(counts.frames_sent, 2);
	ck_assert(ws_endpoint_wants_write(&endpoint));

	ws_send(&wire, &masks, server, WS_TEXT, large, 100);
	unmask(&wire);
	ck_assert_uint_eq(receive(wire.memory, wire.length), 0);
	ck_assert_uint_eq(transcript.length, 101);
	ck_assert_uint_eq(counts.uncompressed_recv, 100);
	buffer_release(&wire);

	settings.max_message = 1000;
	configure();
	ws_send(&wire, &masks, server, WS_TEXT, large, sizeof(large));
	unmask(&wire);
	receive(wire.memory, wire.length);
	ck_assert_uint_eq(counts.bombs, 1);
	expect_end(WS_CLOSE_TOO_BIG,
		"the server sent a message that is longer than the limit once inflated", false,
		"the server sent a message that is longer than the limit once inflated");
	buffer_release(&wire);
	ws_deflater_free(server);
}
END_TEST

/* What a server sends at a time becomes a lot once inflated: it is taken in pieces. */
START_TEST(inflates_in_pieces)
{
	static const struct ws_deflate_parameters agreed = {
		.client_max_window_bits = 15,
		.server_max_window_bits = 15,
	};
	struct buffer wire = {0};
	struct ws_message message;
	struct ws_input input;

	ws_endpoint_compress(&endpoint, &agreed, 6, 10);
	buffer_append(&wire, "\x82\x7E\x40\x00", 4);
	buffer_append(&wire, large, 0x4000);
	input = (struct ws_input){.data = wire.memory, .length = wire.length};
	ck_assert_int_eq(ws_endpoint_next(&endpoint, &input, &message, now), WS_RECEIVED_NOTHING);
	ck_assert_uint_gt(input.length, 0);
	while (ws_endpoint_next(&endpoint, &input, &message, now) != WS_RECEIVED_MESSAGE)
		ck_assert_uint_gt(input.length, 0);
	ck_assert_uint_eq(message.length, 0x4000);
	buffer_release(&wire);
}
END_TEST

static TCase *closing_tests(void)
{
	TCase *tests = tcase_create("closing");

	tcase_add_test(tests, closes);
	tcase_add_test(tests, closes_with_its_own_reason);
	tcase_add_test(tests, answers_the_server);
	tcase_add_test(tests, answers_a_close_without_a_code);
	tcase_add_test(tests, is_not_answered);
	tcase_add_test(tests, nothing_follows_a_close);
	tcase_add_test(tests, does_not_answer_pings_while_closing);
	tcase_add_test(tests, stream_ends_without_a_close);
	tcase_add_test(tests, stream_ends_instead_of_an_answer);
	tcase_add_test(tests, was_given_up);
	tcase_add_test(tests, fails_on_a_broken_frame);
	tcase_add_test(tests, fails_while_closing);
	tcase_add_test(tests, closes_behind_messages);
	tcase_add_test(tests, closes_ahead_of_messages_held_back);
	tcase_add_test(tests, answers_behind_messages);
	tcase_add_test(tests, fails_behind_messages);
	tcase_add_test(tests, output_is_lost);
	tcase_add_test(tests, output_is_lost_as_the_server_had_closed);
	tcase_add_test(tests, output_is_lost_while_closing);
	tcase_add_test(tests, output_is_lost_in_the_end);
	tcase_add_test(tests, output_is_lost_with_a_close_frame);
	return tests;
}

static TCase *time_tests(void)
{
	TCase *tests = tcase_create("time");

	tcase_add_test(tests, has_time_to_drain);
	tcase_add_test(tests, has_all_its_time_after_being_held_up);
	tcase_add_test(tests, drains_once);
	tcase_add_test(tests, drains_once_though_output_is_lost);
	tcase_add_test(tests, drains_for_the_close_timeout_at_least);
	tcase_add_test(tests, is_held_up_while_open);
	tcase_add_test(tests, pings);
	tcase_add_test(tests, gets_no_pong);
	tcase_add_test(tests, takes_other_pongs);
	tcase_add_test(tests, pings_with_a_payload);
	tcase_add_test(tests, waits_for_a_pong_without_limit);
	tcase_add_test(tests, loses_the_limit_for_a_pong);
	tcase_add_test(tests, answers_pings);
	tcase_add_test(tests, answers_not_every_ping);
	tcase_add_test(tests, is_idle);
	tcase_add_test(tests, beats);
	tcase_add_test(tests, beats_only_when_idle);
	tcase_add_test(tests, does_not_beat_behind_messages);
	tcase_add_test(tests, has_no_room_to_beat);
	return tests;
}

static TCase *sending_tests(void)
{
	TCase *tests = tcase_create("sending");

	tcase_add_test(tests, sends);
	tcase_add_test(tests, has_a_full_queue);
	tcase_add_test(tests, encodes_in_turns);
	tcase_add_test(tests, keeps_the_rate);
	tcase_add_test(tests, takes_other_settings);
	tcase_add_test(tests, compresses);
	tcase_add_test(tests, inflates_in_pieces);
	return tests;
}

Suite *suite_endpoint(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *cases[] = {closing_tests(), time_tests(), sending_tests()};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		tcase_add_checked_fixture(cases[i], setup, teardown);
		suite_add_tcase(suite, cases[i]);
	}
	return suite;
}
