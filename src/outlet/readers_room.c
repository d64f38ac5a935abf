#include "outlet/readers.h"

/* How much can be written before readers lose anything. */

enum { READERS_RESERVE = 16 }; /* this part of the ring is for what cannot be held up */

/*
 * From where on the ring must not be overwritten: if writers wait, what a reader still needs; else
 * what the ready have not been offered.
 */
static uint64_t readers_kept(const struct readers *readers)
{
	return readers->waits ? readers_slowest(readers) : readers_slowest_ready(readers);
}

bool readers_spare(const struct readers *readers, size_t length)
{
	const struct ring *ring = readers->ring;

	return ring_start(ring, ring_kept_by(ring, length)) <= readers_kept(readers);
}

/* What has to be free for a record of that length; at most the ring. */
static size_t readers_needed(const struct readers *readers, size_t length)
{
	size_t size = readers->ring->size;
	size_t needed = length + size / READERS_RESERVE;

	return needed < size ? needed : size;
}

/*
 * Up to where the ring can be filled before anything is overwritten that has to be kept, with the
 * reserve left free. The first record of it stays whole, even if its reader is in the middle. Who
 * catches up later is at the head, or behind it.
 */
static void readers_measure_room(struct readers *readers)
{
	const struct ring *ring = readers->ring;
	uint64_t kept = readers_kept(readers) < ring->head ? readers_kept(readers) : ring->head;
	uint64_t seq = ring_seq_from(ring, kept);

	if (seq > ring->first && ring_start(ring, seq) > kept)
		seq--;
	readers->room_head = ring_start(ring, seq) + ring->size - ring->size / READERS_RESERVE;
	readers->room_next = seq + ring_records(ring) - ring_records(ring) / READERS_RESERVE;
}

bool readers_find_room(struct readers *readers, size_t length)
{
	if (!readers_spare(readers, readers_needed(readers, length)))
		return false;
	readers_measure_room(readers);
	return true;
}

bool readers_have_plenty(const struct readers *readers, size_t length)
{
	size_t needed = readers_needed(readers, length);
	size_t quarter = readers->ring->size / 4;

	return readers_spare(readers, quarter > needed ? quarter : needed);
}
