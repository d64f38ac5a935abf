#ifndef WS_SENDER_H
#define WS_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ws/protocol.h"

struct ws_deflater;

/*
 * Random bytes for masking keys, drawn from OpenSSL a few hundred at a time: a call for each
 * frame's four would cost more than the frame. One for the whole daemon. Zero-initialised is
 * empty.
 */
struct ws_mask_pool {
	uint8_t bytes[256];
	size_t left;
};

/*
 * Appends one frame, or one unfragmented message, masked with a fresh key (RFC 6455, section 5.3).
 * A deflater compresses text and binary messages that are long enough; NULL: none. A control frame
 * carries at most WS_CONTROL_MAX bytes.
 */
void ws_send(struct buffer *out, struct ws_mask_pool *masks, struct ws_deflater *deflater,
	enum ws_opcode opcode, const void *data, size_t length);

/*
 * Appends a close frame, without a body for WS_CLOSE_NO_STATUS. The reason must be UTF-8, or NULL;
 * it is cut between characters to the 123 bytes that fit.
 */
void ws_send_close(struct buffer *out, struct ws_mask_pool *masks, unsigned code,
	const char *reason);

/* XORs `length` bytes with the key, starting at its byte `offset % 4`. In place if out == in. */
void ws_mask(uint8_t *out, const uint8_t *in, size_t length, const uint8_t key[4], size_t offset);

#endif
