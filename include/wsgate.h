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
 * Use a subscriber from one thread at a time; different subscribers are independent. The library
 * does not print, raise signals, start threads or keep globals.
 */
struct wsgate;

/* Result of most calls; errors are negative. */
enum wsgate_result {
	WSGATE_OK = 0,
	WSGATE_AGAIN = 1, /* nothing to read yet, or no room to send */
	WSGATE_END = 2,   /* the outlet has ended, and everything has been read */

	WSGATE_ERROR_MEMORY = -1,
	WSGATE_ERROR_ARGUMENT = -2, /* invalid argument */
	WSGATE_ERROR_CONNECT = -3,  /* no outlet at this path, or no permission */
	WSGATE_ERROR_TIMEOUT = -4,  /* the daemon did not answer in time */
	WSGATE_ERROR_REFUSED = -5,  /* the daemon refused; wsgate_error() says why */
	WSGATE_ERROR_PROTOCOL = -6, /* the data is not in the format "frames" */
	WSGATE_ERROR_SYSTEM = -7,   /* a system call failed */
	WSGATE_ERROR_NOT_FOUND = -8 /* the outlet has no connection with that name */
};

/* The start of the stream. */
enum wsgate_start {
	WSGATE_START_DEFAULT = 0, /* as the outlet is configured */
	WSGATE_START_LIVE = 1,    /* with the next record to arrive */
	WSGATE_START_OLDEST = 2,  /* with the oldest record that the daemon still has */
	/*
	 * With the record after number `after`; lost ones become a gap. With the oldest record if
	 * the outlet has restarted its numbering since, as it does when the daemon restarts.
	 */
	WSGATE_START_AFTER = 3
};

/* The way to read records. */
enum wsgate_mode {
	WSGATE_MODE_AUTO = 0, /* WSGATE_MODE_RING if the outlet allows it, else WSGATE_MODE_BYTES */
	WSGATE_MODE_BYTES = 1,    /* through the socket */
	WSGATE_MODE_RING = 2,     /* from the outlet's memory; waiting sleeps */
	WSGATE_MODE_RING_SPIN = 3 /* the same, but waiting keeps a CPU busy: lowest latency */
};

/* Initialise with WSGATE_OPTIONS_INIT. Later versions add members at the end. */
struct wsgate_options {
	size_t size;      /* of this struct at compile time of the program */
	const char *path; /* of the outlet's socket; required */
	int start;        /* one of wsgate_start */
	int mode;         /* one of wsgate_mode */
	uint64_t after;   /* for WSGATE_START_AFTER: wsgate_position() of an earlier subscriber, */
	uint64_t begun;   /* and `begun` of its wsgate_info(); 0: unknown */
	int timeout_ms;   /* limit for wsgate_open(); -1: none */
	int in_place;     /* 1: do not copy payloads out of the ring; see wsgate_intact() */
};

/* clang-format off */
#define WSGATE_OPTIONS_INIT \
	{ sizeof(struct wsgate_options), NULL, WSGATE_START_DEFAULT, WSGATE_MODE_AUTO, 0, 0, 10000, 0 }
/* clang-format on */

/* Type of a record. Ignore unknown types. */
enum wsgate_type {
	WSGATE_TEXT = 1,   /* a message; UTF-8 unless utf8 = "pass" */
	WSGATE_BINARY = 2, /* a message */
	WSGATE_OPEN = 3,   /* the connection has opened; payload: a JSON object */
	WSGATE_CLOSE = 4,  /* the connection has closed; payload: a JSON object */
	WSGATE_GAP = 5     /* the records `from` to `to` are missing */
};

/* As `connection`: none; in wsgate_send(): all connections of the outlet. */
#define WSGATE_NO_CONNECTION UINT32_C(0xffffffff)

/* Created by the library only: later versions add members at the end. */
struct wsgate_record {
	uint64_t seq;        /* number in the outlet, from 1, consecutive; of a gap: its `to` */
	uint64_t time;       /* of receipt, nanoseconds since 1970; 0: not received */
	uint32_t connection; /* its index, or WSGATE_NO_CONNECTION */
	uint32_t type;       /* one of wsgate_type */
	const char *name;    /* of the connection; NULL: none, or no longer known */
	const void *payload; /* aligned to 8 bytes, not zero-terminated; NULL: a gap */
	size_t length;       /* of the payload */
	uint64_t from;       /* WSGATE_GAP: first missing record, else 0 */
	uint64_t to;         /* WSGATE_GAP: last missing record, else 0 */
};

