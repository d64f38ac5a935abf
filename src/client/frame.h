#ifndef CLIENT_FRAME_H
#define CLIENT_FRAME_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>

#include "outlet/frames.h"

/* The header of a record in host byte order. */
struct wsgate_frame {
	size_t size; /* of the record: at least FRAMES_HEADER_SIZE, a multiple of 8 */
	size_t length;
	uint64_t seq;
	uint64_t time;
	uint32_t connection;
	uint8_t type;
};

/* Result of a look for the next record. */
enum wsgate_look {
	WSGATE_LOOK_NOTHING,
	WSGATE_LOOK_FRAME,
	WSGATE_LOOK_BROKEN, /* not the format, or larger than possible */
};

/* The size of a record with a payload of `length` bytes. */
static inline size_t wsgate_frame_size(size_t length)
{
	size_t mask = FRAMES_ALIGNMENT - 1;

	return (FRAMES_HEADER_SIZE + length + mask) & ~mask;
}

/* False if size and length do not match. */
static inline bool wsgate_frame_read(struct wsgate_frame *frame, const struct frames_header *header)
{
	*frame = (struct wsgate_frame){
		.size = le32toh(header->size),
		.length = le32toh(header->length),
		.seq = le64toh(header->seq),
		.time = le64toh(header->time),
		.connection = le32toh(header->connection),
		.type = header->type,
	};
	return frame->size == wsgate_frame_size(frame->length);
}

#endif
