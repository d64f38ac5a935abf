#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test_net.h"

static const struct zone zone[] = {
	{.name = "both.test", .ipv4 = "127.0.0.1", .ipv6 = "::1"},
	{.name = "slow6.test", .ipv4 = "127.0.0.1", .ipv6 = "::1", .ipv6_delay_ms = 600},
	{.name = "slow4.test", .ipv4 = "127.0.0.1", .ipv6 = "::1", .ipv4_delay_ms = 600},
	{.name = "silent.test", .silent = true},
	{.name = NULL},
};

static struct fixture fixture;
static const struct tls_settings no_verify = {.verify = false};

static void setup(void)
{
	fixture_start(&fixture, zone);
}

static void teardown(void)
{
	fixture_stop(&fixture);
}

/* A listener that lets connections hang: its queue is full. */
struct full_listener {
	int fd;
	int fillers[2];
};

static void full_listener_start(struct full_listener *listener, int family, uint16_t *port)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	listener->fd = listen_on(family, port, 0);
	getsockname(listener->fd, (struct sockaddr *)&address, &length);
	for (int i = 0; i < 2; i++) {
		listener->fillers[i] =
			socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(listener->fillers[i], (struct sockaddr *)&address, length);
	}
}

static void full_listener_stop(struct full_listener *listener)
{
	close(listener->fillers[0]);
	close(listener->fillers[1]);
	close(listener->fd);
}

struct numeric_case {
	int family;
	const char *host;
};

static const struct numeric_case numeric_cases[] = {{AF_INET, "127.0.0.1"}, {AF_INET6, "[::1]"}};

START_TEST(numeric_host)
{
	const struct numeric_case *numeric = &numeric_cases[_i];
	uint16_t port = 0;
	int listener = listen_on(numeric->family, &port, 5);
	char peer[64];
	int on = 0;
	socklen_t length = sizeof(on);

	snprintf(peer, sizeof(peer), "%s:%u", numeric->host, port);
	fixture_dial(&fixture, NULL, 1000, 0, "ws://%s/", peer);
	ck_assert_ptr_nonnull(fixture.dial); /* not ended from within */
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_str_eq(fixture.report.peer, peer);
	ck_assert_int_eq(strncmp(fixture.report.local, numeric->host, strlen(numeric->host)), 0);
	ck_assert_uint_eq(fixture.report.attempts, 1);
	ck_assert_uint_eq(fixture.report.tls_us, 0);
	ck_assert_ptr_null(fixture.report.tls);
	ck_assert_uint_eq(fixture.names.questions, 0);
	getsockopt(fixture.stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, &length);
	ck_assert_int_ne(on, 0);
	close(listener);
}
END_TEST

struct family_case {
	const char *name;
	bool ipv4_listens;
	bool ipv6_listens;
	int winner;
	unsigned attempts;
	unsigned at_least_ms;
	unsigned below_ms;
};

static const struct family_case family_cases[] = {
	{"both.test", true, true, AF_INET6, 1, 0, 240},
	{"both.test", true, false, AF_INET, 2, 0, 240},
	{"both.test", false, true, AF_INET6, 1, 0, 240},
	{"slow4.test", true, true, AF_INET6, 1, 0, 240},
	{"slow6.test", true, true, AF_INET, 1, 45, 400},
	{"slow6.test", false, true, AF_INET6, 2, 590, 2000},
};

