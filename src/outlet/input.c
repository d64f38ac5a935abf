#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/packet.h"
#include "base/text.h"
#include "outlet/frames.h"
#include "outlet/outlet_private.h"
#include "ws/utf8.h"

/* Messages from subscribers, in the format of the outlet. */

enum {
	INPUT_READ = 16 << 10,
	INPUT_PACKETS = 16, /* taken in one go, so that a flood holds up nobody else, */
	INPUT_MESSAGES = 256, /* or so many of a stream */
	INPUT_VALUES_MAX = 100, /* JSON values of a line, which needs three */
	INPUT_ALL = -1, /* as source: all of the outlet's */
};

/* How long messages are taken at a time: one may go to thousands of connections. */
#define INPUT_TIME (CLOCK_NS_PER_MS / 4)

/* What became of the front of the input. */
enum input_outcome {
	INPUT_TAKEN,   /* done with it, for better or worse */
	INPUT_PARTIAL, /* the rest is still to come */
	INPUT_REFUSED, /* the owner is to be asked again */
	INPUT_BROKEN,  /* it cannot be told where the next message begins */
};

void input_error(struct subscriber *subscriber, const char *text)
{
	struct event_members members = subscriber_members(subscriber);

	subscriber->outlet->stats.input_errors++;
	subscriber->input_errors++;
	if (subscriber->input_errors & (subscriber->input_errors - 1))
		return;
	event_add_text(&members, "error", text);
	event_add_number(&members, "errors", subscriber->input_errors);
	subscriber_report(subscriber, EVENT_TYPE_INPUT_ERROR, &members);
}

static enum input_outcome input_broken(struct subscriber *subscriber, const char *text)
{
	input_error(subscriber, text);
	subscriber_fail(subscriber, text, "input error");
	return INPUT_BROKEN;
}

static enum input_outcome input_wrong(struct subscriber *subscriber, const char *text)
{
	input_error(subscriber, text);
	return INPUT_TAKEN;
}

/* Text is valid UTF-8. */
static enum input_outcome input_offer(struct subscriber *subscriber, int source, bool binary,
	const void *data, size_t length)
{
	struct outlet *outlet = subscriber->outlet;
	const struct outlet_callbacks *callbacks = outlet->callbacks;

	if (!callbacks->input(outlet, source, binary, data, length, callbacks->context))
		return INPUT_REFUSED;
	subscriber->inputs++;
	outlet->stats.inputs++;
	return INPUT_TAKEN;
}

static enum input_outcome input_deliver(struct subscriber *subscriber, int source, bool binary,
	const void *data, size_t length)
{
	if (!binary && !ws_utf8_valid(data, length))
		return input_wrong(subscriber, "a text message is not UTF-8");
	return input_offer(subscriber, source, binary, data, length);
}

static enum input_outcome input_take_line(struct subscriber *subscriber, const uint8_t *line,
	size_t length)
{
	return input_deliver(subscriber, INPUT_ALL, false, line, length);
}

static int input_find_source(const struct outlet *outlet, const char *name)
{
	for (unsigned i = 0; i < outlet->source_count; i++) {
		if (outlet->sources[i].name && strcmp(outlet->sources[i].name, name) == 0)
			return (int)i;
	}
	return INPUT_ALL;
}

static enum input_outcome input_deliver_base64(struct subscriber *subscriber, int source,
	const json_t *base64)
{
	size_t length = json_string_length(base64);
	void *data = alloc_zero(1, length);
	enum input_outcome outcome;

	if (strlen(json_string_value(base64)) != length ||
		!text_base64_decode(data, &length, json_string_value(base64)))
		outcome = input_wrong(subscriber, "\"base64\" does not hold base64");
	else
		outcome = input_deliver(subscriber, source, true, data, length);
	free(data);
	return outcome;
}

static enum input_outcome input_take_object(struct subscriber *subscriber, const json_t *object)
{
	const json_t *connection = json_object_get(object, "connection");
	const json_t *type = json_object_get(object, "type");
	const json_t *data = json_object_get(object, "data");
	const json_t *base64 = json_object_get(object, "base64");
	int source = INPUT_ALL;

