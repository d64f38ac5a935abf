#define ZLIB_CONST
#include "ws/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"

enum {
	DEFLATE_PIECE_MAX = 1 << 30, /* zlib counts in unsigned int */
	DEFLATE_ROOM_MIN = 1024,     /* zlib's fast loops want a few hundred bytes free */
	DEFLATE_MEMORY_LEVEL = 8,
	DEFLATE_TAIL = 4,
	/* zlib's least for raw DEFLATE. Node.js and older zlibs quietly take it for 8. */
	ZLIB_WINDOW_BITS_MIN = 9,
	/* A message is compressed in one call, which must not take long. Above level 6 zlib
	 * searches up to 32 times as far, and some messages make it do so at every byte. */
	DEFLATE_LEVEL_QUICK = 6,
	DEFLATE_MOST_QUICK = 256 << 10,
	DEFLATE_MOST_SLOW = 16 << 10,
	INFLATE_AT_ONCE_MAX = 1024, /* up to here, a copy costs less than a second call of zlib */
};

/* The end of each message, which is not sent: RFC 7692, section 7.2.1. */
static const uint8_t deflate_tail[DEFLATE_TAIL] = {0x00, 0x00, 0xFF, 0xFF};

static void *deflate_alloc(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return alloc_zero(count, size);
}

static void deflate_free(void *opaque, void *memory)
{
	(void)opaque;
	free(memory);
}

/* Points the stream at free memory of `out`, and returns its length. */
static unsigned deflate_make_room(z_stream *stream, struct buffer *out)
{
	size_t room;

	stream->next_out = buffer_reserve(out, DEFLATE_ROOM_MIN);
	room = out->capacity - out->start - out->length;
	stream->avail_out = room < DEFLATE_PIECE_MAX ? (unsigned)room : DEFLATE_PIECE_MAX;
	return stream->avail_out;
}

/* Points the stream at the next piece of the data, and returns its length. */
static unsigned deflate_set_input(z_stream *stream, const uint8_t *data, size_t length)
{
	stream->next_in = data;
	stream->avail_in = length < DEFLATE_PIECE_MAX ? (unsigned)length : DEFLATE_PIECE_MAX;
	return stream->avail_in;
}

struct ws_deflater {
	z_stream stream;
	bool ready; /* the stream has been initialised */
	bool takes_over;
	int window_bits;
	int level;
	size_t threshold;
	size_t most; /* bytes of a message */
	struct ws_deflate_volume volume;
};

struct ws_deflater *ws_deflater_new(const struct ws_deflate_parameters *agreed, int level,
	size_t threshold)
{
	struct ws_deflater *deflater = alloc_zero(1, sizeof(*deflater));

	deflater->stream.zalloc = deflate_alloc;
	deflater->stream.zfree = deflate_free;
	deflater->takes_over = !agreed->client_no_context_takeover;
	deflater->window_bits = agreed->client_max_window_bits;
	deflater->level = level;
	deflater->threshold = threshold;
	deflater->most = level > DEFLATE_LEVEL_QUICK ? DEFLATE_MOST_SLOW : DEFLATE_MOST_QUICK;
	return deflater;
}

void ws_deflater_free(struct ws_deflater *deflater)
{
	if (!deflater)
		return;
	if (deflater->ready)
		deflateEnd(&deflater->stream);
	free(deflater);
}

bool ws_deflater_wants(const struct ws_deflater *deflater, size_t length)
{
	return length > 0 && length >= deflater->threshold && length <= deflater->most &&
		deflater->window_bits >= ZLIB_WINDOW_BITS_MIN;
}

