#ifndef WS_MESSAGE_QUEUE_H
#define WS_MESSAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "ws/outgoing.h"

/* Messages to a server that cannot be sent yet, in their order. Zero-initialised is empty; it knows
 * no limit: whoever appends checks ws_message_queue_size(). */
struct ws_message_queue {
	struct buffer records;
	size_t count;
	size_t size;   /* private: ws_message_queue_size() */
	size_t copies; /* private: how many of them are kept as copies */
};

enum { WS_MESSAGE_QUEUE_OVERHEAD = 16 }; /* bytes that each takes beside its own */

/* Bytes of the messages, overheads included. Those that share a copy count in each queue. */
static inline size_t ws_message_queue_size(const struct ws_message_queue *queue)
{
	return queue->size;
}

/* Keeps the message: the bytes of a short one, and of others the copy that all queues share. */
void ws_message_queue_append(struct ws_message_queue *queue, struct ws_outgoing *message);

/* The oldest, valid until the queue changes and not to be released; false: the queue is empty. */
bool ws_message_queue_first(const struct ws_message_queue *queue, struct ws_outgoing *message);
void ws_message_queue_drop_first(struct ws_message_queue *queue);

void ws_message_queue_release(struct ws_message_queue *queue);

#endif
