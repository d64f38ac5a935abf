#ifndef OUTLET_SUBSCRIBER_H
#define OUTLET_SUBSCRIBER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/event_type.h"
#include "outlet/outlet_core.h"
#include "outlet/readers.h"

/* A process that reads from an outlet: a socket and a reader, for the files subscriber*.c and those
 * that look after subscribers. */

enum subscriber_state {
	SUBSCRIBER_GREETING,  /* the conversation before the first record */
	SUBSCRIBER_READING,   /* has a place among the readers, unless it was dropped just now */
	SUBSCRIBER_MAPPED,    /* reads the ring itself */
	SUBSCRIBER_AWAITING,  /* the same, and waits to be told of record `awaited` */
	SUBSCRIBER_FINISHING, /* gets the bytes set aside for it, and no more */
	SUBSCRIBER_GONE,      /* freed by the next flush, when no caller can be using it */
	SUBSCRIBER_STATES,
};

TAILQ_HEAD(subscriber_list, subscriber);

struct subscribers;

struct subscriber_callbacks {
	/* A message from a subscriber. False: to be offered again after
	 * subscribers_resume_input(). */
	bool (*input)(struct subscribers *subscribers, int source, bool binary, const void *data,
		size_t length);

	/* The largest message that can be sent: bytes. */
	size_t (*input_max)(struct subscribers *subscribers);

	/* Called from the flush, or a subscriber's input. */
	void (*event)(struct subscribers *subscribers, enum event_type type,
		const struct event_members *members);
};

struct subscribers {
	struct outlet_core *core;
	const struct subscriber_callbacks *callbacks;
	struct readers readers;
	struct subscriber_list lists[SUBSCRIBER_STATES];
	uint64_t latest;   /* id */
	uint64_t woken;    /* the head when sleepers were last woken */
	unsigned count;    /* without those that are gone */
	unsigned sleepers; /* that map the ring and may sleep */
	bool ended_mapped; /* the socket of one that maps the ring was closed: wake it to notice */
};

struct subscriber {
	struct subscribers *all;
	TAILQ_ENTRY(subscriber) link; /* in the list of its state */
	enum subscriber_state state;
	int fd;
	uint64_t id;
	pid_t pid;
	uid_t uid;
	uint64_t since;      /* ns since 1970 */
	const char *parting; /* why it is gone or finishing: static */

	struct reader reader;
	uint64_t sent; /* bytes */

	/*
	 * Bytes for this subscriber alone: sent after the reader's rest, and before the ring. A gap
	 * becomes a notice only when both are empty, and only bytes sent after them can leave a
	 * rest, so they never grow.
	 */
	struct buffer aside;

	struct event input_event;
	struct event output_event; /* room in the socket */
	struct inputs_share share;
	bool joined;     /* the greeting is over */
	bool reading;    /* input is read as it comes; else only the subscriber's end is noticed */
	bool paused;     /* the owner has refused the message at the front of the input */
	bool unfinished; /* complete messages may be left in the input, for a later turn */
	bool drained;    /* the end of its input has been read */
	bool ended;      /* all input has been taken, or it is not wanted */
	bool maps;       /* reads the ring itself, */
	bool sleeps;     /* and may sleep until it is woken */
	bool hands_over; /* the ring's descriptor goes with the next byte */
	unsigned named;  /* the version of the sources when it was greeted */
	unsigned last_reads; /* of the input, since it is gone */
	struct buffer input;
	size_t searched;       /* bytes of it known not to hold the end of a message */
	uint64_t behind_since; /* its socket takes no more, ns since 1970; 0: it does */
	uint64_t oversize;     /* messages that its socket cannot take */
	uint64_t inputs;
	uint64_t input_errors;
	uint64_t awaited;      /* number of a record */
	uint64_t greeting_end; /* when the greeting must be over: monotonic ns */
};

/* Adds no event yet. */
struct subscriber *subscriber_new(struct subscribers *subscribers, int fd,
	event_callback_fn on_input, event_callback_fn on_output);

