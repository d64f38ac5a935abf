#include "endpoint_harness.h"

#include <string.h>

#include "ws/message_queue.h"

/* --- sending ---------------------------------------------------------------------------------- */

START_TEST(sends)
{
	struct ws_endpoint_sent sent;
	size_t length;

	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert(send_text("one"));
	now += 5 * CLOCK_NS_PER_US;
	ck_assert(send_text("three"));
	ck_assert_uint_eq(ws_endpoint_queued(&endpoint), 9 + 11);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 2);
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_eq(length, 20);
	ws_endpoint_wrote(&endpoint, 8);
	ck_assert(!ws_endpoint_next_sent(&endpoint, &sent, now));
	now += 5 * CLOCK_NS_PER_US;
	ws_endpoint_wrote(&endpoint, 2);
	ck_assert(ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert_uint_eq(sent.bytes, 9);
	ck_assert_uint_eq(sent.us, 10);
	ck_assert(!ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	now += 7 * CLOCK_NS_PER_US;
	ws_endpoint_wrote(&endpoint, 10);
	ck_assert(ws_endpoint_next_sent(&endpoint, &sent, now));
	ck_assert_uint_eq(sent.bytes, 11);
	ck_assert_uint_eq(sent.us, 7);
	ck_assert_uint_eq(counts.messages_sent, 2);
	ck_assert_uint_eq(counts.bytes_sent, 20);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert_ptr_null(ws_endpoint_output(&endpoint, &length));
}
END_TEST

START_TEST(has_a_full_queue)
{
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = large, .length = 600};
	struct error error;

	settings.send_queue = 1000;
	configure();
	ck_assert(ws_endpoint_has_room(&endpoint, 5000));
	ck_assert(send_bytes(large, 600));
	ck_assert(!ws_endpoint_has_room(&endpoint, 600));
	ck_assert(!ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_str_eq(error.text,
		"the queue to the server is full: 608 of 1000 bytes wait to be sent");
	ck_assert(ws_endpoint_has_room(&endpoint, 100));
}
END_TEST

/* Otherwise a message that was held, or is to be sent first, would never leave. */
START_TEST(takes_any_message_while_the_queue_is_empty)
{
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = large, .length = 5000};
	struct error error;

	settings.send_queue = 1000;
	settings.send_rate.messages = _i;
	configure();
	ck_assert(ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert(!ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 1);
	ws_outgoing_release(&message);
}
END_TEST

/* The first of a turn is encoded at once, however large; others wait, and stay in their order. */
START_TEST(encodes_in_turns)
{
	size_t length;

	memset(large, 'x', sizeof(large));
	shared.encoded = 0;
	settings.send_queue = 100 << 20;
	configure();
	while (ws_endpoint_has_turn(&shared))
		ck_assert(send_bytes(large, sizeof(large)));
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_gt(length, 1 << 20);
	ck_assert(send_bytes(large, sizeof(large)));
	ck_assert(send_bytes(large, sizeof(large)));
	shared.encoded = 0;
	ck_assert(send_text("small"));
	ck_assert_uint_eq(endpoint.out.length, length);

	ws_endpoint_encode(&endpoint, now); /* not with so much output */
	ck_assert_uint_eq(endpoint.out.length, length);
	ws_endpoint_wrote(&endpoint, length);
	ck_assert(ws_endpoint_wants_write(&endpoint));
	ws_endpoint_encode(&endpoint, now);
	ck_assert_uint_gt(endpoint.out.length, sizeof(large));
	ck_assert_uint_lt(endpoint.out.length, 2 * sizeof(large));
	ws_endpoint_wrote(&endpoint, endpoint.out.length);
	ws_endpoint_encode(&endpoint, now);
	ws_endpoint_wrote(&endpoint, endpoint.out.length);
	expect_output("text small");
}
END_TEST

START_TEST(keeps_the_rate)
{
	settings.send_rate.messages = 2;
	settings.send_rate.burst = 3;
	configure();
	for (int i = 0; i < 5; i++)
		ck_assert(send_text("m"));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m, text m, text m");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert(expire_at(START * SECOND + SECOND / 2 + 1));
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m");

	settings.send_rate.messages = 0; /* without a limit the rest leaves at once */
	configure();
	ck_assert(ws_endpoint_wants_write(&endpoint));
	expect_output("text m");
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	ck_assert(send_text("at once"));
	ck_assert_uint_gt(endpoint.out.length, 0);
}
END_TEST

/* --- what is unsent --------------------------------------------------------------------------- */

static void send_to_keep(const char *text)
{
	struct ws_outgoing message = {
		.opcode = WS_TEXT,
		.data = text,
		.length = strlen(text),
		.time = now,
		.keep = true,
	};
	struct error error;

	ck_assert(ws_endpoint_send(&endpoint, &message, now, &error));
	ws_outgoing_release(&message);
}

/* `expected`: each with a semicolon behind it. */
static void expect_unsent(const char *expected)
{
	struct ws_message_queue queue = {0};
	struct ws_outgoing message;
	struct buffer texts = {0};

	ws_endpoint_take_unsent(&endpoint, &queue);
	ck_assert_uint_eq(queue.taken, 0);
	for (; ws_message_queue_first(&queue, &message); ws_message_queue_drop_first(&queue))
		buffer_append_format(&texts, "%.*s;", (int)message.length,
			(const char *)message.data);
	buffer_append(&texts, "", 1);
	ck_assert_str_eq((const char *)buffer_data(&texts), expected);
	buffer_release(&texts);
	ws_message_queue_release(&queue);
}

static void encode_and_write(size_t length)
{
	struct ws_endpoint_sent sent;

	ws_endpoint_encode(&endpoint, now);
	ws_endpoint_wrote(&endpoint, length);
	while (ws_endpoint_next_sent(&endpoint, &sent, now))
		;
}

/* Also one that is partly written, and one that need not be kept but is behind others. */
START_TEST(gives_back_what_is_unsent)
{
	send_to_keep("one");
	send_to_keep("two");
	ck_assert(send_text("three"));
	send_to_keep("four");
	encode_and_write(9 + 3);
	send_to_keep("five");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 4);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).bytes, 16);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	expect_unsent("two;three;four;five;");
}
END_TEST

