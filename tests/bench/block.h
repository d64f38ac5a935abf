#ifndef BENCH_BLOCK_H
#define BENCH_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Frames prepared for large writes. Each prefix of whole frames can follow any other, so that a
 * block is sent over and over.
 */
struct block {
	uint8_t *data;
	size_t *ends; /* of each frame, within data */
	size_t frames;
};

/* The same uncompressed text message of `size` bytes in each frame. */
struct block block_plain(size_t size);

/* Compressed with context takeover: a stream of quotes in JSON, `size` bytes each. */
struct block block_deflated(size_t size);

void block_free(struct block *block);

#endif
