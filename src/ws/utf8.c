#include "ws/utf8.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t utf8_load(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* True if 64 bytes are ASCII. Most text is, and goes no further than this check. */
static bool utf8_is_ascii_block(const uint8_t *data)
{
#ifdef __SSE2__
	const __m128i *blocks = (const __m128i *)(const void *)data;
	__m128i first = _mm_or_si128(_mm_loadu_si128(blocks), _mm_loadu_si128(blocks + 1));
	__m128i second = _mm_or_si128(_mm_loadu_si128(blocks + 2), _mm_loadu_si128(blocks + 3));

	return _mm_movemask_epi8(_mm_or_si128(first, second)) == 0;
#else
	uint64_t bytes = 0;

	for (int i = 0; i < 64; i += 8)
		bytes |= utf8_load(data + i);
	return (bytes & UTF8_HIGH_BITS) == 0;
#endif
}

/* The last step overlaps bytes already checked, which leaves no remainder. */
static bool utf8_is_ascii(const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;

	if (length >= 64) {
		for (; end - data > 64; data += 64) {
			if (!utf8_is_ascii_block(data))
				return false;
		}
		return utf8_is_ascii_block(end - 64);
	}
	if (length >= 8) {
		for (; end - data > 8; data += 8) {
			if (utf8_load(data) & UTF8_HIGH_BITS)
				return false;
		}
		return !(utf8_load(end - 8) & UTF8_HIGH_BITS);
	}
	while (data < end && *data < 0x80)
		data++;
	return data == end;
}

/* The first byte that is not ASCII, or `end`. */
static const uint8_t *utf8_skip_ascii(const uint8_t *data, const uint8_t *end)
{
	while (end - data >= 64 && utf8_is_ascii_block(data))
		data += 64;
	while (end - data >= 8 && !(utf8_load(data) & UTF8_HIGH_BITS))
		data += 8;
	while (data < end && *data < 0x80)
		data++;
	return data;
}

/* A byte that begins a character of several: RFC 3629, section 4. */
static bool utf8_begin(struct ws_utf8 *utf8, uint8_t byte)
{
	if (byte < 0xC2 || byte > 0xF4)
		return false;
	utf8->left = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
	utf8->lowest = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
	utf8->highest = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
	return true;
}

static bool utf8_continue(struct ws_utf8 *utf8, uint8_t byte)
{
	if (byte < utf8->lowest || byte > utf8->highest)
		return false;
	utf8->left--;
	utf8->lowest = 0x80;
	utf8->highest = 0xBF;
	return true;
}

bool ws_utf8_check(struct ws_utf8 *utf8, const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;
	struct ws_utf8 state = *utf8;

	while (data < end) {
		if (state.left) {
			if (!utf8_continue(&state, *data++))
				return false;
		} else if (*data >= 0x80) {
			if (!utf8_begin(&state, *data++))
				return false;
		} else {
			data = utf8_skip_ascii(data, end);
		}
	}
	*utf8 = state;
	return true;
}

bool ws_utf8_valid(const void *data, size_t length)
{
	struct ws_utf8 utf8 = {0};

	if (utf8_is_ascii(data, length))
		return true;
	return ws_utf8_check(&utf8, data, length) && ws_utf8_complete(&utf8);
}
