#ifndef OUTLET_READERS_H
#define OUTLET_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "outlet/cursors.h"
#include "outlet/ring.h"

/*
 * Who reads a ring, and how far each has come. Nothing here knows how a reader gets its bytes: the
 * caller hands them on and says what became of it.
 */

enum reader_state {
	READER_OUT, /* has no place in the ring: not attached yet, or to get no more */
	/*
	 * Took all that it was last offered, and may take more. Those that have waited longest for
	 * what is new come first: cursors only rise in the list.
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

/* What a reader has lost since it was last asked for. */
struct reader_losses {
	uint64_t lags; /* times that it was lapped */
	uint64_t lost; /* messages by that */
	uint64_t refused; /* messages that it could not take, */
	size_t refused_length; /* and the length of the last one */
};

/* Zero-initialised is out of the ring. */
struct reader {
	enum reader_state state;
	bool overtaken; /* in the list of those that were */
	bool dropped;   /* was lapped, and is to get no more than its rest */
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
	bool waits; /* nothing is overwritten that a reader still needs */
	bool drops; /* a reader that is lapped gets no more */

	struct reader_list ready;
	struct cursors blocked;
	struct reader_list lapped;
	unsigned count;          /* of those in the ring */
	unsigned lapped_count;   /* of these lapped, */
	uint64_t lapped_lost_to; /* and the sum of their `lost_to` */
	struct reader_rest *rest; /* the latest; NULL: not needed any more */

	/* Readers that have been overtaken or have lost messages since they were last looked after. */
	struct reader_list overtaken;

	/*
	 * While the head and the next number stay within these, a record has room without a look
	 * at the readers: they can only have moved on since.
	 */
	uint64_t room_head;
	uint64_t room_next;

	uint64_t lost; /* messages, summed up, but for those that the lapped are still losing */
	uint64_t lags;
};

/* Borrows the ring. */
void readers_init(struct readers *readers, const struct ring *ring);
void readers_release(struct readers *readers);

/* What becomes of lapped readers; those that are lapped already get a place in the ring anew. */
void readers_set_lag(struct readers *readers, bool waits, bool drops);

/* The reader is ready, and gets what is in the ring from `cursor` on. */
void readers_attach(struct readers *readers, struct reader *reader, uint64_t cursor);

/* It gets no more than the rest of the record that it is in the middle of. */
void readers_finish(struct readers *readers, struct reader *reader);

/* It gets nothing more. */
void readers_detach(struct readers *readers, struct reader *reader);

/* The same, before its memory goes; the messages that it is still losing are not counted. */
void readers_forget(struct readers *readers, struct reader *reader);

/* --- what a reader gets ------------------------------------------------------------------------- */

/* Bytes that come before all else: returns how many. */
size_t reader_rest(const struct reader *reader, const uint8_t **bytes);

/* Bytes of the ring, once it has been told of a gap: returns how many. */
size_t readers_pending(const struct readers *readers, const struct reader *reader,
	const uint8_t **bytes);

/* A lapped reader gets a place in the ring, and a gap. */
void readers_return(struct readers *readers, struct reader *reader);

/* It has got up to `length` bytes of its rest; returns how many that were. */
size_t readers_take_rest(struct readers *readers, struct reader *reader, size_t length);

/* Result of handing on what there is: all; some, and it can take more later; not all. */
void readers_ready(struct readers *readers, struct reader *reader);
void readers_requeue(struct readers *readers, struct reader *reader);
void readers_block(struct readers *readers, struct reader *reader);

/* It cannot take a message of that length, and loses it. */
void readers_refuse(struct readers *readers, struct reader *reader, size_t length);

/* The ready reader that has waited longest for what is in the ring; NULL: none has to. */
struct reader *readers_next(const struct readers *readers);

/* A ready reader that has everything in the ring; NULL: there is none. */
struct reader *readers_complete(const struct readers *readers);

/* --- room --------------------------------------------------------------------------------------- */

/* The cursor that is furthest behind, of those with a place in the ring; UINT64_MAX: none. */
uint64_t readers_slowest(const struct readers *readers);

/* The same, of the ready. */
static inline uint64_t readers_slowest_ready(const struct readers *readers)
{
	const struct reader *ready = TAILQ_FIRST(&readers->ready);

	return ready ? ready->cursor : UINT64_MAX;
}

/* True if the ring may be filled up to that position and that number of a record, as far as is known
 * without a look at the readers. */
static inline bool readers_have_room(const struct readers *readers, uint64_t head, uint64_t next)
{
	return head <= readers->room_head && next <= readers->room_next;
}

/* Takes that look, for a record of that length. A part of the ring is kept free for what cannot be
 * held up. */
bool readers_find_room(struct readers *readers, size_t length);

/* True if a record of that length would overwrite nothing that has to be kept. */
bool readers_spare(const struct readers *readers, size_t length);

/* True if there is so much room, a quarter of the ring at least, that it is worth waking writers. */
bool readers_have_plenty(const struct readers *readers, size_t length);

/*
 * The records before `first` are about to be overwritten, to make room for `length` bytes: readers
 * that still need them are lapped. Each has been handed something since it was lapped last.
 */
void readers_overtake(struct readers *readers, uint64_t first, size_t length);

/* --- losses ------------------------------------------------------------------------------------- */

/* The next of those that were overtaken or have lost messages, or NULL; takes it off the list. */
struct reader *readers_next_overtaken(struct readers *readers);
struct reader_losses readers_take_losses(struct readers *readers, struct reader *reader);

/* Each reader in the ring loses that many messages; returns the sum. */
uint64_t readers_lose(struct readers *readers, uint64_t messages);

/* All that has been lost up to now: by all together, and by one. */
uint64_t readers_lost(const struct readers *readers);
uint64_t reader_lost(const struct readers *readers, const struct reader *reader);

/* Bytes that it has not got yet, of its rest and of the ring. */
uint64_t reader_behind(const struct readers *readers, const struct reader *reader);

/* Messages that it has not got as a whole: lost if it ends now. */
uint64_t reader_unread(const struct readers *readers, const struct reader *reader);

#endif
