#include "endpoint_harness.h"

#include <string.h>

/* --- held up ---------------------------------------------------------------------------------- */

/* While its messages are held up the server cannot close: only the time to drain runs. */
START_TEST(has_time_to_drain)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	ck_assert_uint_eq(receive(BYTES("\x88\x02\x03\xE8")), 4);
	ck_assert(!expire_at(begin + shared.drain_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false,
		"its last messages were held up for too long (drain_timeout)");
}
END_TEST

START_TEST(has_all_its_time_after_being_held_up)
{
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	now += 12 * SECOND;
	ck_assert(ws_endpoint_expire(&endpoint, now));
	ws_endpoint_resume(&endpoint, now);
	ck_assert(!expire_at(now + settings.close_timeout));
	expect_end(WS_CLOSE_NORMAL, "", false, "the closing handshake did not end in time");
}
END_TEST

/* Held up again and again, it ends all the same. */
START_TEST(drains_once)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	for (int i = 0; i < 4; i++) {
		ws_endpoint_pause(&endpoint);
		now += 4 * SECOND;
		ws_endpoint_resume(&endpoint, now);
	}
	RECEIVE("\x81\x00");
	ck_assert(!expire_at(begin + shared.drain_timeout));
}
END_TEST

/* The time to drain begins with the first thing that ends it, not with the last. */
START_TEST(drains_once_though_output_is_lost)
{
	uint64_t begin = now;

	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	now += 6 * SECOND;
	ws_endpoint_lose_output(&endpoint, &broken_pipe, now);
	ck_assert(!expire_at(begin + shared.drain_timeout));
}
END_TEST

START_TEST(drains_for_the_close_timeout_at_least)
{
	shared.drain_timeout = 0;
	ws_endpoint_close(&endpoint, WS_CLOSE_NORMAL, "", now);
	ws_endpoint_pause(&endpoint);
	ck_assert(!expire_at(now + settings.close_timeout));
}
END_TEST

/* While open, neither a pong nor a message can arrive. Pings would pile up; heartbeats are sent. */
START_TEST(is_held_up_while_open)
{
	settings.ping.interval = 30 * SECOND;
	settings.ping.timeout = 10 * SECOND;
	settings.idle_timeout = 40 * SECOND;
	settings.heartbeat.every = 35 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	ws_endpoint_pause(&endpoint);
	ck_assert(expire_at((START + 35) * SECOND));
	expect_output("text beat");
	ck_assert(expire_at((START + 60) * SECOND));
	expect_output("");
	ws_endpoint_resume(&endpoint, now);
	ck_assert(expire_at((START + 70) * SECOND) == false); /* the pong, whose time began anew */
	expect_end(WS_CLOSE_ABNORMAL, "", false,
		"no answer to a ping, and no other sign of life, for 10s");
}
END_TEST

/* --- pings ------------------------------------------------------------------------------------ */

static void set_pings(void)
{
	settings.ping.interval = 30 * SECOND;
	settings.ping.timeout = 10 * SECOND;
	configure();
}

START_TEST(pings)
{
	uint64_t sent;

	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	sent = now;
	now += 2 * CLOCK_NS_PER_MS;
	receive_pong(sent);
	ck_assert_uint_eq(counts.rtt_us, 2000);
	ck_assert(expire_at((START + 60) * SECOND)); /* the pong's deadline is gone */
	receive_pong(now);
	ck_assert_uint_eq(counts.rtt_us, 1); /* too short to measure; 0 would be none */
	ck_assert_uint_eq(counts.rtt_min_us, 1);
	ck_assert_uint_eq(counts.rtt_max_us, 2000);
	ck_assert_uint_eq(counts.pings_sent, 2);
	ck_assert_uint_eq(counts.pongs_recv, 2);
}
END_TEST

START_TEST(gets_no_pong)
{
	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	expect_output("ping");
	ck_assert(!expire_at((START + 40) * SECOND));
	expect_output("close 1001 ");
	expect_end(WS_CLOSE_ABNORMAL, "", false,
		"no answer to a ping, and no other sign of life, for 10s");
}
END_TEST

/* The pong of an older ping, or of none, shows that the server is alive, but measures nothing. */
START_TEST(takes_other_pongs)
{
	struct error error;
	uint64_t first = now;

	set_pings();
	receive_pong(first);
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	now += SECOND;
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), now + 10 * SECOND);
	receive_pong(first);
	RECEIVE("\x8A\x08"
		"12345678"
		"\x8A\x00");
	ck_assert_uint_eq(counts.rtt_us, 0);
	ck_assert_uint_eq(counts.pongs_recv, 4);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), (START + 30) * SECOND);
	receive_pong(first + SECOND);
	ck_assert_uint_eq(counts.rtt_us, 1);
	expect_output("ping, ping");
}
END_TEST

START_TEST(pings_with_a_payload)
{
	struct error error;

	settings.ping.payload = (char[]){"hello"};
	settings.ping.timeout = 10 * SECOND;
	configure();
	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	expect_output("ping hello");
	now += 3 * CLOCK_NS_PER_MS;
	RECEIVE("\x8A\x05"
		"hellO");
	ck_assert_uint_eq(counts.rtt_us, 0);
	RECEIVE("\x8A\x05"
		"hello");
	ck_assert_uint_eq(counts.rtt_us, 3000);
	now += SECOND;
	RECEIVE("\x8A\x05"
		"hello"); /* again */
	ck_assert_uint_eq(counts.rtt_us, 3000);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
}
END_TEST

START_TEST(waits_for_a_pong_without_limit)
{
	struct error error;

	ck_assert(ws_endpoint_ping(&endpoint, now, &error));
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), WS_ENDPOINT_NEVER);
}
END_TEST

