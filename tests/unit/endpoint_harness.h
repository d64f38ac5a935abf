#ifndef ENDPOINT_HARNESS_H
#define ENDPOINT_HARNESS_H

#include "test_ws.h"

#include "base/clock.h"
#include "ws/endpoint.h"

/* An endpoint whose far end is the test: it writes frames, reads the output, and moves the time. */

#define SECOND CLOCK_NS_PER_SECOND

enum { START = 1000 };

extern struct ws_endpoint_shared shared;
extern struct ws_endpoint_settings settings;
extern struct ws_endpoint_counts counts;
extern struct ws_endpoint endpoint;
extern uint64_t now;
extern struct buffer transcript; /* of messages received */
extern char large[200 << 10];
extern const struct error broken_pipe;

void endpoint_setup(void);
void endpoint_teardown(void);

/* Takes the settings. */
void configure(void);

/* The endpoint takes the bytes, up to where it stops reading. Returns how many are left. */
size_t receive(const void *bytes, size_t length);

#define RECEIVE(literal) ck_assert_uint_eq(receive(BYTES(literal)), 0)

/* A pong that answers the ping of that time. */
void receive_pong(uint64_t time);

/* The messages received since the last call, each with a semicolon behind it. */
void expect_received(const char *expected);

/* Encodes, then writes all output, which is expected to be those frames: "text hi, ping". */
void expect_output(const char *expected);

bool send_bytes(const void *data, size_t length);
bool send_text(const char *text);

/* Nothing is due until then; time passes, and what is due is done. */
bool expire_at(uint64_t then);

void expect_end(unsigned code, const char *reason, bool remote, const char *error);

/* Uses up what may be encoded in this turn. */
void spend_turn(void);

TCase *endpoint_time_tests(void);
TCase *endpoint_liveness_tests(void);
TCase *endpoint_sending_tests(void);

#endif
