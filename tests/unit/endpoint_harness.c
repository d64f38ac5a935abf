#include "endpoint_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ws_endpoint_shared shared;
struct ws_endpoint_settings settings;
struct ws_endpoint_counts counts;
struct ws_endpoint endpoint;
uint64_t now;
struct buffer transcript;
char large[200 << 10];

void endpoint_setup(void)
{
	now = START * SECOND;
	shared = (struct ws_endpoint_shared){.drain_timeout = 20 * SECOND};
	counts = (struct ws_endpoint_counts){0};
	settings = (struct ws_endpoint_settings){
		.close_timeout = 5 * SECOND,
		.max_message = 1 << 20,
		.send_queue = 1 << 20,
		.keep_age = 30 * SECOND,
		.send_rate.burst = 1,
	};
	ws_endpoint_init(&endpoint, &shared, &settings, &counts, now);
}

void endpoint_teardown(void)
{
	ws_endpoint_release(&endpoint);
	buffer_release(&transcript);
}

void configure(void)
{
	ws_endpoint_configure(&endpoint, &settings, now);
}

/* --- the server's part ------------------------------------------------------------------------ */

size_t receive(const void *bytes, size_t length)
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
	ws_endpoint_count_received(&endpoint, now);
	return input.length;
}

void receive_pong(uint64_t time)
{
	char frame[2 + sizeof("18446744073709551615")];
	int length = snprintf(frame + 2, sizeof(frame) - 2, "%llu", (unsigned long long)time);

	frame[0] = '\x8A';
	frame[1] = (char)length;
	ck_assert_uint_eq(receive(frame, 2 + (size_t)length), 0);
}

void expect_received(const char *expected)
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

void expect_output(const char *expected)
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

bool send_bytes(const void *data, size_t length)
{
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = data, .length = length};
	struct error error;
	bool sent = ws_endpoint_send(&endpoint, &message, now, &error);

	ws_outgoing_release(&message);
	return sent;
}

bool send_text(const char *text)
{
	return send_bytes(text, strlen(text));
}

bool expire_at(uint64_t then)
{
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), then);
	now = then - 1;
	ck_assert(ws_endpoint_expire(&endpoint, now));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), then);
	now = then;
	return ws_endpoint_expire(&endpoint, now);
}

void expect_end(unsigned code, const char *reason, bool remote, const char *error)
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

const struct error broken_pipe = {ERROR_SOCKET_CLOSED, "broken pipe"};

void spend_turn(void)
{
	while (ws_endpoint_has_turn(&shared))
		shared.encoded += 1 << 10;
}
