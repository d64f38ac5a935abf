#ifndef OUTLET_SUBSCRIBER_H
#define OUTLET_SUBSCRIBER_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/event_type.h"

struct outlet;

enum subscriber_state {
	SUBSCRIBER_JOINING,   /* is being greeted */
	/*
	 * Its socket took all that it was last sent, and may take more; nothing is set aside for it.
	 * Those that have waited longest for what is new come first: cursors only rise in the list.
	 */
	SUBSCRIBER_READY,
	SUBSCRIBER_BLOCKED,   /* its socket is full; also in the outlet's `behind` */
	SUBSCRIBER_LAPPED,    /* likewise, and it has no place in the ring until it has read on */
	/* those from ready to here are sent what is in the ring */
	SUBSCRIBER_MAPPED,    /* reads the ring itself */
	SUBSCRIBER_AWAITING,  /* likewise, and is to be told when record `awaited` is there */
	SUBSCRIBER_FINISHING, /* gets what is set aside for it, and no more */
	SUBSCRIBER_GONE,      /* is freed by the next flush, when nobody can be looking at it */
	SUBSCRIBER_STATES,
};

/* Result of a send. */
enum subscriber_outcome {
	SUBSCRIBER_SENT,
	SUBSCRIBER_MORE, /* there is more, for another time */
	SUBSCRIBER_FULL, /* the socket takes no more now */
	SUBSCRIBER_BROKEN,
};

TAILQ_HEAD(subscriber_list, subscriber);

/* The end of a record that has been overwritten, for all those that were in the middle of it. */
struct subscriber_rest {
	unsigned users;
	uint64_t end;  /* position behind the record */
	size_t length; /* bytes of it, up to its end */
	uint8_t bytes[];
};

/* A process that reads from an outlet: a socket, and a cursor into the ring. */
struct subscriber {
	struct outlet *outlet;
	TAILQ_ENTRY(subscriber) link; /* in the list of its state */
	enum subscriber_state state;
	int fd;
	uint64_t id;
	pid_t pid;
	uid_t uid;
	bool joined;         /* has been attached */
	uint64_t since;      /* ns since 1970 */
	const char *parting; /* why it is gone or finishing: static */

	uint64_t cursor; /* position in the ring of the next byte to send */
	size_t place;    /* among those that are `behind`, while blocked */
	uint64_t sent;   /* bytes */

	/*
	 * Sent before anything else: the rest of a record that was overwritten, then what is for
	 * this one alone, such as a notice. A gap becomes a notice only when both are empty, and
	 * there is a rest only of what was sent after them, so they never grow.
	 */
	struct subscriber_rest *rest; /* NULL: none */
	size_t rest_left;             /* bytes of it */
	struct buffer aside;
	uint64_t gap_from; /* the records lost that the subscriber has not been told of; 0: none */
	uint64_t gap_to;
	uint64_t lost_to; /* lapped: number of the first record not counted as lost */

	uint64_t lost; /* messages */
	uint64_t lags;
	TAILQ_ENTRY(subscriber) laggard_link;
	uint64_t report_lags; /* not reported yet */
	uint64_t report_lost;
	uint64_t report_refused; /* `packets`: likewise, messages that its socket cannot take */
	size_t refused_length;   /* of the last one */

	struct event input_event;
	bool reading; /* input is read as it comes; else only the subscriber's end is noticed */
	bool paused;  /* the owner has refused the message at the front of the input */
	bool unfinished; /* complete messages may be left in the input, for a later turn */
	bool ended;   /* there will be no more input, or it is not wanted */
	struct buffer input;
	size_t searched; /* bytes of it known not to hold the end of a message */
	uint64_t inputs;
	uint64_t input_errors;
	unsigned last_reads; /* of the input, since it is gone */
	TAILQ_ENTRY(subscriber) turn_link;
	bool awaits_turn; /* to take input, */
	unsigned turn;    /* since that one */

	unsigned named;   /* the number of sources when it was greeted */
	bool maps;        /* reads the ring itself, */
	bool sleeps;      /* and may sleep until it is woken */
	bool hands_over;  /* the ring's descriptor goes with the next byte */
	uint64_t awaited; /* number of a record */
	uint64_t greeting_end; /* when the greeting must be over: monotonic ns */

