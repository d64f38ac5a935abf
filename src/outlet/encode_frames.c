#include <endian.h>
#include <string.h>

#include "outlet/encode.h"
#include "outlet/frames.h"

_Static_assert(sizeof(struct frames_header) == FRAMES_HEADER_SIZE, "as documented");
_Static_assert(sizeof(struct frames_hello) == FRAMES_HELLO_SIZE, "as documented");

static const uint8_t frames_types[] = {
	[OUTLET_TEXT] = FRAMES_TEXT,
	[OUTLET_BINARY] = FRAMES_BINARY,
	[OUTLET_OPENED] = FRAMES_OPEN,
	[OUTLET_CLOSED] = FRAMES_CLOSE,
};

static size_t frames_size(size_t length)
{
	size_t mask = FRAMES_ALIGNMENT - 1;

	return (FRAMES_HEADER_SIZE + length + mask) & ~mask;
}

/* In the ring a header is aligned, but not behind the rest of a record that is set aside. */
typedef struct frames_header frames_place __attribute__((aligned(1)));

/*
 * Writes header, payload and padding; returns where the next record begins. The header is stored
 * field by field: to copy one that was just put together, the CPU has to wait for its parts.
 */
static inline uint8_t *frames_write_record(uint8_t *out, const struct frames_header *header,
	const void *payload, size_t length)
{
	frames_place *place = (frames_place *)(void *)out;
	size_t size = frames_size(length);

	memset(out + size - FRAMES_ALIGNMENT, 0, FRAMES_ALIGNMENT);
	place->size = htole32((uint32_t)size);
	place->length = htole32((uint32_t)length);
	place->seq = header->seq;
	place->time = header->time;
	place->connection = header->connection;
	place->type = header->type;
	memset(place->zero, 0, sizeof(place->zero));
	if (length)
		memcpy(out + sizeof(*header), payload, length);
	return out + size;
}

static size_t frames_length(const struct encode_record *record)
{
	size_t length = record->message->length;

	if (length > UINT32_MAX - FRAMES_HEADER_SIZE - FRAMES_ALIGNMENT)
		return SIZE_MAX;
	length = frames_size(length);
	return record->announce ? length + frames_size(record->connection_length) : length;
}

static void frames_write(uint8_t *out, const struct encode_record *record,
	struct encode_clock *clock)
{
	const struct outlet_message *message = record->message;
	struct frames_header header = {
		.seq = htole64(record->seq),
		.time = htole64(message->time),
		.connection = htole32(message->source),
	};

	(void)clock;
	if (record->announce) {
		header.type = FRAMES_NAME;
		out = frames_write_record(out, &header, record->connection,
			record->connection_length);
	}
	header.type = frames_types[message->type];
	frames_write_record(out, &header, message->data, message->length);
}

static size_t frames_write_gap(uint8_t *out, uint64_t from, uint64_t to)
{
	const struct frames_gap gap = {.from = htole64(from), .to = htole64(to)};
	const struct frames_header header = {
		.seq = htole64(to),
		.connection = htole32(FRAMES_NO_CONNECTION),
		.type = FRAMES_GAP,
	};

	return (size_t)(frames_write_record(out, &header, &gap, sizeof(gap)) - out);
}

void encode_frames_append(struct buffer *out, uint8_t type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length)
{
	const struct frames_header header = {
		.seq = htole64(seq),
		.connection = htole32(connection),
		.type = type,
	};

	frames_write_record(buffer_reserve(out, frames_size(length)), &header, payload, length);
	buffer_commit(out, frames_size(length));
}

const struct encode_format encode_frames = {
	.lifecycle = true,
	.length = frames_length,
	.write = frames_write,
	.gap = frames_write_gap,
};