START_TEST(families)
{
	const struct family_case *expected = &family_cases[_i];
	uint16_t port = expected->ipv4_listens ? 0 : refused_port();
	int ipv4 = expected->ipv4_listens ? listen_on(AF_INET, &port, 5) : -1;
	int ipv6 = -1;

	if (expected->ipv6_listens)
		ipv6 = listen_on(AF_INET6, &port, 5);

	fixture_dial(&fixture, NULL, 3000, 0, "ws://%s:%u/", expected->name, port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_int_eq(fixture.report.peer[0], expected->winner == AF_INET6 ? '[' : '1');
	ck_assert_uint_eq(fixture.report.attempts, expected->attempts);
	ck_assert_uint_ge(fixture.elapsed_ms, expected->at_least_ms);
	ck_assert_uint_lt(fixture.elapsed_ms, expected->below_ms);
	if (expected->at_least_ms)
		ck_assert_uint_ge(fixture.report.resolve_us, 45000);
	fixture_run(&fixture, 700); /* late answers must find nobody */
	close(ipv4);
	close(ipv6);
}
END_TEST

START_TEST(hanging_ipv6_is_overtaken)
{
	struct full_listener full;
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);

	full_listener_start(&full, AF_INET6, &port);
	fixture_dial(&fixture, NULL, 3000, 0, "ws://both.test:%u/", port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_int_eq(fixture.report.peer[0], '1');
	ck_assert_uint_eq(fixture.report.attempts, 2);
	ck_assert_uint_ge(fixture.elapsed_ms, 245);
	ck_assert_uint_lt(fixture.elapsed_ms, 900);
	ck_assert_uint_lt(fixture.report.connect_us, 200000); /* of the winner alone */
	full_listener_stop(&full);
	close(listener);
}
END_TEST

START_TEST(refused)
{
	uint16_t port = refused_port();
	char text[256];

	fixture_dial(&fixture, NULL, 1000, 0, "ws://both.test:%u/", port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text),
		"cannot connect to both.test: [::1]:%u: Connection refused; "
		"127.0.0.1:%u: Connection refused",
		port, port);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CONNECT);
	ck_assert_str_eq(fixture.error.text, text);
	ck_assert_uint_eq(fixture.report.attempts, 2);
	ck_assert_ptr_null(fixture.report.peer);
}
END_TEST

START_TEST(unknown_name)
{
	fixture_dial(&fixture, NULL, 1000, 0, "ws://gone.test/");
	ck_assert(!fixture_wait(&fixture));
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CONNECT);
	ck_assert_str_eq(fixture.error.text, "cannot resolve 'gone.test': no such host");
	ck_assert_uint_eq(fixture.report.attempts, 0);
}
END_TEST

START_TEST(timeout_resolving)
{
	fixture_dial(&fixture, NULL, 150, 0, "ws://silent.test/");
	ck_assert(!fixture_wait(&fixture));
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	ck_assert_str_eq(fixture.error.text, "timed out after 150ms resolving silent.test");
	ck_assert_uint_ge(fixture.elapsed_ms, 145);
	ck_assert_uint_ge(fixture.report.resolve_us, 145000);
}
END_TEST

START_TEST(timeout_connecting)
{
	struct full_listener full;
	uint16_t port = 0;
	char text[128];

	full_listener_start(&full, AF_INET, &port);
	fixture_dial(&fixture, NULL, 400, 0, "ws://both.test:%u/", port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text),
		"timed out after 400ms connecting to 127.0.0.1:%u ([::1]:%u: Connection refused)",
		port, port);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	ck_assert_str_eq(fixture.error.text, text);
	ck_assert_uint_eq(fixture.report.attempts, 2);
	full_listener_stop(&full);
}
END_TEST

START_TEST(timeout_handshake)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);
	char text[128];

	fixture_dial(&fixture, &no_verify, 1000, 1000, "wss://127.0.0.1:%u/", port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "timed out after 1s in the TLS handshake with 127.0.0.1:%u",
		port);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	ck_assert_str_eq(fixture.error.text, text);
	ck_assert_uint_ge(fixture.report.tls_us,
		900000); /* libevent counts from the start of its turn */
	close(listener);
}
END_TEST

static const char *const sleepers[] = {"ws://silent.test", "ws://127.0.0.1", "wss://127.0.0.1"};

/* The answer may lie unread: the time begins anew, once. */
START_TEST(timeout_slept_through)
{
	bool tls = strncmp(sleepers[_i], "wss", 3) == 0, names = strstr(sleepers[_i], "silent");
	struct full_listener full;
	uint16_t port = 0, full_port = 0;
	int listener = listen_on(AF_INET, &port, 5);

	full_listener_start(&full, AF_INET, &full_port);
	fixture_dial(&fixture, &no_verify, tls ? 60000 : 500, 500, "%s:%u/", sleepers[_i],
		tls || names ? port : full_port);
	fixture_run(&fixture, 100);
	fixture_sleep(&fixture, 5000);
	ck_assert_ptr_nonnull(fixture.dial);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	ck_assert_uint_ge(fixture.elapsed_ms, 590);
	full_listener_stop(&full);
	close(listener);
}
END_TEST

