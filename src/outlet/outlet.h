#ifndef OUTLET_OUTLET_H
#define OUTLET_OUTLET_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/choice.h"
#include "base/error.h"
#include "base/event_type.h"
#include "base/log.h"
#include "outlet/formats.h"
#include "outlet/input_turns.h"
#include "outlet/message.h"
#include "outlet/outlet_stats.h"

/*
 * An outlet: a listening UNIX socket, a ring with the newest messages in the outlet's format, and
 * the subscribers that read it. Messages come from sources (the gateway's connections; the outlet
 * knows only their names).
 */
struct outlet;
struct listeners; /* see listener.h */

enum outlet_on_lag { OUTLET_SKIP, OUTLET_CLOSE, OUTLET_WAIT };
enum outlet_start { OUTLET_LIVE, OUTLET_OLDEST };

/* Their names. */
extern const struct choice outlet_on_lags[];
extern const struct choice outlet_starts[];

struct outlet_settings {
	const char *name;
	const char *path; /* absolute */
	unsigned format; /* one of outlet_formats */
	enum outlet_on_lag on_lag;
	enum outlet_start start;
	mode_t mode;
	uint64_t ring; /* bytes; rounded up to a power of two of at least a page */
	const char *owner; /* user name; NULL: as it comes */
	const char *group;
	uid_t uid; /* of the owner, where there is one */
	gid_t gid;
	unsigned max_subscribers;
	bool writable;
	bool untrusted; /* it is there because of somebody who is not trusted */
};

/*
 * Somebody who waits for room in a `wait` outlet: in one at a time, and in the order in which they
 * came. Embedded in whoever has the messages; zeroed but for the first two, it waits nowhere.
 */
struct outlet_waiter {
	/*
	 * There is room, and it is its turn; it waits no longer. True: it goes on, and the next
	 * one's turn comes when what it has activated has run. False: it does not go on, because it
	 * now waits for another outlet, or for nothing; the turn is the next one's at once. Called
	 * from the event loop.
	 */
	bool (*room)(struct outlet *outlet, void *context);
	void *context;

	struct outlet *outlet; /* to be read: where it waits; NULL: nowhere */
	size_t wanted;         /* private from here on: bytes */
	TAILQ_ENTRY(outlet_waiter) entry;
};

/* What the outlet asks of whoever owns it. All are called with `context`, none from within
 * outlet_publish(). The outlet must not be freed from within one. */
struct outlet_callbacks {
	void *context;

	/*
	 * A subscriber of a writable outlet has sent a message for `source`, or for all (-1).
	 * Text is valid UTF-8. Returns false to be asked again after outlet_resume_input(): the
	 * queue to the server is full. What can never be delivered is the owner's to count; it
	 * returns true.
	 */
	bool (*input)(struct outlet *outlet, int source, bool binary, const void *data,
		size_t length, void *context);

	/* The first subscriber has come, or the last has left: outlet_subscribers() tells. What
	 * was undone within one turn of the event loop is not told. May be NULL. */
	void (*attended)(struct outlet *outlet, void *context);

	/* Something happened that is worth an event. */
	void (*event)(struct outlet *outlet, enum event_type type,
		const struct event_members *members, void *context);
};

/*
 * Creates the socket and listens. A stale socket of a dead instance is replaced; that of a living
 * one, or another kind of file, is an error. Copies the settings, borrows the rest.
 */
struct outlet *outlet_new(struct event_base *base, struct log *log, struct listeners *listeners,
	struct input_turns *turns, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error);

/* The same, but whoever comes waits until outlet_settle(): outlet_free() undoes it unseen. */
struct outlet *outlet_new_held(struct event_base *base, struct log *log,
	struct listeners *listeners, struct input_turns *turns,
	const struct outlet_settings *settings, const struct outlet_callbacks *callbacks,
	struct error *error);

/*
 * One that takes the place of another at the same path, whose settings it cannot become, as if by
 * one step: from now on whoever comes, comes to it, and waits. Either outlet_settle() makes that
 * final, and the other can be drained; or outlet_withdraw() frees it, and the other is where it was.
 */
struct outlet *outlet_new_for(struct outlet *old, const struct outlet_settings *settings,
	struct error *error);
void outlet_settle(struct outlet *outlet);
void outlet_withdraw(struct outlet *outlet);

