#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "outlet/readers.h"
#include "outlet_suites.h"

/*
 * Readers of a ring, without sockets: what each gets is appended to what it has read, and must be what
 * was written, but for the records of which it was told that they are missing.
 */

enum {
	READERS = 8,
	RECORD_MAX = 2000,
	SIZE = 4096,
	CHUNK = 32, /* this part of the ring is forgotten at a time, as outlets do */
};

static struct ring ring;
static struct readers all;

/* A reader, and all that it has got. */
struct account {
	struct reader reader;
	bool attached;
	uint64_t next;  /* number of the record that it gets next, or is in the middle of */
	uint64_t told;  /* records of which it was told that they are missing */
	uint64_t whole; /* records that it has got */
	size_t got;     /* bytes of that record */
	uint64_t from;  /* number of its first record */
};

static struct account accounts[READERS];

static void setup(void)
{
	struct error error;

	memset(accounts, 0, sizeof(accounts));
	ring_init(&ring, SIZE, 42);
	ck_assert(ring_open(&ring, &error));
	readers_init(&all, &ring);
}

static void teardown(void)
{
	for (int i = 0; i < READERS; i++)
		readers_forget(&all, &accounts[i].reader);
	readers_release(&all);
	ring_release(&ring);
}

/* Each record is of one length, and each of its bytes tells where it belongs. */
static size_t record_length(uint64_t seq)
{
	return 1 + (size_t)(seq * UINT64_C(2654435761) % RECORD_MAX);
}

static uint8_t record_byte(uint64_t seq, size_t at)
{
	return (uint8_t)(seq * 31 + at);
}

/* As an outlet writes: forgets a bit more than it has to, unless somebody is there. */
static void append_length(size_t length)
{
	uint64_t seq = ring.next;

	if (!ring_fits(&ring, length)) {
		uint64_t first = ring_kept_by(&ring, length);
		size_t ahead = length + SIZE / CHUNK;
		uint64_t later = ahead <= SIZE ? ring_kept_by(&ring, ahead) : first;

		if (ring_start(&ring, first) > readers_slowest(&all))
			readers_overtake(&all, first, length);
		ring_drop(&ring, ring_start(&ring, later) <= readers_slowest(&all) ? later : first);
	}
	for (size_t i = 0; i < length; i++)
		ring_room(&ring)[i] = record_byte(seq, i);
	ring_commit(&ring, length);
}

static void append(void)
{
	append_length(record_length(ring.next));
}

static void attach(struct account *account)
{
	account->attached = true;
	account->next = account->from = ring.next;
	readers_attach(&all, &account->reader, ring.head);
}

/* Takes up to `limit` bytes: of records that follow each other. */
static void check_bytes(struct account *account, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] !=
			record_byte(account->next, account->got)) /* quicker than to assert */
			ck_abort_msg("byte %zu of record %llu", account->got,
				(unsigned long long)account->next);
		if (++account->got < record_length(account->next))
			continue;
		account->next++;
		account->whole++;
		account->got = 0;
	}
}

/* The reader takes up to `limit` bytes; true if that was all. */
static bool take(struct account *account, size_t limit)
{
	struct reader *reader = &account->reader;
	const uint8_t *bytes = NULL;
	size_t length = reader_rest(reader, &bytes);

	if (length > limit)
		length = limit;
	if (length) {
		check_bytes(account, bytes, length);
		ck_assert_uint_eq(readers_take_rest(&all, reader, length), length);
		limit -= length;
	}
	if (reader_rest(reader, &bytes) == 0 && reader->state == READER_LAPPED && limit)
		readers_return(&all, reader);
	if (reader_rest(reader, &bytes) == 0 && reader->gap_from &&
		reader->state != READER_LAPPED) {
		ck_assert_uint_eq(account->got, 0); /* no record is torn */
		ck_assert_uint_eq(reader->gap_from, account->next);
		account->told += reader->gap_to + 1 - reader->gap_from;
		account->next = reader->gap_to + 1;
		reader->gap_from = 0;
	}
	length = readers_pending(&all, reader, &bytes);
	if (length > limit)
		length = limit;
	if (length) {
		check_bytes(account, bytes, length);
		reader->cursor += length;
	}
	return reader_rest(reader, &bytes) == 0 && readers_pending(&all, reader, &bytes) == 0 &&
		reader->state != READER_LAPPED;
}

