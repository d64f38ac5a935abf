#include "test_gateway.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strings.h"
#include "gateway/dialer.h"
#include "handshake_harness.h"
#include "settings_harness.h"

/* Calls a server in the same event loop, which answers as it is told to. */

#define SECOND CLOCK_NS_PER_SECOND
#define OPEN   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define BUSY   "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"

static struct {
	struct event_base *base;
	struct timers *timers;
	uint64_t ahead; /* of the real clock */
	struct log *log;
	struct net *net;
	struct dialer_host host;
	struct settings *settings;
	struct dialer dialer;

	int listener;
	struct event *accepting, *reading;
	int peer; /* -1: none */
	unsigned port;
	const char *answer; /* to the request; NULL: none */
	char request[4096]; /* the last */
	size_t request_length;

	unsigned started, redirected, opened, failed, due;
	struct error error;
} fixture;

/* --- the server ------------------------------------------------------------------------------ */

static void send_to_peer(const char *text)
{
	ck_assert_int_eq(write(fixture.peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void answer_request(void)
{
	char line[HANDSHAKE_LINE_SIZE];

	if (!fixture.answer)
		return;
	send_to_peer(fixture.answer);
	if (strcmp(fixture.answer, OPEN) != 0)
		return;
	handshake_accept(line, fixture.request);
	send_to_peer(line);
}

static void close_peer(void)
{
	if (fixture.reading)
		event_free(fixture.reading);
	fixture.reading = NULL;
	if (fixture.peer >= 0)
		close(fixture.peer);
	fixture.peer = -1;
}

static void on_request(evutil_socket_t fd, short what, void *context)
{
	size_t room = sizeof(fixture.request) - 1 - fixture.request_length;
	ssize_t got = read(fd, fixture.request + fixture.request_length, room);

	(void)what, (void)context;
	if (got <= 0) {
		close_peer();
		return;
	}
	fixture.request_length += (size_t)got;
	fixture.request[fixture.request_length] = '\0';
	if (strstr(fixture.request, "\r\n\r\n"))
		answer_request();
}

static void on_connection(evutil_socket_t fd, short what, void *context)
{
	(void)what, (void)context;
	close_peer();
	fixture.request_length = 0;
	fixture.peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(fixture.peer, 0);
	fixture.reading =
		event_new(fixture.base, fixture.peer, EV_READ | EV_PERSIST, on_request, NULL);
	event_add(fixture.reading, NULL);
}

static uint64_t read_clock(void *context)
{
	return clock_boottime() + *(const uint64_t *)context;
}

static void start_server(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);

	fixture.peer = -1;
	fixture.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fixture.listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(fixture.listener, 8), 0);
	ck_assert_int_eq(getsockname(fixture.listener, (struct sockaddr *)&address, &length), 0);
	fixture.port = ntohs(address.sin_port);
	fixture.accepting = event_new(fixture.base, fixture.listener, EV_READ | EV_PERSIST,
		on_connection, NULL);
	event_add(fixture.accepting, NULL);
}

/* Whoever calls from now on is refused. */
static void stop_server(void)
{
	if (!fixture.accepting)
		return;
	close_peer();
	event_free(fixture.accepting);
	fixture.accepting = NULL;
	close(fixture.listener);
}

/* --- the dialer ------------------------------------------------------------------------------ */

static void on_started(void *context)
{
	ck_assert_ptr_eq(context, &fixture);
	fixture.started++;
}

static void on_redirected(const char *from, const char *to, void *context)
{
	(void)context;
	ck_assert(strstr(from, "/feed"));
	ck_assert(strstr(to, "/elsewhere"));
	fixture.answer = OPEN;
	fixture.redirected++;
}

static void on_opened(struct call_result *result, void *context)
{
	(void)context;
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	stream_close(result->stream);
	buffer_release(&result->rest);
	fixture.opened++;
}

static void on_failed(const struct error *error, void *context)
{
	(void)context;
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	fixture.error = *error;
	fixture.failed++;
}

static void on_due(void *context)
{
	(void)context;
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	fixture.due++;
}

static const struct dialer_callbacks callbacks = {
	.started = on_started,
	.redirected = on_redirected,
	.opened = on_opened,
	.failed = on_failed,
	.due = on_due,
};

/* Of a connection with these settings. */
static struct settings *make_settings(const char *members)
{
	char text[512];

	snprintf(text, sizeof(text),
		"connections = ( { name = \"a\"; url = \"ws://127.0.0.1:%u/feed\"; %s } );\n",
		fixture.port, members);
	return load(text);
}

static void open_dialer(const char *members)
{
	fixture.settings = make_settings(members);
	dialer_init(&fixture.dialer, &fixture.host, fixture.settings->connections[0], &callbacks,
		&fixture);
}

static void setup(void)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture.base = event_base_new();
	fixture.timers = timers_new(fixture.base, read_clock, &fixture.ahead);
	fixture.log = log_new(LOG_FORMAT_TEXT, LOG_EMERG);
	fixture.net = net_new(fixture.base, fixture.timers, fixture.log, NULL, 0);
	fixture.host = (struct dialer_host){
		.call = {fixture.base, fixture.timers, fixture.net, fixture.log},
		.admission = admission_new(fixture.base, fixture.timers),
	};
	start_server();
}

