#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_net.h"

/* Dials through proxies: one of ours that misbehaves as it is told, and real ones. */

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static struct certificate ca, good;
static struct proxy proxy;

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&good, directory, "good", "DNS:good.test,IP:127.0.0.1", &ca, 10);
}

static void teardown(void)
{
	certificate_free(&ca);
	certificate_free(&good);
	rmdir(directory);
	fixture_stop(&fixture);
	proxy_release(&proxy);
}

static void use_proxy(const char *format, const char *login, uint16_t port)
{
	struct error error;
	char text[128];

	proxy_release(&proxy);
	snprintf(text, sizeof(text), format, login, port);
	ck_assert_msg(proxy_parse(&proxy, text, &error), "%s", error.text);
	fixture.proxy = &proxy;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

enum ending { END_CLOSE, END_RESET, END_HANG, END_RELAY };

/* One turn of the proxy: what it waits for, and what it says then. */
struct turn {
	size_t wait; /* bytes; 0: up to an empty line */
	const char *reply;
	size_t length;
};

/* A proxy for one client, in a thread of its own. */
struct fake {
	pthread_t thread;
	int listener;
	uint16_t port;
	struct turn turns[3];
	bool drip; /* a byte at a time */
	enum ending ending;
	uint16_t target_port;
};

static void fake_wait(int fd, size_t wait)
{
	char data[1024] = "";
	size_t length = 0;

	while (wait ? length < wait : !strstr(data, "\r\n\r\n")) {
		ck_assert_uint_lt(length, sizeof(data) - 1);
		if (recv(fd, data + length, 1, 0) <= 0)
			return;
		length++;
	}
}

static void fake_reply(int fd, const struct turn *turn, bool drip)
{
	size_t piece = drip ? 1 : turn->length;

	for (size_t i = 0; i < turn->length; i += piece)
		send(fd, turn->reply + i, piece, MSG_NOSIGNAL);
}

/* Until either side ends. */
static void fake_relay(int one, int other)
{
	struct pollfd ready[] = {{.fd = one, .events = POLLIN}, {.fd = other, .events = POLLIN}};
	char data[4096];
	ssize_t length;

	for (;;) {
		poll(ready, 2, -1);
		for (int i = 0; i < 2; i++) {
			if (!ready[i].revents)
				continue;
			length = recv(ready[i].fd, data, sizeof(data), 0);
			if (length <= 0)
				return;
			send(ready[!i].fd, data, (size_t)length, MSG_NOSIGNAL);
		}
	}
}

static void *fake_run(void *argument)
{
	static const struct linger reset = {.l_onoff = 1};
	struct fake *fake = argument;
	int fd = accept(fake->listener, NULL, NULL);
	int on = 1, target;
	char rest;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (int i = 0; i < 3 && fake->turns[i].reply; i++) {
		fake_wait(fd, fake->turns[i].wait);
		fake_reply(fd, &fake->turns[i], fake->drip);
	}
	if (fake->ending == END_HANG)
		recv(fd, &rest, 1, 0);
	if (fake->ending == END_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (fake->ending == END_RELAY) {
		target = connect_to(fake->target_port);
		fake_relay(fd, target);
		close(target);
	}
	close(fd);
	return NULL;
}

static void fake_start(struct fake *fake)
{
	fake->listener = listen_on(AF_INET, &fake->port, 5);
	ck_assert_int_eq(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
}

static void fake_stop(struct fake *fake)
{
	fixture_close(&fixture);
	pthread_join(fake->thread, NULL);
	close(fake->listener);
}

#define TURN(wait, text)                                                                           \
	{                                                                                          \
		wait, text, sizeof(text) - 1                                                       \
	}
#define HTTP_OK "HTTP/1.1 200 Connection established\r\n\r\n"

struct failure_case {
	const char *proxy;
	struct turn turn;
	enum ending ending;
	const char *name;
	const char *error; /* after "proxy 127.0.0.1:PORT: " */
};

static const struct failure_case failure_cases[] = {
	{"http", TURN(0, "HTTP/1.1 403 Filtered\r\nContent-Length: 9\r\n\r\nNot there"), END_HANG,
		ERROR_SOCKET_CONNECT,
		"it refused the tunnel to t.test:81: 403 Filtered: Not there"},
	{"http", TURN(0, "HTTP/1.1 503 Busy\r\n\r\nTry lat"), END_CLOSE, ERROR_SOCKET_CONNECT,
		"it refused the tunnel to t.test:81: 503 Busy: Try lat"},
	{"http", TURN(0, "HTTP/1.1 503 Busy\r\n\r\nTry lat"), END_HANG, ERROR_SOCKET_CONNECT,
		"it refused the tunnel to t.test:81: 503 Busy: Try lat"},
	{"http", TURN(0, "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n"), END_HANG,
		ERROR_SOCKET_CONNECT, "it wants a user name and password: 407 Auth"},
	{"http",
		TURN(0,
			"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n"
			"Proxy-Authenticate: Digest realm=\"a, b\", qop = \"auth\", NTLM\r\n"
			"Proxy-Authenticate: Negotiate abc==\r\n\r\n"),
		END_HANG, ERROR_SOCKET_CONNECT,
		"it requires Digest or NTLM or Negotiate authentication, and only Basic is "
		"supported: 407 Auth"},
	{"http",
		TURN(0,
			"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n"
			"Proxy-Authenticate: Digest realm=\"x\", bASIC realm=\"y\"\r\n\r\n"),
		END_HANG, ERROR_SOCKET_CONNECT,
		"it wants a user name and password: 407 Auth (Proxy-Authenticate: "
		"Digest realm=\"x\", bASIC realm=\"y\")"},
	{"http", TURN(0, "\5\0"), END_HANG, ERROR_SOCKET_CONNECT,
		"its response is not HTTP/1.1: \"?"},
	{"http", TURN(0, "HTTP/1.1 200"), END_CLOSE, ERROR_SOCKET_CONNECT,
		"it closed the connection before the tunnel to t.test:81 was open"},
	{"http", TURN(0, ""), END_RESET, ERROR_SOCKET_CONNECT, "connection reset by peer"},
	{"http", TURN(0, "HTTP/1.1 200"), END_HANG, ERROR_SOCKET_TIMEOUT,
		"timed out after 300ms waiting for the tunnel to t.test:81"},
	{"socks5", TURN(3, "\5\xff"), END_HANG, ERROR_SOCKET_CONNECT,
		"it does not take a client without user name and password"},
	{"socks5", TURN(3, "HTTP/1.1 400 Bad Request\r\n"), END_HANG, ERROR_SOCKET_CONNECT,
		"its response is not SOCKS5: is it an HTTP proxy?"},
	{"socks5", TURN(3, ""), END_HANG, ERROR_SOCKET_TIMEOUT,
		"timed out after 300ms waiting for the tunnel to t.test:81"},
	{"socks5", TURN(3, "\5"), END_CLOSE, ERROR_SOCKET_CONNECT,
		"it closed the connection before the tunnel to t.test:81 was open"},
};

START_TEST(failures)
{
	const struct failure_case *expected = &failure_cases[_i / 2];
	struct fake fake = {.turns = {expected->turn}, .ending = expected->ending, .drip = _i % 2};
	char text[256];

	fake_start(&fake);
	if (strcmp(expected->proxy, "http") == 0)
		use_proxy("http://%s127.0.0.1:%u", "", fake.port);
	else
		use_proxy("socks5://%s127.0.0.1:%u", "", fake.port);
	fixture_dial(&fixture, NULL, 300, 0, "ws://t.test:81/");
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "proxy 127.0.0.1:%u: %s", fake.port, expected->error);
	assert_error_text(fixture.error.text, text);
	ck_assert_str_eq(fixture.error.name, expected->name);
	ck_assert_uint_gt(fixture.report.proxy_us, 0);
	ck_assert_uint_eq(fixture.names.questions, 0);
	fake_stop(&fake);
}
END_TEST

START_TEST(unreachable)
{
	uint16_t port = refused_port();
	char text[256];

	use_proxy("http://%s127.0.0.1:%u", "ann:secret@", port);
	fixture_dial(&fixture, NULL, 300, 0, "ws://t.test/");
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text),
		"proxy 127.0.0.1:%u: cannot connect to 127.0.0.1: 127.0.0.1:%u: Connection refused",
		port, port);
	ck_assert_str_eq(fixture.error.text, text);
	snprintf(text, sizeof(text), "http://***@127.0.0.1:%u", port);
	ck_assert_str_eq(fixture.report.proxy, text);

	use_proxy("http://%sgone.test:%u", "", port);
	fixture_dial(&fixture, NULL, 300, 0, "ws://t.test/");
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "proxy gone.test:%u: cannot resolve 'gone.test': no such host",
		port);
	ck_assert_str_eq(fixture.error.text, text);
}
END_TEST

