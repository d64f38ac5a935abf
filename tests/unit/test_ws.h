#ifndef TEST_WS_H
#define TEST_WS_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ws/receiver.h"

Suite *suite_receiver(void);
Suite *suite_deflate(void);
Suite *suite_endpoint(void);
Suite *suite_handshake(void);
Suite *suite_message_queue(void);
Suite *suite_watch(void);
Suite *suite_utf8(void);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A literal with NULs in it, and its length. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/*
 * What a receiver makes of the bytes, fed `step` at a time (0: all at once), one line for each
 * message: `text "Hello"`, `close 1000 "bye"`, `fail 1002 the server …`. A long payload is given
 * by its length and CRC. The caller frees it.
 */
char *transcribe(struct ws_receiver *receiver, const uint8_t *data, size_t length, size_t step);

/* Turns the one frame of a client into what a server would send: without mask and key. */
void unmask(struct buffer *wire);

#endif
