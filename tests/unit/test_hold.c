#include "test_gateway.h"

#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/hold.h"

static struct event_base *base;
static struct timers *timers;
static struct hold hold;
static uint64_t ahead; /* of the real clock */
static size_t expired;

static void on_expired(size_t messages, void *context)
{
	ck_assert_ptr_eq(context, &expired);
	expired += messages;
}

static uint64_t read_clock(void *context)
{
	return clock_boottime() + *(const uint64_t *)context;
}

static void setup(void)
{
	base = event_base_new();
	timers = timers_new(base, read_clock, &ahead);
	expired = 0;
	ahead = 0;
	hold_init(&hold, timers, on_expired, &expired);
	hold_set_limits(&hold, "hold.bytes", 1000, 60 * CLOCK_NS_PER_SECOND);
}

static void teardown(void)
{
	hold_release(&hold);
	timers_free(timers);
	event_base_free(base);
}

static bool take_message(enum ws_opcode opcode, const char *data, size_t length,
	struct error *error)
{
	struct ws_outgoing message = {.opcode = opcode, .data = data, .length = length};
	bool taken = hold_take(&hold, &message, error);

	ws_outgoing_release(&message);
	return taken;
}

static bool take(const char *text)
{
	struct error error;

	return take_message(WS_TEXT, text, strlen(text), &error);
}

static void expect_first(enum ws_opcode opcode, const char *text)
{
	struct ws_outgoing first;

	ck_assert(hold_first(&hold, &first));
	ck_assert_int_eq(first.opcode, opcode);
	ck_assert_uint_eq(first.length, strlen(text));
	ck_assert_int_eq(memcmp(first.data, text, first.length), 0);
	hold_drop_first(&hold);
}

START_TEST(gives_messages_back_in_their_order)
{
	struct ws_outgoing first;
	struct error error;

	ck_assert(!hold_first(&hold, &first));
	ck_assert(take("one"));
	ck_assert(take_message(WS_BINARY, "two", 3, &error));
	ck_assert(take(""));
	ck_assert(take("four"));
	expect_first(WS_TEXT, "one");
	expect_first(WS_BINARY, "two");
	ck_assert(take("five"));
	expect_first(WS_TEXT, "");
	expect_first(WS_TEXT, "four");
	expect_first(WS_TEXT, "five");
	ck_assert(!hold_first(&hold, &first));
	ck_assert_uint_eq(hold_count(&hold), 0);
	ck_assert_uint_eq(hold_size(&hold), 0);
	ck_assert_uint_eq(expired, 0);
}
END_TEST

START_TEST(holds_so_many_bytes_overheads_included)
{
	struct error error;
	char large[1000] = "";

	ck_assert(!take_message(WS_BINARY, large, 985, &error));
	ck_assert_str_eq(error.text,
		"a message of 985 bytes, with 16 bytes to keep it, is larger "
		"than hold.bytes (1000 bytes)");
	ck_assert(take_message(WS_BINARY, large, 984, &error));
	ck_assert(!take_message(WS_BINARY, "", 0, &error));
	ck_assert_str_eq(error.name, ERROR_WEBSOCKET);
	ck_assert_str_eq(error.text,
		"the connection is not ready, and no more can be held for it: 1 "
		"messages take 1000 of 1000 bytes");
	hold_drop_first(&hold);
	for (int i = 0; i < 62; i++)
		ck_assert(take("")); /* empty ones do not come for nothing */
	ck_assert(!take(""));
	ck_assert_uint_eq(hold_count(&hold), 62);
}
END_TEST

START_TEST(drops_by_itself_what_is_too_old)
{
	hold_set_limits(&hold, "hold.bytes", 1000, CLOCK_NS_PER_MS);
	ck_assert(take("one"));
	ck_assert(take("two"));
	ck_assert_uint_eq(expired, 0);
	ck_assert_int_eq(event_base_dispatch(base), 1); /* until no timer is left */
	ck_assert_uint_eq(expired, 2);
	ck_assert_uint_eq(hold_count(&hold), 0);

	ck_assert(take("three"));
	event_base_dispatch(base);
	ck_assert_uint_eq(expired, 3);
}
END_TEST

/* So that nobody waits until millions of them are gone. */
START_TEST(drops_so_many_at_a_time)
{
	struct ws_outgoing first;

	hold_set_limits(&hold, "hold.bytes", 1 << 20, 60 * CLOCK_NS_PER_SECOND);
	for (int i = 0; i < 10000; i++)
		ck_assert(take("old"));
	hold_set_limits(&hold, "hold.bytes", 1 << 20, 1);
	ck_assert(!hold_first(&hold, &first));
	ck_assert_uint_gt(expired, 0);
	ck_assert_uint_lt(expired, 5000);
	ck_assert_uint_eq(hold_count(&hold) + expired, 10000);
	event_base_dispatch(base);
	ck_assert_uint_eq(expired, 10000);
	hold_set_limits(&hold, "hold.bytes", 1 << 20, 60 * CLOCK_NS_PER_SECOND);
	ck_assert(take("new"));
	expect_first(WS_TEXT, "new");
	ck_assert(take("one"));
	ck_assert(take("two"));
	hold_drop_all(&hold);
	ck_assert(!hold_first(&hold, &first));
}
END_TEST

