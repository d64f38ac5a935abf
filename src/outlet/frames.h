#ifndef OUTLET_FRAMES_H
#define OUTLET_FRAMES_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * The `frames` format, byte by byte. All numbers are little-endian. A subscriber first sends a
 * frames_hello. The daemon answers with a hello record, followed by the records of the ring. On a
 * writable outlet the subscriber may send records of type text and binary in the same layout.
 *
 * Each record is a header, `length` bytes of payload, and zeros up to a multiple of 8:
 *
 *     byte  0  size        of the whole record: header, payload and padding; a multiple of 8
 *           4  length      of the payload
 *           8  seq         number of the record in its outlet, from 1, consecutive but for gaps
 *          16  time        of receipt, nanoseconds since 1970
 *          24  connection  index of the connection that the record is about
 *          28  type        one of frames_type
 *          29  zero
 */
struct frames_header {
	uint32_t size;
	uint32_t length;
	uint64_t seq;
	uint64_t time;
	uint32_t connection;
	uint8_t type;
	uint8_t zero[3];
};

enum {
	FRAMES_HEADER_SIZE = 32,
	FRAMES_ALIGNMENT = 8,
};

/* As `connection`: none; from a subscriber: all connections of the outlet. */
#define FRAMES_NO_CONNECTION UINT32_C(0xffffffff)

enum frames_type {
	FRAMES_TEXT = 1,   /* payload: the message, UTF-8 unless utf8 = "pass" */
	FRAMES_BINARY = 2, /* payload: the message */
	FRAMES_OPEN = 3,   /* the connection has opened; payload: a JSON object with the details */
	FRAMES_CLOSE = 4,  /* the connection has closed; payload: a JSON object with the details */

	/* Records are missing here; payload: frames_gap; seq: number of the last missing one. */
	FRAMES_GAP = 5,

	/*
	 * The payload is the name of the connection from now on. Comes before the first record of
	 * a connection that the hello did not name, and again after a gap. It has no number of its
	 * own: seq is that of the record after it.
	 */
	FRAMES_NAME = 6,

	/*
	 * The answer to the hello; seq: of the first record to come; payload: a JSON object:
	 *   outlet       its name
	 *   begun        when its numbering began, microseconds since 1970; earlier numbers, of a
	 *                previous daemon, are unrelated
	 *   connections  array of names, by connection index; null: removed
	 *   next         number of the first record to come
	 *   missing      number of records after `seq` of the hello that are no longer there
	 *   ahead        true if `seq` of the hello is newer than the newest record: numbering has
	 *                restarted since, and the stream starts live
	 *   ring         modes ring and ring-quiet: an object that describes the memory:
	 *                  size      bytes, without the page in front
	 *                  position  where record `next` starts or will start
	 */
	FRAMES_HELLO = 7,

	FRAMES_ERROR = 8, /* payload: the subscriber's mistake, UTF-8; the stream ends */

	/*
	 * Modes ring and ring-quiet, for event loops: the subscriber sends FRAMES_AWAIT and gets one
	 * FRAMES_ARRIVED once record `seq` has been published. Both have no payload.
	 */
	FRAMES_AWAIT = 9,
	FRAMES_ARRIVED = 10,
};

/* The records `from` to `to` are missing, both included. */
struct frames_gap {
	uint64_t from;
	uint64_t to;
};

/*
 * The greeting of a subscriber:
 *
 *     byte  0  magic    "WSGATE"
 *           6  version  1
 *           7  start    one of frames_start
 *           8  mode     one of frames_mode
 *           9  zero
 *          16  seq      for FRAMES_START_AFTER, else 0
 */
struct frames_hello {
	char magic[6];
	uint8_t version;
	uint8_t start;
	uint8_t mode;
	uint8_t zero[7];
	uint64_t seq;
};

enum {
	FRAMES_HELLO_SIZE = 24,
	FRAMES_VERSION = 1,
};

#define FRAMES_MAGIC "WSGATE"

enum frames_start {
	FRAMES_START_DEFAULT = 0, /* as the outlet is configured */
	FRAMES_START_LIVE = 1,    /* the next record */
	FRAMES_START_OLDEST = 2,  /* the oldest record in the ring */
	FRAMES_START_AFTER = 3,   /* the oldest record in the ring with a number above `seq` */
};

enum frames_mode {
	FRAMES_MODE_BYTES = 0,      /* records come through the socket */
	FRAMES_MODE_RING = 1,       /* the subscriber maps the ring, and may sleep on `wake` */
	FRAMES_MODE_RING_QUIET = 2, /* the same, but it never sleeps: it spins, or awaits */
};

/*
 * In the modes ring and ring-quiet the records stay out of the socket. The hello record brings a
 * descriptor (SCM_RIGHTS) that can be mapped for reading only: one page, of sysconf(_SC_PAGESIZE)
 * bytes, that begins with a frames_ring, then `size` bytes of records. Position p is at offset p
 * modulo `size` in them; positions only grow. A record may wrap around to the start of the memory, so
 * map it twice, back to back. The socket stays open for the names of new connections, errors, the
 * end, and the subscriber's own records.
 *
 * The records from `tail` to `head` are intact. Those before `tail` may be overwritten at any time,
 * even while they are read. So a reader at position p, which has taken its record's size from there
 *
 *     1. loads head (acquire): there is nothing to read unless p < head;
 *     2. reads the record;
 *     3. issues an acquire fence and loads tail (relaxed): if p < tail, the reader has been lapped,
 *        and all that it has read may be invalid, even the size.
 *
 * A lapped reader continues at `restart`, with these steps; the seq that it finds there minus the
 * expected one is the number of records lost. The daemon stores tail, issues a release fence, then
 * overwrites, and finally stores head (release). If the reader has read a byte that was written after
 * the fence, its own fence makes it see that tail, or a later one.
 *
 * To sleep, a reader loads wake (acquire), loads head once more, and if there is still nothing calls
 * futex(&wake, FUTEX_WAIT, the value loaded), without FUTEX_PRIVATE, as the word is shared. The
 * daemon increments wake after it has moved head, once a batch, and then wakes all sleepers. A daemon
 * that dies wakes nobody: a sleeper looks at its socket from time to time.
 *
 * tests/model walks through all executions of this that C11 allows. It leaves out the records: reading
 * them while they may be overwritten is a data race by the letter of the standard, as in every
 * seqlock; such data is discarded.
 */
struct frames_ring {
	char magic[8];
	uint64_t size;            /* bytes of records: a power of two, at least a page */
	_Atomic uint64_t tail;    /* start of the oldest record that is safe to read */
	_Atomic uint64_t head;    /* end of the newest record */
	_Atomic uint64_t restart; /* start of a record, about half of the ring before head */
	_Atomic uint32_t wake;    /* counts batches */
};

#define FRAMES_RING_MAGIC "WSGRING1" /* without its zero */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared by processes");

#endif
