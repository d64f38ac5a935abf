#include "endpoint_harness.h"

#include <string.h>

/* Whether the server is alive is decided by what moves: the test is the socket, too. */

static struct ws_traffic traffic;

static void setup(void)
{
	endpoint_setup();
	traffic = (struct ws_traffic){.window = 60000, .silence = UINT64_MAX};
	settings.ping.interval = 30 * SECOND;
	settings.ping.timeout = 10 * SECOND;
	configure();
}

/* What a session does after each call: hands in the traffic if that is wanted, and writes. */
static void settle(void)
{
	size_t before = counts.bytes_sent;

	if (ws_endpoint_wants_traffic(&endpoint))
		ws_endpoint_take_traffic(&endpoint, &traffic, now);
	ck_assert(!ws_endpoint_wants_traffic(&endpoint));
	if (traffic.full)
		return;
	ws_endpoint_encode(&endpoint, now);
	ws_endpoint_wrote(&endpoint, endpoint.out.length);
	traffic.sent += counts.bytes_sent - before;
}

/* Time passes, and what is due is done as a session does it. False: it is over. */
static bool pass(uint64_t then)
{
	now = then;
	if (ws_endpoint_judges(&endpoint, now))
		ws_endpoint_take_traffic(&endpoint, &traffic, now);
	if (!ws_endpoint_expire(&endpoint, now))
		return false;
	settle();
	return true;
}

static void expect_deadline(uint64_t seconds)
{
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), (START + seconds) * SECOND);
}

static bool pass_second(unsigned second)
{
	return pass((START + second) * SECOND);
}

#define expect_dead()                                                                              \
	expect_end(WS_CLOSE_ABNORMAL, "", false,                                                   \
		"no answer to a ping, and no other sign of life, for 10s")

/* --- bytes ------------------------------------------------------------------------------------ */

/* A message that takes a minute, ahead of the pong. */
START_TEST(input_keeps_alive)
{
	ck_assert(pass_second(30));
	for (unsigned second = 40; second < 90; second += 10) {
		expect_deadline(second);
		traffic.received += 5;
		ck_assert(pass_second(second));
	}
	expect_deadline(90);
	ck_assert(!pass_second(90));
	expect_dead();
}
END_TEST

/* The kernel acknowledges the ping, but the process hangs. */
START_TEST(acknowledgements_of_pings_do_not)
{
	ck_assert(pass_second(30));
	ck_assert_uint_gt(traffic.sent, 0);
	traffic.acknowledged = traffic.sent;
	ck_assert(!pass_second(40));
	expect_dead();
}
END_TEST

/* Neither do those of messages and heartbeats behind it, whatever their number: only of those ahead of
 * the first ping. */
START_TEST(acknowledgements_of_later_messages_do_not)
{
	settings.heartbeat.every = SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	for (unsigned second = 1; second < 50; second++) {
		ck_assert(send_text("order"));
		ck_assert(pass_second(second));
		traffic.acknowledged = traffic.sent;
	}
	ck_assert(!pass_second(50));
	expect_dead();
}
END_TEST

/* An upload of 100 seconds is ahead of the ping, in the socket and in the output. */
START_TEST(draining_output_keeps_alive)
{
	traffic.sent = 3000;
	traffic.full = true;
	ck_assert(send_bytes(large, 7000));
	settle();
	ck_assert(pass_second(30));
	for (unsigned second = 31; second < 130; second++) {
		traffic.acknowledged += 100;
		if (ws_endpoint_deadline(&endpoint) <= (START + second) * SECOND)
			ck_assert(pass_second(second));
		if (second == 60)
			traffic.full = false;
		now = (START + second) * SECOND;
		settle();
	}
	ck_assert_uint_gt(traffic.sent, 9900);
	ck_assert_uint_lt(counts.pings_sent, 12);
	traffic.acknowledged = traffic.sent;
	while (pass(ws_endpoint_deadline(&endpoint)))
		ck_assert_uint_lt(now, (START + 152) * SECOND);
	expect_dead();
}
END_TEST

/* What is only in our own socket has not moved. */
START_TEST(stuck_output_does_not)
{
	traffic.full = true;
	ck_assert(send_bytes(large, 7000));
	ck_assert(pass_second(30));
	traffic.full = false;
	settle();
	ck_assert_uint_gt(traffic.sent, 7000);
	ck_assert(!pass_second(40));
	expect_dead();
}
END_TEST

/* Its kernel answers, and the ping has not got through: once, it has twice the time. */
START_TEST(a_slow_reader_has_twice_the_time)
{
	traffic.full = true;
	ck_assert(send_bytes(large, 7000));
	ck_assert(pass_second(30));
	traffic.silence = 5 * SECOND;
	ck_assert(pass_second(40));
	expect_deadline(50);
	traffic.acknowledged -= 100; /* no matter */
	ck_assert(!pass_second(50));
	expect_dead();
}
END_TEST

