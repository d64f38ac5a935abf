#ifndef OUTLET_FORMAT_H
#define OUTLET_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "outlet/message.h"
#include "outlet/sources.h"

/*
 * A format of outlets: the layout of messages in the ring, and so on the socket; the greeting of
 * subscribers; their input. A format turns bytes into bytes, without sockets and without state of
 * its own. Each is a file, format_NAME.c, and a line in format.c.
 */

enum {
	FORMAT_GAP_MAX = 128,  /* bytes of the notice of a gap */
	FORMAT_PACKET_END = 1, /* bytes at the end of a packet's record that are not sent */
};

/* A message that becomes a record of the ring. */
struct format_record {
	uint64_t seq;
	const struct outlet_message *message;
	const char *source; /* its name */
	size_t source_length;
	bool announce; /* subscribers do not know the name yet */
};

/* The latest second as text: messages come in batches, and many a second. Zero-initialised. */
struct format_clock {
	uint64_t second;
	char text[CLOCK_TEXT_SIZE];
};

enum format_start {
	FORMAT_START_DEFAULT, /* the outlet's setting */
	FORMAT_START_LIVE,    /* the next record */
	FORMAT_START_OLDEST,  /* the oldest record in the ring */
	FORMAT_START_AFTER,   /* the oldest record in the ring with a number above `after` */
};

/* The conversation with a subscriber before its first record. */
struct format_greeting {
	const uint8_t *data; /* received from the subscriber, and not taken yet */
	size_t length;
	struct buffer *out; /* the format appends its answers */

	/* Set by the format. */
	size_t taken; /* bytes of the data that it needs no more */
	enum format_start start;
	uint64_t after;    /* number of a record */
	bool maps;         /* shareable formats: the subscriber reads the ring itself, */
	bool sleeps;       /* and may wait for records in futex(2) */
	const char *fault; /* FORMAT_REJECTED: the reason; static */
};

enum format_greeted {
	FORMAT_GREETING, /* the subscriber has to send more */
	FORMAT_GREETED,  /* the greeting is complete; further bytes are input */
	FORMAT_REJECTED,
};

/* A subscriber's place in the stream. */
struct format_welcome {
	const char *outlet; /* its name */
	uint64_t begun;     /* when it began to count its records, µs since 1970 */
	const struct sources *sources;
	uint64_t next;      /* number of the first record to come */
	uint64_t missing;   /* records after `after` that are no longer in the ring */
	bool ahead;         /* `after` is newer than the newest record */
	uint64_t ring_size; /* bytes, for one that maps the ring; else 0 */
	uint64_t position;  /* of record `next` in the ring */
};

/* The largest message that a subscriber may send. */
struct format_limit {
	size_t bytes;
	const char *setting; /* the name of the one that says so: static */
};

/* The front of a subscriber's input, and the message found there. */
struct format_input {
	const uint8_t *data; /* of a packet format: one packet */
	size_t length;
	size_t searched; /* bytes known not to hold the end of a message: the format's, kept for it */
	const struct sources *sources;
	bool maps;  /* the subscriber reads the ring itself */
	bool ended; /* it will send no more */
	struct format_limit limit;

	/* Set by the format. */
	size_t taken; /* bytes of the data, unless the rest of them is still to come */
	int source;   /* SOURCES_ALL, or a number */
	bool binary;
	const void *message; /* text is valid UTF-8 */
	size_t message_length;
	uint64_t awaited; /* FORMAT_AWAIT: number of a record */
	char fault
		[200]; /* FORMAT_WRONG, FORMAT_BROKEN: the reason, without anything from the input, */
	char quote[200];       /* and more about it, which may quote the input; "": no more */
	struct buffer decoded; /* for the message; the caller releases it */
};

enum format_taken {
	FORMAT_MESSAGE,
	FORMAT_AWAIT,   /* the subscriber asks for a notice when that record is in the ring */
	FORMAT_PARTIAL, /* the rest is still to come */
	FORMAT_WRONG,   /* not a message; the next one begins after it */
	FORMAT_BROKEN,  /* not a message, and the start of the next one is unknown */
};

struct outlet_format {
	int socket_type; /* SOCK_STREAM, or SOCK_SEQPACKET: each record is a packet */
	bool shareable;  /* subscribers may map the ring */
	bool lifecycle;  /* a source's opening and closing are records */
	bool timed;      /* records tell the time: write() gets a clock */

	/* The exact number of bytes that write() will write; SIZE_MAX: more than the format can. */
	size_t (*length)(const struct format_record *record);
	void (*write)(uint8_t *out, const struct format_record *record, struct format_clock *clock);

	/*
	 * Writes the notice that records `from` to `to` are missing, at most FORMAT_GAP_MAX bytes,
	 * and returns its length. NULL: the format has none.
	 */
	size_t (*gap)(uint8_t *out, uint64_t from, uint64_t to);

	/*
	 * Continues the conversation, after at most `greeting_max` bytes from the subscriber. NULL:
	 * the format has no greeting, and the outlet's setting determines the start.
	 */
	enum format_greeted (*greet)(struct format_greeting *greeting);
	size_t greeting_max;

	/* Appends the bytes between the greeting and the first record. NULL: nothing. */
	void (*welcome)(struct buffer *out, const struct format_welcome *welcome);

	/* Appends the name of a source, ahead of record `seq`. NULL: records need no names. */
	void (*name)(struct buffer *out, uint64_t seq, unsigned source, const struct source *named);

	/* Shareable formats: appends the notice that the awaited record is in the ring. */
	void (*arrived)(struct buffer *out, uint64_t seq);

	/* Takes the message at the front of the input. Never FORMAT_PARTIAL of an input that has ended
	 * and is not empty. */
	enum format_taken (*take)(struct format_input *input);

	/* Appends the subscriber's mistake, before the end. NULL: it is not told. */
	void (*error)(struct buffer *out, const char *text);
};

#endif
