#ifndef WSGATE_H
#define WSGATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * libwsgate: reads the outlets of wsgated whose format is "frames", and sends to the connections
 * behind them. wsgate(3) is the manual.
 *
 * A subscriber is used by one thread at a time; several subscribers know nothing of each other.
 * Nothing here prints, raises a signal, starts a thread or keeps a global.
 */
struct wsgate;

/* What most calls return: 0 and above are no errors. */
enum wsgate_result {
	WSGATE_OK = 0,
	WSGATE_AGAIN = 1, /* nothing to read, or no room to send, as yet */
	WSGATE_END = 2,   /* the outlet has ended: all that it had has been read */

	WSGATE_ERROR_MEMORY = -1,
	WSGATE_ERROR_ARGUMENT = -2,  /* the call can't be meant like this */
	WSGATE_ERROR_CONNECT = -3,   /* no outlet at this path, or it lets nobody in */
	WSGATE_ERROR_TIMEOUT = -4,   /* the daemon has not answered in time */
	WSGATE_ERROR_REFUSED = -5,   /* the daemon says no; wsgate_error() has its words */
	WSGATE_ERROR_PROTOCOL = -6,  /* what comes is not the format "frames" */
	WSGATE_ERROR_SYSTEM = -7,    /* the operating system refuses something */
	WSGATE_ERROR_NOT_FOUND = -8  /* the outlet has no connection of that name */
};

/* Which record is the first. */
enum wsgate_start {
	WSGATE_START_DEFAULT = 0, /* as the outlet is set */
	WSGATE_START_LIVE = 1,    /* the next to come */
	WSGATE_START_OLDEST = 2,  /* the oldest that the daemon still has */
	/*
	 * The one after number `after`; those that are gone are a gap. If the outlet has begun to
	 * count anew since, as a restarted daemon does, the oldest.
	 */
	WSGATE_START_AFTER = 3
};

/* How the records come. */
enum wsgate_mode {
	WSGATE_MODE_AUTO = 0, /* as with WSGATE_MODE_RING if the outlet allows it, else in bytes */
	WSGATE_MODE_BYTES = 1, /* through the socket */
	WSGATE_MODE_RING = 2,  /* from the outlet's memory; who waits, sleeps */
	WSGATE_MODE_RING_SPIN = 3 /* likewise, but who waits keeps a processor busy: for the latency */
};

/* To be initialised with WSGATE_OPTIONS_INIT. Later versions add members at the end. */
struct wsgate_options {
	size_t size;      /* of this struct, as the program was compiled with it */
	const char *path; /* of the outlet's socket; needed */
	int start;        /* one of wsgate_start */
	int mode;         /* one of wsgate_mode */
	uint64_t after;   /* for WSGATE_START_AFTER: wsgate_position() of an earlier subscriber, */
	uint64_t begun;   /* and `begun` of its wsgate_info(); 0: not known */
	int timeout_ms;   /* for wsgate_open() to be done; -1: none */
	int in_place;     /* 1: payloads are not copied out of the ring; see wsgate_intact() */
};

/* clang-format off */
#define WSGATE_OPTIONS_INIT \
	{ sizeof(struct wsgate_options), NULL, WSGATE_START_DEFAULT, WSGATE_MODE_AUTO, 0, 0, 10000, 0 }
/* clang-format on */

/* What a record is. A program ignores types that it does not know. */
enum wsgate_type {
	WSGATE_TEXT = 1,   /* a message, UTF-8 */
	WSGATE_BINARY = 2, /* a message */
	WSGATE_OPEN = 3,   /* the connection has opened; payload: a JSON object */
	WSGATE_CLOSE = 4,  /* it has closed; likewise */
	WSGATE_GAP = 5     /* the records `from` to `to` are missing */
};

/* As `connection`: of none; in wsgate_send(): to all of the outlet. */
#define WSGATE_NO_CONNECTION UINT32_C(0xffffffff)

/* Made by the library only: later versions add members at the end. */
struct wsgate_record {
	uint64_t seq;        /* number in the outlet, from 1, without a hole; a gap: its `to` */
	uint64_t time;       /* of receipt: nanoseconds since 1970; 0: it was not received */
	uint32_t connection; /* its index, or WSGATE_NO_CONNECTION */
	uint32_t type;       /* one of wsgate_type */
	const char *name;    /* of the connection; NULL: of none, or not known any more */
	const void *payload; /* aligned to 8 bytes; not ended by a zero; NULL: none, a gap */
	size_t length;       /* of the payload */
	uint64_t from;       /* WSGATE_GAP: number of the first missing record, else 0 */
	uint64_t to;         /* WSGATE_GAP: that of the last one, else 0 */
};

