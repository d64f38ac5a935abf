#ifndef GATEWAY_MESSAGE_QUEUE_H
#define GATEWAY_MESSAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ws/protocol.h"

/* Messages to a server that cannot be sent yet, in their order. Zero-initialised is empty; it knows
 * no limit: whoever appends checks message_queue_size(). */
struct message_queue {
	struct buffer records;
	size_t count;
};

enum { MESSAGE_QUEUE_OVERHEAD = 16 }; /* bytes that each takes beside its own */

struct queued_message {
	enum ws_opcode opcode; /* WS_TEXT or WS_BINARY */
	const uint8_t *data;   /* valid until the queue changes */
	size_t length;         /* at most UINT32_MAX */
	uint64_t time;         /* when it came; monotonic ns */
};

/* Bytes that it takes, overheads included. */
static inline size_t message_queue_size(const struct message_queue *queue)
{
	return queue->records.length;
}

void message_queue_append(struct message_queue *queue, const struct queued_message *message);

/* The oldest; false: the queue is empty. */
bool message_queue_first(const struct message_queue *queue, struct queued_message *message);
void message_queue_drop_first(struct message_queue *queue);

void message_queue_release(struct message_queue *queue);

#endif
