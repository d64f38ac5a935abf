#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json_put.h"
#include "outlet/format_input.h"
#include "outlet/frames.h"

/* `frames`: a binary header and the payload, as frames.h has it byte by byte. */

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

/* A header is aligned in the ring, but not after the rest of a record that is set aside. */
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

static size_t frames_length(const struct format_record *record)
{
	size_t length = record->message->length;

	if (length > UINT32_MAX - FRAMES_HEADER_SIZE - FRAMES_ALIGNMENT)
		return SIZE_MAX;
	length = frames_size(length);
	return record->announce ? length + frames_size(record->source_length) : length;
}

static void frames_write(uint8_t *out, const struct format_record *record,
	struct format_clock *clock)
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
		out = frames_write_record(out, &header, record->source, record->source_length);
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

/* A record that is for one subscriber only. */
static void frames_append(struct buffer *out, uint8_t type, uint64_t seq, uint32_t connection,
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

static void frames_append_name(struct buffer *out, uint64_t seq, unsigned source,
	const struct source *named)
{
	frames_append(out, FRAMES_NAME, seq, source, named->name, named->length);
}

static void frames_append_arrived(struct buffer *out, uint64_t seq)
{
	frames_append(out, FRAMES_ARRIVED, seq, FRAMES_NO_CONNECTION, NULL, 0);
}

static void frames_append_error(struct buffer *out, const char *text)
{
	frames_append(out, FRAMES_ERROR, 0, FRAMES_NO_CONNECTION, text, strlen(text));
}

/* --- greeting ------------------------------------------------------------------------------- */

_Static_assert((int)FRAMES_START_DEFAULT == FORMAT_START_DEFAULT &&
		(int)FRAMES_START_LIVE == FORMAT_START_LIVE &&
		(int)FRAMES_START_OLDEST == FORMAT_START_OLDEST &&
		(int)FRAMES_START_AFTER == FORMAT_START_AFTER,
	"a hello names the starts that there are");

static const char *frames_hello_fault(const struct frames_hello *hello)
{
	static const uint8_t zero[sizeof(hello->zero)];

	if (hello->version != FRAMES_VERSION)
		return "this version of the protocol is not available, only 1 is";
	if (hello->start > FRAMES_START_AFTER)
		return "byte 7 of the hello, start, must be 0 to 3";
	if (hello->mode > FRAMES_MODE_RING_QUIET)
		return "byte 8 of the hello, mode, must be 0 to 2";
	if (memcmp(hello->zero, zero, sizeof(zero)) != 0)
		return "bytes 9 to 15 of the hello must be 0";
	if (hello->seq && hello->start != FRAMES_START_AFTER)
		return "seq of the hello must be 0 unless start is 3";
	return NULL;
}

static enum format_greeted frames_take_hello(struct format_greeting *greeting)
{
	struct frames_hello hello;

	memcpy(&hello, greeting->data, sizeof(hello));
	greeting->taken = sizeof(hello);
	greeting->fault = frames_hello_fault(&hello);
	if (greeting->fault)
		return FORMAT_REJECTED;
	greeting->start = (enum format_start)hello.start;
	greeting->after = le64toh(hello.seq);
	greeting->maps = hello.mode != FRAMES_MODE_BYTES;
	greeting->sleeps = hello.mode == FRAMES_MODE_RING;
	return FORMAT_GREETED;
}

/* The magic is checked as it arrives: a client that expects a line of text is told at once. */
static enum format_greeted frames_greet(struct format_greeting *greeting)
{
	size_t magic = strlen(FRAMES_MAGIC);

	if (greeting->length == 0)
		return FORMAT_GREETING;
	if (memcmp(greeting->data, FRAMES_MAGIC,
		    greeting->length < magic ? greeting->length : magic) != 0) {
		greeting->fault = "this is a frames outlet: a hello must come first, "
				  "which begins with WSGATE";
		return FORMAT_REJECTED;
	}
	return greeting->length < FRAMES_HELLO_SIZE ? FORMAT_GREETING : frames_take_hello(greeting);
}

static void frames_put_names(struct json_writer *json, const struct sources *sources)
{
	json_put_array(json, "connections");
	for (unsigned i = 0; i < sources->count; i++) {
		if (sources_has(sources, i))
			json_put_text(json, NULL, sources->items[i].name);
		else
			json_put_raw(json, NULL, "null");
	}
	json_put_array_end(json);
}

/* Of a subscriber that is about to map the ring. */
static void frames_put_ring(struct json_writer *json, const struct format_welcome *welcome)
{
	json_put_object(json, "ring");
	json_put_number(json, "size", welcome->ring_size);
	json_put_number(json, "position", welcome->position);
	json_put_object_end(json);
}

static void frames_welcome(struct buffer *out, const struct format_welcome *welcome)
{
	struct buffer hello = {0};
	struct json_writer json = {&hello, false};

	json_put_object(&json, NULL);
	json_put_text(&json, "outlet", welcome->outlet);
	json_put_number(&json, "begun", welcome->begun);
	frames_put_names(&json, welcome->sources);
	json_put_number(&json, "next", welcome->next);
	json_put_number(&json, "missing", welcome->missing);
	json_put_boolean(&json, "ahead", welcome->ahead);
	if (welcome->ring_size)
		frames_put_ring(&json, welcome);
	json_put_object_end(&json);
	frames_append(out, FRAMES_HELLO, welcome->next, FRAMES_NO_CONNECTION, buffer_data(&hello),
		hello.length);
	buffer_release(&hello);
}

/* --- input ---------------------------------------------------------------------------------- */

static enum format_taken frames_take_record(struct format_input *input,
	const struct frames_header *header)
{
	const uint8_t *payload = input->data + sizeof(*header);
	size_t length = le32toh(header->length);
	uint32_t connection = le32toh(header->connection);
	int source = SOURCES_ALL;

	if (header->type == FRAMES_AWAIT && input->maps) {
		input->awaited = le64toh(header->seq);
		return FORMAT_AWAIT;
	}
	if (header->type != FRAMES_TEXT && header->type != FRAMES_BINARY)
		return format_input_wrong(input, "a record is neither text nor binary");
	if (connection != FRAMES_NO_CONNECTION) {
		if (!sources_has(input->sources, connection))
			return format_input_wrong(input,
				"a record is for a connection that the outlet does not have");
		source = (int)connection;
	}
	return header->type == FRAMES_TEXT
		? format_input_text(input, source, payload, length)
		: format_input_message(input, source, true, payload, length);
}

static enum format_taken frames_await(struct format_input *input)
{
	return input->ended ? format_input_broken(input, "the input ends in the middle of a record")
			    : FORMAT_PARTIAL;
}

static enum format_taken frames_take(struct format_input *input)
{
	struct frames_header header;
	size_t size, payload;

	if (input->length < sizeof(header))
		return frames_await(input);
	memcpy(&header, input->data, sizeof(header));
	size = le32toh(header.size);
	payload = le32toh(header.length);
	if (payload > input->limit.bytes) {
		format_input_too_large(input, "a record");
		return FORMAT_BROKEN;
	}
	if (size % FRAMES_ALIGNMENT || size < sizeof(header) + payload ||
		size - sizeof(header) - payload >= FRAMES_ALIGNMENT)
		return format_input_broken(input, "size and length of a record do not match");
	if (input->length < size)
		return frames_await(input);
	input->taken = size;
	return frames_take_record(input, &header);
}

const struct outlet_format format_frames = {
	.socket_type = SOCK_STREAM,
	.shareable = true,
	.lifecycle = true,
	.length = frames_length,
	.write = frames_write,
	.gap = frames_write_gap,
	.greet = frames_greet,
	.greeting_max = FRAMES_HELLO_SIZE,
	.welcome = frames_welcome,
	.name = frames_append_name,
	.arrived = frames_append_arrived,
	.take = frames_take,
	.error = frames_append_error,
};
