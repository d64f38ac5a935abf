#include "test_gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/connection_private.h"
#include "gateway/gateway_private.h"
#include "gateway_harness.h"
#include "gateway_server.h"

/* A connection of a whole gateway, and a server in the same event loop. */

#define ALWAYS     "when = \"always\"; "
#define SUBSCRIBED "when = \"subscribed\"; "

/* Until the next attempt: never within a test; at once. */
#define SLOW "reconnect = { min = \"1h\"; max = \"1h\"; jitter = \"none\"; }; "
#define FAST "reconnect = { min = \"10ms\"; max = \"10ms\"; jitter = \"none\"; }; "

/* However slow the machine is, a server that keeps a session open gets the time to do so. */
#define PATIENT "close_timeout = \"1h\"; "

#define HOUR (3600 * CLOCK_NS_PER_SECOND)

/* --- the connection -------------------------------------------------------------------------- */

static const char *configuration(const char *members, const char *outlets)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		"connections = ( { name = \"a\"; url = \"ws://127.0.0.1:%u/\"; %s } );\n%s",
		server.port, members, outlets);
	return text;
}

static struct connection *the_connection(void)
{
	struct connection *connection = gateway_connection(fixture.gateway, "a");

	ck_assert_ptr_nonnull(connection);
	return connection;
}

static struct connection_status status(void)
{
	struct connection_status status;

	connection_status(the_connection(), &status);
	return status;
}

#define assert_state(expected) ck_assert_int_eq(status().state, expected)

static void start(const char *members)
{
	start_gateway(configuration(members, ""));
}

static void change(const char *members)
{
	change_gateway(configuration(members, ""));
}

static void start_open(const char *members)
{
	start(members);
	TURN_UNTIL(connection_is_open(the_connection()));
}

static unsigned events(enum event_type type)
{
	return fixture.events[type];
}

/* Somebody who waits. */
struct outcome {
	struct connection_waiter waiter;
	unsigned answered;
	const char *error; /* NULL: none */
	unsigned status;   /* of the response; 0: none */
};

static void on_done(struct connection_waiter *waiter, const struct call_report *call,
	const struct error *error)
{
	struct outcome *outcome = waiter->context;

	outcome->answered++;
	outcome->error = error ? error->name : NULL;
	outcome->status = call ? call->response.status : 0;
}

static struct connection_waiter *wait_for(struct outcome *outcome)
{
	*outcome = (struct outcome){.waiter = {.done = on_done, .context = outcome}};
	return &outcome->waiter;
}

static void begin_connect(struct outcome *outcome)
{
	static const struct header_list none;

	connection_connect(the_connection(), &none, wait_for(outcome));
}

static void begin_disconnect(struct outcome *outcome, unsigned code)
{
	connection_disconnect(the_connection(), code, "", wait_for(outcome));
}

/* It was answered, once, with that. */
#define assert_answered(outcome, name, code)                                                       \
	do {                                                                                       \
		ck_assert_uint_eq((outcome)->answered, 1);                                         \
		ck_assert_pstr_eq((outcome)->error, name);                                         \
		ck_assert_uint_eq((outcome)->status, code);                                        \
	} while (0)

static void setup(void)
{
	gateway_setup();
	start_server();
}

static void teardown(void)
{
	refuse_calls();
	for (int i = 0; i < COUNT(server.peers); i++)
		hang_up(&server.peers[i]);
	gateway_teardown();
}

/* --- the network changes ---------------------------------------------------------------------- */

static void change_network(void)
{
	unsigned before = events(EVENT_TYPE_NETWORK);

	gateway_on_network_change(NETWORK_ADDRESS, fixture.gateway);
	TURN_UNTIL(events(EVENT_TYPE_NETWORK) > before);
}

