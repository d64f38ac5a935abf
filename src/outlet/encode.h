#ifndef OUTLET_ENCODE_H
#define OUTLET_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "outlet/message.h"

/* What becomes one record of a ring. */
struct encode_record {
	uint64_t seq;
	const struct outlet_message *message;
	const char *connection; /* name of the source */
	size_t connection_length;
	bool announce; /* `frames`: the subscribers do not know the name yet */
};

/* The last time put into words: messages come in batches, and many a second. Zero-initialised. */
struct encode_clock {
	uint64_t second;
	char text[CLOCK_TEXT_SIZE];
};

enum {
	ENCODE_GAP_MAX = 128,
	ENCODE_PACKET_END = 1, /* bytes behind the payload of a `packets` record */
};

/* How an outlet writes, one for each format. */
struct encode_format {
	bool lifecycle; /* shows a source's opening and closing */
	bool packets;   /* each record is sent as a packet of its own, without ENCODE_PACKET_END */

	/* The exact number of bytes that write() will write. SIZE_MAX: more than the format can. */
	size_t (*length)(const struct encode_record *record);
	void (*write)(uint8_t *out, const struct encode_record *record, struct encode_clock *clock);

	/* The notice that records `from` to `to` are missing, at most ENCODE_GAP_MAX bytes. NULL:
	 * the format has none. Returns its length. */
	size_t (*gap)(uint8_t *out, uint64_t from, uint64_t to);
};

extern const struct encode_format encode_lines;
extern const struct encode_format encode_json;
extern const struct encode_format encode_frames;
extern const struct encode_format encode_packets;

/* Appends a `frames` record that is for one subscriber only: names, the hello, an error. */
void encode_frames_append(struct buffer *out, uint8_t type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length);

#endif
