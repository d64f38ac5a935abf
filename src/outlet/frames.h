#ifndef OUTLET_FRAMES_H
#define OUTLET_FRAMES_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * The `frames` format, byte by byte. All numbers are little-endian. A subscriber first sends a
 * frames_hello. The daemon answers with a hello record; after it come the records of the ring. On a
 * writable outlet the subscriber may send records of type text and binary in the same layout.
 *
 * Each record is a header, `length` bytes of payload, and zeros up to a multiple of 8:
 *
 *     byte  0  size        of the whole record: header, payload and padding; a multiple of 8
 *           4  length      of the payload
 *           8  seq         the record's number in its outlet, from 1, without a hole but for gaps
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

/* As `connection`: of no connection; from a subscriber: for all of the outlet. */
#define FRAMES_NO_CONNECTION UINT32_C(0xffffffff)

enum frames_type {
	FRAMES_TEXT = 1,   /* payload: the message, UTF-8 */
	FRAMES_BINARY = 2, /* payload: the message */
	FRAMES_OPEN = 3,   /* the connection has opened; payload: a JSON object with the details */
	FRAMES_CLOSE = 4,  /* the connection has closed; payload: a JSON object with the details */

	/* Records are missing here; payload: frames_gap; seq: that of the last one missing. */
	FRAMES_GAP = 5,

	/*
	 * The connection of that index is from now on called as the payload says. Comes before the
	 * first record of a connection that the hello did not name, and again after a gap. It has
	 * no number of its own: seq is that of the record behind it.
	 */
	FRAMES_NAME = 6,

	/*
	 * The answer to the hello; seq: of the first record to come; payload: a JSON object:
	 *   outlet       its name
	 *   begun        when it began to count from 1, microseconds since 1970: numbers from
	 *                before, of an earlier daemon, say nothing about its records
	 *   connections  array of names, by connection index; null: removed
	 *   next         number of the first record to come
	 *   missing      how many of the records after `seq` of the hello are no longer there
	 *   ahead        true if `seq` of the hello is newer than the newest record: the numbers
	 *                have begun anew since, and the stream starts live
	 *   ring         modes ring and ring-quiet: an object about the memory that comes along:
	 *                  size      in bytes, without the page in front
	 *                  position  where record `next` starts or will start
	 */
	FRAMES_HELLO = 7,

	FRAMES_ERROR = 8, /* payload: what the subscriber did wrong, UTF-8; then the end */

	/*
	 * Modes ring and ring-quiet, for who waits on many descriptors: the subscriber sends
	 * FRAMES_AWAIT, without payload, and gets one FRAMES_ARRIVED, without payload, when record
	 * `seq` has been published or already has been.
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
 * What a subscriber begins with:
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
	FRAMES_START_DEFAULT = 0, /* as the outlet is set */
	FRAMES_START_LIVE = 1,    /* the next record */
	FRAMES_START_OLDEST = 2,  /* the oldest record in the ring */
	FRAMES_START_AFTER = 3,   /* the oldest record in the ring with a number above `seq` */
};

enum frames_mode {
	FRAMES_MODE_BYTES = 0, /* records come through the socket */
	FRAMES_MODE_RING = 1,       /* the subscriber maps the ring, and may sleep on `wake` */
	FRAMES_MODE_RING_QUIET = 2, /* likewise, but it never sleeps: it spins, or awaits */
};

/*
 * In the modes ring and ring-quiet the records stay out of the socket. The hello record brings a
 * descriptor along (SCM_RIGHTS) that can be mapped for reading, and for nothing else: one page, as
 * sysconf(_SC_PAGESIZE) has it, with a frames_ring at its start, then `size` bytes of records. What
 * has position p lies p modulo `size` bytes into them; positions only grow. A record may go on at
 * the start of the memory, so it is best mapped twice, back to back. The socket stays open: it
 * carries the names of new connections, errors, the end, and what the subscriber sends.
 *
 * The records from `tail` to `head` are whole. Those before `tail` may be overwritten at any time,
 * also while they are read. So a reader at position p, which has taken its record's size from there
 *
 *     1. loads head (acquire): there is nothing to read unless p < head;
 *     2. reads the record;
 *     3. issues an acquire fence and loads tail (relaxed): if p < tail, what has been read may be
 *        anything, not even the size can be used, and the reader has been lapped.
 *
 * Who has been lapped goes on at `restart`, again by these steps; the seq that it finds there less
 * the one that it expected is the number of records that it has lost. The daemon stores tail,
 * issues a release fence, only then overwrites, and at last stores head (release). If the reader
 * has read a byte that was written behind the fence, then its own fence makes it see that tail, or
 * a later one.
 *
 * To sleep, a reader loads wake (acquire), then looks at head once more, and if there is still
 * nothing waits in futex(&wake, FUTEX_WAIT, what it has loaded); not FUTEX_PRIVATE, for the word is
 * shared. The daemon counts wake up after it has moved head, once a batch, and then wakes all.
 * A daemon that dies wakes nobody: a sleeper looks at its socket from time to time.
 *
 * tests/model walks through all executions of this that C11 allows. Only of the records it says
 * nothing: that they are read while they may be overwritten makes them a data race by the letter of
 * the standard, as in every seqlock; what has been read so is thrown away.
 */
struct frames_ring {
	char magic[8];
	uint64_t size;            /* of the records' memory: a power of two, at least a page */
	_Atomic uint64_t tail;    /* where the oldest record starts that is safe */
	_Atomic uint64_t head;    /* where the newest one ends */
	_Atomic uint64_t restart; /* where a record starts, about half of the ring before head */
	_Atomic uint32_t wake;    /* counts batches */
};

#define FRAMES_RING_MAGIC "WSGRING1" /* without its zero */

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared by processes");

#endif
