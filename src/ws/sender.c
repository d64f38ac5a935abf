#include "ws/sender.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "ws/deflate.h"

enum {
	SENDER_FIN = 0x80,
	SENDER_RSV1 = 0x40,
	SENDER_CONTROL = 0x08, /* set in the opcodes of control frames */
	SENDER_MASKED = 0x80,
	SENDER_HEADER_MAX = 10,
	SENDER_KEY_SIZE = 4,
	SENDER_REASON_MAX = WS_CONTROL_MAX - 2,
};

/* Without random numbers there is no safe way to continue; only a broken host lacks them. */
static const uint8_t *mask_pool_take(struct ws_mask_pool *masks)
{
	if (masks->left < SENDER_KEY_SIZE) {
		if (RAND_bytes(masks->bytes, sizeof(masks->bytes)) != 1)
			abort();
		masks->left = sizeof(masks->bytes);
	}
	masks->left -= SENDER_KEY_SIZE;
	return masks->bytes + masks->left;
}

/* Without the key: RFC 6455, section 5.2. Returns its length. */
static size_t sender_header(uint8_t header[SENDER_HEADER_MAX], uint8_t first, uint64_t length)
{
	size_t extended = length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;

	header[0] = first;
	header[1] = (uint8_t)(SENDER_MASKED | (extended == 0 ? length : extended == 2 ? 126 : 127));
	for (size_t i = 0; i < extended; i++)
		header[2 + i] = (uint8_t)(length >> (8 * (extended - 1 - i)));
	return 2 + extended;
}

static void sender_frame(struct buffer *out, struct ws_mask_pool *masks, uint8_t first,
	const uint8_t *payload, size_t length)
{
	const uint8_t *key = mask_pool_take(masks);
	uint8_t *frame = buffer_reserve(out, SENDER_HEADER_MAX + SENDER_KEY_SIZE + length);
	size_t header_length = sender_header(frame, first, length);

	memcpy(frame + header_length, key, SENDER_KEY_SIZE);
	header_length += SENDER_KEY_SIZE;
	ws_mask(frame + header_length, payload, length, key, 0);
	buffer_commit(out, header_length + length);
}

void ws_send(struct buffer *out, struct ws_mask_pool *masks, struct ws_deflater *deflater,
	enum ws_opcode opcode, const void *data, size_t length)
{
	struct buffer compressed = {0};

	if (!deflater || opcode & SENDER_CONTROL || !ws_deflater_wants(deflater, length)) {
		sender_frame(out, masks, (uint8_t)(SENDER_FIN | opcode), data, length);
		return;
	}
	ws_deflater_message(deflater, data, length, &compressed);
	sender_frame(out, masks, (uint8_t)(SENDER_FIN | SENDER_RSV1 | opcode),
		buffer_data(&compressed), compressed.length);
	buffer_release(&compressed);
}

void ws_send_close(struct buffer *out, struct ws_mask_pool *masks, unsigned code,
	const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t length = reason ? strlen(reason) : 0;

	if (code == WS_CLOSE_NO_STATUS) {
		sender_frame(out, masks, SENDER_FIN | WS_CLOSE, NULL, 0);
		return;
	}
	if (length > SENDER_REASON_MAX) {
		length = SENDER_REASON_MAX;
		while (length > 0 && ((uint8_t)reason[length] & 0xC0) == 0x80)
			length--; /* the first byte dropped must begin a character */
	}
	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	if (length)
		memcpy(payload + 2, reason, length);
	sender_frame(out, masks, SENDER_FIN | WS_CLOSE, payload, 2 + length);
}

void ws_mask(uint8_t *out, const uint8_t *in, size_t length, const uint8_t key[4], size_t offset)
{
	uint8_t turned[8]; /* the key twice, from its first byte to use */
	uint64_t mask, word;
	size_t i;

	for (i = 0; i < sizeof(turned); i++)
		turned[i] = key[(offset + i) % 4];
	memcpy(&mask, turned, sizeof(mask));

	for (i = 0; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, in + i, sizeof(word));
		word ^= mask;
		memcpy(out + i, &word, sizeof(word));
	}
	for (size_t j = 0; i < length; i++, j++)
		out[i] = in[i] ^ turned[j];
}
