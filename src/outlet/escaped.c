#include "outlet/escaped.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "ws/utf8.h"

/* Text is searched for characters to escape a block at a time; most text has none, or is itself
 * JSON, with many quotes. */

enum {
	ESCAPED_BLOCK = 16,
	ESCAPED_SHORT_EXTRA = 1, /* bytes that "\n" takes more than the newline */
	ESCAPED_LONG_EXTRA = 5,  /* the same for "\u001b" */
	ESCAPED_FEW = 6,         /* escapes in a block that are better written one by one */
};

/* The escape of a byte in a string; all 0 if it needs none. */
struct escape {
	char text[7];  /* but for the first character */
	uint8_t extra; /* bytes that it takes more than the byte itself */
};

#define ESCAPED_SHORT(letter)                                                                      \
	{                                                                                          \
		{0, letter}, ESCAPED_SHORT_EXTRA                                                   \
	}
#define ESCAPED_LONG(high, low)                                                                    \
	{                                                                                          \
		{0, 'u', '0', '0', high, low}, ESCAPED_LONG_EXTRA                                  \
	}

enum { ESCAPES = 0x60 }; /* bytes from there on have none, nor has the last before */

static const struct escape escapes[ESCAPES] = {
	ESCAPED_LONG('0', '0'),
	ESCAPED_LONG('0', '1'),
	ESCAPED_LONG('0', '2'),
	ESCAPED_LONG('0', '3'),
	ESCAPED_LONG('0', '4'),
	ESCAPED_LONG('0', '5'),
	ESCAPED_LONG('0', '6'),
	ESCAPED_LONG('0', '7'),
	ESCAPED_SHORT('b'),
	ESCAPED_SHORT('t'),
	ESCAPED_SHORT('n'),
	ESCAPED_LONG('0', 'b'),
	ESCAPED_SHORT('f'),
	ESCAPED_SHORT('r'),
	ESCAPED_LONG('0', 'e'),
	ESCAPED_LONG('0', 'f'),
	ESCAPED_LONG('1', '0'),
	ESCAPED_LONG('1', '1'),
	ESCAPED_LONG('1', '2'),
	ESCAPED_LONG('1', '3'),
	ESCAPED_LONG('1', '4'),
	ESCAPED_LONG('1', '5'),
	ESCAPED_LONG('1', '6'),
	ESCAPED_LONG('1', '7'),
	ESCAPED_LONG('1', '8'),
	ESCAPED_LONG('1', '9'),
	ESCAPED_LONG('1', 'a'),
	ESCAPED_LONG('1', 'b'),
	ESCAPED_LONG('1', 'c'),
	ESCAPED_LONG('1', 'd'),
	ESCAPED_LONG('1', 'e'),
	ESCAPED_LONG('1', 'f'),
	['"'] = ESCAPED_SHORT('"'),
	['\\'] = ESCAPED_SHORT('\\'),
};

static inline const struct escape *escape_of(uint8_t byte)
{
	return &escapes[byte < ESCAPES ? byte : ESCAPES - 1];
}

static inline size_t escaped_extra(uint8_t byte)
{
	return escape_of(byte)->extra;
}

#ifdef __SSE2__

struct escaped_block {
	__m128i controls; /* 0xff for each byte that is one */
	__m128i specials; /* the same */
};

static struct escaped_block escaped_classify(const uint8_t *data)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	struct escaped_block block;

	block.controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	block.specials = _mm_or_si128(block.controls, _mm_or_si128(quotes, backslashes));
	return block;
}

/* A bit for each byte of the block that needs an escape. */
static unsigned escaped_specials(const uint8_t *data)
{
	return (unsigned)_mm_movemask_epi8(escaped_classify(data).specials);
}

/* 0xff for each control character that has no short escape: not one of 8 to 13, or 11. */
static __m128i escaped_longs(const uint8_t *data, __m128i controls)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
	__m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8('\b'));
	__m128i among = _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8('\r' - '\b')), above);
	__m128i shorts = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\v')), among);

	return _mm_andnot_si128(shorts, controls);
}

/* Bytes that the escapes of a block add to its length. */
static size_t escaped_block_extra(const uint8_t *data)
{
	struct escaped_block block = escaped_classify(data);
	__m128i extra = _mm_and_si128(block.specials, _mm_set1_epi8(ESCAPED_SHORT_EXTRA));
	__m128i more = _mm_set1_epi8(ESCAPED_LONG_EXTRA - ESCAPED_SHORT_EXTRA);
	__m128i sums;

	if (_mm_movemask_epi8(block.controls))
		extra = _mm_add_epi8(extra,
			_mm_and_si128(escaped_longs(data, block.controls), more));
	sums = _mm_sad_epu8(extra, _mm_setzero_si128()); /* one for each half */
	return (size_t)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4));
}