static void read_some(struct account *account, size_t limit)
{
	if (take(account, limit))
		readers_ready(&all, &account->reader);
	else
		readers_block(&all, &account->reader);
}

static void read_all(struct account *account)
{
	read_some(account, SIZE_MAX);
	ck_assert_int_eq(account->reader.state, READER_READY);
	ck_assert_uint_eq(account->next, ring.next);
	ck_assert_uint_eq(account->got, 0);
	ck_assert_uint_eq(account->reader.lost, account->told);
	ck_assert_uint_eq(account->whole + account->told, ring.next - account->from);
}

/* --- single cases ------------------------------------------------------------------------------- */

START_TEST(test_lag)
{
	struct account *account = &accounts[0];

	attach(account);
	append_length(record_length(1));
	read_some(account, 0);
	ck_assert_int_eq(account->reader.state, READER_BLOCKED);
	while (account->reader.state != READER_LAPPED)
		append();
	ck_assert_uint_eq(account->reader.lags, 1);
	for (int i = 0; i < 1000; i++)
		append();
	ck_assert_uint_eq(account->reader.lags, 1); /* it costs nothing until it reads on */
	ck_assert_uint_gt(reader_lost(&all, &account->reader), 900);
	ck_assert_uint_eq(reader_lost(&all, &account->reader), readers_lost(&all));
	read_all(account);
	ck_assert_uint_eq(account->reader.lost, readers_lost(&all));
}
END_TEST

/* It goes on in the middle of the ring: as much to read as there is before it is lapped again. */
START_TEST(test_skips_half)
{
	struct account *account = &accounts[0];

	attach(account);
	append();
	read_some(account, 0);
	for (int i = 0; i < 100; i++)
		append();
	readers_return(&all, &account->reader);
	ck_assert_uint_le(ring.head - account->reader.cursor, SIZE / 2);
	ck_assert_uint_gt(ring.head - account->reader.cursor, SIZE / 2 - RECORD_MAX);
}
END_TEST

/* One in the middle of a record gets the rest of it, and no more if readers are dropped. */
START_TEST(test_rest)
{
	struct account *account = &accounts[0];
	const uint8_t *bytes;

	readers_set_lag(&all, false, _i);
	attach(account);
	append();
	read_some(account, record_length(1) / 2);
	for (int i = 0; i < 100; i++)
		append();
	ck_assert_uint_eq(reader_rest(&account->reader, &bytes),
		record_length(1) - record_length(1) / 2);
	ck_assert_int_eq(account->reader.dropped, _i);
	if (_i) {
		ck_assert_uint_eq(reader_unread(&all, &account->reader), 1);
		ck_assert_uint_eq(account->reader.lost, account->reader.losses.lost);
		take(account, SIZE_MAX);
		ck_assert_uint_eq(account->whole, 1);
		ck_assert_uint_eq(account->got, 0);
	} else {
		ck_assert_uint_eq(account->reader.lost + reader_unread(&all, &account->reader),
			101);
		read_all(account);
	}
	ck_assert_ptr_null(all.rest);
}
END_TEST

/* Thousands in the middle of one record do not need a copy each of its rest. */
START_TEST(test_rest_is_shared)
{
	for (int i = 0; i < READERS; i++)
		attach(&accounts[i]);
	append();
	for (int i = 0; i < READERS; i++)
		read_some(&accounts[i], 1 + (size_t)i);
	for (int i = 0; i < 10; i++)
		append();
	for (int i = 0; i < READERS; i++)
		ck_assert_ptr_eq(accounts[i].reader.rest, all.rest);
	ck_assert_uint_eq(all.rest->users, READERS);
	for (int i = 0; i < READERS; i++)
		read_all(&accounts[i]);
	ck_assert_ptr_null(all.rest);
}
END_TEST

