#ifndef TESTS_OUTLET_HARNESS_H
#define TESTS_OUTLET_HARNESS_H

#include <check.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/listener.h"
#include "outlet/frames.h"
#include "outlet/outlet.h"

/* An outlet in a directory and an event loop of its own, and what it has told its owner. */
struct harness {
	char directory[64];
	char path[96];
	struct event_base *base;
	struct log *log;
	struct outlet_settings settings; /* to be adjusted before harness_open() */
	struct outlet_callbacks callbacks;
	struct listeners *listeners;
	struct inputs *shared;
	struct outlet *outlet;
	struct buffer events;        /* "what json\n" for each */
	struct buffer inputs;        /* "source text|binary data\n" for each */
	struct outlet_waiter waiter; /* of whoever publishes */
	unsigned rooms;              /* times that it was told of room */
	struct buffer attended;      /* how many subscribers there were each time, "1 0 " */
	int accepted;                /* the outlet's side of the newest client's socket */
	size_t input_max;            /* the largest message that a server can be sent */
	bool refuse;                 /* input, */
	unsigned refusals;           /* and how often it was */
	uint64_t slow;               /* ns that each message of a subscriber takes */
	bool one_by_one; /* input: the loop ends with the callback that has brought some */
};

/* The number of the format, for settings. */
unsigned harness_format(const char *name);

/* True if that is the outlet's format. */
bool harness_is(const struct harness *harness, const char *format);

void harness_setup(struct harness *harness, const char *format);
void harness_open(struct harness *harness);
void harness_teardown(struct harness *harness);

/* It is to end, and has no source any more. */
void harness_drain_outlet(struct harness *harness);

/* Lets all that is ready happen. */
void harness_turn(struct harness *harness);

/* Turns until the condition holds; the test fails if it never does. */
#define harness_until(harness, condition)                                                          \
	do {                                                                                       \
		uint64_t harness_limit = clock_monotonic() + 10 * CLOCK_NS_PER_SECOND;             \
		while (!(condition)) {                                                             \
			ck_assert_msg(clock_monotonic() < harness_limit, "never: %s", #condition); \
			harness_turn(harness);                                                     \
		}                                                                                  \
	} while (0)

/* A non-blocking client that the outlet has accepted. */
int harness_connect(struct harness *harness);

/* The same of a `frames` outlet, which has greeted it; the answer has not been read yet. */
int harness_join(struct harness *harness, enum frames_start start, enum frames_mode mode,
	uint64_t seq);

/* The newest client as the outlet reports it. */
struct outlet_subscriber_info harness_info(const struct harness *harness);

struct outlet_counts harness_counts(const struct harness *harness);

/* Has the outlet's side of the newest client's socket hold as little as the kernel allows. */
void harness_narrow(const struct harness *harness);

void harness_publish(struct harness *harness, unsigned source, enum outlet_message_type type,
	const void *data, size_t length);
void harness_publish_text(struct harness *harness, unsigned source, const char *text);

/* Reads what there is, at most `limit`. Returns false at the end of the stream. */
bool harness_read(int fd, struct buffer *out, size_t limit);

/* Turns and reads until there is nothing more. */
void harness_drain(struct harness *harness, int fd, struct buffer *out);

void harness_expect_read(struct harness *harness, int fd, const char *text);
void harness_expect(const struct buffer *buffer, const char *text);
bool harness_contains(const struct buffer *buffer, const char *text);

/* `frames`: what a subscriber begins with. */
void harness_send_hello(int fd, enum frames_start start, enum frames_mode mode, uint64_t seq);

/* `frames`: a record as a subscriber sends it. */
void harness_append_record(struct buffer *out, uint8_t type, uint64_t seq, uint32_t connection,
	const void *payload, size_t length);

/* `frames`: takes the next record off the stream; it must be whole. */
struct frames_header harness_take_record(struct buffer *stream, char *payload, size_t size);
void harness_expect_record(struct buffer *stream, uint8_t type, uint64_t seq, uint32_t connection,
	const char *payload);

/* Turns until the outlet has closed the client's socket; what came before goes to `out`. */
void harness_expect_end(struct harness *harness, int fd, struct buffer *out);

#endif
