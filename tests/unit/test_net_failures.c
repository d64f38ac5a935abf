#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/failures.h"
#include "test_net.h"

/* Which addresses come first, after some have failed; and which are public. */

#define TWELVE                                                                                     \
	"127.0.1.1 127.0.1.2 127.0.1.3 127.0.1.4 127.0.1.5 127.0.1.6 127.0.1.7 127.0.1.8 "         \
	"127.0.1.9 127.0.1.10 127.0.1.11 127.0.1.12"

static const struct zone zone[] = {
	{.name = "three.test", .ipv4 = "127.0.1.1 127.0.1.2 127.0.1.3"},
	{.name = "twelve.test", .ipv4 = TWELVE},
	{.name = "both.test", .ipv4 = "127.0.0.1", .ipv6 = "::1"},
	{.name = "slow4.test", .ipv4 = "127.0.0.1", .ipv6 = "::1", .ipv4_delay_ms = 60},
	{.name = NULL},
};

static struct fixture fixture;
static struct failures failures;
static const struct tls_settings no_verify = {.verify = false};

static void setup(void)
{
	fixture_start(&fixture, zone);
	fixture.failures = &failures;
}

static void teardown(void)
{
	failures_release(&failures);
	fixture_stop(&fixture);
}

static struct address address_of(const char *host)
{
	struct address address;

	ck_assert(address_parse(&address, host, 443));
	return address;
}

START_TEST(ranks)
{
	struct address a = address_of("192.0.2.1"), b = address_of("2001:db8::1");
	struct address other_port = a, never = address_of("192.0.2.2");

	address_set_port(&other_port, 444);
	ck_assert_uint_eq(failures_rank(&failures, &a, 1), 0);
	failures_note(&failures, &a, 1);
	failures_note(&failures, &b, 1);
	failures_note(&failures, &other_port, 1);
	ck_assert_uint_lt(failures_rank(&failures, &a, 1), failures_rank(&failures, &b, 1));
	failures_note(&failures, &a, 1);
	ck_assert_uint_eq(failures.count, 3);
	ck_assert_uint_lt(failures_rank(&failures, &b, 1),
		failures_rank(&failures, &other_port, 1));
	ck_assert_uint_lt(failures_rank(&failures, &other_port, 1),
		failures_rank(&failures, &a, 1));
	failures_forgive(&failures, &b);
	failures_forgive(&failures, &never);
	ck_assert_uint_eq(failures_rank(&failures, &b, 1), 0);
	ck_assert_uint_eq(failures_rank(&failures, &never, 1), 0);
	ck_assert_uint_eq(failures.count, 2);
}
END_TEST

START_TEST(their_number_is_bounded)
{
	struct address address = address_of("192.0.2.0");
	struct address last;

	for (uint32_t i = 0; i < 1000; i++) {
		address.ipv4.sin_addr.s_addr = htonl(0x0a000000 + i);
		failures_note(&failures, &address, 1);
	}
	ck_assert_uint_eq(failures.count, 64);
	last = address;
	ck_assert_uint_eq(failures_rank(&failures, &last, 1), 64);
	address.ipv4.sin_addr.s_addr = htonl(0x0a000000);
	ck_assert_uint_eq(failures_rank(&failures, &address, 1), 0);
}
END_TEST

/* The port on that address of loopback, or on 127.0.1.0 a free one. */
static int listen_at(const char *host, uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	inet_pton(AF_INET, host, &address.sin_addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)&address, &length);
	*port = ntohs(address.sin_port);
	return fd;
}

static void assert_peer(const char *host, uint16_t port)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, port);
	ck_assert_str_eq(fixture.report.peer, text);
}

/* Each says nothing in TLS, and the next attempt begins at the next one. */
START_TEST(after_tcp_the_next_address_is_tried)
{
	static const char *const order[] = {
		"127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.1", "127.0.1.2"};
	uint16_t port = 0;
	int listeners[3];

	for (int i = 0; i < 3; i++)
		listeners[i] = listen_at(order[i], &port);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		fixture_dial(&fixture, &no_verify, 1000, 30, "wss://three.test:%u/", port);
		ck_assert(!fixture_wait(&fixture));
		ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
		assert_peer(order[i], port);
	}
	for (int i = 0; i < 3; i++)
		close(listeners[i]);
}
END_TEST

