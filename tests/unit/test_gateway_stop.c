#include "test_gateway.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_harness.h"

#define A "connections = ( { name = \"a\"; url = \"ws://127.0.0.1:1/\"; } );\n"

static bool stopped;

static void on_stopped(void *context)
{
	ck_assert_ptr_eq(context, &stopped);
	stopped = true;
}

static void stop(void)
{
	stopped = false;
	gateway_stop(fixture.gateway, on_stopped, &stopped);
}

START_TEST(what_is_stopping_can_be_looked_at)
{
	struct connection_config *config;
	struct error error;

	start_gateway(A);
	config = make_connection("name = \"b\"; url = \"ws://127.0.0.1:1/\";", true);
	ck_assert(gateway_is_running(fixture.gateway, &error));
	stop();
	ck_assert(!gateway_is_running(fixture.gateway, &error));
	ck_assert_str_eq(error.text, "the daemon is stopping");
	ck_assert(!gateway_add(fixture.gateway, config, &error));
	ck_assert(!gateway_remove(fixture.gateway, "a", &error));
	ck_assert(has_outlet("a"));
	TURN_UNTIL(stopped);
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 0);
	ck_assert_int_eq(subscribe("a.sock"), -1);
	connection_config_free(config);
}
END_TEST

START_TEST(subscribers_get_what_is_in_the_rings)
{
	int fd;

	start_gateway(A);
	fd = subscribe("a.sock");
	TURN_UNTIL(outlet_subscribers(the_outlet("a")));
	publish("a", "last");
	stop();
	TURN_UNTIL(stopped);
	assert_gets_until_end(fd, "last\n");
}
END_TEST

/* It does not read: its socket is full, and more is in the ring. */
static int stalled_subscriber(void)
{
	static char text[512 * 1024];
	int fd = subscribe("a.sock");

	TURN_UNTIL(outlet_subscribers(the_outlet("a")));
	memset(text, 'x', sizeof(text) - 1);
	publish("a", text);
	turn();
	return fd;
}

START_TEST(a_subscriber_that_does_not_read_is_waited_for)
{
	int fd;

	start_gateway(A);
	fd = stalled_subscriber();
	stop();
	TURN_UNTIL(gateway_connection(fixture.gateway, "a") == NULL);
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert(!stopped);
	ck_assert(has_outlet("a"));
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 1);
	ck_assert_ptr_eq(gateway_outlet_at(fixture.gateway, 0), the_outlet("a"));
	gateway_stop_now(fixture.gateway);
	TURN_UNTIL(stopped);
	close(fd);
}
END_TEST

static bool is_closed(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLRDHUP};

	return poll(&poller, 1, 0) == 1;
}

/* Nobody stops: the outlet of a removed connection goes by itself. */
START_TEST(a_dropped_outlet_waits_no_longer_than_its_deadline)
{
	struct error error;
	int fd;

	fixture.drain_timeout = "200ms";
	start_gateway(A);
	fd = stalled_subscriber();
	ck_assert(gateway_remove(fixture.gateway, "a", &error));
	ck_assert_uint_eq(gateway_outlet_count(fixture.gateway), 0);
	ck_assert(!is_closed(fd));
	TURN_UNTIL(is_closed(fd));
	close(fd);
}
END_TEST

/* --- a server that answers nothing ----------------------------------------------------------- */

static int listen_on_port(unsigned *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

START_TEST(a_call_under_way_is_given_up)
{
	struct connection_status status;
	char text[128];
	unsigned port;
	int server = listen_on_port(&port);

	snprintf(text, sizeof(text),
		"connections = ( { name = \"a\"; url = \"ws://127.0.0.1:%u/\"; when = \"always\"; } );\n",
		port);
	start_gateway(text);
	do {
		turn();
		connection_status(gateway_connection(fixture.gateway, "a"), &status);
	} while (status.state != CONNECTION_UPGRADING);
	stop();
	TURN_UNTIL(stopped);
	close(server);
}
END_TEST

/* --- a server that opens, and never closes --------------------------------------------------- */

static void accept_key(const char *request, char accept[32])
{
	const char *key = strstr(request, "Sec-WebSocket-Key: ") + strlen("Sec-WebSocket-Key: ");
	unsigned char digest[SHA_DIGEST_LENGTH];
	char joined[64];

	snprintf(joined, sizeof(joined), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	SHA1((const unsigned char *)joined, strlen(joined), digest);
	EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
}

/* Starts the gateway with a connection to the server, and returns the server's end of it. */
static int open_connection(int server, unsigned port)
{
	char text[128], request[4096] = "", response[256], accepted[32];
	int fd;

	snprintf(text, sizeof(text),
		"connections = ( { name = \"a\"; url = \"ws://127.0.0.1:%u/\"; when = \"always\"; } );\n",
		port);
	start_gateway(text);
	TURN_UNTIL((fd = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	TURN_UNTIL(recv(fd, request, sizeof(request) - 1, 0) > 0);
	ck_assert_ptr_nonnull(strstr(request, "\r\n\r\n"));
	accept_key(request, accepted);
	snprintf(response, sizeof(response),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n",
		accepted);
	ck_assert_int_eq(send(fd, response, strlen(response), MSG_NOSIGNAL),
		(ssize_t)strlen(response));
	TURN_UNTIL(connection_is_open(gateway_connection(fixture.gateway, "a")));
	return fd;
}

static void assert_cut_off(void (*hurry)(void))
{
	unsigned port;
	int server = listen_on_port(&port);
	int fd = open_connection(server, port);

	stop();
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert(!stopped);
	ck_assert_ptr_nonnull(gateway_connection(fixture.gateway, "a"));
	hurry();
	TURN_UNTIL(stopped);
	ck_assert_ptr_null(gateway_connection(fixture.gateway, "a"));
	ck_assert(is_closed(fd));
	close(fd);
	close(server);
}

static void hurry_now(void)
{
	gateway_stop_now(fixture.gateway);
}

START_TEST(a_server_that_does_not_close_is_cut_off_at_once)
{
	assert_cut_off(hurry_now);
}
END_TEST

static void hurry_not(void)
{
}

START_TEST(a_server_that_does_not_close_is_cut_off_in_the_end)
{
	fixture.drain_timeout = "1s";
	assert_cut_off(hurry_not);
}
END_TEST

Suite *gateway_stop_suite(void)
{
	Suite *suite = suite_create("gateway_stop");
	TCase *tests = tcase_create("gateway_stop");

	settings_add_folders(tests);
	tcase_add_checked_fixture(tests, gateway_setup, gateway_teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_is_stopping_can_be_looked_at);
	tcase_add_test(tests, subscribers_get_what_is_in_the_rings);
	tcase_add_test(tests, a_subscriber_that_does_not_read_is_waited_for);
	tcase_add_test(tests, a_dropped_outlet_waits_no_longer_than_its_deadline);
	tcase_add_test(tests, a_call_under_way_is_given_up);
	tcase_add_test(tests, a_server_that_does_not_close_is_cut_off_at_once);
	tcase_add_test(tests, a_server_that_does_not_close_is_cut_off_in_the_end);
	suite_add_tcase(suite, tests);
	return suite;
}
