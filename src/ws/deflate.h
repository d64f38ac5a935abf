#ifndef WS_DEFLATE_H
#define WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Window sizes, as powers of two: RFC 7692, section 7.1.2. */
enum { WS_WINDOW_BITS_MIN = 8, WS_WINDOW_BITS_MAX = 15 };

/*
 * permessage-deflate as offered, and then as agreed on: RFC 7692, section 7. In an offer,
 * client_max_window_bits may be 0: the server may not limit the client's window.
 */
struct ws_deflate_parameters {
	int client_max_window_bits; /* 8 to 15 */
	int server_max_window_bits; /* 8 to 15 */
	bool client_no_context_takeover;
	bool server_no_context_takeover;
};

/* Bytes of payload that have gone through a deflater or an inflater. */
struct ws_deflate_volume {
	uint64_t compressed;
	uint64_t uncompressed;
};

/*
 * The sending side. Its memory (up to 256 KiB, for 15 window bits) is allocated for the first
 * message that it compresses. zlib has no window of 8 bits: if that was agreed on, which no client
 * can rule out, nothing is compressed. RFC 7692, section 6, leaves the choice to each message.
 */
struct ws_deflater;

/* `level`: zlib's, -1 (its default) to 9. Messages of less than `threshold` bytes are sent as they
 * are, as are those of more than 256 KiB, or 16 KiB with a level above 6. */
struct ws_deflater *ws_deflater_new(const struct ws_deflate_parameters *agreed, int level,
	size_t threshold);
void ws_deflater_free(struct ws_deflater *deflater);

/* True if it compresses messages of that length. */
bool ws_deflater_wants(const struct ws_deflater *deflater, size_t length);

/*
 * Appends the compressed payload of one message, which must be sent: the server's window moves
 * with it.
 */
void ws_deflater_message(struct ws_deflater *deflater, const void *data, size_t length,
	struct buffer *out);

/* Compressed since the last such call. */
struct ws_deflate_volume ws_deflater_take_volume(struct ws_deflater *deflater);

/*
 * The receiving side. Its memory (up to 40 KiB, for 15 window bits) is allocated for the first
 * compressed message.
 */
struct ws_inflater;
struct ws_inflater *ws_inflater_new(const struct ws_deflate_parameters *agreed);
void ws_inflater_free(struct ws_inflater *inflater);

enum ws_inflated {
	WS_INFLATED,
	WS_INFLATE_INVALID, /* not DEFLATE, or cut off within a block */
	WS_INFLATE_TOO_BIG, /* more than `max` bytes in `out` */
};

/*
 * Inflates the next piece of a message's payload, and appends the result. `last`: the message ends
 * with this piece, which may be empty. After anything but WS_INFLATED the inflater is of no
 * further use. `out` takes at most about twice `max` bytes of memory.
 */
enum ws_inflated ws_inflater_write(struct ws_inflater *inflater, const uint8_t *data, size_t length,
	bool last, struct buffer *out, uint64_t max);

/* Inflated since the last such call, unfinished messages included. */
struct ws_deflate_volume ws_inflater_take_volume(struct ws_inflater *inflater);

#endif
