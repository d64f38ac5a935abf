#include "gateway/message_queue.h"

#include <string.h>

enum { MESSAGE_QUEUE_SHORT = 1024 }; /* bytes, up to which copying costs less than sharing */

/* In front of each message's bytes or, if they are more than those of a short one, its copy. */
struct message_queue_record {
	uint64_t time;
	uint32_t length;
	uint32_t opcode;
};

_Static_assert(sizeof(struct message_queue_record) == MESSAGE_QUEUE_OVERHEAD,
	"what a record takes is what is said");

void message_queue_append(struct message_queue *queue, struct outgoing *message)
{
	const struct message_queue_record record = {
		.time = message->time,
		.length = (uint32_t)message->length,
		.opcode = message->opcode,
	};
	struct outgoing_copy *copy;

	buffer_append(&queue->records, &record, sizeof(record));
	if (message->length <= MESSAGE_QUEUE_SHORT) {
		buffer_append(&queue->records, message->data, message->length);
	} else {
		copy = outgoing_keep(message);
		buffer_append(&queue->records, &copy, sizeof(copy));
		queue->copies++;
	}
	queue->count++;
	queue->size += sizeof(record) + message->length;
}

bool message_queue_first(const struct message_queue *queue, struct outgoing *message)
{
	struct message_queue_record record;
	const uint8_t *bytes;

	if (!queue->count)
		return false;
	memcpy(&record, buffer_data(&queue->records), sizeof(record));
	bytes = buffer_data(&queue->records) + sizeof(record);
	*message = (struct outgoing){
		.opcode = (enum ws_opcode)record.opcode,
		.data = bytes,
		.length = record.length,
		.time = record.time,
	};
	if (message->length > MESSAGE_QUEUE_SHORT) {
		memcpy(&message->copy, bytes, sizeof(message->copy));
		message->data = outgoing_copy_data(message->copy);
	}
	return true;
}

void message_queue_drop_first(struct message_queue *queue)
{
	size_t size = sizeof(struct message_queue_record);
	struct outgoing first;

	if (!message_queue_first(queue, &first))
		return;
	queue->count--;
	queue->size -= size + first.length;
	buffer_consume(&queue->records, size + (first.copy ? sizeof(first.copy) : first.length));
	if (first.copy) {
		queue->copies--;
		outgoing_forget(first.copy);
	}
}

void message_queue_release(struct message_queue *queue)
{
	while (queue->copies)
		message_queue_drop_first(queue);
	buffer_release(&queue->records);
	queue->count = queue->size = 0;
}
