#include "test_ws.h"

#include <string.h>

#include "ws/message_queue.h"

/* Around what is kept in the queue itself, and what is shared. */
static const size_t lengths[] = {0, 1, 1023, 1024, 1025, 5000, 100000};

enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static uint8_t bytes[100000];

static void setup(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 3);
}

/* To all the queues, as one message. */
static void append(struct ws_message_queue *queues, size_t count, size_t length, uint64_t time)
{
	uint8_t data[sizeof(bytes)];
	struct ws_outgoing message = {
		.opcode = length % 2 ? WS_TEXT : WS_BINARY,
		.data = data,
		.length = length,
		.time = time,
	};

	memcpy(data, bytes, length);
	for (size_t i = 0; i < count; i++)
		ws_message_queue_append(&queues[i], &message);
	ws_outgoing_release(&message);
	memset(data, 0, sizeof(data)); /* nobody looks at it any more */
}

static void expect_first(const struct ws_message_queue *queue, size_t length, uint64_t time)
{
	struct ws_outgoing first;

	ck_assert(ws_message_queue_first(queue, &first));
	ck_assert_int_eq(first.opcode, length % 2 ? WS_TEXT : WS_BINARY);
	ck_assert_uint_eq(first.length, length);
	ck_assert_uint_eq(first.time, time);
	ck_assert_int_eq(memcmp(first.data, bytes, length), 0);
}

START_TEST(keeps_messages_of_any_length)
{
	struct ws_message_queue queue = {0};
	size_t size = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LENGTHS; i++) {
			append(&queue, 1, lengths[i], (uint64_t)i);
			size += WS_MESSAGE_QUEUE_OVERHEAD + lengths[i];
			ck_assert_uint_eq(ws_message_queue_size(&queue), size);
		}
	}
	ck_assert_uint_eq(queue.count, 3 * LENGTHS);
	for (int i = 0; i < 2 * LENGTHS; i++) {
		expect_first(&queue, lengths[i % LENGTHS], (uint64_t)(i % LENGTHS));
		ws_message_queue_drop_first(&queue);
		size -= WS_MESSAGE_QUEUE_OVERHEAD + lengths[i % LENGTHS];
		ck_assert_uint_eq(ws_message_queue_size(&queue), size);
	}
	ws_message_queue_release(&queue);
	ck_assert_uint_eq(queue.count, 0);
	ck_assert_uint_eq(ws_message_queue_size(&queue), 0);
	ws_message_queue_drop_first(&queue);
	append(&queue, 1, 5, 0);
	expect_first(&queue, 5, 0);
	ws_message_queue_release(&queue);
}
END_TEST

/* A large message for a thousand connections is there once, until the last of them has it. */
START_TEST(shares_what_is_large)
{
	struct ws_message_queue queues[1000] = {0};
	struct ws_outgoing first, other;

	append(queues, 1000, 100000, 0);
	ck_assert(ws_message_queue_first(&queues[0], &first));
	for (int i = 1; i < 1000; i++) {
		ck_assert_uint_eq(ws_message_queue_size(&queues[i]),
			100000 + WS_MESSAGE_QUEUE_OVERHEAD);
		ck_assert(ws_message_queue_first(&queues[i], &other));
		ck_assert_ptr_eq(other.data, first.data);
	}
	for (int i = 0; i < 998; i++)
		ws_message_queue_drop_first(&queues[i]);
	ws_message_queue_release(&queues[998]);
	expect_first(&queues[999], 100000, 0);
	ws_message_queue_drop_first(&queues[999]);
}
END_TEST

/* From where it is held to where it waits to be sent. */
START_TEST(moves_from_queue_to_queue)
{
	struct ws_message_queue from = {0}, to = {0};
	struct ws_outgoing first;

	for (int i = 0; i < LENGTHS; i++)
		append(&from, 1, lengths[i], 7);
	while (ws_message_queue_first(&from, &first)) {
		ws_message_queue_append(&to, &first);
		ws_message_queue_drop_first(&from);
	}
	for (int i = 0; i < LENGTHS; i++) {
		expect_first(&to, lengths[i], 7);
		ws_message_queue_drop_first(&to);
	}
	ck_assert_uint_eq(to.count, 0);
}
END_TEST

/* Those that are taken stay, at the front, until they are dropped. */
START_TEST(takes_messages)
{
	struct ws_message_queue queue = {0};
	struct ws_outgoing next;

	ws_message_queue_take(&queue);
	ck_assert_uint_eq(queue.taken, 0);
	for (int i = 0; i < LENGTHS; i++)
		append(&queue, 1, lengths[i], 0);
	for (int i = 0; i < LENGTHS; i++) {
		ck_assert(ws_message_queue_next(&queue, &next));
		ck_assert_uint_eq(next.length, lengths[i]);
		ws_message_queue_take(&queue);
		ck_assert_uint_eq(queue.taken, (size_t)i + 1);
	}
	ck_assert(!ws_message_queue_next(&queue, &next));
	ws_message_queue_take(&queue);
	ck_assert_uint_eq(queue.taken_size, ws_message_queue_size(&queue));

	ws_message_queue_drop_first(&queue);
	ck_assert_uint_eq(queue.taken, LENGTHS - 1);
	append(&queue, 1, 7, 0);
	ck_assert(ws_message_queue_next(&queue, &next));
	ck_assert_uint_eq(next.length, 7);

	ws_message_queue_untake(&queue);
	ck_assert_uint_eq(queue.taken_size, 0);
	ck_assert(ws_message_queue_next(&queue, &next));
	ck_assert_uint_eq(next.length, lengths[1]);
	ws_message_queue_drop_first(&queue);
	ck_assert(ws_message_queue_next(&queue, &next));
	ck_assert_uint_eq(next.length, lengths[2]);
	ws_message_queue_release(&queue);
}
END_TEST

START_TEST(joins_queues)
{
	struct ws_message_queue queue = {0}, other = {0}, none = {0};
	size_t size;

	for (int i = 0; i < LENGTHS; i++)
		append(&other, 1, lengths[i], 1);
	size = ws_message_queue_size(&other);
	ws_message_queue_join(&queue, &other);
	ck_assert_uint_eq(other.count, 0);
	for (int i = 0; i < LENGTHS; i++)
		append(&other, 1, lengths[i], 2);
	ws_message_queue_join(&queue, &other);
	ws_message_queue_join(&queue, &none);
	ck_assert_uint_eq(other.count, 0);
	ck_assert_uint_eq(ws_message_queue_size(&other), 0);
	ck_assert_uint_eq(queue.count, 2 * LENGTHS);
	ck_assert_uint_eq(ws_message_queue_size(&queue), 2 * size);
	for (int i = 0; i < 2 * LENGTHS; i++) {
		expect_first(&queue, lengths[i % LENGTHS], i < LENGTHS ? 1 : 2);
		ws_message_queue_drop_first(&queue);
	}
	ck_assert_uint_eq(queue.copies, 0);
}
END_TEST

Suite *suite_message_queue(void)
{
	Suite *suite = suite_create("message_queue");
	TCase *tests = tcase_create("messages");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, keeps_messages_of_any_length);
	tcase_add_test(tests, shares_what_is_large);
	tcase_add_test(tests, moves_from_queue_to_queue);
	tcase_add_test(tests, takes_messages);
	tcase_add_test(tests, joins_queues);
	suite_add_tcase(suite, tests);
	return suite;
}