/* Whoever cancels in the middle of the tunnel hears no more of it. */
START_TEST(cancelled)
{
	struct fake fake = {.turns = {TURN(0, "HTTP/1.1 20")}, .ending = END_HANG};

	fake_start(&fake);
	use_proxy("http://%s127.0.0.1:%u", "", fake.port);
	fixture_dial(&fixture, NULL, 5000, 0, "ws://t.test/");
	fixture_run(&fixture, 50);
	ck_assert_ptr_nonnull(fixture.dial);
	dial_cancel(fixture.dial);
	fixture.dial = NULL;
	fake_stop(&fake);
}
END_TEST

static size_t read_exactly(struct stream *stream, char *data, size_t size)
{
	struct pollfd ready = {.fd = stream->fd, .events = POLLIN};
	enum stream_status status = STREAM_OK;
	size_t total = 0, length;
	struct error error;

	while (total < size && (status == STREAM_OK || status == STREAM_WANT_READ)) {
		if (!stream_pending(stream))
			ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		status = stream_read(stream, data + total, size - total, &length, &error);
		total += length;
	}
	return total;
}

/* What comes right behind the proxy's answer is the target's, to the byte. */
START_TEST(target_speaks_first)
{
	static const struct turn http[] = {TURN(0, HTTP_OK "hello")};
	static const struct turn socks[] = {TURN(3, "\5\0"),
		TURN(13,
			"\5\0\0\1\0\0\0\0\0\0"
			"hello")};
	struct fake fake = {.ending = END_HANG, .drip = _i % 2};
	char data[5];

	memcpy(fake.turns, _i / 2 ? socks : http, _i / 2 ? sizeof(socks) : sizeof(http));
	fake_start(&fake);
	use_proxy(_i / 2 ? "socks5://%s127.0.0.1:%u" : "http://%s127.0.0.1:%u", "", fake.port);
	fixture_dial(&fixture, NULL, 2000, 0, "ws://t.test:81/");
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_eq(read_exactly(fixture.stream, data, 5), 5);
	ck_assert_mem_eq(data, "hello", 5);
	fake_stop(&fake);
}
END_TEST