/* About a subscription as it began. Made by the library only: members are added at the end. */
struct wsgate_info {
	const char *outlet; /* its name */
	const char *hello;  /* the daemon's answer, a JSON object: see wsgated-protocol(7) */
	uint64_t begun;     /* when it began to count from 1, microseconds since 1970 */
	uint64_t next;      /* number of the first record */
	uint64_t missing;   /* how many of those after `after` were gone; they are a gap, too */
	int anew;           /* 1: it has begun to count anew since `after`, so the oldest is first */
	int mode;           /* WSGATE_MODE_BYTES, WSGATE_MODE_RING or WSGATE_MODE_RING_SPIN */
};

/* Counted since wsgate_open(). Made by the library only: members are added at the end. */
struct wsgate_counts {
	uint64_t records; /* returned, without gaps */
	uint64_t bytes;   /* of their payloads */
	uint64_t gaps;
	uint64_t lost; /* records that the gaps stand for */
	uint64_t sent; /* messages taken by wsgate_send() */
};

/*
 * Subscribes. *gate is a subscriber also after an error, so that wsgate_error() can tell more: it is
 * to be closed in any case. Only without memory for it *gate is NULL.
 */
enum wsgate_result wsgate_open(struct wsgate **gate, const struct wsgate_options *options);

/* NULL is allowed. Ends all that the subscriber has handed out. */
void wsgate_close(struct wsgate *gate);

/*
 * Waits at most timeout_ms milliseconds (0: not at all; -1: without limit) for the next record, and
 * sets *record to it, or to NULL. It is valid until the next call of wsgate_next() or
 * wsgate_close(). WSGATE_AGAIN: there is none as yet, or a signal has come. An error is final,
 * the next call returns it again.
 */
enum wsgate_result wsgate_next(struct wsgate *gate, const struct wsgate_record **record,
	int timeout_ms);

/*
 * With `in_place`, the daemon may overwrite a payload while it is being read. This returns 1 if what
 * has been read of the latest record up to now was good, and 0 if it was not: then it must not be
 * used, and the record is part of the gap that comes next. Otherwise it is always 1.
 */
int wsgate_intact(struct wsgate *gate);

/* Number of the last record that was read, or is known to be lost: for a later `after`. It is told
 * apart from the same number of a restarted daemon by `begun` of wsgate_info(). */
uint64_t wsgate_position(const struct wsgate *gate);

/*
 * For an event loop: a descriptor, and the events of poll(2) to wait for, which change with each
 * call of another function. It belongs to the subscriber. From the first call on the descriptor
 * becomes readable when there is more to read, in all modes, once wsgate_next() has returned
 * WSGATE_AGAIN.
 */
int wsgate_fd(struct wsgate *gate);
short wsgate_events(const struct wsgate *gate);

/*
 * Sends a message of type WSGATE_TEXT (UTF-8) or WSGATE_BINARY, at most 1 MiB, to the connection of
 * that index, or with WSGATE_NO_CONNECTION to all of the outlet, which must be writable. Does not
 * wait. WSGATE_OK: it has been taken, though its end may still have to be written, which
 * wsgate_flush(), wsgate_next() and further sends do. WSGATE_AGAIN: nothing of it has been taken.
 */
enum wsgate_result wsgate_send(struct wsgate *gate, int type, uint32_t connection,
	const void *data, size_t length);

/* Waits, as wsgate_next() does, until all that was taken is written to the daemon. */
enum wsgate_result wsgate_flush(struct wsgate *gate, int timeout_ms);

/* The index of the connection of that name. */
enum wsgate_result wsgate_find(struct wsgate *gate, const char *name, uint32_t *connection);

/* The name of a connection, or NULL; valid until the next call of another function. */
const char *wsgate_name(const struct wsgate *gate, uint32_t connection);

/* Valid until wsgate_close(). NULL if wsgate_open() has failed. */
const struct wsgate_info *wsgate_info(const struct wsgate *gate);

/* Valid until wsgate_close(), and kept up to date. */
const struct wsgate_counts *wsgate_counts(const struct wsgate *gate);

/* A text of the last error of this subscriber, "" if there was none; NULL as gate: no memory. */
const char *wsgate_error(const struct wsgate *gate);

/* What a result means in general; static. */
const char *wsgate_strerror(enum wsgate_result result);

#ifdef __cplusplus
}
#endif

#endif
