#include "ws/receiver.h"

#include <string.h>

#include "base/text.h"
#include "ws/deflate.h"

/* The bits of a frame's first two bytes: RFC 6455, section 5.2. */
enum {
	FRAME_FIN = 0x80,
	FRAME_RSV1 = 0x40,
	FRAME_RSV2_3 = 0x30,
	FRAME_OPCODE = 0x0F,
	FRAME_CONTROL = 0x08, /* set in the opcodes of control frames */
	FRAME_MASKED = 0x80,
	FRAME_LENGTH = 0x7F,
	FRAME_LENGTH_16 = 126,
	FRAME_LENGTH_64 = 127,
};

/* Kept of `assembly` between messages: spares each small one a malloc, and costs little if idle. */
enum { RECEIVER_KEEP_MAX = 4096 };

static bool receiver_fail(struct ws_failure *failure, enum ws_close_code code, const char *text)
{
	*failure = (struct ws_failure){.code = code, .text = text};
	return false;
}

static inline uint64_t receiver_big_endian(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

static size_t receiver_header_size(uint8_t second)
{
	switch (second & FRAME_LENGTH) {
	case FRAME_LENGTH_16:
		return 4;
	case FRAME_LENGTH_64:
		return 10;
	default:
		return 2;
	}
}

/* The payload length of a complete header. False: it is not encoded in the shortest form. */
static inline bool receiver_length(const uint8_t *header, uint64_t *length)
{
	switch (header[1] & FRAME_LENGTH) {
	case FRAME_LENGTH_16:
		*length = receiver_big_endian(header + 2, 2);
		return *length >= FRAME_LENGTH_16;
	case FRAME_LENGTH_64:
		*length = receiver_big_endian(header + 2, 8);
		return *length > UINT16_MAX && *length <= INT64_MAX;
	default:
		*length = header[1] & FRAME_LENGTH;
		return true;
	}
}

/*
 * The hot path: a whole uncompressed message in one frame. Anything else, valid or not, is left
 * for the general path.
 */
static bool receiver_take_whole(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_message *message)
{
	const uint8_t *data = input->data;
	size_t header_size;
	uint64_t length;

	if (receiver->in_message || receiver->in_frame || receiver->header_length ||
		input->length < 2)
		return false;
	if ((data[0] != (FRAME_FIN | WS_TEXT) && data[0] != (FRAME_FIN | WS_BINARY)) ||
		data[1] & FRAME_MASKED)
		return false;
	header_size = receiver_header_size(data[1]);
	if (input->length < header_size || !receiver_length(data, &length))
		return false;
	if (length > input->length - header_size || length > receiver->message_max)
		return false;
	if (data[0] == (FRAME_FIN | WS_TEXT) && !ws_utf8_valid(data + header_size, length) &&
		receiver->policy != WS_UTF8_PASS)
		return false;

	receiver->frames++;
	message->opcode = data[0] & FRAME_OPCODE;
	message->data = data + header_size;
	message->length = length;
	input->data += header_size + length;
	input->length -= header_size + length;
	return true;
}

static bool receiver_check_first(const struct ws_receiver *receiver, struct ws_failure *failure)
{
	uint8_t first = receiver->header[0];
	uint8_t opcode = first & FRAME_OPCODE;

	if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a frame with a reserved opcode");
	if (first & FRAME_RSV2_3 || (first & FRAME_RSV1 && !receiver->inflater))
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server set a reserved bit in a frame");
	if (first & FRAME_RSV1 && opcode != WS_TEXT && opcode != WS_BINARY)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server marked a frame as compressed that does not begin a message");
	if (opcode & FRAME_CONTROL && !(first & FRAME_FIN))
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a fragmented control frame");
	if (opcode == WS_CONTINUATION && !receiver->in_message)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server continued a message that it had not begun");
	if ((opcode == WS_TEXT || opcode == WS_BINARY) && receiver->in_message)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server began a message before the previous one had ended");
	return true;
}

static bool receiver_check_second(const struct ws_receiver *receiver, struct ws_failure *failure)
{
	uint8_t second = receiver->header[1];

	if (second & FRAME_MASKED)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a masked frame");
	if (receiver->header[0] & FRAME_CONTROL && second > WS_CONTROL_MAX)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a control frame longer than 125 bytes");
	return true;
}

/* Bytes that the message may still grow by. The limit may have fallen below what has arrived. */
static uint64_t receiver_room(const struct ws_receiver *receiver)
{
	return receiver->message_max > receiver->assembly.length
		? receiver->message_max - receiver->assembly.length
		: 0;
}

/* A data message begins; the policy may change before its end. */
static void receiver_begin_text(struct ws_receiver *receiver)
{
	bool is_text = receiver->message_opcode == WS_TEXT;

	receiver->utf8 = (struct ws_utf8){0};
	receiver->message_checked = is_text && receiver->policy != WS_UTF8_PASS;
	receiver->message_replaces = is_text && receiver->policy == WS_UTF8_REPLACE;
	receiver->message_repaired = false;
}

/* The header is complete and, except for the length, checked. */
static bool receiver_begin_frame(struct ws_receiver *receiver, struct ws_failure *failure)
{
	uint8_t first = receiver->header[0];

	if (!receiver_length(receiver->header, &receiver->frame_left))
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a frame whose length is not encoded in the shortest form");
	receiver->frames++;
	receiver->header_length = 0;
	receiver->in_frame = true;
	receiver->frame_final = first & FRAME_FIN;
	receiver->frame_opcode = first & FRAME_OPCODE;
	if (first & FRAME_CONTROL)
		return true;
	if (receiver->frame_opcode != WS_CONTINUATION) {
		receiver->in_message = true;
		receiver->message_opcode = receiver->frame_opcode;
		receiver->message_compressed = first & FRAME_RSV1;
		receiver_begin_text(receiver);
	}
	if (!receiver->message_compressed && receiver->frame_left > receiver_room(receiver))
		return receiver_fail(failure, WS_CLOSE_TOO_BIG,
			"the server sent a message longer than the limit");
	return true;
}

/* Takes header bytes until there are `wanted`. False: the input is used up. */
static bool receiver_take_bytes(struct ws_receiver *receiver, struct ws_input *input, size_t wanted)
{
	while (receiver->header_length < wanted) {
		if (input->length == 0)
			return false;
		receiver->header[receiver->header_length++] = *input->data++;
		input->length--;
	}
	return true;
}

/* Continues a header, until the frame has begun or the input is used up. */
static bool receiver_take_header(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_failure *failure)
{
	if (receiver->header_length == 0) {
		if (!receiver_take_bytes(receiver, input, 1))
			return true;
		if (!receiver_check_first(receiver, failure))
			return false;
	}
	if (receiver->header_length == 1) {
		if (!receiver_take_bytes(receiver, input, 2))
			return true;
		if (!receiver_check_second(receiver, failure))
			return false;
	}
	if (!receiver_take_bytes(receiver, input, receiver_header_size(receiver->header[1])))
		return true;
	return receiver_begin_frame(receiver, failure);
}

static bool receiver_accepts_text(struct ws_receiver *receiver, const uint8_t *data, size_t length)
{
	return !receiver->message_checked || ws_utf8_check(&receiver->utf8, data, length);
}

static bool receiver_fail_repair(struct ws_failure *failure)
{
	return receiver_fail(failure, WS_CLOSE_TOO_BIG,
		"the server sent text that is not UTF-8, and is longer than the limit once repaired");
}

/* Takes a piece of text that is not UTF-8. */
static bool receiver_take_invalid(struct ws_receiver *receiver, const uint8_t *data, size_t length,
	struct ws_failure *failure)
{
	if (!receiver->message_replaces)
		return receiver_fail(failure, WS_CLOSE_INVALID_DATA,
			"the server sent text that is not UTF-8");
	receiver->message_repaired = true;
	return ws_utf8_repair(&receiver->utf8, data, length, &receiver->assembly,
		       receiver->message_max) ||
		receiver_fail_repair(failure);
}

/* The same for what has just been inflated, behind the first `before` bytes. */
static bool receiver_take_invalid_inflated(struct ws_receiver *receiver, size_t before,
	struct ws_failure *failure)
{
	struct buffer inflated = {0};
	bool taken;

	buffer_append(&inflated, buffer_data(&receiver->assembly) + before,
		receiver->assembly.length - before);
	receiver->assembly.length = before;
	taken = receiver_take_invalid(receiver, buffer_data(&inflated), inflated.length, failure);
	buffer_release(&inflated);
	return taken;
}

static bool receiver_inflate(struct ws_receiver *receiver, const uint8_t *data, size_t length,
	struct ws_failure *failure)
{
	bool last = receiver->frame_final && receiver->frame_left == 0;
	size_t before = receiver->assembly.length;

	switch (ws_inflater_write(receiver->inflater, data, length, last, &receiver->assembly,
		receiver->message_max)) {
	case WS_INFLATE_INVALID:
		return receiver_fail(failure, WS_CLOSE_INVALID_DATA,
			"the server sent a compressed message that cannot be inflated");
	case WS_INFLATE_TOO_BIG:
		*failure = (struct ws_failure){
			.code = WS_CLOSE_TOO_BIG,
			.text = "the server sent a message that is longer than the limit "
				"once inflated",
			.bomb = true,
		};
		return false;
	case WS_INFLATED:
		break;
	}
	if (receiver->assembly.length == before ||
		receiver_accepts_text(receiver, buffer_data(&receiver->assembly) + before,
			receiver->assembly.length - before))
		return true;
	return receiver_take_invalid_inflated(receiver, before, failure);
}

static bool receiver_take_payload(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_failure *failure)
{
	const uint8_t *data = input->data;
	size_t length = input->length;

	if (length > receiver->frame_left)
		length = receiver->frame_left;
	receiver->frame_left -= length;
	input->length -= length;
	if (length)
		input->data += length;

	if (receiver->frame_opcode & FRAME_CONTROL) {
		buffer_append(&receiver->control, data, length);
		return true;
	}
	receiver->took_part = true;
	if (receiver->message_compressed)
		return receiver_inflate(receiver, data, length, failure);
	if (length && !receiver_accepts_text(receiver, data, length))
		return receiver_take_invalid(receiver, data, length, failure);
	buffer_append(&receiver->assembly, data, length);
	return true;
}

/* Growing, it may no longer fit a close frame. */
static void receiver_repair_reason(struct ws_receiver *receiver, struct ws_message *message)
{
	struct buffer reason = {0};
	struct ws_utf8 utf8 = {0};

	ws_utf8_repair(&utf8, message->data, message->length, &reason, SIZE_MAX);
	ws_utf8_repair_end(&utf8, &reason);
	buffer_release(&receiver->control);
	receiver->control = reason;
	message->data = buffer_data(&reason);
	message->length = reason.length;
	if (message->length > WS_REASON_MAX)
		message->length = text_whole((const char *)message->data, WS_REASON_MAX);
}

/* The body of a close frame: RFC 6455, section 5.5.1. */
static bool receiver_read_close(struct ws_receiver *receiver, struct ws_message *message,
	struct ws_failure *failure)
{
	const uint8_t *body = message->data;

	message->close_code = WS_CLOSE_NO_STATUS;
	if (message->length == 0)
		return true;
	if (message->length == 1)
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a close frame with half a close code");
	message->close_code = (unsigned)receiver_big_endian(body, 2);
	message->data = body + 2;
	message->length -= 2;
	if (!ws_close_code_valid(message->close_code))
		return receiver_fail(failure, WS_CLOSE_PROTOCOL_ERROR,
			"the server sent a close frame with an invalid close code");
	if (ws_utf8_valid(message->data, message->length))
		return true;
	if (receiver->policy == WS_UTF8_CHECK)
		return receiver_fail(failure, WS_CLOSE_INVALID_DATA,
			"the server sent a close frame whose reason is not UTF-8");
	receiver_repair_reason(receiver, message);
	return true;
}

/* The end of a text that may be in the middle of a character. */
static bool receiver_end_text(struct ws_receiver *receiver, struct ws_failure *failure)
{
	if (!ws_utf8_complete(&receiver->utf8)) {
		if (!receiver->message_replaces)
			return receiver_fail(failure, WS_CLOSE_INVALID_DATA,
				"the server sent text that ends in the middle of a character");
		ws_utf8_repair_end(&receiver->utf8, &receiver->assembly);
		receiver->message_repaired = true;
	}
	receiver->repaired += receiver->message_repaired;
	return receiver->assembly.length <= receiver->message_max || !receiver->message_repaired ||
		receiver_fail_repair(failure);
}

static bool receiver_end_message(struct ws_receiver *receiver, struct ws_message *message,
	struct ws_failure *failure)
{
	if (receiver->message_checked && !receiver_end_text(receiver, failure))
		return false;
	receiver->in_message = false;
	receiver->assembly_delivered = true;
	message->opcode = receiver->message_opcode;
	message->length = receiver->assembly.length;
	message->data = message->length ? buffer_data(&receiver->assembly) : receiver->header;
	return true;
}

static enum ws_received receiver_end_control(struct ws_receiver *receiver,
	struct ws_message *message, struct ws_failure *failure)
{
	message->opcode = receiver->frame_opcode;
	message->length = receiver->control.length;
	message->data = message->length ? buffer_data(&receiver->control) : receiver->header;
	if (message->opcode == WS_CLOSE && !receiver_read_close(receiver, message, failure))
		return WS_RECEIVED_FAILURE;
	return WS_RECEIVED_CONTROL;
}

/* The frame is complete. A fragment with others to follow yields nothing yet. */
static enum ws_received receiver_end_frame(struct ws_receiver *receiver, struct ws_message *message,
	struct ws_failure *failure)
{
	receiver->in_frame = false;
	if (receiver->frame_opcode & FRAME_CONTROL)
		return receiver_end_control(receiver, message, failure);
	if (!receiver->frame_final)
		return WS_RECEIVED_NOTHING;
	return receiver_end_message(receiver, message, failure) ? WS_RECEIVED_MESSAGE
								: WS_RECEIVED_FAILURE;
}

static void receiver_drop_delivered(struct ws_receiver *receiver)
{
	receiver->assembly_delivered = false;
	if (receiver->assembly.capacity > RECEIVER_KEEP_MAX)
		buffer_release(&receiver->assembly);
	else
		buffer_clear(&receiver->assembly);
}

enum ws_received ws_receiver_next(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure)
{
	enum ws_received received = WS_RECEIVED_NOTHING;

	if (receiver->assembly_delivered)
		receiver_drop_delivered(receiver);
	if (receiver->control.memory && !receiver->in_frame)
		buffer_release(&receiver->control);
	if (receiver_take_whole(receiver, input, message))
		return WS_RECEIVED_MESSAGE;

	while (received == WS_RECEIVED_NOTHING) {
		if (!receiver->in_frame && !receiver_take_header(receiver, input, failure))
			return WS_RECEIVED_FAILURE;
		if (!receiver->in_frame)
			return WS_RECEIVED_NOTHING;
		if (!receiver_take_payload(receiver, input, failure))
			return WS_RECEIVED_FAILURE;
		if (receiver->frame_left)
			return WS_RECEIVED_NOTHING;
		received = receiver_end_frame(receiver, message, failure);
	}
	return received;
}

/* Control frames and assembled messages lie in the receiver anyway. */
void ws_receiver_hold(struct ws_receiver *receiver, struct ws_message *message)
{
	if (message->opcode & FRAME_CONTROL || receiver->assembly_delivered)
		return;
	buffer_append(&receiver->assembly, message->data, message->length);
	message->data = message->length ? buffer_data(&receiver->assembly) : receiver->header;
	receiver->assembly_delivered = true;
}

/* Works on a copy: headers touch no memory that the receiver owns. */
size_t ws_receiver_count(const struct ws_receiver *receiver, struct ws_input input)
{
	struct ws_receiver copy = *receiver;
	struct ws_failure failure;
	size_t count = 0;

	if (copy.assembly_delivered)
		copy.assembly.length = 0; /* it does not count towards the limit of the next */
	while ((copy.in_frame || receiver_take_header(&copy, &input, &failure)) && copy.in_frame &&
		copy.frame_left <= input.length) {
		input.data += copy.frame_left;
		input.length -= copy.frame_left;
		copy.in_frame = false;
		if (copy.frame_opcode & FRAME_CONTROL || !copy.frame_final)
			continue;
		copy.in_message = false;
		copy.assembly.length = 0;
		count++;
	}
	return count;
}

bool ws_receiver_in_message(const struct ws_receiver *receiver)
{
	if (receiver->in_message)
		return true;
	return receiver->header_length && !(receiver->header[0] & FRAME_CONTROL);
}

void ws_receiver_release(struct ws_receiver *receiver)
{
	buffer_release(&receiver->assembly);
	buffer_release(&receiver->control);
}
