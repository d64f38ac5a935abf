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
#include "outlet/inputs.h"
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
	unsigned format;  /* one of outlet_formats */
	enum outlet_on_lag on_lag;
	enum outlet_start start;
	mode_t mode;
	uint64_t ring;     /* bytes; rounded up to a power of two of at least a page */
	const char *owner; /* user name; NULL: as it comes */
	const char *group;
	uid_t uid; /* of the owner, where there is one */
	gid_t gid;
	unsigned max_subscribers;
	bool writable;
	bool untrusted; /* created on behalf of an untrusted client */
};

/*
 * Waits for room in an outlet, one outlet at a time, in order of arrival. Embedded in the struct
 * that has the messages. Zero it, then set the first two members.
 */
struct outlet_waiter {
	/*
	 * There is room, and the waiter has left the queue. Returns true if it uses its turn: the
	 * next turn comes when the events that it has activated have run. False if it cannot go on,
	 * because it waits for another outlet, or has nothing to do: the turn passes on at once.
	 * Called from the event loop.
	 */
	bool (*room)(struct outlet *outlet, void *context);
	void *context;

	struct outlet *outlet; /* read-only: the outlet that it waits for; NULL: none */
	size_t wanted;         /* private from here on: bytes */
	TAILQ_ENTRY(outlet_waiter) entry;
};

/* Implemented by the owner. All are called with `context`, none from within outlet_publish(). The
 * outlet must not be freed from within one. */
struct outlet_callbacks {
	void *context;

	/*
	 * A subscriber of a writable outlet has sent a message for `source`, or for all (-1).
	 * Text is valid UTF-8. Returns false to be asked again after outlet_resume_input(): the
	 * queue to the server is full. For a message that can never be delivered the owner counts
	 * the loss and returns true.
	 */
	bool (*input)(struct outlet *outlet, int source, bool binary, const void *data,
		size_t length, void *context);

	/* The largest message that a source's server can be sent: bytes. The outlet remembers it until
	 * its sources change, or outlet_forget_input_max(). */
	size_t (*input_max)(struct outlet *outlet, void *context);

	/* The first subscriber has come, or the last has left: see outlet_subscribers(). Not called
	 * for a change that is undone within one turn of the event loop. May be NULL. */
	void (*attended)(struct outlet *outlet, void *context);

	/* Something happened that is worth an event. */
	void (*event)(struct outlet *outlet, enum event_type type,
		const struct event_members *members, void *context);
};

/*
 * Creates the socket and listens. Replaces the stale socket of a dead instance; a socket in use, or
 * another kind of file, is an error. Copies the settings, borrows the rest.
 */
struct outlet *outlet_new(struct event_base *base, struct log *log, struct listeners *listeners,
	struct inputs *inputs, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error);

/* The same, but clients wait in the backlog until outlet_settle(): outlet_free() undoes it
 * unseen. */
struct outlet *outlet_new_held(struct event_base *base, struct log *log,
	struct listeners *listeners, struct inputs *inputs, const struct outlet_settings *settings,
	const struct outlet_callbacks *callbacks, struct error *error);

/*
 * Atomically takes the place of an outlet at the same path that cannot take these settings: new
 * clients now connect to the new outlet, and wait. Either outlet_settle() makes that final, and the
 * old one can be drained; or outlet_withdraw() frees the new one and puts the old one back.
 */
struct outlet *outlet_new_for(struct outlet *old, const struct outlet_settings *settings,
	struct error *error);
void outlet_settle(struct outlet *outlet);
void outlet_withdraw(struct outlet *outlet);

/* Closes all subscribers at once and removes the socket. */
void outlet_free(struct outlet *outlet);

/* Stops listening. Once the last source has been removed, closes each subscriber that has been sent
 * everything in the ring. */
void outlet_drain(struct outlet *outlet);

/* True if a drained outlet has no subscribers left. */
bool outlet_drained(const struct outlet *outlet);

/* The settings that can change while subscribers stay: on_lag, start, max_subscribers, mode, owner,
 * group, writable. Fails, with nothing changed, if the others differ. */
bool outlet_reconfigure(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error);

/* True if outlet_reconfigure() can turn one into the other: it then fails only if outlet_prepare()
 * would. */