/* The parameters were checked and allocation does not fail: only another version of zlib could. */
static void deflater_prepare(struct ws_deflater *deflater)
{
	if (deflater->ready)
		return;
	if (deflateInit2(&deflater->stream, deflater->level, Z_DEFLATED, -deflater->window_bits,
		    DEFLATE_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	deflater->ready = true;
}

void ws_deflater_message(struct ws_deflater *deflater, const void *data, size_t length,
	struct buffer *out)
{
	z_stream *stream = &deflater->stream;
	const uint8_t *rest = data;
	size_t before = out->length;

	deflater_prepare(deflater);
	deflater->volume.uncompressed += length;
	do {
		unsigned taken = deflate_set_input(stream, rest, length);

		rest += taken;
		length -= taken;
		do {
			unsigned room = deflate_make_room(stream, out);

			deflate(stream, length ? Z_NO_FLUSH : Z_SYNC_FLUSH);
			buffer_commit(out, room - stream->avail_out);
		} while (stream->avail_out == 0);
	} while (length);
	out->length -= DEFLATE_TAIL;
	deflater->volume.compressed += out->length - before;
	if (!deflater->takes_over)
		deflateReset(stream);
}

static struct ws_deflate_volume volume_take(struct ws_deflate_volume *volume)
{
	struct ws_deflate_volume taken = *volume;

	*volume = (struct ws_deflate_volume){0};
	return taken;
}

struct ws_deflate_volume ws_deflater_take_volume(struct ws_deflater *deflater)
{
	return volume_take(&deflater->volume);
}

struct ws_inflater {
	z_stream stream;
	bool ready;       /* the stream has been initialised */
	bool at_boundary; /* nothing read since a message began, or since a final block */
	bool takes_over;
	int window_bits;
	struct ws_deflate_volume volume;
};

struct ws_inflater *ws_inflater_new(const struct ws_deflate_parameters *agreed)
{
	struct ws_inflater *inflater = alloc_zero(1, sizeof(*inflater));

	inflater->stream.zalloc = deflate_alloc;
	inflater->stream.zfree = deflate_free;
	inflater->at_boundary = true;
	inflater->takes_over = !agreed->server_no_context_takeover;
	inflater->window_bits = agreed->server_max_window_bits;
	if (inflater->window_bits < ZLIB_WINDOW_BITS_MIN)
		inflater->window_bits = ZLIB_WINDOW_BITS_MIN;
	return inflater;
}

void ws_inflater_free(struct ws_inflater *inflater)
{
	if (!inflater)
		return;
	if (inflater->ready)
		inflateEnd(&inflater->stream);
	free(inflater);
}

static void inflater_prepare(struct ws_inflater *inflater)
{
	if (inflater->ready)
		return;
	if (inflateInit2(&inflater->stream, -inflater->window_bits) != Z_OK)
		abort();
	inflater->ready = true;
}

/* True if all blocks are complete: zlib.h, on data_type after inflate(). */
static bool inflater_between_blocks(const struct ws_inflater *inflater)
{
	enum { BITS_UNUSED = 63, AFTER_BLOCK = 128 };

	return inflater->at_boundary ||
		(inflater->stream.data_type & (BITS_UNUSED | AFTER_BLOCK)) == AFTER_BLOCK;
}

/*
 * A final block ends zlib's stream but not the message (RFC 7692, section 7.2.3.4): another stream
 * with the same window follows.
 *
 * The last `tail` bytes of the data are deflate_tail. Some senders end a message with a final
 * block without the empty one after it, or send none at all for an empty message. What they mean
 * is clear, and the tail would only do harm.
 *
 * If the output is full there may be more, but not between blocks: calling inflate() again there,
 * with nothing to read, would make it forget that it is between blocks.
 */
static enum ws_inflated inflater_run(struct ws_inflater *inflater, const uint8_t *data,
	size_t length, size_t tail, struct buffer *out, uint64_t max)
{
	z_stream *stream = &inflater->stream;
	bool full = false;

	stream->avail_in = 0;
	while (stream->avail_in || length || full) {
		unsigned room;
		int status;

		if (inflater->at_boundary && stream->avail_in + length == tail)
			break;
		room = deflate_make_room(stream, out);
		if (stream->avail_in == 0) {
			unsigned taken = deflate_set_input(stream, data, length);

			data += taken;
			length -= taken;
		}
		status = inflate(stream, Z_SYNC_FLUSH);
		buffer_commit(out, room - stream->avail_out);
		if (out->length > max)
			return WS_INFLATE_TOO_BIG;
		if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
			return WS_INFLATE_INVALID;
		inflater->at_boundary = status == Z_STREAM_END;
		if (inflater->at_boundary)
			inflateResetKeep(stream);
		full = stream->avail_out == 0 && !inflater_between_blocks(inflater);
	}
	return WS_INFLATED;
}

static enum ws_inflated inflater_run_last(struct ws_inflater *inflater, const uint8_t *data,
	size_t length, struct buffer *out, uint64_t max)
{
	uint8_t with_tail[INFLATE_AT_ONCE_MAX + DEFLATE_TAIL];
	enum ws_inflated inflated;

	if (length > INFLATE_AT_ONCE_MAX) {
		inflated = inflater_run(inflater, data, length, 0, out, max);
		if (inflated != WS_INFLATED)
			return inflated;
		length = 0;
	}
	if (length)
		memcpy(with_tail, data, length);
	memcpy(with_tail + length, deflate_tail, DEFLATE_TAIL);
	return inflater_run(inflater, with_tail, length + DEFLATE_TAIL, DEFLATE_TAIL, out, max);
}

static enum ws_inflated inflater_end(struct ws_inflater *inflater)
{
	if (!inflater_between_blocks(inflater))
		return WS_INFLATE_INVALID;
	if (!inflater->takes_over)
		inflateReset(&inflater->stream);
	inflater->at_boundary = true;
	return WS_INFLATED;
}

enum ws_inflated ws_inflater_write(struct ws_inflater *inflater, const uint8_t *data, size_t length,
	bool last, struct buffer *out, uint64_t max)
{
	size_t before = out->length;
	enum ws_inflated inflated;

	inflater_prepare(inflater);
	if (last)
		inflated = inflater_run_last(inflater, data, length, out, max);
	else
		inflated = inflater_run(inflater, data, length, 0, out, max);
	if (inflated == WS_INFLATED && last)
		inflated = inflater_end(inflater);
	inflater->volume.compressed += length;
	inflater->volume.uncompressed += out->length - before;
	return inflated;
}

struct ws_deflate_volume ws_inflater_take_volume(struct ws_inflater *inflater)
{
	return volume_take(&inflater->volume);
}