/* A server that closes may not read on: only what has begun to leave is completed. */
START_TEST(takes_back_what_has_not_begun)
{
	send_to_keep("one");
	send_to_keep("two");
	send_to_keep("three");
	encode_and_write(9 + 3);
	RECEIVE("\x89\x00"); /* its pong would follow the messages */
	RECEIVE("\x88\x02\x03\xE8");
	ck_assert_uint_eq(endpoint.out.length, 6 + 8);
	encode_and_write(6);
	expect_output("close 1000 ");
	ck_assert_uint_eq(counts.messages_sent, 2);
	expect_unsent("three;");
}
END_TEST

/* But not what is in the output already, nor what need not be kept. */
START_TEST(drops_what_has_waited_too_long)
{
	settings.send_rate.messages = 0.1;
	settings.send_rate.burst = 2;
	configure();
	send_to_keep("one");
	send_to_keep("two");
	send_to_keep("three");
	ck_assert(send_text("four"));
	now += SECOND;
	send_to_keep("five");
	encode_and_write(3);
	now += 29 * SECOND;
	ck_assert_uint_eq(ws_endpoint_encode(&endpoint, now), 0); /* others before it stay */
	encode_and_write(endpoint.out.length);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 3);
	ck_assert_uint_eq(ws_endpoint_encode(&endpoint, now), 1);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 2);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).bytes, 8);
	expect_output("text four, text five");
	ck_assert_uint_eq(counts.messages_sent, 4);
}
END_TEST

/* So that nobody waits until all of them are gone. */
START_TEST(drops_so_many_at_a_time)
{
	size_t count = 20000, dropped;

	for (size_t i = 0; i < count; i++)
		send_to_keep("m");
	now += 30 * SECOND;
	while ((dropped = ws_endpoint_encode(&endpoint, now))) {
		ck_assert_uint_lt(dropped, 5000);
		count -= dropped;
		ck_assert(ws_endpoint_wants_write(&endpoint) == (count > 0));
	}
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 0);
}
END_TEST

/* TLS goes on with the record that it has encrypted: it must get the same bytes again. */
START_TEST(takes_nothing_back_that_is_committed)
{
	send_to_keep("one");
	send_to_keep("two");
	send_to_keep("three");
	send_to_keep("four");
	encode_and_write(3);
	ws_endpoint_commit(&endpoint, 6 + (size_t)_i);
	RECEIVE("\x88\x02\x03\xE8");
	ck_assert_uint_eq(endpoint.out.length, (_i == 0 ? 6 : _i <= 9 ? 6 + 9 : 6 + 9 + 11) + 8);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	expect_unsent("one;two;three;four;");
}
END_TEST

/* --- the rest --------------------------------------------------------------------------------- */

START_TEST(takes_other_settings)
{
	settings.max_message = 3;
	configure();
	RECEIVE("\x81\x03"
		"abc");
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	settings.ping.interval = 7 * SECOND;
	settings.max_message = 2;
	now += SECOND;
	configure();
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), now + 7 * SECOND);
	settings.ping.interval = 0;
	configure();
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
	ck_assert(ws_endpoint_expire(&endpoint, now));
	RECEIVE("\x81\x03");
	expect_end(WS_CLOSE_TOO_BIG, "the server sent a message longer than the limit", false,
		"the server sent a message longer than the limit");
	expect_received("abc;");
}
END_TEST