static void teardown(void)
{
	dialer_release(&fixture.dialer);
	stop_server();
	settings_free(fixture.settings);
	admission_free(fixture.host.admission);
	net_free(fixture.net);
	log_free(fixture.log);
	timers_free(fixture.timers);
	event_base_free(fixture.base);
}

static void turn(void)
{
	event_base_loop(fixture.base, EVLOOP_NONBLOCK);
}

#define until(condition)                                                                           \
	do {                                                                                       \
		uint64_t limit = clock_monotonic() + 10 * SECOND;                                  \
		while (!(condition)) {                                                             \
			ck_assert_msg(clock_monotonic() < limit, "never: %s", #condition);         \
			turn();                                                                    \
		}                                                                                  \
	} while (0)

static void fail_once(void)
{
	unsigned before = fixture.failed;

	dialer_call(&fixture.dialer);
	until(fixture.failed > before);
}

static void request(const char *name, const char *value)
{
	struct header_list headers = {0};

	header_list_add(&headers, name, value);
	dialer_request(&fixture.dialer, &headers);
	ck_assert_uint_eq(headers.count, 0);
}

START_TEST(opens)
{
	open_dialer("");
	fixture.answer = OPEN;
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	dialer_call(&fixture.dialer);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_CALLING);
	ck_assert_uint_eq(fixture.started, 1);
	ck_assert_uint_eq(fixture.dialer.attempt, 1);
	until(fixture.opened == 1);
	ck_assert_uint_eq(fixture.dialer.attempt, 1);
	dialer_forget_attempts(&fixture.dialer);
	ck_assert_uint_eq(fixture.dialer.attempt, 0);
	ck_assert_uint_eq(fixture.dialer.report.response.status, 101);
	ck_assert_uint_eq(fixture.failed, 0);
}
END_TEST

START_TEST(follows_a_redirect)
{
	open_dialer("max_redirects = 1;");
	fixture.answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n";
	dialer_call(&fixture.dialer);
	until(fixture.opened == 1);
	ck_assert_uint_eq(fixture.redirected, 1);
	ck_assert_uint_eq(fixture.started, 1);
	ck_assert(strstr(fixture.request, "GET /elsewhere "));
}
END_TEST

START_TEST(says_when_the_answer_is_awaited)
{
	open_dialer("");
	dialer_call(&fixture.dialer);
	ck_assert(!dialer_upgrading(&fixture.dialer));
	until(dialer_upgrading(&fixture.dialer));
	dialer_stop(&fixture.dialer);
	ck_assert(!dialer_upgrading(&fixture.dialer));
}
END_TEST

START_TEST(a_server_that_is_not_there_is_a_failure)
{
	open_dialer("");
	stop_server();
	fail_once();
	ck_assert_uint_eq(fixture.dialer.attempt, 1);
	ck_assert_uint_eq(fixture.dialer.report.response.status, 0);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CONNECT);
	fail_once();
	ck_assert_uint_eq(fixture.dialer.attempt, 2);
	ck_assert_uint_eq(fixture.started, 2);
}
END_TEST

START_TEST(a_server_that_hangs_up_is_a_failure)
{
	open_dialer("");
	dialer_call(&fixture.dialer);
	until(fixture.request_length);
	close_peer();
	until(fixture.failed == 1);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CLOSED);
}
END_TEST

START_TEST(a_server_that_says_nothing_is_a_failure)
{
	open_dialer("upgrade_timeout = \"50ms\";");
	fail_once();
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
}
END_TEST