static const struct tls_settings *trusting(void)
{
	static struct tls_settings settings;

	settings = (struct tls_settings){.verify = true, .ca_file = ca.cert_file};
	return &settings;
}

static void assert_echo(void)
{
	struct error error;
	char data[5];
	size_t length;

	ck_assert_int_eq(stream_write(fixture.stream, "hello", 5, &length, &error), STREAM_OK);
	ck_assert_uint_eq(read_exactly(fixture.stream, data, 5), 5);
	ck_assert_mem_eq(data, "hello", 5);
}

/* TLS is with the target, and so is the name that is verified. */
START_TEST(tls_through_the_tunnel)
{
	struct fake fake = {.turns = {TURN(0, HTTP_OK)}, .ending = END_RELAY, .drip = true};
	struct tls_server server;
	bool right = _i == 0;

	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	fake.target_port = server.port;
	fake_start(&fake);
	use_proxy("http://%s127.0.0.1:%u", "", fake.port);
	fixture_dial(&fixture, trusting(), 2000, 2000, "wss://%s/",
		right ? "127.0.0.1" : "other.test");
	ck_assert_msg(fixture_wait(&fixture) == right, "%s", fixture.error.text);
	if (right)
		assert_echo();
	else
		ck_assert_str_eq(fixture.error.text,
			"certificate of other.test:443 not accepted: hostname mismatch: it is not "
			"for 'other.test'");
	fake_stop(&fake);
	tls_server_stop(&server);
}
END_TEST