struct cancel_case {
	const char *url;     /* without the port */
	bool hangs;          /* to the listener that does not accept */
	unsigned running_ms; /* before it is cancelled */
};

static const struct cancel_case cancel_cases[] = {
	{"ws://silent.test", false, 0},  /* not yet begun */
	{"ws://silent.test", false, 20}, /* resolving */
	{"ws://127.0.0.1", true, 20},    /* connecting */
	{"ws://slow6.test", true, 100},  /* both */
	{"wss://127.0.0.1", false, 20},  /* shaking hands */
};

/* And then a dial that ends well; the sanitizers judge the rest. */
START_TEST(cancel)
{
	const struct cancel_case *phase = &cancel_cases[_i];
	struct full_listener full;
	uint16_t port = 0, full_port = 0;
	int listener = listen_on(AF_INET, &port, 5);

	full_listener_start(&full, AF_INET, &full_port);
	fixture_dial(&fixture, &no_verify, 5000, 5000, "%s:%u/", phase->url,
		phase->hangs ? full_port : port);
	if (phase->running_ms)
		fixture_run(&fixture, phase->running_ms);
	ck_assert_ptr_nonnull(fixture.dial);
	dial_cancel(fixture.dial);
	fixture_run(&fixture, 20);
	ck_assert_ptr_nonnull(fixture.dial); /* `done` was not called */

	fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
	ck_assert(fixture_wait(&fixture));
	full_listener_stop(&full);
	close(listener);
}
END_TEST

/* The lookup has not been answered when the net is freed. */
START_TEST(cancel_then_free)
{
	fixture_dial(&fixture, NULL, 5000, 0, "ws://silent.test/");
	fixture_run(&fixture, 20);
	dial_cancel(fixture.dial);
}
END_TEST

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Thousands of connections may be redialling a server that is down. */
START_TEST(failing_is_cheap)
{
	enum { DIALS = 2000, LIMIT_US = 100 };
	uint16_t port = refused_port();
	uint64_t started;

	fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
	fixture_wait(&fixture);
	started = cpu_us();
	for (int i = 0; i < DIALS; i++) {
		fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
		ck_assert(!fixture_wait(&fixture));
	}
	ck_assert_uint_lt((cpu_us() - started) / DIALS, LIMIT_US);
}
END_TEST

static enum stream_status read_when_ready(struct stream *stream, char *data, size_t size,
	size_t *length, struct error *error)
{
	enum stream_status status;
	uint64_t deadline = clock_monotonic() + 5 * CLOCK_NS_PER_SECOND;

	do {
		status = stream_read(stream, data, size, length, error);
		ck_assert_uint_lt(clock_monotonic(), deadline);
	} while (status == STREAM_WANT_READ);
	return status;
}

START_TEST(plain_stream)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);
	struct linger reset = {.l_onoff = 1};
	enum stream_status status;
	char data[64];
	size_t length;
	int peer;

	fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
	ck_assert(fixture_wait(&fixture));
	peer = accept(listener, NULL, NULL);
	ck_assert_int_eq(stream_read(fixture.stream, data, sizeof(data), &length, &fixture.error),
		STREAM_WANT_READ);
	ck_assert_int_eq(write(peer, "hello", 5), 5);
	ck_assert_int_eq(read_when_ready(fixture.stream, data, 64, &length, &fixture.error),
		STREAM_OK);
	ck_assert_mem_eq(data, "hello", 5);
	ck_assert_uint_eq(stream_pending(fixture.stream), 0);
	ck_assert_int_eq(stream_write(fixture.stream, "answer", 6, &length, &fixture.error),
		STREAM_OK);
	ck_assert_uint_eq(length, 6);
	ck_assert_int_eq(read(peer, data, sizeof(data)), 6);
	ck_assert_mem_eq(data, "answer", 6);
	if (_i == 0) {
		close(peer);
		status = read_when_ready(fixture.stream, data, 64, &length, &fixture.error);
		ck_assert_int_eq(status, STREAM_END);
	} else {
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(peer);
		status = read_when_ready(fixture.stream, data, 64, &length, &fixture.error);
		ck_assert_int_eq(status, STREAM_ERROR);
		ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CLOSED);
		ck_assert_str_eq(fixture.error.text, "connection reset by peer");
		status = stream_write(fixture.stream, "x", 1, &length, &fixture.error);
		ck_assert_int_eq(status, STREAM_ERROR);
	}
	ck_assert_uint_eq(length, 0);
	close(listener);
}
END_TEST