/* Without jitter the wait is the longer of the two. */
START_TEST(waits_as_long_as_the_server_asks)
{
	open_dialer("reconnect = { min = \"1s\"; max = \"1s\"; jitter = \"none\"; };");
	fixture.answer = BUSY;
	fail_once();
	ck_assert_uint_eq(fixture.dialer.report.response.status, 503);
	ck_assert_uint_eq(fixture.dialer.report.retry_after, 7 * SECOND);
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, fixture.dialer.report.retry_after),
		7 * SECOND);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_WAITING);
	ck_assert_uint_gt(dialer_wait(&fixture.dialer), 6 * SECOND);
	ck_assert_uint_le(dialer_wait(&fixture.dialer), 7 * SECOND);
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, 0), SECOND);
}
END_TEST

START_TEST(no_server_can_ask_for_more_than_an_hour)
{
	open_dialer("reconnect = { min = \"1s\"; max = \"1s\"; jitter = \"none\"; };");
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, 86400 * SECOND), 3600 * SECOND);
}
END_TEST

/* With jitter many clients must not come back all at the same time. */
START_TEST(jitter_comes_on_top_of_what_the_server_asks)
{
	open_dialer("reconnect = { min = \"1s\"; max = \"1s\"; };");
	for (int i = 0; i < 100; i++) {
		uint64_t wait = dialer_retry(&fixture.dialer, 7 * SECOND);

		ck_assert_uint_ge(wait, 7 * SECOND + SECOND / 2);
		ck_assert_uint_le(wait, 8 * SECOND);
	}
}
END_TEST

START_TEST(waits_grow_until_failures_are_forgotten)
{
	open_dialer(
		"reconnect = { min = \"1s\"; max = \"1h\"; factor = 2.0; jitter = \"none\"; };");
	stop_server();
	for (unsigned seconds = 1; seconds <= 8; seconds *= 2) {
		fail_once();
		ck_assert_uint_eq(dialer_retry(&fixture.dialer, 0), seconds * SECOND);
	}
	ck_assert_uint_eq(fixture.dialer.attempt, 4);
	dialer_reset_backoff(&fixture.dialer);
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, 0), SECOND);
	ck_assert_uint_eq(fixture.dialer.attempt, 4);
	dialer_reset(&fixture.dialer);
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, 0), SECOND);
	ck_assert_uint_eq(fixture.dialer.attempt, 0);
}
END_TEST

START_TEST(says_when_the_wait_is_over)
{
	open_dialer("reconnect = { min = \"10ms\"; max = \"10ms\"; jitter = \"none\"; };");
	dialer_retry(&fixture.dialer, 0);
	until(fixture.due == 1);
	ck_assert_uint_eq(dialer_wait(&fixture.dialer), 0);
	ck_assert_uint_eq(fixture.started, 0); /* calling is its owner's decision */
}
END_TEST

START_TEST(a_wait_counts_suspend)
{
	open_dialer("reconnect = { min = \"1h\"; max = \"1h\"; jitter = \"none\"; };");
	ck_assert_uint_eq(dialer_retry(&fixture.dialer, 0), 3600 * SECOND);
	fixture.ahead += 3599 * SECOND;
	timers_run(fixture.timers);
	ck_assert_uint_eq(fixture.due, 0);
	ck_assert_uint_le(dialer_wait(&fixture.dialer), SECOND);
	fixture.ahead += SECOND;
	timers_run(fixture.timers);
	ck_assert_uint_eq(fixture.due, 1);
}
END_TEST

/* A call that was under way when the host was suspended is over at once. */
START_TEST(a_timeout_counts_suspend)
{
	open_dialer("upgrade_timeout = \"1h\";");
	fixture.answer = NULL;
	dialer_call(&fixture.dialer);
	until(dialer_upgrading(&fixture.dialer));
	fixture.ahead += 3600 * SECOND;
	timers_run(fixture.timers);
	ck_assert_uint_eq(fixture.failed, 1);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
}
END_TEST

START_TEST(a_change_of_the_network_ends_a_wait_that_the_server_does_not_ask_for)
{
	open_dialer("reconnect = { min = \"1h\"; max = \"1h\"; jitter = \"none\"; };");
	ck_assert(!dialer_on_network_change(&fixture.dialer)); /* it does not wait */
	dialer_retry(&fixture.dialer, 600 * SECOND);
	ck_assert(!dialer_on_network_change(&fixture.dialer));
	ck_assert_uint_gt(dialer_wait(&fixture.dialer), 3500 * SECOND);
	fixture.ahead += 600 * SECOND; /* as long as it asked for */
	ck_assert(dialer_on_network_change(&fixture.dialer));
	until(fixture.due == 1);
}
END_TEST