START_TEST(a_window_that_opens_keeps_alive)
{
	traffic.window = 100;
	ck_assert(pass_second(30));
	traffic.acknowledged = traffic.sent;
	traffic.window = 5000;
	ck_assert(pass_second(40));
	ck_assert_uint_eq(counts.pings_sent, 2); /* another one, to learn the window */
	ck_assert(!pass_second(50));
}
END_TEST

/* However the two are set, a server that has moved nothing since then is found after both. */
START_TEST(is_found_in_time)
{
	for (unsigned interval = 1; interval <= 30; interval += 7) {
		for (uint64_t end = START * SECOND; end < (START + 70) * SECOND;
			end += SECOND / 2) {
			endpoint_teardown();
			setup();
			settings.ping.interval = interval * SECOND;
			configure();
			settle();
			while (pass(ws_endpoint_deadline(&endpoint)))
				traffic.received += now <= end; /* never a pong */
			ck_assert_uint_le(now, end + (interval + 10) * SECOND);
			if (end > (START + 40) * SECOND)
				ck_assert_uint_gt(now, end);
		}
	}
}
END_TEST

START_TEST(pongs_end_the_watch)
{
	ck_assert(pass_second(30));
	now += SECOND;
	receive_pong((START + 30) * SECOND);
	expect_deadline(60);
	ck_assert(!ws_endpoint_judges(&endpoint, (START + 59) * SECOND));
	ck_assert(pass_second(60));
	ck_assert(!pass_second(70));
}
END_TEST

START_TEST(is_not_judged_while_held_up)
{
	ck_assert(pass_second(30));
	ws_endpoint_pause(&endpoint);
	ck_assert(!ws_endpoint_judges(&endpoint, (START + 99) * SECOND));
	ck_assert(pass_second(60));
	ws_endpoint_take_traffic(&endpoint, &traffic, now);
	traffic.received += 1000;
	ws_endpoint_resume(&endpoint, now);
	settle(); /* what has arrived until now is no sign */
	ck_assert(!pass_second(70));
	expect_dead();
}
END_TEST

START_TEST(without_a_limit_nothing_is_watched)
{
	settings.ping.timeout = 0;
	configure();
	ck_assert(pass_second(30));
	ck_assert(!ws_endpoint_wants_traffic(&endpoint));
	ck_assert(!ws_endpoint_judges(&endpoint, (START + 60) * SECOND));
	ck_assert(pass_second(60));
	expect_deadline(90);
}
END_TEST

/* Unanswered pings behind a full socket do not pile up. */
START_TEST(pings_do_not_pile_up)
{
	settings.ping.interval = SECOND;
	configure();
	traffic.full = true;
	ck_assert(send_bytes(large, 100));
	for (unsigned second = 1; second < 60; second++) {
		traffic.received++;
		ck_assert(pass_second(second));
	}
	ck_assert_uint_eq(counts.pings_sent, 1);
}
END_TEST

/* --- late looks ------------------------------------------------------------------------------- */

/* After a suspend: the server is asked anew, but only once. */
START_TEST(asks_anew_after_a_late_look)
{
	ck_assert(pass_second(30));
	ck_assert(pass_second(4000));
	ck_assert_uint_eq(counts.pings_sent, 2);
	expect_deadline(4010);
	ck_assert(!pass_second(8000));
	expect_dead();
}
END_TEST

START_TEST(asks_anew_after_each_sign_of_life)
{
	ck_assert(pass_second(30));
	ck_assert(pass_second(100));
	traffic.received++;
	ck_assert(pass_second(110));
	ck_assert(pass_second(200)); /* late again */
	ck_assert(!pass_second(210));
}
END_TEST

/* The ping of a user, or of whoever notices that the network was away. */
START_TEST(a_ping_asks_anew_once)
{
	struct error error;

	ck_assert(pass_second(30));
	now = (START + 39) * SECOND;
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	settle();
	expect_deadline(49);
	now = (START + 48) * SECOND;
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	settle();
	ck_assert(!pass_second(49));
	expect_dead();
}
END_TEST

/* --- idle_timeout ----------------------------------------------------------------------------- */

static void set_idle_timeout(void)
{
	settings.ping.interval = 0;
	settings.idle_timeout = 60 * SECOND;
	configure();
}

static void expect_idle(void)
{
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "no message for 1m");
}