START_TEST(a_change_of_the_network_ends_a_wait)
{
	server.answer = HANGUP;
	start(ALWAYS SLOW);
	TURN_UNTIL(status().state == CONNECTION_WAITING);
	ck_assert_uint_eq(server.calls, 1);
	change_network();
	TURN_UNTIL(server.calls == 2);
	/* the backoff is respected afterwards */
	TURN_UNTIL(status().state == CONNECTION_WAITING);
	ck_assert_uint_gt(status().next_try_ns, HOUR / 2);
	server.answer = OPEN;
	change_network();
	TURN_UNTIL(connection_is_open(the_connection()));
}
END_TEST

/* A server that is overloaded is so for every network. */
START_TEST(a_change_of_the_network_does_not_end_the_wait_that_a_server_asks_for)
{
	server.answer = "HTTP/1.1 503 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n";
	start(ALWAYS FAST);
	TURN_UNTIL(status().state == CONNECTION_WAITING);
	change_network();
	ck_assert_uint_gt(status().next_try_ns, HOUR / 12);
	ck_assert_uint_eq(server.calls, 1);
}
END_TEST

START_TEST(a_change_of_the_network_forgets_failures)
{
	struct connection_reactions reactions = {0};

	server.answer = HANGUP;
	start(ALWAYS SLOW);
	TURN_UNTIL(status().state == CONNECTION_WAITING);
	ck_assert_uint_gt(the_connection()->dialer.failures.count, 0);
	connection_on_network_change(the_connection(), &reactions);
	ck_assert_uint_eq(reactions.retrying, 1);
	ck_assert_uint_eq(the_connection()->dialer.failures.count, 0);
}
END_TEST

START_TEST(a_change_of_the_network_pings)
{
	start_open(ALWAYS "ping = { interval = \"1h\"; }; ");
	change_network();
	ck_assert_uint_eq(status().stats->wire.pings_sent, 1);
	change("when = \"always\"; ping = { interval = \"0s\"; };");
	change_network();
	ck_assert_uint_eq(status().stats->wire.pings_sent, 1);
}
END_TEST

START_TEST(a_change_of_the_network_leaves_those_alone_that_rest)
{
	start("");
	change_network();
	assert_state(CONNECTION_IDLE);
	ck_assert_uint_eq(server.calls, 0);
}
END_TEST

/* --- fairness -------------------------------------------------------------------------------- */

static void on_look(evutil_socket_t fd, short what, void *context)
{
	const struct session_shared *shared = context;

	(void)fd, (void)what;
	if (shared->busy > 1000)
		event_base_loopbreak(fixture.base);
}

/* Also on a host that has been suspended. */
START_TEST(parsing_stops_when_its_time_is_over)
{
	static unsigned char messages[32 * 1024][2];
	const struct timeval limit = {.tv_sec = 10}, now = {0};
	struct session_shared *shared;
	struct event *look;

	for (int i = 0; i < COUNT(messages); i++)
		messages[i][0] = 0x81;
	start_open("when = \"always\"; ");
	shared = the_connection()->host->shared;
	shared->busy = 1000; /* sessions, which share the time */
	send_bytes(&server.peers[0], messages, sizeof(messages));
	look = event_new(fixture.base, -1, EV_PERSIST, on_look, shared);
	event_add(look, &now);
	event_base_loopexit(fixture.base, &limit);
	event_base_dispatch(fixture.base);
	event_free(look);
	ck_assert_uint_eq(shared->busy, 1001);
	TURN_UNTIL(shared->busy == 1000);
	shared->busy = 0;
}
END_TEST

/* --- whoever waits --------------------------------------------------------------------------- */

START_TEST(all_who_connect_are_answered_when_it_opens)
{
	struct outcome first, second;

	start("");
	begin_connect(&first);
	begin_connect(&second);
	ck_assert_uint_eq(first.answered, 0);
	TURN_UNTIL(first.answered && second.answered);
	assert_answered(&first, NULL, 101);
	assert_answered(&second, NULL, 101);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(server.calls, 1);
}
END_TEST