	if (!json_is_object(object))
		return input_wrong(subscriber, "a line is not a JSON object");
	if (json_is_string(data) == json_is_string(base64))
		return input_wrong(subscriber,
			"an object needs either \"data\" or \"base64\", a string");
	if (type && (!json_is_string(type) ||
			    strcmp(json_string_value(type), data ? "text" : "binary") != 0))
		return input_wrong(subscriber, "\"type\" must be \"text\", with \"data\", "
					       "or \"binary\", with \"base64\"");
	if (connection) {
		if (json_is_string(connection))
			source = input_find_source(subscriber->outlet,
				json_string_value(connection));
		if (source == INPUT_ALL)
			return input_wrong(subscriber,
				"\"connection\" is none of the outlet's connections");
	}
	if (base64)
		return input_deliver_base64(subscriber, source, base64);
	return input_deliver(subscriber, source, false, json_string_value(data),
		json_string_length(data));
}

static enum input_outcome input_take_json(struct subscriber *subscriber, const uint8_t *line,
	size_t length)
{
	char text[JSON_ERROR_TEXT_LENGTH + 32];
	enum input_outcome outcome;
	json_error_t fault;
	json_t *object;

	if (text_count_json_values((const char *)line, length) > INPUT_VALUES_MAX)
		return input_wrong(subscriber, "a line has more than 100 JSON values");
	object = json_loadb((const char *)line, length,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
	if (!object) {
		snprintf(text, sizeof(text), "a line is not JSON: %s", fault.text);
		return input_wrong(subscriber, text);
	}
	outcome = input_take_object(subscriber, object);
	json_decref(object);
	return outcome;
}

static enum input_outcome input_next_line(struct subscriber *subscriber, const uint8_t *data,
	size_t length, size_t *taken)
{
	const uint8_t *end = memchr(data + subscriber->scanned, '\n', length - subscriber->scanned);
	enum input_outcome outcome;

	if ((end ? (size_t)(end - data) : length) > INPUT_MESSAGE_MAX)
		return input_broken(subscriber, "a line is longer than 1 MiB");
	if (!end) {
		subscriber->scanned = length;
		return INPUT_PARTIAL;
	}
	subscriber->scanned = 0;
	*taken = (size_t)(end - data) + 1;
	if (subscriber->outlet->settings.format == OUTLET_JSON)
		outcome = input_take_json(subscriber, data, (size_t)(end - data));
	else
		outcome = input_take_line(subscriber, data, (size_t)(end - data));
	return outcome;
}

static enum input_outcome input_take_frame(struct subscriber *subscriber,
	const struct frames_header *header, const uint8_t *payload)
{
	const struct outlet *outlet = subscriber->outlet;
	uint32_t connection = le32toh(header->connection);
	int source = INPUT_ALL;

	if (header->type == FRAMES_AWAIT && subscriber->mode) {
		mapped_await(subscriber, le64toh(header->seq));
		return INPUT_TAKEN;
	}
	if (header->type != FRAMES_TEXT && header->type != FRAMES_BINARY)
		return input_wrong(subscriber, "a record is neither text nor binary");
	if (!outlet->settings.writable)
		return input_wrong(subscriber, "the outlet is not writable");
	if (connection != FRAMES_NO_CONNECTION) {
		if (connection >= outlet->source_count || !outlet->sources[connection].name)
			return input_wrong(subscriber,
				"a record is for a connection that the outlet does not have");
		source = (int)connection;
	}
	return input_deliver(subscriber, source, header->type == FRAMES_BINARY, payload,
		le32toh(header->length));
}

static enum input_outcome input_next_frame(struct subscriber *subscriber, const uint8_t *data,
	size_t length, size_t *taken)
{
	struct frames_header header;
	size_t size, payload;

	if (length < sizeof(header))
		return INPUT_PARTIAL;
	memcpy(&header, data, sizeof(header));
	size = le32toh(header.size);
	payload = le32toh(header.length);
	if (payload > INPUT_MESSAGE_MAX)
		return input_broken(subscriber, "a record is longer than 1 MiB");
	if (size % FRAMES_ALIGNMENT || size < sizeof(header) + payload ||
		size - sizeof(header) - payload >= FRAMES_ALIGNMENT)
		return input_broken(subscriber,
			"size and length of a record do not match");
	if (length < size)
		return INPUT_PARTIAL;
	*taken = size;
	return input_take_frame(subscriber, &header, data + sizeof(header));
}

/* Takes messages off the front, as long as they are complete, the owner accepts them, and there is
 * time; `done`: the bytes that they had. */
static enum input_outcome input_take_some(struct subscriber *subscriber, size_t *done)
{
	const struct buffer *input = &subscriber->input;
	bool frames = subscriber->outlet->settings.format == OUTLET_FRAMES;
	uint64_t end = clock_monotonic() + INPUT_TIME;
	enum input_outcome outcome = INPUT_TAKEN;

	for (int i = 0; outcome == INPUT_TAKEN && *done < input->length; i++) {
		const uint8_t *data = buffer_data(input) + *done;
		size_t left = input->length - *done, taken = 0;

		if (i == INPUT_MESSAGES || clock_monotonic() >= end)
			break;
		outcome = frames ? input_next_frame(subscriber, data, left, &taken)
				 : input_next_line(subscriber, data, left, &taken);
		if (outcome == INPUT_TAKEN)
			*done += taken;
	}
	return outcome;
}

/* What is left when the time is over has to wait for a later turn. */
static void input_take(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	enum input_outcome outcome;
	size_t done = 0;

	subscriber->unfinished = false;
	outcome = input_take_some(subscriber, &done);
	if (done)
		buffer_consume(input, done);
	if (outcome == INPUT_BROKEN) {
		buffer_release(input);
		return;
	}
	subscriber->paused = outcome == INPUT_REFUSED;
	subscriber->unfinished = outcome == INPUT_TAKEN && input->length > 0;
	subscriber_update_reading(subscriber);
	if (subscriber->unfinished)
		subscriber_resume_input(subscriber);
}

/* A piece of a message is not sent on: the subscriber may have died in the middle of it. */
static void input_end(struct subscriber *subscriber)
{
	subscriber->ended = true;
	if (subscriber->input.length)
		input_error(subscriber, "the input ends in the middle of a message");
	buffer_release(&subscriber->input);
	subscriber_update_reading(subscriber);
}

/* The packet in the input is one message: text if it is UTF-8. */
static void input_take_packet(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	bool text = ws_utf8_valid(buffer_data(input), input->length);

	subscriber->paused = input_offer(subscriber, INPUT_ALL, !text, buffer_data(input),
				     input->length) == INPUT_REFUSED;
	if (!subscriber->paused)
		buffer_release(input);
	subscriber_update_reading(subscriber);
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
	uint64_t end = clock_monotonic() + INPUT_TIME;

	for (int i = 0; i < INPUT_PACKETS && !subscriber->paused; i++) {
		size_t length;

		if (i && clock_monotonic() >= end)
			break;
		switch (packet_peek(subscriber->fd, MSG_DONTWAIT, &length)) {
		case PACKET_NONE:
			return false;
		case PACKET_END:
			input_end(subscriber);
			return false;
		case PACKET_WAITING:
			break;
		}
		if (length <= INPUT_MESSAGE_MAX) {
			input_receive_packet(subscriber, length);
		} else {
			recv(subscriber->fd, NULL, 0, MSG_DONTWAIT);
			input_error(subscriber, "a packet is longer than 1 MiB");
		}
	}
	return !subscriber->paused;
}

bool input_read(struct subscriber *subscriber)
{
	struct buffer *input = &subscriber->input;
	ssize_t got;

	if (subscriber->ended || subscriber->paused)
		return false;
	if (subscriber->outlet->format->packets)
		return input_read_packets(subscriber);
	if (subscriber->unfinished) {
		input_take(subscriber);
		return true;
	}
	got = recv(subscriber->fd, buffer_reserve(input, INPUT_READ), INPUT_READ, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (input->length == 0)
			buffer_release(input);
		return false;
	}
	if (got <= 0) {
		input_end(subscriber);
		return false;
	}
	buffer_commit(input, (size_t)got);
	input_take(subscriber);
	return true;
}

void input_resume(struct subscriber *subscriber)
{
	if (!subscriber->paused && !subscriber->unfinished)
		return;
	subscriber->paused = false;
	if (subscriber->outlet->format->packets)
		input_take_packet(subscriber);
	else
		input_take(subscriber);
}
