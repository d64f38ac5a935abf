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
 * The receiving half of a client: bytes from the server in, messages and control frames out
 * (RFC 6455, sections 5 and 7). It does no I/O and reads no clock.
 *
 * A message that lies whole and unfragmented in the input is handed out in place, uncopied;
 * anything else is put together in `assembly`, which owns at most 4 KiB between messages and grows
 * only with the bytes that arrive. A compressed message is inflated as it arrives.
 */
struct ws_receiver {
	uint64_t message_max;         /* bytes of a message's payload, after inflating; may change */
	struct ws_inflater *inflater; /* borrowed; NULL unless permessage-deflate was agreed on */
	uint64_t frames;              /* counted here: all that have begun */
	/* private from here on */
	uint8_t header[10];
	uint8_t header_length;  /* bytes of `header` that have arrived */
	bool in_frame;          /* the header is complete, payload is still to come */
	bool frame_final;
	bool in_message;        /* a data frame has begun, and its message has not ended */
	bool message_compressed;
	bool assembly_delivered; /* the last message handed out lies in `assembly` */
	enum ws_opcode frame_opcode;
	enum ws_opcode message_opcode;
	uint64_t frame_left;    /* payload bytes of the frame still to come */
	struct ws_utf8 utf8;
	struct buffer assembly; /* payload of the message so far, inflated; <= message_max */
	struct buffer control;  /* payload of a control frame; released with the next call */
};

/* Bytes to parse. ws_receiver_next() moves `data` forward as it consumes. */
struct ws_input {
	const uint8_t *data;
	size_t length;
};

/* What has come out: a whole message, or a control frame. */
struct ws_message {
	enum ws_opcode opcode;  /* WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING or WS_PONG */
	const uint8_t *data;    /* in the input or in the receiver; until the next call */
	size_t length;
	unsigned close_code;    /* of a WS_CLOSE: valid, or WS_CLOSE_NO_STATUS; data: the reason */
};

/* Why the connection has to be failed (RFC 6455, section 7.1.7), and what to tell the server. */
struct ws_failure {
	enum ws_close_code code;
	const char *text; /* static; for the person: "the server sent a masked frame" */
	bool bomb;        /* a message over the limit only once inflated */
};

enum ws_received {
	WS_RECEIVED_NOTHING, /* the input is used up */
	WS_RECEIVED_MESSAGE, /* text or binary; call again: there may be more in the input */
	WS_RECEIVED_CONTROL, /* WS_CLOSE, WS_PING or WS_PONG; call again */
	WS_RECEIVED_FAILURE, /* the stream is broken, and the receiver of no further use */
};

/* Zero-initialise, set the two public fields; that is a new receiver. Frees what it owns. */
void ws_receiver_release(struct ws_receiver *receiver);

/*
 * Parses up to the next whole message or control frame. Text is checked as it arrives: an invalid
 * byte fails at once, even in the middle of a fragment. A frame that would make the message longer
 * than message_max fails at its header.
 */
enum ws_received ws_receiver_next(struct ws_receiver *receiver, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure);

/*
 * Keeps the message just handed out beyond the life of the input it may point into: afterwards
 * message->data lies in the receiver, until the next ws_receiver_next().
 */
void ws_receiver_hold(struct ws_receiver *receiver, struct ws_message *message);

/* How many messages end in the input, which is not consumed: up to the first frame that cannot be. */
size_t ws_receiver_count(const struct ws_receiver *receiver, struct ws_input input);

/* Whether a message has begun and not yet ended: for the time a transfer takes. */
bool ws_receiver_in_message(const struct ws_receiver *receiver);

#endif