static const struct {
	const char *answer;
	bool refuses;
	const char *error;
	unsigned status;
	const char *settings;
} failures[] = {
	{NULL, true, ERROR_SOCKET_CONNECT, 0, ""},
	{NULL, false, ERROR_SOCKET_TIMEOUT, 0, "upgrade_timeout = \"50ms\";"},
	{HANGUP, false, ERROR_SOCKET_CLOSED, 0, ""},
	{BUSY, false, ERROR_HTTP_RESPONSE, 503, ""},
};

static void start_to_fail(int number, const char *reconnect)
{
	char members[256];

	server.answer = failures[number].answer;
	if (failures[number].refuses)
		refuse_calls();
	snprintf(members, sizeof(members), "%s %s", reconnect, failures[number].settings);
	start(members);
}

/* The failure answers; the connection goes on trying. */
START_TEST(a_failed_call_answers_and_is_tried_again)
{
	struct outcome outcome;

	start_to_fail(_i, SLOW);
	begin_connect(&outcome);
	TURN_UNTIL(outcome.answered);
	assert_answered(&outcome, failures[_i].error, failures[_i].status);
	assert_state(CONNECTION_WAITING);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 1);
	ck_assert_uint_gt(status().next_try_ns, HOUR / 2);
	ck_assert_uint_le(status().next_try_ns, HOUR);
	ck_assert_ptr_null(status().gave_up);
}
END_TEST