/* Of the messages that it could not get anyway only those count that it has lost. */
START_TEST(test_forgotten_while_lapped)
{
	attach(&accounts[0]);
	attach(&accounts[1]);
	append();
	read_some(&accounts[0], 1);
	read_some(&accounts[1], 1);
	for (int i = 0; i < 100; i++)
		append();
	ck_assert_uint_eq(all.lapped_count, 2);
	readers_forget(&all, &accounts[0].reader);
	ck_assert_uint_eq(all.lapped_count, 1);
	readers_finish(&all, &accounts[1].reader);
	ck_assert_uint_eq(all.lapped_count, 0);
	ck_assert_uint_eq(all.count, 0);
	ck_assert_uint_eq(all.lapped_lost_to, 0);
	ck_assert_uint_eq(accounts[1].reader.lost, readers_lost(&all) - accounts[0].reader.lost);
	ck_assert_uint_gt(accounts[1].reader.rest_left, 0);
}
END_TEST

/* A reader that was ready is listed even if nothing is lost but its place: it has to be waited for. */
START_TEST(test_overtaken_without_a_loss)
{
	struct account *account = &accounts[0];

	append_length(SIZE);
	readers_attach(&all, &account->reader, ring.head - SIZE + 100);
	readers_overtake(&all, ring.next, SIZE);
	ck_assert_int_eq(account->reader.state, READER_BLOCKED);
	ck_assert_uint_eq(account->reader.rest_left, SIZE - 100);
	ck_assert_ptr_eq(readers_next_overtaken(&all), &account->reader);
	ck_assert_ptr_null(readers_next_overtaken(&all));
	ck_assert_uint_eq(readers_take_losses(&all, &account->reader).lags, 0);
}
END_TEST

START_TEST(test_losses_are_taken_once)
{
	struct account *account = &accounts[0];
	struct reader_losses losses;

	attach(account);
	readers_refuse(&all, &account->reader, 7);
	readers_refuse(&all, &account->reader, 9);
	ck_assert_ptr_eq(readers_next_overtaken(&all), &account->reader);
	losses = readers_take_losses(&all, &account->reader);
	ck_assert_uint_eq(losses.refused, 2);
	ck_assert_uint_eq(losses.refused_length, 9);
	ck_assert_uint_eq(losses.lags, 0);
	ck_assert_ptr_null(readers_next_overtaken(&all));
	ck_assert_uint_eq(readers_take_losses(&all, &account->reader).refused, 0);
	ck_assert_uint_eq(readers_lost(&all), 2);
	ck_assert_uint_eq(readers_lose(&all, 5), 5);
	ck_assert_uint_eq(account->reader.lost, 7);
}
END_TEST

/* --- any order ---------------------------------------------------------------------------------- */

static struct account *any_attached(void)
{
	struct account *account = &accounts[rand() % READERS];

	return account->attached ? account : NULL;
}

/* Who is furthest behind is known without looking at them, whatever becomes of the others. */
static void check_slowest(void)
{
	uint64_t slowest = UINT64_MAX, ready = UINT64_MAX, last = 0;
	const struct reader *reader;
	unsigned count = 0;

	for (int i = 0; i < READERS; i++) {
		const struct reader *r = &accounts[i].reader;

		count += r->state != READER_OUT;
		if (r->state == READER_READY && r->cursor < ready)
			ready = r->cursor;
		if ((r->state == READER_READY || r->state == READER_BLOCKED) && r->cursor < slowest)
			slowest = r->cursor;
	}
	ck_assert_uint_eq(readers_slowest(&all), slowest);
	ck_assert_uint_eq(readers_slowest_ready(&all), ready);
	ck_assert_uint_eq(all.count, count);
	TAILQ_FOREACH (reader, &all.ready, link) {
		if (reader->cursor < last)
			ck_abort_msg("the ready are not in order");
		last = reader->cursor;
	}
}

static void check_lost(void)
{
	uint64_t lost = 0;

	for (int i = 0; i < READERS; i++)
		lost += reader_lost(&all, &accounts[i].reader);
	ck_assert_uint_eq(readers_lost(&all), lost);
}