START_TEST(does_not_give_back_what_is_too_old)
{
	struct ws_outgoing first;

	hold_set_limits(&hold, "hold.bytes", 1000, 3600 * CLOCK_NS_PER_SECOND);
	ck_assert(take("old"));
	ahead += 3600 * CLOCK_NS_PER_SECOND; /* as after a suspend: before any timer has run */
	ck_assert(take("new"));
	expect_first(WS_TEXT, "new");
	ck_assert_uint_eq(expired, 1);
	ck_assert(!hold_first(&hold, &first));
}
END_TEST

START_TEST(follows_limits_that_change)
{
	ck_assert(take("one"));
	hold_set_limits(&hold, "hold.bytes", 1000, 1);
	event_base_dispatch(base);
	ck_assert_uint_eq(expired, 1);

	hold_set_limits(&hold, "hold.bytes", 1000, 60 * CLOCK_NS_PER_SECOND);
	ck_assert(take("two"));
	hold_set_limits(&hold, "hold.bytes", 0, 60 * CLOCK_NS_PER_SECOND);
	ck_assert(!take("three"));
	expect_first(WS_TEXT, "two");
}
END_TEST

static void append(struct ws_message_queue *queue, const char *text, bool keep, uint64_t age)
{
	struct ws_outgoing message = {
		.opcode = WS_TEXT,
		.data = text,
		.length = strlen(text),
		.time = timers_now(timers) - age,
		.keep = keep,
	};

	ws_message_queue_append(queue, &message);
}

/* Ahead of what is held, and of what came back before; only what is to be kept. */
START_TEST(takes_back_what_a_session_had)
{
	struct ws_message_queue queue = {0};
	struct ws_endpoint_unsent held;

	ck_assert(take("five"));
	append(&queue, "three", true, 0);
	append(&queue, "four", true, 0);
	hold_return(&hold, &queue);
	append(&queue, "one", true, 0);
	append(&queue, "transient", false, 0);
	append(&queue, "two", true, 0);
	held = hold_return(&hold, &queue);
	ck_assert_uint_eq(held.messages, 2);
	ck_assert_uint_eq(held.bytes, 6);
	ck_assert_uint_eq(queue.count, 0);
	ck_assert_uint_eq(hold_count(&hold), 5);
	ck_assert_uint_eq(hold_size(&hold), 5 * 16 + 19);
	expect_first(WS_TEXT, "one");
	expect_first(WS_TEXT, "two");
	expect_first(WS_TEXT, "three");
	expect_first(WS_TEXT, "four");
	expect_first(WS_TEXT, "five");
}
END_TEST

START_TEST(takes_back_the_oldest_that_fit)
{
	struct ws_message_queue queue = {0};

	hold_set_limits(&hold, "hold.bytes", 3 * (16 + 4), 60 * CLOCK_NS_PER_SECOND);
	ck_assert(take("last"));
	for (int i = 0; i < 5; i++)
		append(&queue, (const char *[]){"1111", "2222", "3333", "4444", "5555"}[i], true,
			0);
	ck_assert_uint_eq(hold_return(&hold, &queue).messages, 2);
	expect_first(WS_TEXT, "1111");
	expect_first(WS_TEXT, "2222");
	expect_first(WS_TEXT, "last");
	append(&queue, "none", true, 0);
	hold_set_limits(&hold, "hold.bytes", 10, 60 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(hold_return(&hold, &queue).messages, 0);
	ck_assert_uint_eq(hold_count(&hold), 0);
}
END_TEST

/* Their age counts from when a session was given them. */
START_TEST(drops_what_came_back_too_old)
{
	struct ws_message_queue queue = {0};

	append(&queue, "old", true, 60 * CLOCK_NS_PER_SECOND);
	append(&queue, "new", true, 0);
	hold_return(&hold, &queue);
	expect_first(WS_TEXT, "new");
	ck_assert_uint_eq(expired, 1);
}
END_TEST

Suite *hold_suite(void)
{
	Suite *suite = suite_create("hold");
	TCase *tests = tcase_create("messages");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, gives_messages_back_in_their_order);
	tcase_add_test(tests, holds_so_many_bytes_overheads_included);
	tcase_add_test(tests, drops_by_itself_what_is_too_old);
	tcase_add_test(tests, drops_so_many_at_a_time);
	tcase_add_test(tests, does_not_give_back_what_is_too_old);
	tcase_add_test(tests, follows_limits_that_change);
	tcase_add_test(tests, takes_back_what_a_session_had);
	tcase_add_test(tests, takes_back_the_oldest_that_fit);
	tcase_add_test(tests, drops_what_came_back_too_old);
	suite_add_tcase(suite, tests);
	return suite;
}
