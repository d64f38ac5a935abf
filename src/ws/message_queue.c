#include "ws/message_queue.h"

#include <string.h>

enum { MESSAGE_QUEUE_SHORT = 1024 }; /* bytes up to which copying costs less than sharing */

/* Precedes a message's bytes or, if it is not short, the pointer to its copy. */
struct ws_message_queue_record {
	uint64_t time;
	uint32_t length;
	uint32_t opcode;
};

_Static_assert(sizeof(struct ws_message_queue_record) == WS_MESSAGE_QUEUE_OVERHEAD,
	"the overhead in the header is a record's");

void ws_message_queue_append(struct ws_message_queue *queue, struct ws_outgoing *message)
{
	const struct ws_message_queue_record record = {
		.time = message->time,
		.length = (uint32_t)message->length,
		.opcode = message->opcode,
	};
	struct ws_outgoing_copy *copy;

	buffer_append(&queue->records, &record, sizeof(record));
	if (message->length <= MESSAGE_QUEUE_SHORT) {
		buffer_append(&queue->records, message->data, message->length);
	} else {
		copy = ws_outgoing_keep(message);
		buffer_append(&queue->records, &copy, sizeof(copy));
		queue->copies++;
	}
	queue->count++;
	queue->size += sizeof(record) + message->length;
}

bool ws_message_queue_first(const struct ws_message_queue *queue, struct ws_outgoing *message)
{
	struct ws_message_queue_record record;
	const uint8_t *bytes;

	if (!queue->count)
		return false;
	memcpy(&record, buffer_data(&queue->records), sizeof(record));
	bytes = buffer_data(&queue->records) + sizeof(record);
	*message = (struct ws_outgoing){
		.opcode = (enum ws_opcode)record.opcode,
		.data = bytes,
		.length = record.length,
		.time = record.time,
	};
	if (message->length > MESSAGE_QUEUE_SHORT) {
		memcpy(&message->copy, bytes, sizeof(message->copy));
		message->data = ws_outgoing_copy_data(message->copy);
	}
	return true;
}

void ws_message_queue_drop_first(struct ws_message_queue *queue)
{
	size_t size = sizeof(struct ws_message_queue_record);
	struct ws_outgoing first;

	if (!ws_message_queue_first(queue, &first))
		return;
	queue->count--;
	queue->size -= size + first.length;
	buffer_consume(&queue->records, size + (first.copy ? sizeof(first.copy) : first.length));
	if (first.copy) {
		queue->copies--;
		ws_outgoing_forget(first.copy);
	}
}

void ws_message_queue_release(struct ws_message_queue *queue)
{
	while (queue->copies)
		ws_message_queue_drop_first(queue);
	buffer_release(&queue->records);
	queue->count = queue->size = 0;
}