struct wanted_case {
	const char *host;
	struct tcp_settings tcp;
	int winner; /* 0: none */
	const char *error;
};

static const struct wanted_case wanted_cases[] = {
	{"both.test", {.family = TCP_FAMILY_IPV4}, AF_INET, NULL},
	{"both.test", {.family = TCP_FAMILY_IPV6}, AF_INET6, NULL},
	{"slow6.test", {.family = TCP_FAMILY_IPV6}, AF_INET6, NULL},
	{"both.test", {.source_address = "127.0.0.2"}, AF_INET, NULL},
	{"both.test", {.source_address = "::1"}, AF_INET6, NULL},
	{"both.test", {.interface = "lo"}, AF_INET6, NULL},
	{"127.0.0.1", {.family = TCP_FAMILY_IPV6}, 0,
		"cannot resolve '127.0.0.1': the address is not of the family wanted"},
	{"127.0.0.1", {.source_address = "192.0.2.77"}, 0,
		"cannot connect to 127.0.0.1: 127.0.0.1:%u: cannot connect from 192.0.2.77: "
		"Cannot assign requested address"},
	{"127.0.0.1", {.interface = "nope0"}, 0,
		"cannot connect to 127.0.0.1: 127.0.0.1:%u: no such interface: 'nope0'"},
	{"127.0.0.1", {.interface = "aninterfacename0"}, 0,
		"interface: must be the name of an interface, at most 15 bytes, not "
		"\"aninterfacename0\""},
	{"127.0.0.1", {.source_address = "localhost"}, 0,
		"source address: must be an IPv4 or IPv6 address, not \"localhost\""},
	{"127.0.0.1", {.source_address = "::1", .family = TCP_FAMILY_IPV4}, 0,
		"source address: must be an IPv4 address, as 'family' says, not \"::1\""},
};

START_TEST(wanted_addresses)
{
	const struct wanted_case *expected = &wanted_cases[_i];
	uint16_t port = 0;
	int ipv4 = listen_on(AF_INET, &port, 5);
	int ipv6 = listen_on(AF_INET6, &port, 5);
	char text[256];

	fixture.tcp = &expected->tcp;
	fixture_dial(&fixture, NULL, 3000, 0, "ws://%s:%u/", expected->host, port);
	if (expected->winner) {
		ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
		ck_assert_uint_eq(fixture.report.attempts, 1);
		ck_assert_int_eq(fixture.report.peer[0], expected->winner == AF_INET6 ? '[' : '1');
		if (expected->winner == AF_INET && expected->tcp.source_address)
			ck_assert_int_eq(strncmp(fixture.report.local, "127.0.0.2:", 10), 0);
	} else {
		ck_assert(!fixture_wait(&fixture));
		snprintf(text, sizeof(text), expected->error, port);
		ck_assert_str_eq(fixture.error.text, text);
	}
	if (expected->tcp.family != TCP_FAMILY_ANY) /* only what is wanted is asked for */
		ck_assert_uint_le(fixture.names.questions, 1);
	fixture_close(&fixture);
	close(ipv4);
	close(ipv6);
}
END_TEST

static int option(int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(fixture.stream->fd, level, name, &value, &length), 0);
	return value;
}

