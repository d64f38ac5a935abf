#ifndef TESTS_CLIENT_HARNESS_H
#define TESTS_CLIENT_HARNESS_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "outlet/frames.h"
#include "wsgate.h"

/* A ring as the daemon writes it, step by step. */
struct writer {
	int fd; /* what readers get: sealed, and for reading only */
	struct frames_ring *shared;
	uint8_t *records; /* mapped twice */
	uint64_t size;
	uint64_t next;         /* number of the next record */
	uint64_t first;        /* number of the oldest record that is safe */
	uint64_t starts[4096]; /* positions, by number modulo their number */
};

void writer_open(struct writer *writer, uint64_t size);
void writer_close(struct writer *writer);
void writer_publish(struct writer *writer, enum frames_type type, uint32_t connection,
	const void *payload, size_t length);
void writer_publish_text(struct writer *writer, const char *text);

/* Uses a number up without a record. */
void writer_skip(struct writer *writer);

/* As at the end of a batch. */
void writer_wake(struct writer *writer);

/* A daemon as a reader meets it: each connection is answered with the next answer. */
struct fake {
	char directory[64];
	char path[96];
	int listener;
	pthread_t thread;
	struct {
		enum frames_type type;
		char text[512];
		int fds[2];       /* to pass; -1: none */
		const char *name; /* NULL, or that of connection 7: follows in the same packet */
	} answers[2];
	int count; /* of answers; those that are asked for */
	struct frames_hello hellos[2];
	int peer; /* of the latest connection */
};

void fake_setup(struct fake *fake);
void fake_teardown(struct fake *fake);

/* Adds an answer: the hello of an outlet called "test" with the connection "ticker". */
void fake_answer(struct fake *fake, uint64_t next, uint64_t missing);

/* The same with a ring, from its next record on. */
void fake_answer_ring(struct fake *fake, const struct writer *writer);
void fake_answer_error(struct fake *fake, const char *text);

/* Adds any answer; returns its text to be written to. */
char *fake_answer_any(struct fake *fake, enum frames_type type);

/* Opens a subscriber, all answers being given. */
enum wsgate_result fake_open(struct fake *fake, struct wsgate **gate,
	struct wsgate_options options);

/* The same for a test of what comes then. */
struct wsgate *fake_open_well(struct fake *fake, struct wsgate_options options);

/* Likewise in mode bytes, from record `next` on. */
struct wsgate *fake_open_bytes(struct fake *fake, uint64_t next);

/* Sends a record by the socket. */
void fake_send(struct fake *fake, enum frames_type type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length);
void fake_send_text(struct fake *fake, uint64_t seq, const char *text);
void fake_send_bytes(struct fake *fake, const void *bytes, size_t length);

/* Receives the header of a record without payload, which must be there. */
struct frames_header fake_receive(struct fake *fake);

/* The daemon is gone. */
void fake_hang_up(struct fake *fake);

/* What the next call must return. */
void expect_text(struct wsgate *gate, uint64_t seq, const char *text);
void expect_gap(struct wsgate *gate, uint64_t from, uint64_t to);
void expect_result(struct wsgate *gate, enum wsgate_result result);

Suite *client_open_suite(void);
Suite *client_bytes_suite(void);
Suite *client_ring_suite(void);
Suite *client_lap_suite(void);
Suite *client_send_suite(void);

#endif