/* Both fragments of a message arrive bit by bit; a pong between them does not count. */
START_TEST(parts_of_messages_are_not_idle)
{
	set_idle_timeout();
	now += 50 * SECOND;
	RECEIVE("\x01\x04"
		"a");
	expect_deadline(110);
	now += 50 * SECOND;
	RECEIVE("bcd");
	expect_deadline(160);
	now += 50 * SECOND;
	RECEIVE("\x8A\x00");
	expect_deadline(160);
	RECEIVE("\x80\x02");
	RECEIVE("e");
	expect_deadline(210);
	ck_assert(pass_second(210));
	expect_idle();
}
END_TEST

START_TEST(parts_of_records_are_not_idle)
{
	set_idle_timeout();
	now += 50 * SECOND;
	ws_endpoint_note_arrival(&endpoint, now);
	expect_deadline(110);
}
END_TEST

/* There may be a message in what has not been parsed. */
START_TEST(unread_input_is_not_idle)
{
	set_idle_timeout();
	traffic.unread = true;
	ck_assert(pass_second(60));
	expect_deadline(120);
	traffic.unread = false;
	ck_assert(pass_second(120));
	expect_idle();
}
END_TEST

/* A late look is no proof; a second one without a message in between is. */
START_TEST(idle_begins_anew_after_a_late_look)
{
	set_idle_timeout();
	ck_assert(pass_second(1000));
	expect_deadline(1060);
	RECEIVE("\x81\x01"
		"m");
	ck_assert(pass_second(2000));
	expect_deadline(2060);
	now += SECOND;
	RECEIVE("\x8A\x00");
	ck_assert(pass_second(3000));
	expect_idle();
}
END_TEST

/* --- closing ---------------------------------------------------------------------------------- */

/* The last message of the server arrives slowly; the time to drain is the limit. */
START_TEST(closes_while_input_arrives)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	settle();
	for (unsigned second = 5; second < 20; second += 5) {
		expect_deadline(second);
		traffic.received++;
		ck_assert(pass_second(second));
	}
	expect_deadline(20);
	traffic.received++;
	ck_assert(!pass_second(20));
	expect_end(WS_CLOSE_NORMAL, "", false, "the closing handshake did not end in time");
}
END_TEST

/* Messages ahead of the close frame leave slowly; that it is acknowledged is no reason to wait. */
START_TEST(closes_while_output_drains)
{
	traffic.full = true;
	ck_assert(send_bytes(large, 1000));
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	settle();
	traffic.full = false;
	settle();
	traffic.acknowledged = 500;
	ck_assert(pass_second(5));
	expect_deadline(10);
	traffic.acknowledged = 1000;
	ck_assert(pass_second(10));
	traffic.acknowledged = traffic.sent;
	ck_assert(pass_second(15)); /* the rest of the message */
	ck_assert(!pass_second(20));
}
END_TEST

START_TEST(an_acknowledged_close_frame_is_no_sign)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	settle();
	traffic.acknowledged = traffic.sent;
	ck_assert(!pass_second(5));
}
END_TEST

/* What a server sends after its close frame is dropped. */
START_TEST(input_after_the_closing_handshake_is_no_sign)
{
	RECEIVE("\x88\x00");
	settle();
	traffic.received += 1000;
	ck_assert(!pass_second(5));
}
END_TEST

TCase *endpoint_liveness_tests(void)
{
	TCase *tests = tcase_create("liveness");

	tcase_add_checked_fixture(tests, setup, endpoint_teardown);
	tcase_add_test(tests, input_keeps_alive);
	tcase_add_test(tests, acknowledgements_of_pings_do_not);
	tcase_add_test(tests, acknowledgements_of_later_messages_do_not);
	tcase_add_test(tests, draining_output_keeps_alive);
	tcase_add_test(tests, stuck_output_does_not);
	tcase_add_test(tests, a_slow_reader_has_twice_the_time);
	tcase_add_test(tests, a_window_that_opens_keeps_alive);
	tcase_add_test(tests, is_found_in_time);
	tcase_add_test(tests, pongs_end_the_watch);
	tcase_add_test(tests, is_not_judged_while_held_up);
	tcase_add_test(tests, without_a_limit_nothing_is_watched);
	tcase_add_test(tests, pings_do_not_pile_up);
	tcase_add_test(tests, asks_anew_after_a_late_look);
	tcase_add_test(tests, asks_anew_after_each_sign_of_life);
	tcase_add_test(tests, a_ping_asks_anew_once);
	tcase_add_test(tests, parts_of_messages_are_not_idle);
	tcase_add_test(tests, parts_of_records_are_not_idle);
	tcase_add_test(tests, unread_input_is_not_idle);
	tcase_add_test(tests, idle_begins_anew_after_a_late_look);
	tcase_add_test(tests, closes_while_input_arrives);
	tcase_add_test(tests, closes_while_output_drains);
	tcase_add_test(tests, an_acknowledged_close_frame_is_no_sign);
	tcase_add_test(tests, input_after_the_closing_handshake_is_no_sign);
	return tests;
}
