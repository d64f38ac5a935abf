#ifndef WS_MESSAGE_QUEUE_H
#define WS_MESSAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "ws/outgoing.h"

/*
 * Messages to a server that cannot be sent yet, in order. The oldest may be taken: they are on their
 * way, and stay until they are dropped. Zero-initialised is empty. It has no limit: check
 * ws_message_queue_size() before appending.
 */
struct ws_message_queue {
	struct buffer records;
	size_t count;        /* those that are taken included */
	size_t kept;         /* messages to keep among them */
	size_t taken;        /* the oldest ones */
	size_t taken_length; /* private: of their records, */
	size_t taken_size;   /* and their part of ws_message_queue_size() */
	size_t size;         /* private: ws_message_queue_size() */
	size_t copies;       /* private: messages kept as shared copies */
};

enum { WS_MESSAGE_QUEUE_OVERHEAD = 16 }; /* bytes for each message, besides its own */

/* Bytes, overhead included. A message that is shared counts in each queue. */
static inline size_t ws_message_queue_size(const struct ws_message_queue *queue)
{
	return queue->size;
}

/* Keeps the bytes of a short message, and of others the copy that all queues share. */
void ws_message_queue_append(struct ws_message_queue *queue, struct ws_outgoing *message);

/* The oldest, borrowed until the queue changes; false: the queue is empty. */
bool ws_message_queue_first(const struct ws_message_queue *queue, struct ws_outgoing *message);
void ws_message_queue_drop_first(struct ws_message_queue *queue);

/* The oldest that is not taken; false if there is none. */
bool ws_message_queue_next(const struct ws_message_queue *queue, struct ws_outgoing *message);

/* Takes that one. */
void ws_message_queue_take(struct ws_message_queue *queue);

/* None is taken any more. */
void ws_message_queue_untake(struct ws_message_queue *queue);

/* Moves all messages of the other queue behind those of this one. None of them is taken. */
void ws_message_queue_join(struct ws_message_queue *queue, struct ws_message_queue *other);

void ws_message_queue_release(struct ws_message_queue *queue);

#endif
