#include "gateway/message_queue.h"

#include <string.h>

/* In front of each message's bytes. */
struct message_queue_record {
	uint64_t time;
	uint32_t length;
	uint32_t opcode;
};

_Static_assert(sizeof(struct message_queue_record) == MESSAGE_QUEUE_OVERHEAD,
	"what a record takes is what is said");

void message_queue_append(struct message_queue *queue, const struct queued_message *message)
{
	const struct message_queue_record record = {
		.time = message->time,
		.length = (uint32_t)message->length,
		.opcode = message->opcode,
	};

	buffer_append(&queue->records, &record, sizeof(record));
	buffer_append(&queue->records, message->data, message->length);
	queue->count++;
}

bool message_queue_first(const struct message_queue *queue, struct queued_message *message)
{
	struct message_queue_record record;

	if (!queue->count)
		return false;
	memcpy(&record, buffer_data(&queue->records), sizeof(record));
	*message = (struct queued_message){
		.opcode = (enum ws_opcode)record.opcode,
		.data = buffer_data(&queue->records) + sizeof(record),
		.length = record.length,
		.time = record.time,
	};
	return true;
}

void message_queue_drop_first(struct message_queue *queue)
{
	struct queued_message first;

	if (!message_queue_first(queue, &first))
		return;
	buffer_consume(&queue->records, MESSAGE_QUEUE_OVERHEAD + first.length);
	queue->count--;
}

void message_queue_release(struct message_queue *queue)
{
	buffer_release(&queue->records);
	queue->count = 0;
}
