#include "test_net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { GUARD_MS = 10000 }; /* a test that waits longer has failed */

static uint64_t fixture_clock(void *context)
{
	const struct fixture *fixture = context;

	return clock_boottime() + fixture->slept;
}

void fixture_sleep(struct fixture *fixture, unsigned ms)
{
	fixture->slept += ms * CLOCK_NS_PER_MS;
	timers_run(fixture->timers);
}

void fixture_start(struct fixture *fixture, const struct zone *zone)
{
	const char *servers[1];

	signal(SIGPIPE, SIG_IGN);
	*fixture = (struct fixture){
		.base = event_base_new(), .log = log_new(LOG_FORMAT_TEXT, LOG_ERR)};
	fixture->timers = timers_new(fixture->base, fixture_clock, fixture);
	name_server_start(&fixture->names, fixture->base, zone);
	servers[0] = fixture->names.address;
	fixture->net = net_new(fixture->base, fixture->timers, fixture->log, servers, 1);
}

void fixture_close(struct fixture *fixture)
{
	stream_close(fixture->stream);
	fixture->stream = NULL;
	url_release(&fixture->url);
}

void assert_error_text(const char *actual, const char *expected)
{
	size_t quotes = 0;

	for (const char *c = expected; *c; c++)
		quotes += *c == '"';
	if (quotes % 2)
		ck_assert_msg(strncmp(actual, expected, strlen(expected)) == 0, "%s", actual);
	else
		ck_assert_str_eq(actual, expected);
}

void fixture_stop(struct fixture *fixture)
{
	fixture_close(fixture);
	dial_report_release(&fixture->report);
	net_free(fixture->net);
	name_server_stop(&fixture->names);
	timers_free(fixture->timers);
	event_base_free(fixture->base);
	log_free(fixture->log);
}

static void fixture_on_done(struct stream *stream, const struct dial_report *report,
	const struct error *error, void *context)
{
	struct fixture *fixture = context;

	ck_assert_ptr_nonnull(fixture->dial);
	ck_assert((stream == NULL) == (error != NULL));
	fixture->dial = NULL;
	fixture->stream = stream;
	dial_report_release(&fixture->report);
	fixture->report = *report;
	fixture->elapsed_ms = (clock_monotonic() - fixture->started) / CLOCK_NS_PER_MS;
	if (error)
		fixture->error = *error;
}

void fixture_dial(struct fixture *fixture, const struct tls_settings *tls, unsigned connect_timeout,
	unsigned tls_timeout, const char *format, ...)
{
	struct dial_settings settings = {
		.url = &fixture->url,
		.proxy = fixture->proxy,
		.tcp = fixture->tcp,
		.failures = fixture->failures,
		.public_only = fixture->public_only,
		.tls = tls,
		.connect_timeout = connect_timeout * CLOCK_NS_PER_MS,
		.tls_timeout = tls_timeout * CLOCK_NS_PER_MS,
	};
	va_list arguments;
	char text[256];

	fixture_close(fixture);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	ck_assert_msg(url_parse(&fixture->url, text, &fixture->error), "%s", fixture->error.text);
	fixture->error = (struct error){.name = "", .text = ""};
	fixture->started = clock_monotonic();
	fixture->dial = dial_start(fixture->net, &settings, fixture_on_done, fixture);
}

static void mark(evutil_socket_t fd, short events, void *context)
{
	bool *fired = context;

	(void)fd, (void)events;
	*fired = true;
}

bool fixture_wait(struct fixture *fixture)
{
	struct timeval guard = clock_timeval(GUARD_MS * CLOCK_NS_PER_MS);
	bool late = false;
	struct event *timer = event_new(fixture->base, -1, 0, mark, &late);

	event_add(timer, &guard);
	while (fixture->dial && !late)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	event_free(timer);
	ck_assert_msg(!late, "the dial did not end");
	return fixture->stream != NULL;
}

void fixture_run(struct fixture *fixture, unsigned ms)
{
	struct timeval time = clock_timeval(ms * CLOCK_NS_PER_MS);
	bool over = false;
	struct event *timer = event_new(fixture->base, -1, 0, mark, &over);

	event_add(timer, &time);
	while (!over)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	event_free(timer);
}

void descriptors_take_all_but(struct descriptors *descriptors, size_t left)
{
	struct rlimit limit = {.rlim_cur = 200, .rlim_max = 200};
	int fd;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	*descriptors = (struct descriptors){0};
	while ((fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		descriptors->taken[descriptors->count++] = fd;
	while (left--)
		close(descriptors->taken[--descriptors->count]);
}

void descriptors_release(struct descriptors *descriptors)
{
	while (descriptors->count)
		close(descriptors->taken[--descriptors->count]);
}

bool has_ipv6(void)
{
	struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	if (!works)
		fprintf(stderr, "skipped what needs IPv6: loopback has no ::1\n");
	return works;
}

static int bind_on(int family, uint16_t *port)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(*port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr *address = family == AF_INET6 ? (void *)&ipv6 : (void *)&ipv4;
	socklen_t length = family == AF_INET6 ? sizeof(ipv6) : sizeof(ipv4);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, address, length), 0);
	ck_assert_int_eq(getsockname(fd, address, &length), 0);
	*port = ntohs(family == AF_INET6 ? ipv6.sin6_port : ipv4.sin_port);
	return fd;
}

int listen_on(int family, uint16_t *port, int backlog)
{
	int fd = bind_on(family, port);

	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

uint16_t refused_port(void)
{
	uint16_t port = 0;

	bind_on(AF_INET, &port);
	return port;
}

int main(void)
{
	Suite *suite = suite_create("net");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, test_net_url());
	suite_add_tcase(suite, test_net_proxy());
	suite_add_tcase(suite, test_net_dns());
	suite_add_tcase(suite, test_net_resolver());
	suite_add_tcase(suite, test_net_dial());
	suite_add_tcase(suite, test_net_failures());
	suite_add_tcase(suite, test_net_tunnel());
	suite_add_tcase(suite, test_net_tunnel_tls());
	suite_add_tcase(suite, test_net_tls());
	suite_add_tcase(suite, test_net_session());
	suite_add_tcase(suite, test_net_trust());
	suite_add_tcase(suite, test_net_load());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
