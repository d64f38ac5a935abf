#include "block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "bench.h"

enum {
	PLAIN_BYTES = 1 << 20,    /* about so much goes into one write */
	DEFLATED_BYTES = 2 << 20, /* before compression: many windows, of 32 KiB each */
	FRAME_HEADER_MAX = 10,
	FRAME_TEXT = 0x81,       /* whole messages: RFC 6455, section 5.2 */
	FRAME_COMPRESSED = 0x40, /* RFC 7692, section 6 */
	DEFLATE_TAIL = 4,        /* not sent: RFC 7692, section 7.2.1 */
	DEFLATE_ROOM = 64,       /* what a message can grow by: far more than zlib does */
	SYMBOLS = 8,
};

static struct block block_new(size_t frames, size_t frame_max)
{
	struct block block = {
		.data = malloc(frames * frame_max), .ends = malloc(frames * sizeof(*block.ends))};

	if (!block.data || !block.ends)
		bench_die("malloc");
	return block;
}

static size_t block_end(const struct block *block)
{
	return block->frames ? block->ends[block->frames - 1] : 0;
}

static void block_append(struct block *block, uint8_t first, const uint8_t *payload, size_t size)
{
	size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
	uint8_t *frame = block->data + block_end(block);

	*frame++ = first;
	*frame++ = (uint8_t)(bytes == 0 ? size : bytes == 2 ? 126 : 127);
	while (bytes)
		*frame++ = (uint8_t)(size >> 8 * --bytes);
	memcpy(frame, payload, size);
	block->ends[block->frames++] = (size_t)(frame + size - block->data);
}

struct block block_plain(size_t size)
{
	size_t frame_max = FRAME_HEADER_MAX + size;
	size_t frames = frame_max < PLAIN_BYTES ? PLAIN_BYTES / frame_max : 1;
	struct block block = block_new(frames, frame_max);
	uint8_t *payload = malloc(size + 1);

	if (!payload)
		bench_die("malloc");
	for (size_t at = 0; at < size; at++)
		payload[at] = (uint8_t)('a' + at % 26);
	while (block.frames < frames)
		block_append(&block, FRAME_TEXT, payload, size);
	free(payload);
	return block;
}

/* A market: the price of each symbol walks at random. */
struct market {
	uint32_t random;
	uint32_t sequence;
	uint64_t time_ms;
	uint32_t cents[SYMBOLS];
};

/* Numerical Recipes' linear congruential generator: the same messages in each run. */
static uint32_t market_random(struct market *market, uint32_t below)
{
	market->random = market->random * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)market->random * below >> 32);
}

static struct market market_open(void)
{
	struct market market = {.random = 1, .sequence = 417000, .time_ms = 1767225600000};

	for (size_t i = 0; i < SYMBOLS; i++)
		market.cents[i] = 200000 + market_random(&market, 9000000);
	return market;
}

/* A quote of exactly `size` bytes: its sequence number is padded with zeros. */
static void market_quote(struct market *market, char *text, size_t size)
{
	static const char *const symbols[SYMBOLS] = {"BTC-USD", "ETH-USD", "BTC-EUR", "ETH-EUR",
		"SOL-USD", "LTC-USD", "ADA-EUR", "XRP-USD"};
	size_t which = market_random(market, SYMBOLS);
	uint32_t bid = market->cents[which] += market_random(market, 41) - 20;
	uint32_t ask = bid + 1 + market_random(market, 50);
	int length;

	market->time_ms += market_random(market, 20);
	length = snprintf(text, size + 1,
		"{\"type\":\"quote\",\"s\":\"%s\",\"bid\":%u.%02u,\"bq\":%u.%04u,"
		"\"ask\":%u.%02u,\"aq\":%u.%04u,\"t\":%llu,\"n\":\"",
		symbols[which], bid / 100, bid % 100, market_random(market, 10),
		market_random(market, 10000), ask / 100, ask % 100, market_random(market, 10),
		market_random(market, 10000), (unsigned long long)market->time_ms);
	errno = 0;
	if (length < 0 || (size_t)length + 8 > size)
		bench_die("--size: a quote has at least %d bytes", length + 8);
	snprintf(text + length, size + 1 - (size_t)length, "%0*u\"}",
		(int)(size - (size_t)length - 2), market->sequence++);
}

/* Its first message refers to nothing before it: so the block can follow anything. */
struct block block_deflated(size_t size)
{
	size_t payload_max = compressBound(size) + DEFLATE_ROOM;
	size_t frames = size < DEFLATED_BYTES ? DEFLATED_BYTES / (size + 1) : 1;
	struct block block = block_new(frames, FRAME_HEADER_MAX + payload_max);
	struct market market = market_open();
	uint8_t *payload = malloc(payload_max);
	char *text = malloc(size + 1);
	z_stream stream = {0};

	errno = 0;
	if (!payload || !text ||
		deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
			Z_DEFAULT_STRATEGY) != Z_OK)
		bench_die("no memory to compress");
	while (block.frames < frames) {
		market_quote(&market, text, size);
		stream.next_in = (uint8_t *)text;
		stream.avail_in = (unsigned)size;
		stream.next_out = payload;
		stream.avail_out = (unsigned)payload_max;
		deflate(&stream, Z_SYNC_FLUSH);
		block_append(&block, FRAME_TEXT | FRAME_COMPRESSED, payload,
			payload_max - stream.avail_out - DEFLATE_TAIL);
	}
	deflateEnd(&stream);
	free(text);
	free(payload);
	return block;
}

void block_free(struct block *block)
{
	free(block->data);
	free(block->ends);
	*block = (struct block){0};
}