START_TEST(socket_options)
{
	struct tcp_settings tcp = {
		.nodelay = false,
		.keepalive_idle = 90 * CLOCK_NS_PER_SECOND,
		.keepalive_interval = 1500 * CLOCK_NS_PER_MS,
		.keepalive_count = 3,
		.user_timeout = 2500 * CLOCK_NS_PER_MS,
	};
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);

	fixture.tcp = &tcp;
	fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_int_eq(option(IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(option(SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPIDLE), 90);
	ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPINTVL), 2); /* rounded up */
	ck_assert_int_eq(option(IPPROTO_TCP, TCP_KEEPCNT), 3);
	ck_assert_int_eq(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 2500);
	tcp = (struct tcp_settings){.nodelay = true, .keepalive_interval = CLOCK_NS_PER_SECOND};
	fixture_dial(&fixture, NULL, 1000, 0, "ws://127.0.0.1:%u/", port);
	ck_assert(fixture_wait(&fixture));
	ck_assert_int_ne(option(IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(option(SOL_SOCKET, SO_KEEPALIVE), 0);
	close(listener);
}
END_TEST

static int listen_unix(const char *path, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void assert_unix_error(const char *path, const char *reason)
{
	char text[256];

	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "cannot connect to %s: %s", path, reason);
	ck_assert_str_eq(fixture.error.text, text);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CONNECT);
}

START_TEST(unix_socket)
{
	char directory[] = "/tmp/unit_net.XXXXXX";
	struct stream *first;
	struct error error;
	char path[64], data[8];
	size_t length;
	int listener, peer;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/app.sock", directory);
	fixture_dial(&fixture, NULL, 1000, 0, "ws+unix://%s:/x", path);
	ck_assert_ptr_nonnull(fixture.dial);
	assert_unix_error(path, "No such file or directory");

	listener = listen_unix(path, 0);
	fixture_dial(&fixture, NULL, 1000, 0, "ws+unix://%s:/x", path);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_str_eq(fixture.report.peer, path);
	ck_assert_uint_eq(fixture.report.attempts, 1);
	first = fixture.stream;
	fixture.stream = NULL;
	fixture_dial(&fixture, NULL, 1000, 0, "ws+unix://%s", path);
	assert_unix_error(path, "its queue is full");

	peer = accept(listener, NULL, NULL);
	ck_assert_int_eq(stream_write(first, "hello", 5, &length, &error), STREAM_OK);
	ck_assert_int_eq(read(peer, data, sizeof(data)), 5);
	stream_close(first);
	close(peer);
	close(listener);
	fixture_dial(&fixture, NULL, 1000, 0, "ws+unix://%s", path);
	assert_unix_error(path, "Connection refused");
	unlink(path);
	rmdir(directory);
}
END_TEST

TCase *test_net_dial(void)
{
	TCase *tests = tcase_create("dial");
	bool ipv6 = has_ipv6();

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, numeric_host, 0, ipv6 ? 2 : 1);
	tcase_add_test(tests, unknown_name);
	tcase_add_test(tests, timeout_resolving);
	tcase_add_test(tests, timeout_handshake);
	tcase_add_loop_test(tests, timeout_slept_through, 0,
		sizeof(sleepers) / sizeof(sleepers[0]));
	tcase_add_loop_test(tests, cancel, 0, sizeof(cancel_cases) / sizeof(cancel_cases[0]));
	tcase_add_test(tests, cancel_then_free);
	tcase_add_test(tests, failing_is_cheap);
	tcase_add_loop_test(tests, plain_stream, 0, 2);
	tcase_add_test(tests, socket_options);
	tcase_add_test(tests, unix_socket);
	if (!ipv6)
		return tests;
	tcase_add_loop_test(tests, families, 0, sizeof(family_cases) / sizeof(family_cases[0]));
	tcase_add_test(tests, hanging_ipv6_is_overtaken);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, timeout_connecting);
	tcase_add_loop_test(tests, wanted_addresses, 0,
		sizeof(wanted_cases) / sizeof(wanted_cases[0]));
	return tests;
}