START_TEST(a_wait_ends_with_a_call_or_without)
{
	open_dialer("reconnect = { min = \"10ms\"; max = \"10ms\"; jitter = \"none\"; };");
	stop_server();
	dialer_retry(&fixture.dialer, 0);
	fail_once();
	dialer_retry(&fixture.dialer, 0);
	dialer_stop(&fixture.dialer);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	usleep(20000);
	turn();
	ck_assert_uint_eq(fixture.due, 0);
}
END_TEST

START_TEST(gives_up_after_so_many_attempts)
{
	char *reason;

	open_dialer("reconnect = { attempts = 2; };");
	stop_server();
	fail_once();
	ck_assert(!dialer_gives_up(&fixture.dialer, 0));
	fail_once();
	ck_assert(dialer_gives_up(&fixture.dialer, 0));
	reason = dialer_reason(&fixture.dialer, 0);
	ck_assert_str_eq(reason, "2 attempts in a row failed");
	free(reason);
	dialer_reset(&fixture.dialer);
	ck_assert(!dialer_gives_up(&fixture.dialer, 0));
}
END_TEST

START_TEST(gives_up_for_the_codes_of_the_settings)
{
	char *reason;

	open_dialer("reconnect = { give_up = [ 401, 4001 ]; };");
	ck_assert(!dialer_gives_up(&fixture.dialer, 0));
	ck_assert(!dialer_gives_up(&fixture.dialer, 503));
	ck_assert(dialer_gives_up(&fixture.dialer, 401));
	reason = dialer_reason(&fixture.dialer, 401);
	ck_assert_str_eq(reason, "the server has answered with status 401");
	free(reason);
	ck_assert(dialer_gives_up(&fixture.dialer, 4001));
	reason = dialer_reason(&fixture.dialer, 4001);
	ck_assert_str_eq(reason, "it was closed with code 4001");
	free(reason);
}
END_TEST

START_TEST(waits_for_its_turn)
{
	struct admission_ticket other = {0};

	open_dialer("");
	fixture.answer = OPEN;
	admission_limit(fixture.host.admission, 1, 0);
	ck_assert(admission_enter(fixture.host.admission, &other, ADMISSION_HOPEFUL));
	dialer_call(&fixture.dialer);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_QUEUED);
	ck_assert_uint_eq(fixture.started, 0);
	ck_assert_uint_eq(fixture.dialer.attempt, 0);
	admission_leave(fixture.host.admission, &other);
	until(fixture.opened == 1);
	ck_assert_uint_eq(fixture.started, 1);
}
END_TEST

START_TEST(one_that_is_stopped_makes_way_for_others)
{
	struct admission_ticket other = {0};
	struct admission *admission = fixture.host.admission;

	open_dialer("");
	admission_limit(admission, 1, 0);
	if (_i)
		ck_assert(admission_enter(admission, &other, ADMISSION_HOPEFUL));
	dialer_call(&fixture.dialer);
	ck_assert_int_eq(dialer_state(&fixture.dialer), _i ? DIALER_QUEUED : DIALER_CALLING);
	dialer_stop(&fixture.dialer);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	admission_leave(admission, &other);
	ck_assert(admission_enter(admission, &other, ADMISSION_HOPEFUL));
	for (int i = 0; i < 10; i++)
		turn();
	ck_assert_uint_eq(fixture.opened + fixture.failed, 0);
	admission_leave(admission, &other);
}
END_TEST

START_TEST(who_is_asked_for_goes_first)
{
	struct admission_ticket first = {0};
	struct admission_ticket waits = {.admitted = on_due, .context = &fixture};
	struct admission *admission = fixture.host.admission;

	open_dialer("");
	admission_limit(admission, 1, 0);
	ck_assert(admission_enter(admission, &first, ADMISSION_HOPEFUL));
	ck_assert(!admission_enter(admission, &waits, ADMISSION_HOPEFUL));
	request("X-Tried", "1");
	dialer_call(&fixture.dialer);
	admission_leave(admission, &first);
	until(fixture.started == 1);
	ck_assert_uint_eq(fixture.due, 0);
	admission_leave(admission, &waits);
}
END_TEST

