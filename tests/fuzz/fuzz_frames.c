/*
 * The receiver, with and without permessage-deflate. Whatever the server sends, the outcome does
 * not depend on the pieces that it arrives in, and what comes out keeps the receiver's promises.
 *
 * Input: a byte of options, a byte with the size of the pieces, and then the server's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "ws/deflate.h"
#include "ws/receiver.h"

enum {
	OPTION_DEFLATE = 1,
	OPTION_NO_CONTEXT = 2,
	OPTION_SMALL_WINDOW = 4,
	OPTION_SMALL_LIMIT = 8,
	OPTION_HOLD = 16,
	OPTION_REPLACE = 32, /* text that is not UTF-8, */
	OPTION_PASS = 64,    /* else this, else it is refused */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(const struct ws_receiver *receiver, const struct ws_message *message)
{
	if (message->opcode == WS_CLOSE)
		require(message->close_code == WS_CLOSE_NO_STATUS ||
			ws_close_code_valid(message->close_code));
	if ((message->opcode == WS_TEXT && receiver->policy != WS_UTF8_PASS) ||
		message->opcode == WS_CLOSE)
		require(ws_utf8_valid(message->data, message->length));
	if (message->opcode == WS_TEXT || message->opcode == WS_BINARY)
		require(message->length <= receiver->message_max);
	else
		require(message->length <= WS_CONTROL_MAX);
}

static void record_message(struct buffer *record, const struct ws_message *message)
{
	uint8_t opcode = (uint8_t)message->opcode;

	buffer_append(record, &opcode, sizeof(opcode));
	buffer_append(record, &message->length, sizeof(message->length));
	buffer_append(record, message->data, message->length);
	if (message->opcode == WS_CLOSE)
		buffer_append(record, &message->close_code, sizeof(message->close_code));
}

/* What an inflated message is refused for first, its size or its bytes, is up to the pieces. */
static void record_failure(struct buffer *record, const struct ws_failure *failure, uint8_t options)
{
	enum ws_close_code code = failure->code;

	if (options & OPTION_DEFLATE && code == WS_CLOSE_TOO_BIG)
		code = WS_CLOSE_INVALID_DATA;
	buffer_append(record, &code, sizeof(code));
}

static enum ws_received run_piece(struct ws_receiver *receiver, const uint8_t *data, size_t size,
	uint8_t options, struct buffer *record)
{
	struct ws_input input = {.data = data, .length = size};
	struct ws_message message;
	struct ws_failure failure;
	enum ws_received received;

	while ((received = ws_receiver_next(receiver, &input, &message, &failure)) ==
			WS_RECEIVED_MESSAGE ||
		received == WS_RECEIVED_CONTROL) {
		require((message.opcode & 0x8) == (received == WS_RECEIVED_CONTROL ? 0x8 : 0));
		if (options & OPTION_HOLD)
			ws_receiver_hold(receiver, &message);
		check_message(receiver, &message);
		record_message(record, &message);
	}
	if (received == WS_RECEIVED_FAILURE)
		record_failure(record, &failure, options);
	else
		require(input.length == 0);
	return received;
}

static struct buffer run(const uint8_t *data, size_t size, uint8_t options, size_t step)
{
	struct ws_deflate_parameters parameters = {
		.client_max_window_bits = 15,
		.server_max_window_bits = options & OPTION_SMALL_WINDOW ? 8 : 15,
		.server_no_context_takeover = options & OPTION_NO_CONTEXT,
	};
	struct ws_receiver receiver = {
		.message_max = options & OPTION_SMALL_LIMIT ? 64 : 1 << 18,
		.policy = options & OPTION_REPLACE ? WS_UTF8_REPLACE
			: options & OPTION_PASS    ? WS_UTF8_PASS
						   : WS_UTF8_CHECK,
		.inflater = options & OPTION_DEFLATE ? ws_inflater_new(&parameters) : NULL,
	};
	struct buffer record = {0};

	while (size > 0) {
		size_t piece = step < size ? step : size;

		if (run_piece(&receiver, data, piece, options, &record) == WS_RECEIVED_FAILURE)
			break;
		data += piece;
		size -= piece;
	}
	ws_inflater_free(receiver.inflater);
	ws_receiver_release(&receiver);
	return record;
}

/*
 * zlib lets a distance reach beyond a window that is smaller than 32 KiB, as long as what it refers
 * to is still in the output of the same call. Only servers that break the agreement depend on it.
 */
static bool depends_on_pieces(uint8_t options)
{
	return options & OPTION_DEFLATE && options & OPTION_SMALL_WINDOW;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole, pieces;

	if (size < 3)
		return 0;
	whole = run(data + 2, size - 2, data[0], size);
	pieces = run(data + 2, size - 2, data[0], data[1] % 32 + 1U);
	if (!depends_on_pieces(data[0])) {
		require(whole.length == pieces.length);
		require(!whole.length || !memcmp(whole.memory, pieces.memory, whole.length));
	}
	buffer_release(&whole);
	buffer_release(&pieces);
	return 0;
}