/* A subscription as it began. Created by the library only: later versions add members at the
 * end. */
struct wsgate_info {
	const char *outlet; /* its name */
	const char *hello;  /* the daemon's answer, a JSON object: see wsgated-protocol(7) */
	uint64_t begun;     /* when its numbering began, microseconds since 1970 */
	uint64_t next;      /* number of the first record */
	uint64_t missing;   /* lost records after `after`; also reported as a gap */
	int anew; /* 1: numbering has restarted since `after`, so it starts with the oldest */
	int mode; /* WSGATE_MODE_BYTES, WSGATE_MODE_RING or WSGATE_MODE_RING_SPIN */
};

/* Counts since wsgate_open(). Created by the library only: later versions add members at the
 * end. */
struct wsgate_counts {
	uint64_t records; /* returned, without gaps */
	uint64_t bytes;   /* of their payloads */
	uint64_t gaps;
	uint64_t lost; /* records missing in the gaps */
	uint64_t sent; /* messages accepted by wsgate_send() */
};

/*
 * Subscribes. Sets *gate even on error, for wsgate_error(), so always call wsgate_close(). *gate is
 * NULL only when out of memory.
 */
enum wsgate_result wsgate_open(struct wsgate **gate, const struct wsgate_options *options);

/* Accepts NULL. Everything obtained from the subscriber becomes invalid. */
void wsgate_close(struct wsgate *gate);

/*
 * Waits at most timeout_ms milliseconds (0: not at all; -1: without limit) for the next record, and
 * sets *record to it, or to NULL. The record is valid until the next call of wsgate_next() or
 * wsgate_close(). WSGATE_AGAIN: timed out, or interrupted by a signal. An error is final: further
 * calls return it again.
 */
enum wsgate_result wsgate_next(struct wsgate *gate, const struct wsgate_record **record,
	int timeout_ms);

/*
 * With `in_place`, the daemon may overwrite a payload while it is being read. Returns 1 if
 * everything read from the latest record so far is valid. Returns 0 if not: discard it; the record
 * will be part of the next gap. Without `in_place`, always returns 1.
 */
int wsgate_intact(struct wsgate *gate);

/* Number of the last record read, or known to be lost, for a later `after`. Keep `begun` of
 * wsgate_info() with it: numbering restarts with the daemon. */
uint64_t wsgate_position(const struct wsgate *gate);

/*
 * For event loops: a descriptor, owned by the subscriber, and the events of poll(2) to wait for,
 * which may change with every call of another function. After the first call, in all modes, the
 * descriptor becomes readable when there is more to read, once wsgate_next() has returned
 * WSGATE_AGAIN.
 */
int wsgate_fd(struct wsgate *gate);
short wsgate_events(const struct wsgate *gate);

/*
 * Sends a message of type WSGATE_TEXT (UTF-8) or WSGATE_BINARY, at most 1 GiB, to the connection
 * with that index, or to all connections of the outlet (WSGATE_NO_CONNECTION). The outlet must be
 * writable. Never waits. WSGATE_OK: accepted; wsgate_flush(), wsgate_next() and further sends write
 * what is left of it. WSGATE_AGAIN: not accepted.
 */
enum wsgate_result wsgate_send(struct wsgate *gate, int type, uint32_t connection, const void *data,
	size_t length);

/* Waits, as wsgate_next() does, until all accepted messages are written to the daemon. */
enum wsgate_result wsgate_flush(struct wsgate *gate, int timeout_ms);

/* Sets *connection to the index of the connection with that name. */
enum wsgate_result wsgate_find(struct wsgate *gate, const char *name, uint32_t *connection);

/* The name of a connection, or NULL; valid until the next call of another function. */
const char *wsgate_name(const struct wsgate *gate, uint32_t connection);

/* Valid until wsgate_close(). NULL if wsgate_open() has failed. */
const struct wsgate_info *wsgate_info(const struct wsgate *gate);

/* Valid until wsgate_close(), and kept up to date. */
const struct wsgate_counts *wsgate_counts(const struct wsgate *gate);

/* Text of the subscriber's latest error, or "". Accepts NULL, for out of memory. */
const char *wsgate_error(const struct wsgate *gate);

/* Static text of a result. */
const char *wsgate_strerror(enum wsgate_result result);

#ifdef __cplusplus
}
#endif

#endif