START_TEST(headers_are_for_one_call)
{
	open_dialer("headers = { X-Key = \"own\"; };");
	fixture.answer = BUSY;
	request("X-Key", "asked");
	fail_once();
	ck_assert(strstr(fixture.request, "X-Key: asked\r\n"));
	ck_assert(!strstr(fixture.request, "own"));
	fail_once();
	ck_assert(strstr(fixture.request, "X-Key: own\r\n"));
}
END_TEST

START_TEST(headers_outlast_what_is_stopped)
{
	open_dialer("");
	fixture.answer = OPEN;
	request("X-Key", "first");
	dialer_call(&fixture.dialer);
	request("X-Key", "second"); /* stops the call */
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	dialer_call(&fixture.dialer);
	dialer_stop(&fixture.dialer);
	dialer_call(&fixture.dialer);
	until(fixture.opened == 1);
	ck_assert(strstr(fixture.request, "X-Key: second\r\n"));
}
END_TEST

START_TEST(what_nobody_asks_for_any_more_is_forgotten)
{
	open_dialer("");
	fixture.answer = OPEN;
	request("X-Key", "asked");
	dialer_forget_request(&fixture.dialer);
	dialer_call(&fixture.dialer);
	until(fixture.opened == 1);
	ck_assert(!strstr(fixture.request, "X-Key"));
}
END_TEST

/* A call borrows its settings: with others it ends. A wait goes on. */
START_TEST(other_settings_stop_a_call_but_no_wait)
{
	struct settings *before;

	open_dialer("headers = { X-Key = \"old\"; };");
	dialer_call(&fixture.dialer);
	until(fixture.request_length);
	before = fixture.settings;
	fixture.settings = make_settings("headers = { X-Key = \"new\"; };");
	dialer_set_config(&fixture.dialer, fixture.settings->connections[0]);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_IDLE);
	settings_free(before);
	fixture.answer = OPEN;
	dialer_call(&fixture.dialer);
	until(fixture.opened == 1);
	ck_assert(strstr(fixture.request, "X-Key: new\r\n"));

	dialer_retry(&fixture.dialer, 0);
	before = fixture.settings;
	fixture.settings = make_settings("");
	dialer_set_config(&fixture.dialer, fixture.settings->connections[0]);
	ck_assert_int_eq(dialer_state(&fixture.dialer), DIALER_WAITING);
	settings_free(before);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

Suite *dialer_suite(void)
{
	Suite *suite = suite_create("dialer");
	TCase *calls = add_case(suite, "calls"), *waits = add_case(suite, "waits");
	TCase *turns = add_case(suite, "turns"), *requests = add_case(suite, "requests");

	tcase_add_test(calls, opens);
	tcase_add_test(calls, follows_a_redirect);
	tcase_add_test(calls, says_when_the_answer_is_awaited);
	tcase_add_test(calls, a_server_that_is_not_there_is_a_failure);
	tcase_add_test(calls, a_server_that_hangs_up_is_a_failure);
	tcase_add_test(calls, a_server_that_says_nothing_is_a_failure);
	tcase_add_test(waits, waits_as_long_as_the_server_asks);
	tcase_add_test(waits, no_server_can_ask_for_more_than_an_hour);
	tcase_add_test(waits, jitter_comes_on_top_of_what_the_server_asks);
	tcase_add_test(waits, waits_grow_until_failures_are_forgotten);
	tcase_add_test(waits, says_when_the_wait_is_over);
	tcase_add_test(waits, a_wait_ends_with_a_call_or_without);
	tcase_add_test(waits, a_wait_counts_suspend);
	tcase_add_test(waits, a_timeout_counts_suspend);
	tcase_add_test(waits, a_change_of_the_network_ends_a_wait_that_the_server_does_not_ask_for);
	tcase_add_test(waits, gives_up_after_so_many_attempts);
	tcase_add_test(waits, gives_up_for_the_codes_of_the_settings);
	tcase_add_test(turns, waits_for_its_turn);
	tcase_add_loop_test(turns, one_that_is_stopped_makes_way_for_others, 0, 2);
	tcase_add_test(turns, who_is_asked_for_goes_first);
	tcase_add_test(requests, headers_are_for_one_call);
	tcase_add_test(requests, headers_outlast_what_is_stopped);
	tcase_add_test(requests, what_nobody_asks_for_any_more_is_forgotten);
	tcase_add_test(requests, other_settings_stop_a_call_but_no_wait);
	return suite;
}