/* --- real proxies -------------------------------------------------------------------------- */

struct real {
	pid_t pid; /* 0: not installed */
	uint16_t port;
	char config[160];
	char hosts
		[160]; /* its /etc/hosts, through nss_wrapper(1): the host's own may say anything */
};

static void real_exec(const struct real *real, const char *program, const char *login)
{
	bool socks = strcmp(program, "microsocks") == 0;
	char port[8];
	const char *with_login[] = {
		program, "-i", "127.0.0.1", "-p", port, "-u", "ann", "-P", "pass", NULL};
	const char *without[] = {program, "-i", "127.0.0.1", "-p", port, NULL};
	const char *http[] = {program, "-d", "-c", real->config, NULL};

	snprintf(port, sizeof(port), "%u", real->port);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(126);
	setenv("LD_PRELOAD", "libnss_wrapper.so", 1);
	setenv("NSS_WRAPPER_HOSTS", real->hosts, 1);
	execvp(program, (char *const *)(uintptr_t)(!socks ? http : login ? with_login : without));
	_exit(127);
}

static void real_write_files(struct real *real, const char *login)
{
	FILE *file;

	snprintf(real->config, sizeof(real->config), "%s/tinyproxy.conf", directory);
	file = fopen(real->config, "w");
	fprintf(file, "Port %u\nListen 127.0.0.1\nTimeout 10\nMaxClients 5\nLogLevel Critical\n",
		real->port);
	if (login)
		fprintf(file, "BasicAuth ann pass\n");
	fclose(file);
	snprintf(real->hosts, sizeof(real->hosts), "%s/hosts", directory);
	file = fopen(real->hosts, "w");
	fprintf(file, "127.0.0.1 localhost\n");
	fclose(file);
}

/* False when it is not installed. */
static bool real_start(struct real *real, const char *program, const char *login)
{
	int status, fd = -1;

	*real = (struct real){0};
	close(listen_on(AF_INET, &real->port, 1));
	real_write_files(real, login);
	real->pid = fork();
	if (real->pid == 0)
		real_exec(real, program, login);
	for (int i = 0; i < 500 && fd < 0; i++) {
		if (waitpid(real->pid, &status, WNOHANG) == real->pid) {
			ck_assert_int_eq(WEXITSTATUS(status), 127);
			unlink(real->config);
			unlink(real->hosts);
			fprintf(stderr, "skipped: %s is not installed\n", program);
			return false;
		}
		fd = connect_to(real->port);
		if (fd < 0)
			usleep(10000);
	}
	ck_assert_int_ge(fd, 0);
	close(fd);
	return true;
}

static void real_stop(struct real *real)
{
	kill(real->pid, SIGKILL);
	waitpid(real->pid, NULL, 0);
	unlink(real->config);
	unlink(real->hosts);
}

struct real_case {
	const char *program;
	const char *proxy;
	const char *wanted; /* the login that the proxy wants; NULL: none */
	const char *login;
	const char *error; /* NULL: open */
};

static const struct real_case real_cases[] = {
	{"tinyproxy", "http://%s127.0.0.1:%u", NULL, "", NULL},
	{"tinyproxy", "http://%s127.0.0.1:%u", "ann:pass", "ann:pass@", NULL},
	{"tinyproxy", "http://%s127.0.0.1:%u", "ann:pass", "",
		"it wants a user name and password: 407 Proxy Authentication Required"},
	{"tinyproxy", "http://%s127.0.0.1:%u", "ann:pass", "ann:wrong@",
		"it does not accept the user name and password: "},
	{"microsocks", "socks5://%s127.0.0.1:%u", NULL, "", NULL},
	{"microsocks", "socks5h://%s127.0.0.1:%u", "ann:pass", "ann:pass@", NULL},
	{"microsocks", "socks5://%s127.0.0.1:%u", "ann:pass", "",
		"it does not take a client without user name and password"},
	{"microsocks", "socks5://%s127.0.0.1:%u", "ann:pass", "ann:wrong@",
		"it does not accept the user name and password"},
};