/* Closes all subscribers at once and removes the socket. */
void outlet_free(struct outlet *outlet);

/* Stops listening. Once there is no source any more, a subscriber that has everything in the ring is
 * closed. */
void outlet_drain(struct outlet *outlet);

/* Whether a drained outlet has no subscriber left. */
bool outlet_drained(const struct outlet *outlet);

/* The settings that can change while subscribers stay: on_lag, start, max_subscribers, mode, owner,
 * group, writable. Fails, with nothing changed, if the others differ. */
bool outlet_reconfigure(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error);

/* True if outlet_reconfigure() can turn one into the other: it then fails only if it cannot change
 * mode, owner or group, which outlet_set_access() can do beforehand. */
bool outlet_can_become(const struct outlet_settings *before, const struct outlet_settings *after);
bool outlet_set_access(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error);

const struct outlet_settings *outlet_settings(const struct outlet *outlet);

/*
 * Sources are numbered from 0. Numbers are never used again, so that a record's source keeps its
 * meaning for a subscriber. `name` is one that text_is_name() accepts. `thing` is what the owner
 * wants to find again, not NULL; borrowed.
 */
unsigned outlet_add_source(struct outlet *outlet, const char *name, void *thing);
void outlet_remove_source(struct outlet *outlet, unsigned source);

/* How many numbers have been given out, and what stands behind each; NULL: removed. */
unsigned outlet_source_count(const struct outlet *outlet);
void *outlet_source(const struct outlet *outlet, unsigned source);

/*
 * Whether a message of that size can be published now. Only a `wait` outlet ever says no; then
 * outlet_await_room() tells when that has changed. Ask before each publish of a text or binary
 * message. For a source's opening and closing, which nobody can hold up, such an outlet keeps some
 * room free.
 */
bool outlet_has_room(struct outlet *outlet, const struct outlet_message *message);

/*
 * Waits for room for the message that has been refused, or without one (NULL) for the turn to read
 * one, behind all that wait for the same. Those that have a message, and so sit on memory, go first.
 * The waiter must wait nowhere.
 */
void outlet_await_room(struct outlet *outlet, struct outlet_waiter *waiter,
	const struct outlet_message *message);

/* It waits no longer; nothing happens if it does not wait. */
void outlet_forget_waiter(struct outlet_waiter *waiter);

/*
 * Whether somebody waits for room. Who has no message yet had then better not read one, but wait as
 * well: if all read at once, the first would fill the room, and the others sit on what they have
 * read.
 */
bool outlet_has_waiters(const struct outlet *outlet);

/*
 * Encodes the message into the ring; the subscribers get it when all that was ready to be read in
 * this turn of the event loop has been published. A message larger than the ring is dropped and
 * counted. Without a subscriber, and with no history to keep, only the sequence number moves.
 */
void outlet_publish(struct outlet *outlet, const struct outlet_message *message);

/* outlet_has_room() and outlet_publish() in one. False: there was no room. */
bool outlet_offer(struct outlet *outlet, const struct outlet_message *message);

/* Messages of that source will never be published: counts them as lost, and calls `event`. */
void outlet_lose(struct outlet *outlet, unsigned source, uint64_t messages);

/*
 * Before outlet_free(): closes the subscribers at once; likewise for what they have not been sent yet.
 * False: it is `end` (monotonic ns), and there are more. Then nothing is published any more.
 */
bool outlet_give_up(struct outlet *outlet, uint64_t end);

/* The owner can take input again after `input` has returned false. */
void outlet_resume_input(struct outlet *outlet);

void outlet_stats(const struct outlet *outlet, struct outlet_stats *stats);

/* How many subscribers there are now. */
unsigned outlet_subscribers(const struct outlet *outlet);

/* One subscriber as it stands. */
struct outlet_subscriber_info {
	uint64_t id;      /* unique in this outlet, from 1 */
	pid_t pid;        /* SO_PEERCRED */
	uid_t uid;
	uint64_t since;   /* ns since 1970 */
	bool mapped;      /* reads the ring itself: what it has read and lost is not known */
	uint64_t sent;    /* bytes */
	uint64_t behind;  /* bytes in the ring not sent yet */
	uint64_t lost;    /* messages */
	uint64_t lags;
	uint64_t inputs;
};
void outlet_each_subscriber(const struct outlet *outlet,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context);

#endif
