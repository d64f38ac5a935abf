#include "endpoint_harness.h"

/* --- closing ---------------------------------------------------------------------------------- */

START_TEST(closes)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSING);
	expect_output("close 1000 bye");
	RECEIVE("\x81\x02"
		"hi"); /* messages are delivered until the server's close frame */
	expect_received("hi;");
	now += SECOND;
	RECEIVE("\x88\x05\x03\xE8"
		"bye");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	expect_output("");
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_NORMAL, "bye", false, NULL);
}
END_TEST

/* The server may answer with a code of its own: what counts is who began. */
START_TEST(closes_with_its_own_reason)
{
	ws_endpoint_close(&endpoint, 4001, "mine", now);
	ws_endpoint_close(&endpoint, 4002, "not a second time", now);
	RECEIVE("\x88\x07\x0F\xA3"
		"yours");
	expect_output("close 4001 mine");
	expect_end(4001, "mine", false, NULL);
}
END_TEST

START_TEST(answers_the_server)
{
	RECEIVE("\x81\x01"
		"a"
		"\x88\x07\x0F\xA0"
		"yours");
	expect_received("a;");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	expect_output("close 4000 "); /* RFC 6455, section 5.5.1: echoes the code */
	expect_end(4000, "yours", true, NULL);
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(4000, "yours", true, NULL);
}
END_TEST

START_TEST(answers_a_close_without_a_code)
{
	RECEIVE("\x88\x00");
	expect_output("close ");
	expect_end(WS_CLOSE_NO_STATUS, "", true, NULL);
}
END_TEST

START_TEST(is_not_answered)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("close 1000 ");
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false, "the closing handshake did not end in time");
}
END_TEST

/* Nothing that comes after the server's close frame is read, nor is anything sent after ours. */
START_TEST(nothing_follows_a_close)
{
	struct error error;

	ck_assert_uint_eq(receive(BYTES("\x88\x02\x03\xE8"
					"\x81\x01"
					"x"
					"\x89\x00")),
		5);
	expect_received("");
	ck_assert(!ws_endpoint_takes_input(&endpoint));
	expect_output("close 1000 ");
	ck_assert(!send_text("late"));
	ck_assert(!ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_str_eq(error.text, "the connection is closing");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
}
END_TEST

START_TEST(does_not_answer_pings_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("close 1000 ");
	RECEIVE("\x89\x01"
		"p");
	expect_output("");
	ck_assert_uint_eq(counts.pings_recv, 1);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSING);
}
END_TEST

START_TEST(stream_ends_without_a_close)
{
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_ABNORMAL, "", true, "broken pipe");
}
END_TEST

START_TEST(stream_ends_instead_of_an_answer)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_ABNORMAL, "bye", false, "broken pipe");
}
END_TEST

START_TEST(was_given_up)
{
	ws_endpoint_give_up(&endpoint);
	expect_end(WS_CLOSE_ABNORMAL, "", false, NULL);
	ws_endpoint_close(&endpoint, WS_CLOSE_GOING_AWAY, "", now);
	ws_endpoint_give_up(&endpoint);
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "the closing handshake did not end in time");
}
END_TEST

START_TEST(fails_on_a_broken_frame)
{
	/* A masked frame; the rest is dropped. */
	ck_assert_uint_eq(receive(BYTES("\x81\x01"
					"a"
					"\x81\x81"
					"1234x")),
		5);
	expect_received("a;");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_FAILED);
	expect_output("close 1002 the server sent a masked frame");
	ws_endpoint_lose_input(&endpoint, &broken_pipe);
	expect_end(WS_CLOSE_PROTOCOL_ERROR, "the server sent a masked frame", false,
		"the server sent a masked frame");
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* There is one close frame, and the reason for it stays. */
START_TEST(fails_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	RECEIVE("\x81\x81");
	expect_output("close 1000 bye");
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_FAILED);
	expect_end(WS_CLOSE_NORMAL, "bye", false, "the server sent a masked frame");
}
END_TEST

/* --- closing behind messages, and on broken streams ------------------------------------------- */

START_TEST(closes_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	ck_assert(send_text("two"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ck_assert(ws_endpoint_wants_write(&endpoint));
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 2);
	expect_output("text one, text two, close 1000 ");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 0);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
}
END_TEST