START_TEST(real_proxies)
{
	const struct real_case *expected = &real_cases[_i];
	struct tls_server server;
	struct real real;
	char prefix[64];

	if (!real_start(&real, expected->program, expected->wanted))
		return;
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	use_proxy(expected->proxy, expected->login, real.port);
	fixture_dial(&fixture, trusting(), 3000, 3000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture) == !expected->error, "%s", fixture.error.text);
	if (expected->error) {
		snprintf(prefix, sizeof(prefix), "proxy 127.0.0.1:%u: ", real.port);
		ck_assert_int_eq(strncmp(fixture.error.text, prefix, strlen(prefix)), 0);
		ck_assert_msg(strncmp(fixture.error.text + strlen(prefix), expected->error,
				      strlen(expected->error)) == 0,
			"%s", fixture.error.text);
	} else {
		assert_echo();
		ck_assert_uint_gt(fixture.report.proxy_us, 0);
	}
	fixture_close(&fixture);
	tls_server_stop(&server);
	real_stop(&real);
}
END_TEST

/* ws:// through the tunnel too, by a name that only the proxy resolves; and to where nobody is. */
START_TEST(real_proxies_resolve)
{
	bool socks = _i == 1;
	uint16_t port = 0;
	int ipv4 = listen_on(AF_INET, &port, 5);
	int ipv6 = listen_on(AF_INET6, &port, 5);
	struct pollfd ready[] = {{.fd = ipv4, .events = POLLIN}, {.fd = ipv6, .events = POLLIN}};
	char text[160], data[5];
	struct real real;
	int peer;

	if (!real_start(&real, socks ? "microsocks" : "tinyproxy", NULL))
		return;
	use_proxy(socks ? "socks5://%s127.0.0.1:%u" : "http://%s127.0.0.1:%u", "", real.port);
	fixture_dial(&fixture, NULL, 3000, 0, "ws://localhost:%u/", port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_eq(fixture.names.questions, 0);
	ck_assert_int_ge(poll(ready, 2, 3000), 1);
	peer = accept(ready[0].revents ? ipv4 : ipv6, NULL, NULL);
	ck_assert_int_eq(write(peer, "hello", 5), 5);
	ck_assert_uint_eq(read_exactly(fixture.stream, data, 5), 5);
	close(peer);
	close(ipv4);
	close(ipv6);

	fixture_dial(&fixture, NULL, 3000, 0, "ws://127.0.0.1:%u/", port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text),
		"proxy 127.0.0.1:%u: it refused the tunnel to 127.0.0.1:%u: %s", real.port, port,
		socks ? "connection refused (reply 5)"
		      : "500 Unable to connect: Unable to connect");
	ck_assert_msg(strncmp(fixture.error.text, text, strlen(text)) == 0, "%s vs %s",
		fixture.error.text, text);
	real_stop(&real);
}
END_TEST

TCase *test_net_tunnel(void)
{
	TCase *tests = tcase_create("tunnel");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, failures, 0,
		2 * sizeof(failure_cases) / sizeof(failure_cases[0]));
	tcase_add_test(tests, unreachable);
	tcase_add_test(tests, cancelled);
	tcase_add_loop_test(tests, target_speaks_first, 0, 4);
	tcase_add_loop_test(tests, tls_through_the_tunnel, 0, 2);
	tcase_add_loop_test(tests, real_proxies, 0, sizeof(real_cases) / sizeof(real_cases[0]));
	if (has_ipv6())
		tcase_add_loop_test(tests, real_proxies_resolve, 0, 2);
	return tests;
}