#else

static unsigned escaped_specials(const uint8_t *data)
{
	unsigned specials = 0;

	for (unsigned i = 0; i < ESCAPED_BLOCK; i++)
		specials |= (unsigned)(escaped_extra(data[i]) > 0) << i;
	return specials;
}

static size_t escaped_block_extra(const uint8_t *data)
{
	size_t extra = 0;

	for (int i = 0; i < ESCAPED_BLOCK; i++)
		extra += escaped_extra(data[i]);
	return extra;
}

#endif

static size_t escaped_valid_length(const uint8_t *data, size_t length)
{
	size_t total = length;

	for (; length >= ESCAPED_BLOCK; data += ESCAPED_BLOCK, length -= ESCAPED_BLOCK)
		total += escaped_block_extra(data);
	for (; length; data++, length--)
		total += escaped_extra(*data);
	return total;
}

/* Writes sizeof(struct escape) bytes, whatever it needs; without a branch, which in text of
 * all kinds of bytes could not be predicted. */
static inline uint8_t *escaped_write_byte(uint8_t *out, uint8_t byte)
{
	const struct escape *escape = escape_of(byte);

	memcpy(out, escape, sizeof(*escape));
	out[0] = escape->extra ? '\\' : byte;
	return out + 1 + escape->extra;
}

static bool escaped_has_few(unsigned specials)
{
	for (int i = 0; i < ESCAPED_FEW; i++)
		specials &= specials - 1;
	return specials == 0;
}

/*
 * Writes the block's bytes, with escapes. Copies a whole block after each escape, which is quicker
 * than copying just the run: so another block must be readable, and writable, after this one.
 */
static inline uint8_t *escaped_write_block(uint8_t *out, const uint8_t *data)
{
	unsigned specials = escaped_specials(data);
	unsigned run = 0; /* where the bytes begin that are not written yet */

	if (!escaped_has_few(specials)) {
		for (int i = 0; i < ESCAPED_BLOCK; i++)
			out = escaped_write_byte(out, data[i]);
		return out;
	}
	for (; specials; specials &= specials - 1) {
		unsigned special = (unsigned)__builtin_ctz(specials);

		memcpy(out, data + run, ESCAPED_BLOCK);
		out = escaped_write_byte(out + special - run, data[special]);
		run = special + 1;
	}
	memcpy(out, data + run, ESCAPED_BLOCK);
	return out + ESCAPED_BLOCK - run;
}

static uint8_t *escaped_write_valid(uint8_t *out, const uint8_t *data, size_t length)
{
	for (; length >= 2 * ESCAPED_BLOCK; data += ESCAPED_BLOCK, length -= ESCAPED_BLOCK)
		out = escaped_write_block(out, data);
	for (; length; data++, length--) {
		uint8_t escape[sizeof(struct escape)];

		out = mempcpy(out, escape, (size_t)(escaped_write_byte(escape, *data) - escape));
	}
	return out;
}

/* --- text that may not be UTF-8 ---------------------------------------------------------------- */

static const uint8_t escaped_replacement[] = {0xEF, 0xBF, 0xBD};

static size_t escaped_repaired_length(const uint8_t *data, size_t length)
{
	size_t total = 0;

	while (length) {
		const uint8_t *start = data;
		size_t valid = ws_utf8_take(&data, &length);

		total += escaped_valid_length(start, valid);
		if (start + valid < data)
			total += sizeof(escaped_replacement);
	}
	return total;
}

static uint8_t *escaped_write_repaired(uint8_t *out, const uint8_t *data, size_t length)
{
	while (length) {
		const uint8_t *start = data;
		size_t valid = ws_utf8_take(&data, &length);

		out = escaped_write_valid(out, start, valid);
		if (start + valid < data)
			out = mempcpy(out, escaped_replacement, sizeof(escaped_replacement));
	}
	return out;
}

size_t escaped_length(const uint8_t *data, size_t length, bool unchecked)
{
	return unchecked ? escaped_repaired_length(data, length)
			 : escaped_valid_length(data, length);
}

uint8_t *escaped_write(uint8_t *out, const uint8_t *data, size_t length, bool unchecked)
{
	return unchecked ? escaped_write_repaired(out, data, length)
			 : escaped_write_valid(out, data, length);
}
