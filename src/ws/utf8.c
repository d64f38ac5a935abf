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

/* The first byte that no valid text could have there, or `end`. */
static inline const uint8_t *utf8_scan(struct ws_utf8 *utf8, const uint8_t *data,
	const uint8_t *end)
{
	while (data < end) {
		if (utf8->left) {
			if (!utf8_continue(utf8, *data))
				return data;
			data++;
		} else if (*data >= 0x80) {
			if (!utf8_begin(utf8, *data))
				return data;
			data++;
		} else {
			data = utf8_skip_ascii(data, end);
		}
	}
	return data;
}

bool ws_utf8_check(struct ws_utf8 *utf8, const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;
	struct ws_utf8 state = *utf8;

	if (utf8_scan(&state, data, end) != end)
		return false;
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

/* --- repair ---------------------------------------------------------------------------------- */

const struct choice ws_utf8_policies[] = {
	{"check", WS_UTF8_CHECK},
	{"replace", WS_UTF8_REPLACE},
	{"pass", WS_UTF8_PASS},
	{NULL, 0},
};

/* The bytes of a character that has begun before `end`, and is not complete. */
static size_t utf8_begun(const struct ws_utf8 *utf8, const uint8_t *end)
{
	size_t count = 1;

	if (utf8->left == 0)
		return 0;
	while (*--end < 0xC0)
		count++;
	return count;
}

/* In the place of a character that has begun. */
static void utf8_replace(struct ws_utf8 *utf8, struct buffer *out)
{
	static const uint8_t replacement[] = {0xEF, 0xBF, 0xBD};

	if (out->length)
		out->length -= utf8_begun(utf8, buffer_data(out) + out->length);
	utf8->left = 0;
	buffer_append(out, replacement, sizeof(replacement));
}

bool ws_utf8_repair(struct ws_utf8 *utf8, const uint8_t *data, size_t length, struct buffer *out,
	uint64_t max)
{
	const uint8_t *end = data + length;

	while (data < end && out->length <= max) {
		const uint8_t *stop = utf8_scan(utf8, data, end);

		buffer_append(out, data, (size_t)(stop - data));
		data = stop;
		if (data == end)
			break;
		if (utf8->left == 0)
			data++; /* it begins no character; otherwise it may begin the next */
		utf8_replace(utf8, out);
	}
	return out->length <= max;
}

void ws_utf8_repair_end(struct ws_utf8 *utf8, struct buffer *out)
{
	if (!ws_utf8_complete(utf8))
		utf8_replace(utf8, out);
}

size_t ws_utf8_take(const uint8_t **data, size_t *length)
{
	const uint8_t *start = *data, *end = start + *length;
	struct ws_utf8 utf8 = {0};
	const uint8_t *stop = utf8_scan(&utf8, start, end);
	size_t begun = utf8_begun(&utf8, stop);

	*data = begun || stop == end ? stop : stop + 1;
	*length = (size_t)(end - *data);
	return (size_t)(stop - start) - begun;
}