	struct event output_event; /* room in the socket */
};

/* A newly accepted socket: listener_accept with the outlet as context. */
void subscriber_accept(int fd, void *outlet);

/* To the end of the list, even of its own state. */
void subscriber_move(struct subscriber *subscriber, enum subscriber_state state);

/* It is to get what is in the ring from `cursor` on, or to read the ring itself. */
void subscriber_attach(struct subscriber *subscriber, uint64_t cursor);

/* Gives it all that its socket takes, or as much as is good for a time, and moves it to ready, blocked or
 * gone accordingly. */
void subscriber_send(struct subscriber *subscriber);

/* It gets what is set aside for it, then the end. */
void subscriber_finish(struct subscriber *subscriber, const char *parting);

/* It has done something wrong: gets the rest of the record that it is in, the text, if the format
 * has a way to say it, then the end. */
void subscriber_fail(struct subscriber *subscriber, const char *text, const char *parting);

/* Nothing is sent or read any more; the next flush frees it. */
void subscriber_leave(struct subscriber *subscriber, const char *parting);

/*
 * It cannot have what is in the ring before record `target`. If it is in the middle of a record, the
 * rest of that one is set aside for it. When it has read that it goes on at where it then stands that
 * skips (outlet_skip_target): until then it costs nothing, however often it would have been lapped.
 */
void subscriber_skip(struct subscriber *subscriber, uint64_t target);

/* One that is lapped goes on in the ring. */
void subscriber_return(struct subscriber *subscriber);

/* Likewise, but it does not go on: it is closed after the rest of the record. That begins when its
 * losses are reported, for until then many may be dropped. */
void subscriber_drop(struct subscriber *subscriber);

/* Whether input is to be read, by what it is allowed and able to send. */
void subscriber_update_reading(struct subscriber *subscriber);

/* The owner takes input again, or a turn has left some: has the event loop go on with it. */
void subscriber_resume_input(struct subscriber *subscriber);

/* `packets`: a message of that length is lost to it, because its socket cannot take it. */
void subscriber_refuse(struct subscriber *subscriber, size_t length);

/* Which subscriber an event is about: its first members. */
struct event_members subscriber_members(const struct subscriber *subscriber);

/* Tells the owner; only when its code is not running: from the flush, or the subscriber's input. */
void subscriber_report(const struct subscriber *subscriber, enum event_type type,
	const struct event_members *members);
void subscriber_report_losses(struct subscriber *subscriber);

/* Takes the last input of one that is gone, tells the owner, and frees it. False: there is more of
 * the input, for another call. */
bool subscriber_reap(struct subscriber *subscriber);

/* Closes and frees it without a word. */
void subscriber_free(struct subscriber *subscriber);

/* packets.c: sends each record as a packet. */
enum subscriber_outcome packets_send(struct subscriber *subscriber);

/* mapped.c: sends, with the descriptor of the ring. */
ssize_t mapped_hand_over(struct subscriber *subscriber, struct msghdr *message);

/* It is to be told when record `seq` has been published. */
void mapped_await(struct subscriber *subscriber, uint64_t seq);

/* greeting.c: the conversation before the first record, of formats that have one. */
void greeting_begin(struct subscriber *subscriber);
void greeting_read(struct subscriber *subscriber);
void greeting_time_out(struct subscriber *subscriber);

/* input.c: messages from subscribers of a writable outlet. */
/* It takes input, or goes on with it, when it is its turn; input_turns.c. */
void input_await_turn(struct subscriber *subscriber);
void input_forget_turn(struct subscriber *subscriber);

/* Reads once, or goes on with what has been read before; whether there may be more to read. */
bool input_read(struct subscriber *subscriber);

/* Goes on with what has been read, when the owner takes input again, or in a later turn. */
void input_resume(struct subscriber *subscriber);

/*
 * Counts what the subscriber did wrong, and tells the owner for the 1st, 2nd, 4th, 8th time and so
 * on, so that one that does nothing else does not drown what others have to say.
 */
void input_error(struct subscriber *subscriber, const char *text);

#endif
