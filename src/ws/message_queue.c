#include "ws/message_queue.h"

#include <string.h>

enum { MESSAGE_QUEUE_SHORT = 1024 }; /* bytes up to which copying costs less than sharing */

/* Precedes a message's bytes or, if it is not short, the pointer to its copy. */
struct ws_message_queue_record {
	uint64_t time;
	uint32_t length;
	uint8_t opcode;
	bool keep;
	bool transient;
};

_Static_assert(sizeof(struct ws_message_queue_record) == WS_MESSAGE_QUEUE_OVERHEAD,
	"the overhead in the header is a record's");

void ws_message_queue_append(struct ws_message_queue *queue, struct ws_outgoing *message)
{
	const struct ws_message_queue_record record = {
		.time = message->time,
		.length = (uint32_t)message->length,
		.opcode = (uint8_t)message->opcode,
		.keep = message->keep,
		.transient = message->transient,
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
	queue->kept += message->keep;
	queue->size += sizeof(record) + message->length;
}

static void message_queue_read(const struct ws_message_queue *queue, size_t offset,
	struct ws_outgoing *message)
{
	const uint8_t *bytes = buffer_data(&queue->records) + offset;
	struct ws_message_queue_record record;

	memcpy(&record, bytes, sizeof(record));
	bytes += sizeof(record);
	*message = (struct ws_outgoing){
		.opcode = (enum ws_opcode)record.opcode,
		.data = bytes,
		.length = record.length,
		.time = record.time,
		.keep = record.keep,
		.transient = record.transient,
	};
	if (message->length > MESSAGE_QUEUE_SHORT) {
		memcpy(&message->copy, bytes, sizeof(message->copy));
		message->data = ws_outgoing_copy_data(message->copy);
	}
}

static size_t message_queue_record_length(const struct ws_outgoing *message)
{
	return sizeof(struct ws_message_queue_record) +
		(message->copy ? sizeof(message->copy) : message->length);
}

bool ws_message_queue_first(const struct ws_message_queue *queue, struct ws_outgoing *message)
{
	if (!queue->count)
		return false;
	message_queue_read(queue, 0, message);
	return true;
}

bool ws_message_queue_next(const struct ws_message_queue *queue, struct ws_outgoing *message)
{
	if (queue->taken == queue->count)
		return false;
	message_queue_read(queue, queue->taken_length, message);
	return true;
}

void ws_message_queue_take(struct ws_message_queue *queue)
{
	struct ws_outgoing next;

	if (!ws_message_queue_next(queue, &next))
		return;
	queue->taken++;
	queue->taken_length += message_queue_record_length(&next);
	queue->taken_size += WS_MESSAGE_QUEUE_OVERHEAD + next.length;
}

void ws_message_queue_untake(struct ws_message_queue *queue)
{
	queue->taken = queue->taken_length = queue->taken_size = 0;
}

void ws_message_queue_drop_first(struct ws_message_queue *queue)
{
	struct ws_outgoing first;
	size_t length;

	if (!ws_message_queue_first(queue, &first))
		return;
	length = message_queue_record_length(&first);
	if (queue->taken) {
		queue->taken--;
		queue->taken_length -= length;
		queue->taken_size -= WS_MESSAGE_QUEUE_OVERHEAD + first.length;
	}
	queue->count--;
	queue->kept -= first.keep;
	queue->size -= WS_MESSAGE_QUEUE_OVERHEAD + first.length;
	buffer_consume(&queue->records, length);
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
	*queue = (struct ws_message_queue){0};
}

void ws_message_queue_join(struct ws_message_queue *queue, struct ws_message_queue *other)
{
	if (!queue->count) {
		*queue = *other;
		*other = (struct ws_message_queue){0};
		return;
	}
	buffer_append(&queue->records, buffer_data(&other->records), other->records.length);
	queue->count += other->count;
	queue->kept += other->kept;
	queue->size += other->size;
	queue->copies += other->copies;
	buffer_release(&other->records);
	*other = (struct ws_message_queue){0};
}