/* Eight are tried at a time; the last of them is the good one. */
START_TEST(all_addresses_are_tried_in_time)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.1.12", &port);

	fixture_dial(&fixture, NULL, 1000, 0, "ws://twelve.test:%u/", port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_uint_eq(fixture.report.attempts, 8);
	fixture_dial(&fixture, NULL, 1000, 0, "ws://twelve.test:%u/", port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_eq(fixture.report.attempts, 4);
	assert_peer("127.0.1.12", port);
	close(listener);
}
END_TEST

/* The other family comes first then, even if its answer has to be waited for. */
START_TEST(the_other_family_is_tried)
{
	uint16_t port = 0;
	int ipv4, ipv6;
	char url[64];

	if (!has_ipv6())
		return;
	ipv4 = listen_on(AF_INET, &port, 5);
	ipv6 = listen_on(AF_INET6, &port, 5);
	snprintf(url, sizeof(url), "wss://%s:%u/", _i ? "slow4.test" : "both.test", port);
	fixture_dial(&fixture, &no_verify, 1000, 30, "%s", url);
	ck_assert(!fixture_wait(&fixture));
	assert_peer("[::1]", port);
	fixture_run(&fixture, 100); /* until the late answer has come */
	fixture_dial(&fixture, &no_verify, 1000, 30, "%s", url);
	ck_assert(!fixture_wait(&fixture));
	assert_peer("127.0.0.1", port);
	ck_assert_uint_eq(fixture.report.attempts, 1);
	close(ipv4);
	close(ipv6);
}
END_TEST

static const struct {
	const char *host;
	bool public;
} publics[] = {
	{"8.8.8.8", true},
	{"0.0.0.0", false},
	{"10.1.2.3", false},
	{"11.0.0.1", true},
	{"100.63.255.255", true},
	{"100.64.0.1", false},
	{"100.128.0.1", true},
	{"127.0.0.1", false},
	{"127.255.255.254", false},
	{"128.0.0.1", true},
	{"169.254.169.254", false},
	{"172.15.0.1", true},
	{"172.16.0.1", false},
	{"172.31.255.255", false},
	{"172.32.0.1", true},
	{"192.168.1.1", false},
	{"192.169.0.1", true},
	{"198.18.0.1", false},
	{"224.0.0.1", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"::127.0.0.1", false},
	{"2001:4860:4860::8888", true},
	{"fc00::1", false},
	{"fdff::1", false},
	{"fe80::1", false},
	{"fec0::1", false},
	{"ff02::1", false},
	{"::ffff:127.0.0.1", false},
	{"::ffff:10.0.0.1", false},
	{"::ffff:8.8.8.8", true},
	{"64:ff9b::7f00:1", false},
	{"64:ff9b::808:808", true},
	{"2002:7f00:1::", false},
	{"2002:808:808::1", true},
	{"64:ff9b:1::808:808", false},
	{"64:ff9b:2::1", true},
	{"::ffff:0:7f00:1", false},
	{"::ffff:0:808:808", false},
	{"2001::1", false},
	{"2001:2::1", false},
	{"2001:1ff:ffff::1", false},
	{"2001:200::1", true},
	{"5f00::1", false},
	{"5f01::1", true},
	{"192.88.99.1", false},
	{"192.88.100.1", true},
};

START_TEST(public_addresses)
{
	struct address address = address_of(publics[_i].host);

	ck_assert_msg(address_is_public(&address) == publics[_i].public, "%s", publics[_i].host);
}
END_TEST

/* By name, or as what it is. */
START_TEST(only_public_addresses_are_connected_to)
{
	static const char *const hosts[] = {"three.test", "both.test", "slow4.test", "127.0.0.1"};
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port);
	char text[128];

	fixture.public_only = true;
	fixture_dial(&fixture, NULL, 1000, 0, "ws://%s:%u/", hosts[_i], port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "%s is at an address of this host or a private network",
		hosts[_i]);
	ck_assert_str_eq(fixture.error.text, text);
	ck_assert_uint_eq(fixture.report.attempts, 0);
	close(listener);
}
END_TEST

TCase *test_net_failures(void)
{
	TCase *tests = tcase_create("failures");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, ranks);
	tcase_add_test(tests, their_number_is_bounded);
	tcase_add_test(tests, after_tcp_the_next_address_is_tried);
	tcase_add_test(tests, all_addresses_are_tried_in_time);
	tcase_add_loop_test(tests, the_other_family_is_tried, 0, 2);
	tcase_add_loop_test(tests, public_addresses, 0, sizeof(publics) / sizeof(publics[0]));
	tcase_add_loop_test(tests, only_public_addresses_are_connected_to, 0, 4);
	return tests;
}