START_TEST(the_last_attempt_answers_and_gives_up)
{
	struct outcome outcome;

	start_to_fail(_i, "reconnect = { attempts = 1; };");
	begin_connect(&outcome);
	TURN_UNTIL(outcome.answered);
	assert_answered(&outcome, failures[_i].error, failures[_i].status);
	assert_state(CONNECTION_IDLE);
	ck_assert_str_eq(status().gave_up, "1 attempt in a row failed");
	ck_assert_uint_eq(events(EVENT_TYPE_GAVE_UP), 1);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

START_TEST(a_removal_answers)
{
	struct outcome outcome;
	struct error error;

	server.answer = NULL;
	start("");
	begin_connect(&outcome);
	TURN_UNTIL(server.calls == 1);
	ck_assert(gateway_remove(fixture.gateway, "a", &error));
	assert_answered(&outcome, ERROR_SOCKET_NOT_OPEN, 0);
}
END_TEST

START_TEST(the_end_of_the_gateway_answers)
{
	struct outcome opening, closing;

	server.keeps_open = true;
	start_open(ALWAYS PATIENT);
	begin_disconnect(&closing, WS_CLOSE_NORMAL);
	server.answer = NULL;
	begin_connect(&opening);
	TURN_UNTIL(!the_connection()->check);
	gateway_free(fixture.gateway);
	fixture.gateway = NULL;
	assert_answered(&opening, ERROR_NOT_FOUND, 0);
	assert_answered(&closing, NULL, 0);
}
END_TEST

START_TEST(one_who_has_left_is_not_answered)
{
	struct outcome gone, stays;

	start("");
	begin_connect(&gone);
	begin_connect(&stays);
	connection_forget(&gone.waiter);
	TURN_UNTIL(stays.answered);
	ck_assert_uint_eq(gone.answered, 0);
}
END_TEST

/* --- disconnect ------------------------------------------------------------------------------ */

START_TEST(a_disconnect_ends_a_call)
{
	struct outcome opening, closing;

	server.answer = NULL;
	start("");
	begin_connect(&opening);
	TURN_UNTIL(status().state == CONNECTION_UPGRADING);
	begin_disconnect(&closing, WS_CLOSE_NORMAL);
	assert_answered(&opening, ERROR_SOCKET_NOT_OPEN, 0);
	assert_answered(&closing, NULL, 0);
	assert_state(CONNECTION_IDLE);
	TURN_UNTIL(server.peers[0].fd < 0);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

START_TEST(a_disconnect_closes_with_its_code)
{
	struct outcome first, second;
	uint64_t since;

	server.keeps_open = true;
	start_open(ALWAYS PATIENT);
	since = status().since;
	begin_disconnect(&first, 4001);
	begin_disconnect(&second, 4002);
	TURN_UNTIL(server.peers[0].close_code);
	ck_assert_uint_eq(server.peers[0].close_code, 4001);
	assert_state(CONNECTION_CLOSING);
	ck_assert_uint_eq(status().since, since);
	ck_assert_uint_eq(first.answered + second.answered, 0);
	hang_up(&server.peers[0]);
	TURN_UNTIL(first.answered && second.answered);
	assert_answered(&first, NULL, 0);
	assert_answered(&second, NULL, 0);
	assert_state(CONNECTION_IDLE);
	ck_assert_uint_gt(status().since, since);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

START_TEST(a_disconnect_ends_a_wait)
{
	struct outcome outcome;

	server.answer = BUSY;
	start(ALWAYS SLOW);
	TURN_UNTIL(status().state == CONNECTION_WAITING && server.calls == 1);
	begin_disconnect(&outcome, WS_CLOSE_NORMAL);
	assert_answered(&outcome, NULL, 0);
	assert_state(CONNECTION_IDLE);
	ck_assert_uint_eq(status().next_try_ns, 0);
}
END_TEST

START_TEST(a_connect_replaces_a_session)
{
	struct outcome outcome;

	start_open(ALWAYS);
	begin_connect(&outcome);
	TURN_UNTIL(outcome.answered);
	assert_answered(&outcome, NULL, 101);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
	ck_assert_uint_eq(server.calls, 2);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

/* --- failures -------------------------------------------------------------------------------- */

START_TEST(gives_up_for_a_status)
{
	server.answer = BUSY;
	start(ALWAYS "reconnect = { give_up = [ 503 ]; };");
	TURN_UNTIL(events(EVENT_TYPE_GAVE_UP));
	ck_assert_str_eq(status().gave_up, "the server has answered with status 503");
	assert_state(CONNECTION_IDLE);
}
END_TEST

/* A connect forgets that it gave up. */
START_TEST(gives_up_for_a_close_code)
{
	struct outcome outcome;

	start_open(ALWAYS "reconnect = { give_up = [ 4001 ]; };");
	send_close(&server.peers[0], 4001);
	TURN_UNTIL(events(EVENT_TYPE_GAVE_UP));
	ck_assert_str_eq(status().gave_up, "it was closed with code 4001");
	ck_assert_uint_eq(status().last_close_code, 4001);
	assert_state(CONNECTION_IDLE);
	begin_connect(&outcome);
	TURN_UNTIL(outcome.answered);
	assert_answered(&outcome, NULL, 101);
	ck_assert_ptr_null(status().gave_up);
}
END_TEST

START_TEST(a_lost_session_waits_for_the_next_try)
{
	uint64_t since;

	start_open(ALWAYS SLOW);
	since = status().since;
	hang_up(&server.peers[0]);
	TURN_UNTIL(events(EVENT_TYPE_CLOSE));
	assert_state(CONNECTION_WAITING);
	ck_assert_uint_gt(status().since, since);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 1);
	ck_assert_uint_gt(status().next_try_ns, HOUR / 2);
	ck_assert_uint_eq(status().last_close_code, WS_CLOSE_ABNORMAL);
}
END_TEST

START_TEST(a_lost_session_is_opened_again)
{
	start_open(ALWAYS FAST);
	hang_up(&server.peers[0]);
	TURN_UNTIL(events(EVENT_TYPE_OPEN) == 2);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(server.calls, 2);
}
END_TEST

START_TEST(a_lost_session_rests_if_it_must_not_reconnect)
{
	start_open(ALWAYS "reconnect = { enabled = false; };");
	hang_up(&server.peers[0]);
	TURN_UNTIL(events(EVENT_TYPE_CLOSE));
	assert_state(CONNECTION_IDLE);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
	ck_assert_ptr_null(status().gave_up);
}
END_TEST

/* --- renewal --------------------------------------------------------------------------------- */

#define RENEWS   "max_age = { after = \"20ms\"; jitter = 0.0; }; "
#define OVERLAPS "max_age = { after = \"20ms\"; jitter = 0.0; overlap = true; }; "

START_TEST(closes_before_it_calls_again)
{
	start_open(ALWAYS SLOW PATIENT);
	server.keeps_open = true;
	change(ALWAYS SLOW PATIENT RENEWS);
	TURN_UNTIL(server.peers[0].close_code);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
	ck_assert_uint_eq(server.calls, 1);
	hang_up(&server.peers[0]);
	TURN_UNTIL(status().stats->opens == 2);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

/* The old session leaves only after the new one has opened. */
START_TEST(calls_again_before_it_closes)
{
	start_open(ALWAYS SLOW);
	server.answer = NULL;
	change(ALWAYS SLOW OVERLAPS);
	TURN_UNTIL(server.calls == 2 && server.peers[1].length);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(server.peers[0].close_code, 0);
	server.answer = OPEN;
	answer(&server.peers[1]);
	TURN_UNTIL(server.peers[0].close_code);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
	ck_assert_uint_ge(status().stats->opens, 2);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

/* The session stays open until a renewal succeeds. */
START_TEST(a_renewal_that_fails_is_tried_again)
{
	start_open(ALWAYS FAST);
	server.answer = BUSY;
	change(ALWAYS FAST OVERLAPS);
	TURN_UNTIL(server.calls >= 3);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_ge(events(EVENT_TYPE_RETRY), 1);
	ck_assert_uint_eq(server.peers[0].close_code, 0);
	server.answer = OPEN;
	TURN_UNTIL(server.peers[0].close_code);
	ck_assert_uint_ge(status().stats->opens, 2);
}
END_TEST

START_TEST(a_call_after_the_close_may_fail)
{
	start_open(ALWAYS SLOW);
	server.answer = BUSY;
	change(ALWAYS SLOW RENEWS);
	TURN_UNTIL(events(EVENT_TYPE_RETRY));
	assert_state(CONNECTION_WAITING);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
}
END_TEST

START_TEST(a_session_lost_during_its_renewal_is_replaced)
{
	start_open(ALWAYS SLOW);
	server.answer = NULL;
	change(ALWAYS SLOW OVERLAPS);
	TURN_UNTIL(server.calls == 2 && server.peers[1].length);
	hang_up(&server.peers[0]);
	TURN_UNTIL(events(EVENT_TYPE_CLOSE));
	assert_state(CONNECTION_UPGRADING);
	server.answer = OPEN;
	answer(&server.peers[1]);
	TURN_UNTIL(connection_is_open(the_connection()));
	ck_assert_uint_eq(events(EVENT_TYPE_RETRY), 0);
}
END_TEST

/* Two sessions: the old one does not leave. */
static void start_with_old_session(void)
{
	start_open(ALWAYS SLOW PATIENT);
	server.keeps_open = true;
	change(ALWAYS SLOW PATIENT OVERLAPS);
	TURN_UNTIL(the_connection()->leaving);
}

/* It looks again after a moment that is longer than the age. */
static bool postponed(void)
{
	const struct timer *renewal = &the_connection()->renewal;

	return timer_is_set(renewal) &&
		timer_due(renewal) > clock_monotonic() + 50 * CLOCK_NS_PER_MS;
}

START_TEST(there_are_never_three_sessions)
{
	start_with_old_session();
	TURN_UNTIL(postponed());
	ck_assert_uint_eq(server.calls, 2);
	assert_state(CONNECTION_OPEN);
	hang_up(&server.peers[0]);
	TURN_UNTIL(server.calls == 3);
}
END_TEST

#define SMALL "max_message = \"64K\"; "

/* Fills the ring, the subscriber's socket and the session: a text message of 60,000 bytes. */
static void send_until_paused(struct peer *peer)
{
	static unsigned char message[4 + 60000] = {0x81, 126, 60000 >> 8, 60000 & 0xff};
	size_t sent = 0;

	memset(message + 4, 'x', 60000);
	while (!status().paused) {
		ssize_t count =
			send(peer->fd, message + sent, sizeof(message) - sent, MSG_DONTWAIT);

		ck_assert(count > 0 || errno == EAGAIN);
		if (count > 0)
			sent = (sent + (size_t)count) % sizeof(message);
		turn();
	}
}

START_TEST(a_session_that_is_held_up_is_renewed_later)
{
	static const char outlets[] =
		"outlets = ( { name = \"o\"; from = [ \"*\" ]; ring = \"256K\"; "
		"on_lag = \"wait\"; } );\n";
	char buffer[65536];
	int fd;

	start_gateway(configuration(ALWAYS SLOW SMALL PATIENT, outlets));
	TURN_UNTIL(connection_is_open(the_connection()));
	server.keeps_open = true;
	fd = subscribe("o.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("o")));
	send_until_paused(&server.peers[0]);
	change_gateway(configuration(ALWAYS SLOW SMALL PATIENT RENEWS, outlets));
	TURN_UNTIL(postponed());
	ck_assert(status().paused);
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(server.peers[0].close_code, 0);
	TURN_UNTIL(read(fd, buffer, sizeof(buffer)) < 0 && server.peers[0].close_code);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
	close(fd);
}
END_TEST

START_TEST(another_age_counts_at_once)
{
	start_open(ALWAYS "max_age = { after = \"1h\"; };");
	ck_assert(timer_is_set(&the_connection()->renewal));
	change(ALWAYS);
	ck_assert(!timer_is_set(&the_connection()->renewal));
	assert_state(CONNECTION_OPEN);
	change(ALWAYS RENEWS);
	TURN_UNTIL(server.calls == 2);
}
END_TEST

/* --- removal --------------------------------------------------------------------------------- */

static void on_stopped(void *context)
{
	*(bool *)context = true;
}

static bool stopped;

static void stop(void)
{
	stopped = false;
	gateway_stop(fixture.gateway, on_stopped, &stopped);
}

START_TEST(the_end_awaits_both_sessions)
{
	struct peer *first = &server.peers[_i], *second = &server.peers[!_i];

	start_with_old_session();
	stop();
	TURN_UNTIL(server.peers[1].close_code);
	ck_assert_uint_eq(server.peers[1].close_code, WS_CLOSE_GOING_AWAY);
	hang_up(first);
	TURN_UNTIL(events(EVENT_TYPE_CLOSE) == 1);
	ck_assert(!stopped);
	hang_up(second);
	TURN_UNTIL(stopped);
	ck_assert_uint_eq(events(EVENT_TYPE_CLOSE), 2);
}
END_TEST

START_TEST(the_end_awaits_no_call_and_no_wait)
{
	server.answer = _i ? BUSY : NULL;
	start(ALWAYS SLOW);
	TURN_UNTIL(server.calls == 1 &&
		status().state == (_i ? CONNECTION_WAITING : CONNECTION_UPGRADING));
	stop();
	TURN_UNTIL(stopped);
	ck_assert_uint_eq(server.calls, 1);
}
END_TEST

/* --- demand ---------------------------------------------------------------------------------- */

static int come(void)
{
	size_t before = outlet_subscribers(the_outlet("a"));
	int fd = subscribe("a.sock");

	ck_assert_int_ge(fd, 0);
	TURN_UNTIL(outlet_subscribers(the_outlet("a")) > before);
	return fd;
}

static void leave(int fd)
{
	size_t before = outlet_subscribers(the_outlet("a"));

	close(fd);
	TURN_UNTIL(outlet_subscribers(the_outlet("a")) < before);
}

START_TEST(is_open_while_there_are_subscribers)
{
	int first, second;

	start(SUBSCRIBED "linger = \"1ms\";");
	assert_state(CONNECTION_IDLE);
	first = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	second = come();
	leave(first);
	assert_state(CONNECTION_OPEN);
	ck_assert(!timer_is_set(&the_connection()->linger));
	leave(second);
	TURN_UNTIL(status().state == CONNECTION_IDLE);
	ck_assert_uint_eq(server.peers[0].close_code, WS_CLOSE_GOING_AWAY);
	ck_assert_uint_eq(server.calls, 1);
	first = come();
	TURN_UNTIL(server.calls == 2);
	close(first);
}
END_TEST

START_TEST(lingers_for_one_who_comes_back)
{
	int fd;

	start(SUBSCRIBED "linger = \"1h\";");
	fd = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	leave(fd);
	ck_assert(timer_is_set(&the_connection()->linger));
	fd = come();
	ck_assert(!timer_is_set(&the_connection()->linger));
	assert_state(CONNECTION_OPEN);
	ck_assert_uint_eq(server.calls, 1);
	close(fd);
}
END_TEST

START_TEST(a_disconnect_holds_until_all_have_left)
{
	struct outcome outcome;
	int first, second;

	start(SUBSCRIBED);
	first = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	begin_disconnect(&outcome, 4001);
	TURN_UNTIL(outcome.answered);
	second = come();
	assert_state(CONNECTION_IDLE);
	leave(first);
	leave(second);
	ck_assert(!timer_is_set(&the_connection()->linger));
	first = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	ck_assert_uint_eq(server.calls, 2);
	close(first);
}
END_TEST

/* The code of the disconnect counts. */
START_TEST(a_disconnect_ends_the_lingering)
{
	struct outcome outcome;
	int fd;

	server.keeps_open = true;
	start(SUBSCRIBED "linger = \"1h\"; " PATIENT);
	fd = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	leave(fd);
	begin_disconnect(&outcome, 4001);
	change(SUBSCRIBED "linger = \"1ms\"; " PATIENT);
	TURN_UNTIL(!timer_is_set(&the_connection()->linger));
	TURN_UNTIL(server.peers[0].close_code);
	ck_assert_uint_eq(server.peers[0].close_code, 4001);
	hang_up(&server.peers[0]);
	TURN_UNTIL(outcome.answered);
	assert_state(CONNECTION_IDLE);
}
END_TEST

START_TEST(no_subscriber_revives_one_that_gave_up)
{
	int fd;

	server.answer = BUSY;
	start(SUBSCRIBED "reconnect = { attempts = 1; };");
	fd = come();
	TURN_UNTIL(events(EVENT_TYPE_GAVE_UP));
	leave(fd);
	fd = come();
	assert_state(CONNECTION_IDLE);
	ck_assert_uint_eq(status().stats->attempts, 1);
	close(fd);
}
END_TEST

START_TEST(another_linger_counts_at_once)
{
	int fd;

	start(SUBSCRIBED "linger = \"1h\";");
	fd = come();
	TURN_UNTIL(connection_is_open(the_connection()));
	leave(fd);
	change(SUBSCRIBED "linger = \"1ms\";");
	TURN_UNTIL(status().state == CONNECTION_IDLE);
	ck_assert_uint_eq(server.calls, 1);
}
END_TEST

START_TEST(begins_to_follow_its_subscribers)
{
	int fd;

	start("");
	fd = come();
	assert_state(CONNECTION_IDLE);
	change(SUBSCRIBED "linger = \"1h\";");
	TURN_UNTIL(connection_is_open(the_connection()));
	leave(fd);
	ck_assert(timer_is_set(&the_connection()->linger));
	change("");
	ck_assert(!timer_is_set(&the_connection()->linger));
	assert_state(CONNECTION_OPEN);
	change(SUBSCRIBED "linger = \"1ms\";");
	TURN_UNTIL(status().state == CONNECTION_IDLE);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return tests;
}

static void add_calls(Suite *suite)
{
	TCase *waits = add_case(suite, "waits"), *disconnects = add_case(suite, "disconnects");
	TCase *fails = add_case(suite, "failures");

	tcase_add_test(waits, parsing_stops_when_its_time_is_over);
	tcase_add_test(waits, all_who_connect_are_answered_when_it_opens);
	tcase_add_loop_test(waits, a_failed_call_answers_and_is_tried_again, 0, COUNT(failures));
	tcase_add_loop_test(waits, the_last_attempt_answers_and_gives_up, 0, COUNT(failures));
	tcase_add_test(waits, a_removal_answers);
	tcase_add_test(waits, the_end_of_the_gateway_answers);
	tcase_add_test(waits, one_who_has_left_is_not_answered);
	tcase_add_test(disconnects, a_disconnect_ends_a_call);
	tcase_add_test(disconnects, a_disconnect_closes_with_its_code);
	tcase_add_test(disconnects, a_disconnect_ends_a_wait);
	tcase_add_test(disconnects, a_connect_replaces_a_session);
	tcase_add_test(fails, gives_up_for_a_status);
	tcase_add_test(fails, gives_up_for_a_close_code);
	tcase_add_test(fails, a_lost_session_waits_for_the_next_try);
	tcase_add_test(fails, a_lost_session_is_opened_again);
	tcase_add_test(fails, a_lost_session_rests_if_it_must_not_reconnect);
}

Suite *connection_steps_suite(void)
{
	Suite *suite = suite_create("connection_steps");
	TCase *renewals, *removals, *demand, *network;

	add_calls(suite);
	network = add_case(suite, "network");
	tcase_add_test(network, a_change_of_the_network_ends_a_wait);
	tcase_add_test(network,
		a_change_of_the_network_does_not_end_the_wait_that_a_server_asks_for);
	tcase_add_test(network, a_change_of_the_network_forgets_failures);
	tcase_add_test(network, a_change_of_the_network_pings);
	tcase_add_test(network, a_change_of_the_network_leaves_those_alone_that_rest);
	renewals = add_case(suite, "renewals");
	tcase_add_test(renewals, closes_before_it_calls_again);
	tcase_add_test(renewals, calls_again_before_it_closes);
	tcase_add_test(renewals, a_renewal_that_fails_is_tried_again);
	tcase_add_test(renewals, a_call_after_the_close_may_fail);
	tcase_add_test(renewals, a_session_lost_during_its_renewal_is_replaced);
	tcase_add_test(renewals, there_are_never_three_sessions);
	tcase_add_test(renewals, a_session_that_is_held_up_is_renewed_later);
	tcase_add_test(renewals, another_age_counts_at_once);
	removals = add_case(suite, "removals");
	tcase_add_loop_test(removals, the_end_awaits_both_sessions, 0, 2);
	tcase_add_loop_test(removals, the_end_awaits_no_call_and_no_wait, 0, 2);
	demand = add_case(suite, "demand");
	tcase_add_test(demand, is_open_while_there_are_subscribers);
	tcase_add_test(demand, lingers_for_one_who_comes_back);
	tcase_add_test(demand, a_disconnect_holds_until_all_have_left);
	tcase_add_test(demand, a_disconnect_ends_the_lingering);
	tcase_add_test(demand, no_subscriber_revives_one_that_gave_up);
	tcase_add_test(demand, another_linger_counts_at_once);
	tcase_add_test(demand, begins_to_follow_its_subscribers);
	return suite;
}
