#ifndef WS_RECEIVER_H
#define WS_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ws/protocol.h"
#include "ws/utf8.h"

struct ws_inflater;

/*
 * The receiving half of a client: bytes from the server in, messages and control frames out (RFC
 * 6455, sections 5 and 7). It does no I/O and reads no clock.
 *
 * A message that lies whole and unfragmented in the input is handed out in place, without a copy;
 * others are put together in `assembly`, which keeps at most 4 KiB between messages and grows only
 * with the bytes that arrive. Compressed messages are inflated as they arrive.
 */
struct ws_receiver {
	uint64_t message_max;         /* bytes of payload, after inflating; may change */
	struct ws_inflater *inflater; /* borrowed; NULL: permessage-deflate was not agreed on */
	enum ws_utf8_policy policy;   /* for messages that begin from now on; may change */
	uint32_t repaired;            /* counted here: texts that were not UTF-8 */
	uint64_t frames;              /* counted here: those that have begun */
	/* private from here on */
	uint8_t header[10];
	uint8_t header_length; /* bytes of `header` that have arrived */
	bool in_frame;         /* the header is complete, payload is missing */
	bool frame_final;
	bool in_message; /* a data frame has begun, and its message has not ended */
	bool message_compressed;
	bool assembly_delivered; /* the last message handed out lies in `assembly` */
	enum ws_opcode frame_opcode;
	enum ws_opcode message_opcode;
	uint64_t frame_left; /* payload bytes of the frame that are missing */
	struct ws_utf8 utf8;
	bool took_part;         /* set here, cleared by the owner: payload of a message that did not
	                           come whole */
	bool message_checked;   /* it is text, and not WS_UTF8_PASS */
	bool message_repaired;  /* it was not UTF-8 */
	bool message_replaces;  /* WS_UTF8_REPLACE */
	struct buffer assembly; /* payload of the message so far, inflated; <= message_max */
	struct buffer control;  /* payload of a control frame; released by the next call */
};

/* Bytes to parse. ws_receiver_next() consumes them from the front. */
struct ws_input {
	const uint8_t *data;
	size_t length;
};

/* A whole message, or a control frame. */
struct ws_message {
	enum ws_opcode opcode; /* WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING or WS_PONG */
	const uint8_t *data;   /* in the input or the receiver; valid until the next call */
	size_t length;
	unsigned close_code; /* of WS_CLOSE, where `data` is the reason, UTF-8: valid, or
			      * WS_CLOSE_NO_STATUS */
};

/* Why the connection fails (RFC 6455, section 7.1.7), and what to tell the server. */
struct ws_failure {
	enum ws_close_code code;
	const char *text; /* static: "the server sent a masked frame" */
	bool bomb;        /* a message that exceeds the limit only once inflated */
};

enum ws_received {
	WS_RECEIVED_NOTHING, /* the input is used up */
	WS_RECEIVED_MESSAGE, /* text or binary; call again: there may be more in the input */
	WS_RECEIVED_CONTROL, /* WS_CLOSE, WS_PING or WS_PONG; call again */
	WS_RECEIVED_FAILURE, /* the stream is broken, and the receiver of no further use */
};

/* A new receiver is zero but for its two public fields. Frees what it owns. */
void ws_receiver_release(struct ws_receiver *receiver);

/*
 * Parses up to the end of the next message or control frame. Text is checked as it arrives: with
 * WS_UTF8_CHECK an invalid byte fails at once, even in the middle of a fragment; a frame that would
 * make its message longer than message_max, at its header. The limit is that of the message handed
 * out, after the repair that WS_UTF8_REPLACE asks for. Close reasons are repaired unless they are
 * checked: we repeat them.
 */
enum ws_received ws_receiver_next(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure);

/*
 * Keeps the message just handed out when its input goes away: its data then lies in the receiver,
 * until the next ws_receiver_next().
 */
void ws_receiver_hold(struct ws_receiver *receiver, struct ws_message *message);

/* Messages that end in the input, up to the first invalid frame. Consumes nothing. */
size_t ws_receiver_count(const struct ws_receiver *receiver, struct ws_input input);

/* True while a message has begun and not ended: for the time of its transfer. */
bool ws_receiver_in_message(const struct ws_receiver *receiver);

#endif
