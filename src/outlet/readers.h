#ifndef OUTLET_READERS_H
#define OUTLET_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "outlet/cursors.h"
#include "outlet/ring.h"

/*
 * The readers of a ring, and the position of each. Nothing here knows how a reader gets its bytes:
 * the caller passes them on and reports the result.
 */

enum reader_state {
	READER_OUT, /* has no place in the ring: not attached yet, or finished */
	/*
	 * Took everything it was last offered, and may take more. Readers that have waited longest
	 * for new data come first: cursors only rise in the list.
	 */
	READER_READY,
	READER_BLOCKED, /* took less than it was offered */
	READER_LAPPED,  /* has lost its place in the ring, and gets another when it takes more */
};

TAILQ_HEAD(reader_list, reader);

/* The end of an overwritten record, for all the readers that were in the middle of it. */
struct reader_rest {
	unsigned users;
	uint64_t end;  /* position after the record */
	size_t length; /* bytes of it, up to its end */
	uint8_t bytes[];
};

/* Losses of a reader since they were last taken. */
struct reader_losses {
	uint64_t lags;         /* times that it was lapped */
	uint64_t lost;         /* messages lost by that */
	uint64_t refused;      /* messages that it could not take, */
	size_t refused_length; /* and the length of the last one */
};

/* Zero-initialised: out of the ring. */
struct reader {
	enum reader_state state;
	bool overtaken;           /* in the list of the overtaken */
	bool dropped;             /* was lapped, and gets no more than its rest */
	TAILQ_ENTRY(reader) link; /* of the ready, or of the lapped */
	TAILQ_ENTRY(reader) overtaken_link;

	uint64_t cursor; /* position in the ring of the next byte that it gets */
	size_t place;    /* in the heap of the blocked */

	struct reader_rest *rest; /* comes before all else; NULL: none */
	size_t rest_left;         /* bytes of it */
	uint64_t gap_from;        /* records lost that it has not been told of; 0: none */
	uint64_t gap_to;
	uint64_t lost_to; /* lapped: number of the first record not counted as lost */

	uint64_t lost; /* messages */
	uint64_t lags;
	struct reader_losses losses;
};

struct readers {
	const struct ring *ring;
	bool waits; /* writers wait: nothing that a reader still needs is overwritten */
	bool drops; /* a reader that is lapped gets no more */

	struct reader_list ready;
	struct cursors blocked;
	struct reader_list lapped;
	unsigned count;           /* of those in the ring */
	unsigned lapped_count;    /* of these lapped, */
	uint64_t lapped_lost_to;  /* and the sum of their `lost_to` */
	struct reader_rest *rest; /* the latest; NULL: not needed any more */

	/* Readers that were overtaken or have lost messages since they were last handled. */
	struct reader_list overtaken;

	/*
	 * While the head and the next number stay within these, there is room for a record without
	 * checking the readers: they can only have advanced since.
	 */
	uint64_t room_head;
	uint64_t room_next;

	uint64_t lost; /* messages in total, except those that lapped readers are still losing */
	uint64_t lags;
};

/* Borrows the ring. */
void readers_init(struct readers *readers, const struct ring *ring);
void readers_release(struct readers *readers);

/* Sets the policy for lapped readers; readers already lapped return to the ring. */
void readers_set_lag(struct readers *readers, bool waits, bool drops);

/* Makes the reader ready; it gets the ring from `cursor` on. */
void readers_attach(struct readers *readers, struct reader *reader, uint64_t cursor);

/* Finishes the record that the reader is in the middle of, and ends there. */
void readers_finish(struct readers *readers, struct reader *reader);

/* It gets nothing more. */
void readers_detach(struct readers *readers, struct reader *reader);

/* The same, before its memory is freed; messages that it is still losing are not counted. */
void readers_forget(struct readers *readers, struct reader *reader);

/* --- what a reader gets ------------------------------------------------------------------------- */

/* Bytes that come before all else: returns how many. */
size_t reader_rest(const struct reader *reader, const uint8_t **bytes);

/* Bytes of the ring, once it has been told of a gap: returns how many. */
size_t readers_pending(const struct readers *readers, const struct reader *reader,
	const uint8_t **bytes);

/* A lapped reader gets a place in the ring, and a gap. */
void readers_return(struct readers *readers, struct reader *reader);

/* The reader has taken up to `length` bytes, its rest first; returns the number taken from it. */
size_t readers_take_rest(struct readers *readers, struct reader *reader, size_t length);

/* Results of passing bytes on: all taken; some taken, and more can be sent later; socket full. */
void readers_ready(struct readers *readers, struct reader *reader);
void readers_requeue(struct readers *readers, struct reader *reader);
void readers_block(struct readers *readers, struct reader *reader);

/* The reader cannot take a message of that length, and loses it. */
void readers_refuse(struct readers *readers, struct reader *reader, size_t length);

/* The ready reader that has waited longest for data in the ring; NULL: all have everything. */
struct reader *readers_next(const struct readers *readers);

/* A ready reader that has everything in the ring, or NULL. */
struct reader *readers_complete(const struct readers *readers);

/* --- room --------------------------------------------------------------------------------------- */

/* The cursor furthest behind of readers with a place in the ring; UINT64_MAX: no such reader. */
uint64_t readers_slowest(const struct readers *readers);

/* The same, of the ready. */
static inline uint64_t readers_slowest_ready(const struct readers *readers)
{
	const struct reader *ready = TAILQ_FIRST(&readers->ready);

	return ready ? ready->cursor : UINT64_MAX;
}

/* True if the ring is known to have room up to that position and record number, without checking
 * the readers. */
static inline bool readers_have_room(const struct readers *readers, uint64_t head, uint64_t next)
{
	return head <= readers->room_head && next <= readers->room_next;
}

/* The same for a record of that length, checking the readers. Part of the ring is reserved for
 * records that cannot be held up. */
bool readers_find_room(struct readers *readers, size_t length);

/* True if a record of that length would overwrite nothing that must be kept. */
bool readers_spare(const struct readers *readers, size_t length);

/* True if there is enough room to wake writers: at least a quarter of the ring. */
bool readers_have_plenty(const struct readers *readers, size_t length);

/*
 * The records before `first` are about to be overwritten, to make room for `length` bytes: readers
 * that still need them are lapped. Each has taken something since it was last lapped.
 */
void readers_overtake(struct readers *readers, uint64_t first, size_t length);

/* The next record cannot be written, for want of memory for the ring: readers in the ring are lapped. */
void readers_miss(struct readers *readers);

/* --- losses ------------------------------------------------------------------------------------- */

/* Takes the next overtaken reader off the list, or NULL. */
struct reader *readers_next_overtaken(struct readers *readers);
struct reader_losses readers_take_losses(struct readers *readers, struct reader *reader);

/* Each reader in the ring loses that many messages; returns the sum. */
uint64_t readers_lose(struct readers *readers, uint64_t messages);

/* Messages lost so far: by all readers together, and by one. */
uint64_t readers_lost(const struct readers *readers);
uint64_t reader_lost(const struct readers *readers, const struct reader *reader);

/* Bytes that it has not taken yet, of its rest and of the ring. */
uint64_t reader_behind(const struct readers *readers, const struct reader *reader);

/* Messages that it has not taken completely: lost if it ends now. */
uint64_t reader_unread(const struct readers *readers, const struct reader *reader);

#endif