/* With room a record overwrites nothing that must be kept: no reader is overtaken that must not be. */
static void append_if_room(bool waits)
{
	size_t length = record_length(ring.next);
	uint64_t lags = all.lags;
	unsigned ready = 0, now = 0;

	if (!readers_have_room(&all, ring.head + length, ring.next + ring_places(length)) &&
		!readers_find_room(&all, length))
		return;
	for (int i = 0; i < READERS; i++)
		ready += accounts[i].reader.state == READER_READY;
	append();
	for (int i = 0; i < READERS; i++)
		now += accounts[i].reader.state == READER_READY;
	ck_assert_uint_eq(ready, now);
	if (waits)
		ck_assert_uint_eq(all.lags, lags);
}

static void step(bool waits)
{
	struct account *account = any_attached();

	switch (rand() % 8) {
	case 0:
	case 1:
		append_if_room(waits);
		break;
	case 2:
		if (!waits)
			append();
		break;
	case 3:
		if (account)
			read_some(account, (size_t)rand() % SIZE);
		break;
	case 4:
		if (account)
			read_some(account, SIZE_MAX);
		break;
	case 5:
		if (account && account->reader.state == READER_READY)
			readers_requeue(&all, &account->reader);
		break;
	case 6:
		if (account && rand() % 16 == 0) {
			readers_finish(&all, &account->reader);
			take(account, SIZE_MAX);
			ck_assert_uint_eq(account->got, 0);
			account->attached = false;
		}
		break;
	case 7:
		account = &accounts[rand() % READERS];
		if (!account->attached) {
			account->whole = 0;
			account->told = account->reader.lost;
			attach(account);
			account->from -= account->told;
		}
		break;
	}
}

START_TEST(test_any_order)
{
	bool waits = _i % 2;

	srand((unsigned)_i);
	readers_set_lag(&all, waits, false);
	for (int i = 0; i < 20000; i++) {
		step(waits);
		check_slowest();
		check_lost();
	}
	for (int i = 0; i < READERS; i++) {
		if (accounts[i].attached)
			read_all(&accounts[i]);
	}
	if (waits)
		ck_assert_uint_eq(readers_lost(&all), 0);
	else
		ck_assert_uint_gt(all.lags, 100);
}
END_TEST

START_TEST(test_cursors)
{
	enum { MANY = 100 };
	static struct reader readers[MANY];
	bool there[MANY] = {false};
	struct cursors cursors = {0};

	srand((unsigned)_i);
	for (int i = 0; i < 20000; i++) {
		int number = rand() % MANY;
		struct reader *reader = &readers[number];
		uint64_t lowest = UINT64_MAX;

		reader->cursor += (uint64_t)rand() % 50;
		if (there[number] && rand() % 2) {
			cursors_update(&cursors, reader);
		} else {
			if (there[number])
				cursors_remove(&cursors, reader);
			else
				cursors_add(&cursors, reader);
			there[number] = !there[number];
		}
		for (int j = 0; j < MANY; j++) {
			if (there[j] && readers[j].cursor < lowest)
				lowest = readers[j].cursor;
		}
		reader = cursors_first(&cursors);
		ck_assert_uint_eq(reader ? reader->cursor : UINT64_MAX, lowest);
	}
	cursors_release(&cursors);
}
END_TEST

Suite *readers_suite(void)
{
	Suite *suite = suite_create("readers");
	TCase *tests = tcase_create("readers");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_lag);
	tcase_add_test(tests, test_skips_half);
	tcase_add_loop_test(tests, test_rest, 0, 2);
	tcase_add_test(tests, test_rest_is_shared);
	tcase_add_test(tests, test_forgotten_while_lapped);
	tcase_add_test(tests, test_overtaken_without_a_loss);
	tcase_add_test(tests, test_losses_are_taken_once);
	tcase_add_loop_test(tests, test_any_order, 0, 8);
	tcase_add_loop_test(tests, test_cursors, 0, 4);
	suite_add_tcase(suite, tests);
	return suite;
}