/* The limit goes while a pong is awaited, and does not come back as one of no time at all. */
START_TEST(loses_the_limit_for_a_pong)
{
	set_pings();
	ck_assert(expire_at((START + 30) * SECOND));
	settings.ping.timeout = 0;
	configure();
	ws_endpoint_pause(&endpoint);
	ws_endpoint_resume(&endpoint, now);
	ck_assert_uint_eq(ws_endpoint_deadline(&endpoint), now + 30 * SECOND);
}
END_TEST

START_TEST(answers_pings)
{
	RECEIVE("\x89\x03"
		"abc"
		"\x01\x01"
		"x"
		"\x89\x00"
		"\x80\x01"
		"y");
	expect_received("xy;");
	expect_output("pong abc, pong ");
	ck_assert_uint_eq(counts.pings_recv, 2);
	ck_assert_uint_eq(counts.frames_recv, 4);
	ck_assert_uint_eq(counts.frames_sent, 2);
}
END_TEST

/* A server that pings without reading the pongs does not fill the memory. */
START_TEST(answers_not_every_ping)
{
	size_t length;

	for (int i = 0; i < 10000; i++)
		RECEIVE("\x89\x40"
			"0123456789012345678901234567890123456789012345678901234567890123");
	ws_endpoint_output(&endpoint, &length);
	ck_assert_uint_gt(length, 60 << 10);
	ck_assert_uint_lt(length, 70 << 10);
	ck_assert_uint_eq(counts.pings_recv, 10000);
}
END_TEST

/* --- idle, heartbeats ------------------------------------------------------------------------- */

START_TEST(is_idle)
{
	settings.idle_timeout = 60 * SECOND;
	configure();
	now += 50 * SECOND;
	RECEIVE("\x81\x01"
		"m");
	RECEIVE("\x8A\x00"); /* a pong is no message */
	ck_assert(expire_at((START + 110) * SECOND));
	expect_output("close 1001 ");
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "no message for 1m");
	ck_assert(!expire_at((START + 115) * SECOND));
	expect_end(WS_CLOSE_GOING_AWAY, "", false, "no message for 1m");
}
END_TEST

START_TEST(beats)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	ck_assert(expire_at((START + 10) * SECOND));
	expect_output("text beat");
	now += SECOND;
	ck_assert(send_text("other"));
	expect_output("text other");
	ck_assert(expire_at((START + 20) * SECOND));
	expect_output("text beat");
	ck_assert_uint_eq(counts.heartbeats_sent, 2);
	ck_assert_uint_eq(counts.messages_sent, 3);
}
END_TEST

START_TEST(beats_only_when_idle)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"AGIB"};
	settings.heartbeat.binary = true;
	settings.heartbeat.only_idle = true;
	configure();
	now += 4 * SECOND;
	ck_assert(send_text("m"));
	expect_output("text m");
	ck_assert(expire_at((START + 10) * SECOND));
	expect_output("");
	ck_assert(expire_at((START + 14) * SECOND));
	expect_output("binary "); /* NUL comes first */
	ck_assert_uint_eq(counts.heartbeats_sent, 1);
}
END_TEST

/* Messages that wait will be as good as a heartbeat, and it would only lengthen their queue. */
START_TEST(does_not_beat_behind_messages)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	settings.send_rate.messages = 0.01;
	configure();
	ck_assert(send_text("one"));
	ck_assert(send_text("two"));
	expect_output("text one");
	ck_assert(expire_at((START + 10) * SECOND));
	ck_assert_uint_eq(counts.heartbeats_sent, 0);
	expect_output("");
}
END_TEST

/* The owner's first messages come before. */
START_TEST(does_not_beat_while_the_owner_opens)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	configure();
	endpoint.opening = true;
	ck_assert(expire_at((START + 10) * SECOND));
	expect_output("");
	endpoint.opening = false;
	ck_assert(expire_at((START + 20) * SECOND));
	expect_output("text beat");
	ck_assert_uint_eq(counts.heartbeats_sent, 1);
}
END_TEST

START_TEST(has_no_room_to_beat)
{
	settings.heartbeat.every = 10 * SECOND;
	settings.heartbeat.message = (char[]){"beat"};
	settings.send_queue = 10;
	configure();
	ck_assert(send_text("x"));
	ck_assert(expire_at((START + 10) * SECOND));
	ck_assert_uint_eq(counts.heartbeats_sent, 0);
	expect_output("text x");
}
END_TEST

TCase *endpoint_time_tests(void)
{
	TCase *tests = tcase_create("time");

	tcase_add_checked_fixture(tests, endpoint_setup, endpoint_teardown);
	tcase_add_test(tests, has_time_to_drain);
	tcase_add_test(tests, has_all_its_time_after_being_held_up);
	tcase_add_test(tests, drains_once);
	tcase_add_test(tests, drains_once_though_output_is_lost);
	tcase_add_test(tests, drains_for_the_close_timeout_at_least);
	tcase_add_test(tests, is_held_up_while_open);
	tcase_add_test(tests, pings);
	tcase_add_test(tests, gets_no_pong);
	tcase_add_test(tests, takes_other_pongs);
	tcase_add_test(tests, pings_with_a_payload);
	tcase_add_test(tests, waits_for_a_pong_without_limit);
	tcase_add_test(tests, loses_the_limit_for_a_pong);
	tcase_add_test(tests, answers_pings);
	tcase_add_test(tests, answers_not_every_ping);
	tcase_add_test(tests, is_idle);
	tcase_add_test(tests, beats);
	tcase_add_test(tests, beats_only_when_idle);
	tcase_add_test(tests, does_not_beat_behind_messages);
	tcase_add_test(tests, does_not_beat_while_the_owner_opens);
	tcase_add_test(tests, has_no_room_to_beat);
	return tests;
}