bool outlet_can_become(const struct outlet_settings *before, const struct outlet_settings *after);

/*
 * Does what outlet_reconfigure() needs of the system: sets mode, owner and group or, if the socket's
 * file is gone or is not the outlet's any more, makes another one, whose clients wait.
 * outlet_unprepare() undoes it.
 */
bool outlet_prepare(struct outlet *outlet, const struct outlet_settings *settings,
	struct error *error);
bool outlet_unprepare(struct outlet *outlet, struct error *error);

const struct outlet_settings *outlet_settings(const struct outlet *outlet);

/*
 * Sources are numbered from 0. The number of a removed one is used again once it cannot mean the
 * old one to a subscriber any more. text_is_name() must accept `name`. `thing` is the owner's object, which
 * outlet_source() returns; borrowed, not NULL.
 */
unsigned outlet_add_source(struct outlet *outlet, const char *name, void *thing);
void outlet_remove_source(struct outlet *outlet, unsigned source);

/* The number of sources ever added, and the owner's object for each; NULL: removed. */
unsigned outlet_source_count(const struct outlet *outlet);
void *outlet_source(const struct outlet *outlet, unsigned source);

/*
 * True if a message of that size can be published now; else call outlet_await_room(). Ask before
 * publishing each text or binary message. A source's opening and closing cannot wait: part of the
 * ring is reserved for them.
 */
bool outlet_has_room(struct outlet *outlet, const struct outlet_message *message);

/*
 * Waits for room for the refused message, or, if NULL, for the turn to read one. Waiters with a
 * message go first, as they hold memory; otherwise first come, first served. The waiter must not
 * already be waiting.
 */
void outlet_await_room(struct outlet *outlet, struct outlet_waiter *waiter,
	const struct outlet_message *message);

/* Ends the wait, if any. */
void outlet_forget_waiter(struct outlet_waiter *waiter);

/*
 * True if somebody waits for room. A source without a message should then not read one, but wait as
 * well: if all read at once, the first would fill the room, and the others keep their input in
 * memory.
 */
bool outlet_has_waiters(const struct outlet *outlet);

/*
 * Encodes the message into the ring; subscribers get it once this turn of the event loop has
 * published all its input. A message larger than the ring is dropped and counted. Without
 * subscribers, and with no history to keep, only the sequence number advances.
 */
void outlet_publish(struct outlet *outlet, const struct outlet_message *message);

/* outlet_has_room() and outlet_publish() in one. False: there was no room. */
bool outlet_offer(struct outlet *outlet, const struct outlet_message *message);

/* Messages of that source will never be published: counts them as lost, and calls `event`. */
void outlet_lose(struct outlet *outlet, unsigned source, uint64_t messages);

/*
 * Before outlet_free(): closes the subscribers at once, and counts and reports the messages that
 * they have not been sent. False: `end` (monotonic ns) has come before all were closed; call it
 * again. Nothing may be published afterwards.
 */
bool outlet_give_up(struct outlet *outlet, uint64_t end);

/* The owner can take input again after `input` has returned false. */
void outlet_resume_input(struct outlet *outlet);

/* Has `input_max` called again. */
void outlet_forget_input_max(struct outlet *outlet);

void outlet_stats(const struct outlet *outlet, struct outlet_stats *stats);

/* The current number of subscribers. */
unsigned outlet_subscribers(const struct outlet *outlet);

/* One subscriber as it stands. */
struct outlet_subscriber_info {
	uint64_t id; /* unique in this outlet, from 1 */
	pid_t pid;   /* SO_PEERCRED */
	uid_t uid;
	uint64_t since;  /* ns since 1970 */
	bool mapped;     /* reads the ring itself: bytes read and messages lost are not known */
	uint64_t sent;   /* bytes */
	uint64_t behind; /* bytes in the ring not sent yet */
	uint64_t lost;   /* messages */
	uint64_t lags;
	uint64_t behind_since; /* ns since 1970; 0: it has been sent everything, or takes more */
	uint64_t oversize;     /* messages that its socket cannot take */
	uint64_t inputs;
	uint64_t input_errors;
};
void outlet_each_subscriber(const struct outlet *outlet,
	void (*visit)(const struct outlet_subscriber_info *info, void *context), void *context);

#endif