/* Closes and frees it without a word. */
void subscriber_free(struct subscriber *subscriber);

/* Moves it to the end of that list. */
void subscriber_move(struct subscriber *subscriber, enum subscriber_state state);

/* Activates the output event when the socket has room. */
void subscriber_await_output(struct subscriber *subscriber);

/* Starts or stops reading input: it is read only if the subscriber may send, and can be served. */
void subscriber_update_reading(struct subscriber *subscriber);

/* The same, right after the greeting. */
void subscriber_begin_reading(struct subscriber *subscriber);

/* Continues with its input in its next turn: the owner takes input again, or a turn left some. */
void subscriber_resume_input(struct subscriber *subscriber);

/* Sends the bytes set aside for it, then the end. */
void subscriber_finish(struct subscriber *subscriber, const char *parting);

/* Ends it for a mistake: sends the rest of the record that it is in, the text, if the format can
 * carry it, then the end. */
void subscriber_fail(struct subscriber *subscriber, const char *text, const char *parting);

/* Nothing is sent or read any more; the next flush frees it. */
void subscriber_leave(struct subscriber *subscriber, const char *parting);

/* To the log: about the outlet, beginning with the subscriber. `format` is a literal. */
#define subscriber_log(subscriber, priority, format, ...)                                          \
	log_write((subscriber)->all->core->log, (priority), &(subscriber)->all->core->subject,     \
		"subscriber %llu (pid %ld, uid %lu): " format,                                     \
		(unsigned long long)(subscriber)->id, (long)(subscriber)->pid,                     \
		(unsigned long)(subscriber)->uid, __VA_ARGS__)

/* The first members of an event: they identify the subscriber. */
struct event_members subscriber_members(const struct subscriber *subscriber);

/* Calls the owner, so only when its code is not running: from the flush, or a subscriber's
 * input. */
void subscriber_report(const struct subscriber *subscriber, enum event_type type,
	const struct event_members *members);
void subscriber_report_losses(struct subscriber *subscriber);
void subscriber_report_left(const struct subscriber *subscriber);

/*
 * Counts and logs a mistake of the subscriber, and reports the 1st, 2nd, 4th, 8th and so on, so that a
 * faulty subscriber does not drown the reports of others. `quote` may quote its input, which may be
 * secret: it follows the text in the event, and does not get into the log. "": nothing.
 */
void subscriber_report_fault(struct subscriber *subscriber, const char *text, const char *quote);

/* --- subscriber_send.c -------------------------------------------------------------------------- */

/* Sends everything that its socket takes, up to a limit for each call. */
void subscriber_send(struct subscriber *subscriber);

/* --- subscriber_packets.c ----------------------------------------------------------------------- */

/* Result of a send. */
enum subscriber_outcome {
	SUBSCRIBER_SENT,
	SUBSCRIBER_MORE, /* there is more, for another time */
	SUBSCRIBER_FULL, /* the socket takes no more now */
	SUBSCRIBER_BROKEN,
};

/* Sends each record as a packet. */
enum subscriber_outcome subscriber_send_packets(struct subscriber *subscriber);

/* --- subscriber_input.c ------------------------------------------------------------------------- */

/* Takes the turn for which it waited. */
void subscriber_take_turn(struct inputs_share *share);

/* Callbacks of its claim to memory for its input. */
void subscriber_give_up_input(struct budget_claim *claim);
void subscriber_resume_delayed(struct budget_claim *claim);

/* Reads the remaining input of a subscriber that is gone, a piece at a time; false: more is
 * left. */
bool subscriber_read_last(struct subscriber *subscriber);

/* --- subscriber_greeting.c ---------------------------------------------------------------------- */

/* Greets it if the format does, and then gives it its place in the stream. */
void subscriber_greet(struct subscriber *subscriber);

/* Continues the greeting after its socket has become readable, or ends it at the timeout. */
void subscriber_read_greeting(struct subscriber *subscriber);
void subscriber_time_out_greeting(struct subscriber *subscriber);

#endif