/* Both ways; a bomb of a message is counted as one. */
START_TEST(compresses)
{
	static const struct ws_deflate_parameters agreed = {
		.client_max_window_bits = 15,
		.server_max_window_bits = 15,
	};
	struct ws_mask_pool masks = {0};
	struct ws_deflater *server = ws_deflater_new(&agreed, 6, 10);
	struct buffer wire = {0};
	struct ws_outgoing message = {.opcode = WS_TEXT, .data = large, .length = 10000};
	struct error error;

	memset(large, 'x', sizeof(large));
	ws_endpoint_compress(&endpoint, &agreed, 6, 10);
	shared.encoded = 0;
	ck_assert(ws_endpoint_send(&endpoint, &message, now, &error));
	ck_assert_uint_gt(shared.encoded, 10 * 10000); /* it costs much */
	ck_assert_uint_lt(endpoint.out.length, 200);
	ck_assert_uint_eq(counts.uncompressed_sent, 10000);
	ck_assert_uint_lt(counts.compressed_sent, 200);

	spend_turn();
	ck_assert(send_bytes(large, 10000));
	ck_assert(send_bytes(large, 10000));
	ws_endpoint_encode(&endpoint, now); /* at that cost, one at a time */
	ck_assert_uint_eq(counts.frames_sent, 2);
	ck_assert(ws_endpoint_wants_write(&endpoint));

	ws_send(&wire, &masks, server, WS_TEXT, large, 100);
	unmask(&wire);
	ck_assert_uint_eq(receive(wire.memory, wire.length), 0);
	ck_assert_uint_eq(transcript.length, 101);
	ck_assert_uint_eq(counts.uncompressed_recv, 100);
	buffer_release(&wire);

	settings.max_message = 1000;
	configure();
	ws_send(&wire, &masks, server, WS_TEXT, large, sizeof(large));
	unmask(&wire);
	receive(wire.memory, wire.length);
	ck_assert_uint_eq(counts.bombs, 1);
	expect_end(WS_CLOSE_TOO_BIG,
		"the server sent a message that is longer than the limit once inflated", false,
		"the server sent a message that is longer than the limit once inflated");
	buffer_release(&wire);
	ws_deflater_free(server);
}
END_TEST

/* What a server sends at a time becomes a lot once inflated: it is taken in pieces. */
START_TEST(inflates_in_pieces)
{
	static const struct ws_deflate_parameters agreed = {
		.client_max_window_bits = 15,
		.server_max_window_bits = 15,
	};
	struct buffer wire = {0};
	struct ws_message message;
	struct ws_input input;

	ws_endpoint_compress(&endpoint, &agreed, 6, 10);
	buffer_append(&wire, "\x82\x7E\x40\x00", 4);
	buffer_append(&wire, large, 0x4000);
	input = (struct ws_input){.data = wire.memory, .length = wire.length};
	ck_assert_int_eq(ws_endpoint_next(&endpoint, &input, &message, now), WS_RECEIVED_NOTHING);
	ck_assert_uint_gt(input.length, 0);
	while (ws_endpoint_next(&endpoint, &input, &message, now) != WS_RECEIVED_MESSAGE)
		ck_assert_uint_gt(input.length, 0);
	ck_assert_uint_eq(message.length, 0x4000);
	buffer_release(&wire);
}
END_TEST

TCase *endpoint_sending_tests(void)
{
	TCase *tests = tcase_create("sending");

	tcase_add_checked_fixture(tests, endpoint_setup, endpoint_teardown);
	tcase_add_test(tests, sends);
	tcase_add_test(tests, has_a_full_queue);
	tcase_add_loop_test(tests, takes_any_message_while_the_queue_is_empty, 0, 2);
	tcase_add_test(tests, encodes_in_turns);
	tcase_add_test(tests, keeps_the_rate);
	tcase_add_test(tests, gives_back_what_is_unsent);
	tcase_add_test(tests, takes_back_what_has_not_begun);
	tcase_add_test(tests, drops_what_has_waited_too_long);
	tcase_add_test(tests, drops_so_many_at_a_time);
	tcase_add_loop_test(tests, takes_nothing_back_that_is_committed, 0, 20);
	tcase_add_test(tests, takes_other_settings);
	tcase_add_test(tests, compresses);
	tcase_add_test(tests, inflates_in_pieces);
	return tests;
}
