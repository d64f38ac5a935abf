#ifndef GATEWAY_MESSAGE_QUEUE_H
#define GATEWAY_MESSAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "gateway/outgoing.h"

/* Messages to a server that cannot be sent yet, in their order. Zero-initialised is empty; it knows
 * no limit: whoever appends checks message_queue_size(). */
struct message_queue {
	struct buffer records;
	size_t count;
	size_t size;   /* private: message_queue_size() */
	size_t copies; /* private: how many of them are kept as copies */
};

enum { MESSAGE_QUEUE_OVERHEAD = 16 }; /* bytes that each takes beside its own */

/* Bytes of the messages, overheads included. Those that share a copy count in each queue. */
static inline size_t message_queue_size(const struct message_queue *queue)
{
	return queue->size;
}

/* Keeps the message: the bytes of a short one, and of others the copy that all queues share. */
void message_queue_append(struct message_queue *queue, struct outgoing *message);

/* The oldest, valid until the queue changes and not to be released; false: the queue is empty. */
bool message_queue_first(const struct message_queue *queue, struct outgoing *message);
void message_queue_drop_first(struct message_queue *queue);

void message_queue_release(struct message_queue *queue);

#endif