/* The close frame does not wait for the rate: what that holds back is lost. */
START_TEST(closes_ahead_of_messages_held_back)
{
	settings.send_rate.messages = 1;
	settings.send_rate.burst = 2;
	configure();
	for (int i = 0; i < 4; i++)
		ck_assert(send_text("m"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	expect_output("text m, text m, close 1000 ");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 2);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	now += 10 * SECOND;
	expect_output("");
}
END_TEST

START_TEST(answers_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	RECEIVE("\x88\x02\x03\xE8");
	expect_output("text one, close 1000 ");
}
END_TEST

START_TEST(fails_behind_messages)
{
	spend_turn();
	ck_assert(send_text("one"));
	RECEIVE("\x83");
	expect_output("text one, close 1002 the server sent a frame with a reserved opcode");
}
END_TEST

/* Output fails, but what the server has sent before is read. */
START_TEST(output_is_lost)
{
	ck_assert(send_text("x"));
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_LOST);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 1);
	RECEIVE("\x81\x01"
		"a"
		"\x89\x00");
	expect_received("a;");
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	ws_endpoint_lose_input(&endpoint, &(struct error){ERROR_SOCKET_CLOSED, "end"});
	expect_end(WS_CLOSE_ABNORMAL, "", true, "broken pipe");
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* Among what is read there is a close frame: then all is well. */
START_TEST(output_is_lost_as_the_server_had_closed)
{
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	RECEIVE("\x81\x01"
		"a"
		"\x88\x05\x0F\xA0"
		"bye");
	expect_received("a;");
	expect_output("");
	expect_end(4000, "bye", true, NULL);
}
END_TEST

START_TEST(output_is_lost_while_closing)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "bye", now);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_LOST);
	expect_end(WS_CLOSE_NORMAL, "bye", false, "broken pipe");
}
END_TEST

START_TEST(output_is_lost_in_the_end)
{
	RECEIVE("\x88\x02\x03\xE8");
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert_int_eq(endpoint.state, WS_ENDPOINT_CLOSED);
	ck_assert(!ws_endpoint_wants_write(&endpoint));
	expect_end(WS_CLOSE_NORMAL, "", true, NULL);
}
END_TEST

/* A close frame that waits behind messages goes with them. */
START_TEST(output_is_lost_with_a_close_frame)
{
	spend_turn();
	ck_assert(send_text("x"));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	expect_output("");
	ck_assert_uint_eq(ws_endpoint_unsent(&endpoint).messages, 1);
}
END_TEST

static TCase *closing_tests(void)
{
	TCase *tests = tcase_create("closing");

	tcase_add_checked_fixture(tests, endpoint_setup, endpoint_teardown);
	tcase_add_test(tests, closes);
	tcase_add_test(tests, closes_with_its_own_reason);
	tcase_add_test(tests, answers_the_server);
	tcase_add_test(tests, answers_a_close_without_a_code);
	tcase_add_test(tests, is_not_answered);
	tcase_add_test(tests, nothing_follows_a_close);
	tcase_add_test(tests, does_not_answer_pings_while_closing);
	tcase_add_test(tests, stream_ends_without_a_close);
	tcase_add_test(tests, stream_ends_instead_of_an_answer);
	tcase_add_test(tests, was_given_up);
	tcase_add_test(tests, fails_on_a_broken_frame);
	tcase_add_test(tests, fails_while_closing);
	tcase_add_test(tests, closes_behind_messages);
	tcase_add_test(tests, closes_ahead_of_messages_held_back);
	tcase_add_test(tests, answers_behind_messages);
	tcase_add_test(tests, fails_behind_messages);
	tcase_add_test(tests, output_is_lost);
	tcase_add_test(tests, output_is_lost_as_the_server_had_closed);
	tcase_add_test(tests, output_is_lost_while_closing);
	tcase_add_test(tests, output_is_lost_in_the_end);
	tcase_add_test(tests, output_is_lost_with_a_close_frame);
	return tests;
}

Suite *suite_endpoint(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *cases[] = {closing_tests(), endpoint_time_tests(), endpoint_liveness_tests(),
		endpoint_sending_tests()};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		suite_add_tcase(suite, cases[i]);
	return suite;
}
