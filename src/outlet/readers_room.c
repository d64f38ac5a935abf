#include "outlet/readers.h"

/* The room that can be written before readers lose anything. */

enum { READERS_RESERVE = 16 }; /* 1/16 of the ring is for records that cannot be held up */

/*
 * The ring must not be overwritten from this position on: the first byte that a reader still needs
 * if writers wait; else the first that a ready reader has not been offered.
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

/* Bytes that must be free for a record of that length; at most the ring. */
static size_t readers_needed(const struct readers *readers, size_t length)
{
	size_t size = readers->ring->size;
	size_t needed = length + size / READERS_RESERVE;

	return needed < size ? needed : size;
}

/*
 * Measures how far the ring can be filled without overwriting anything that must be kept, leaving
 * the reserve free. The first record to keep stays whole, even if its reader is in the middle of
 * it. Readers that catch up later are at the head, or behind it.
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
