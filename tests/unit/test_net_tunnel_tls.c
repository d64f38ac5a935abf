#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_net.h"

/* Dials through proxies that speak TLS, to servers with and without it. */

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static struct certificate ca, other_ca, good, elsewhere;
static struct proxy proxy;

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&other_ca, directory, "other_ca", NULL, NULL, 10);
	certificate_make(&good, directory, "good", "DNS:good.test,IP:127.0.0.1", &ca, 10);
	certificate_make(&elsewhere, directory, "elsewhere", "DNS:elsewhere.test", &ca, 10);
}

static void teardown(void)
{
	certificate_free(&ca);
	certificate_free(&other_ca);
	certificate_free(&good);
	certificate_free(&elsewhere);
	rmdir(directory);
	fixture_stop(&fixture);
	proxy_release(&proxy);
	proxy = (struct proxy){0};
}

/* --- a proxy --------------------------------------------------------------------------------- */

#define HTTP_OK "HTTP/1.1 200 Connection established\r\n\r\n"

/* For one client, in a thread of its own. */
struct secure_proxy {
	pthread_t thread;
	int listener;
	uint16_t port;
	SSL_CTX *context;
	const char *reply;    /* to CONNECT, in TLS; NULL: ends without a TLS handshake */
	bool hangs;           /* after the reply, */
	uint16_t target_port; /* or relays to this, if it is not 0 */
	size_t piece;         /* the most bytes for each TLS record of the relay */
	bool updates;         /* and new keys before each, in TLS 1.3 */
	bool truncates;       /* ends without close_notify */
	char head[1024];      /* what the client has sent before the reply */
	char server_name[64];
};

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void proxy_read_head(struct secure_proxy *own, SSL *ssl)
{
	size_t length = 0;

	while (!strstr(own->head, "\r\n\r\n") && length < sizeof(own->head) - 1 &&
		SSL_read(ssl, own->head + length, 1) == 1)
		length++;
}

static void proxy_write(const struct secure_proxy *own, SSL *ssl, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i += own->piece) {
		size_t left = length - i;

		if (own->updates)
			SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		if (SSL_write(ssl, data + i, (int)(left < own->piece ? left : own->piece)) <= 0)
			return;
	}
}

/* Until either side ends. */
static void proxy_relay(const struct secure_proxy *own, SSL *ssl, int client)
{
	int target = connect_to(own->target_port);
	struct pollfd ready[] = {{client, POLLIN, 0}, {target, POLLIN, 0}};
	char data[16384];
	ssize_t length = 1;

	while (length > 0) {
		if (!SSL_pending(ssl))
			poll(ready, 2, -1);
		if (SSL_pending(ssl) || ready[0].revents) {
			length = SSL_read(ssl, data, sizeof(data));
			if (length > 0)
				send(target, data, (size_t)length, MSG_NOSIGNAL);
		} else {
			length = recv(target, data, sizeof(data), 0);
			if (length > 0)
				proxy_write(own, ssl, data, (size_t)length);
		}
	}
	close(target);
}

static void proxy_serve(struct secure_proxy *own, int client)
{
	SSL *ssl = SSL_new(own->context);
	const char *name;
	char rest;

	SSL_set_fd(ssl, client);
	if (own->reply && SSL_accept(ssl) == 1) {
		name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(own->server_name, sizeof(own->server_name), "%s", name ? name : "");
		proxy_read_head(own, ssl);
		if (*own->reply)
			SSL_write(ssl, own->reply, (int)strlen(own->reply));
		if (own->hangs)
			SSL_read(ssl, &rest, 1);
		else if (own->target_port)
			proxy_relay(own, ssl, client);
		if (!own->truncates)
			SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static void *proxy_run(void *argument)
{
	struct secure_proxy *own = argument;
	int client = accept(own->listener, NULL, NULL);
	char rest[1024];

	if (client >= 0) {
		proxy_serve(own, client);
		shutdown(client, SHUT_WR);
		while (recv(client, rest, sizeof(rest), 0) > 0)
			continue; /* closing with bytes unread would be a reset */
		close(client);
	}
	OPENSSL_thread_stop();
	return NULL;
}

static void proxy_start(struct secure_proxy *own, const struct certificate *certificate)
{
	own->context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(own->context, certificate->x509);
	SSL_CTX_use_PrivateKey(own->context, certificate->key);
	own->listener = listen_on(AF_INET, &own->port, 5);
	if (!own->piece)
		own->piece = 16384;
	ck_assert_int_eq(pthread_create(&own->thread, NULL, proxy_run, own), 0);
}

static void proxy_stop(struct secure_proxy *own)
{
	fixture_close(&fixture);
	shutdown(own->listener, SHUT_RDWR);
	pthread_join(own->thread, NULL);
	close(own->listener);
	SSL_CTX_free(own->context);
}

static void use_proxy(const struct secure_proxy *own, const char *login, const char *ca_file)
{
	struct proxy_settings settings = {.ca_file = ca_file};
	struct error error;
	char text[128];

	proxy_release(&proxy);
	snprintf(text, sizeof(text), "https://%s127.0.0.1:%u", login, own->port);
	ck_assert_msg(proxy_parse(&proxy, text, &error), "%s", error.text);
	proxy.tls = proxy_tls(&settings);
	fixture.proxy = &proxy;
}

/* "%P" is the proxy's port. */
static void assert_error(const char *expected, const struct secure_proxy *own)
{
	char text[512], port[8];
	size_t used = 0;

	snprintf(port, sizeof(port), "%u", own->port);
	for (const char *c = expected; *c && used < sizeof(text) - 8; c++) {
		if (c[0] == '%' && c[1] == 'P')
			used += (size_t)snprintf(text + used, 8, "%s", port), c++;
		else
			text[used++] = *c;
	}
	text[used] = '\0';
	assert_error_text(fixture.error.text, text);
}

/* --- failures -------------------------------------------------------------------------------- */

struct failure_case {
	const struct certificate *certificate;
	const struct certificate *trusted; /* NULL: the system's */
	const char *reply;
	bool hangs;
	const char *name;
	const char *error; /* after "proxy 127.0.0.1:%P: " */
};

static const struct failure_case failure_cases[] = {
	{&good, &ca, NULL, false, ERROR_SOCKET_SSL,
		"TLS handshake with 127.0.0.1:%P failed: connection closed by peer"},
	{&good, &other_ca, "", false, ERROR_SOCKET_SSL,
		"certificate of 127.0.0.1:%P not accepted: unable to get local issuer certificate"},
	{&good, NULL, "", false, ERROR_SOCKET_SSL,
		"certificate of 127.0.0.1:%P not accepted: unable to get local issuer certificate"},
	{&elsewhere, &ca, "", false, ERROR_SOCKET_SSL,
		"certificate of 127.0.0.1:%P not accepted: IP address mismatch"},
	{&good, &ca, "HTTP/1.1 403 Filtered\r\nContent-Length: 9\r\n\r\nNot there", true,
		ERROR_SOCKET_CONNECT,
		"it refused the tunnel to t.test:81: 403 Filtered: Not there"},
	{&good, &ca, "HTTP/1.1 503 Busy\r\n\r\nTry lat", false, ERROR_SOCKET_CONNECT,
		"it refused the tunnel to t.test:81: 503 Busy: Try lat"},
	{&good, &ca, "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n", true, ERROR_SOCKET_CONNECT,
		"it wants a user name and password: 407 Auth"},
	{&good, &ca, "HTTP/1.1 200", false, ERROR_SOCKET_CONNECT,
		"it closed the connection before the tunnel to t.test:81 was open"},
	{&good, &ca, "HTTP/1.1 200", true, ERROR_SOCKET_TIMEOUT,
		"timed out after 2s waiting for the tunnel to t.test:81"},
};

START_TEST(failures)
{
	const struct failure_case *expected = &failure_cases[_i];
	struct secure_proxy own = {.reply = expected->reply, .hangs = expected->hangs};
	char text[256];

	proxy_start(&own, expected->certificate);
	use_proxy(&own, "", expected->trusted ? expected->trusted->cert_file : NULL);
	fixture_dial(&fixture, NULL, 2000, 2000, "ws://t.test:81/");
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text), "proxy 127.0.0.1:%%P: %s", expected->error);
	assert_error(text, &own);
	ck_assert_str_eq(fixture.error.name, expected->name);
	ck_assert_uint_gt(fixture.report.proxy_us, 0);
	ck_assert_ptr_null(fixture.report.tls);
	proxy_stop(&own);
}
END_TEST

START_TEST(no_tls_there)
{
	uint16_t port = 0;
	struct secure_proxy own = {0};
	int listener = listen_on(AF_INET, &port, 5);

	own.port = port;
	use_proxy(&own, "", ca.cert_file);
	fixture_dial(&fixture, NULL, 100, 0, "ws://t.test/");
	ck_assert(!fixture_wait(&fixture));
	assert_error("proxy 127.0.0.1:%P: timed out after 100ms in the TLS handshake with "
		     "127.0.0.1:%P",
		&own);
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	close(listener);
}
END_TEST

START_TEST(a_ca_file_that_is_missing)
{
	struct secure_proxy own = {.reply = ""};

	proxy_start(&own, &good);
	use_proxy(&own, "", "/nonexistent/ca.pem");
	fixture_dial(&fixture, NULL, 2000, 0, "ws://t.test/");
	ck_assert(!fixture_wait(&fixture));
	assert_error("proxy 127.0.0.1:%P: proxy.ca_file: /nonexistent/ca.pem cannot be read: "
		     "No such file or directory",
		&own);
	proxy_stop(&own);
}
END_TEST

/* --- through it ------------------------------------------------------------------------------ */

static size_t read_exactly(struct stream *stream, char *data, size_t size)
{
	struct pollfd ready = {.fd = stream->fd, .events = POLLIN};
	enum stream_status status = STREAM_OK;
	size_t total = 0, length;

	while (total < size && (status == STREAM_OK || status == STREAM_WANT_READ)) {
		if (!stream_pending(stream))
			ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		status = stream_read(stream, data + total, size - total, &length, &fixture.error);
		total += length;
	}
	return total;
}

/* The password is only within TLS, the proxy's name in its handshake; what follows the response is
 * the target's. */
START_TEST(target_speaks_first)
{
	struct secure_proxy own = {.reply = HTTP_OK "hello", .hangs = true};
	char data[5];

	proxy_start(&own, &good);
	use_proxy(&own, "ann:pass@", ca.cert_file);
	proxy.tls.server_name = "good.test";
	fixture_dial(&fixture, NULL, 2000, 0, "ws://t.test:81/");
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_eq(read_exactly(fixture.stream, data, 5), 5);
	ck_assert_mem_eq(data, "hello", 5);
	ck_assert_ptr_null(fixture.report.tls);
	proxy_stop(&own);
	ck_assert_str_eq(own.server_name, "good.test");
	ck_assert_str_eq(own.head,
		"CONNECT t.test:81 HTTP/1.1\r\nHost: t.test:81\r\n"
		"Proxy-Authorization: Basic YW5uOnBhc3M=\r\n\r\n");
}
END_TEST

static const struct tls_settings *trusting(void)
{
	static struct tls_settings settings;

	settings = (struct tls_settings){.verify = true, .ca_file = ca.cert_file};
	return &settings;
}

/* Each of the two certificates is checked for its own name, and by its own authorities. */
START_TEST(both_are_verified)
{
	struct secure_proxy own = {.reply = HTTP_OK};
	struct tls_settings distrusting = *trusting();
	struct tls_server server;
	char text[160];

	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	own.target_port = server.port;
	proxy_start(&own, &good);
	use_proxy(&own, "", ca.cert_file);
	distrusting.ca_file = other_ca.cert_file;
	fixture_dial(&fixture, &distrusting, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	snprintf(text, sizeof(text),
		"certificate of 127.0.0.1:%u not accepted: unable to get local issuer certificate",
		server.port);
	ck_assert_str_eq(fixture.error.text, text);
	proxy_stop(&own);
	tls_server_stop(&server);
}
END_TEST

struct transfer_case {
	size_t size;
	size_t piece;
	bool updates;
	bool secure;
};

static const struct transfer_case transfer_cases[] = {
	{4 << 20, 16384, false, true},
	{4 << 20, 16384, false, false},
	{1 << 20, 1000, false, true},
	{1 << 20, 1000, true, true},
	{64 << 10, 1, false, true},
	{64 << 10, 1, false, false},
};

/* As much as goes, both ways at once: as fast as the socket, and the memory below, allow. */
static void transfer(struct stream *stream, const char *out, char *in, size_t size)
{
	size_t sent = 0, received = 0, length = 0;
	enum stream_status status;

	while (received < size) {
		struct pollfd ready = {.fd = stream->fd, .events = POLLIN};

		if (sent < size) {
			status = stream_write(stream, out + sent, size - sent, &length,
				&fixture.error);
			ck_assert_int_ne(status, STREAM_ERROR);
			sent += length;
			if (status == STREAM_WANT_WRITE)
				ready.events |= POLLOUT;
		}
		if (!stream_pending(stream) && (sent == size || (ready.events & POLLOUT)))
			ck_assert_int_eq(poll(&ready, 1, 10000), 1);
		status = stream_read(stream, in + received, size - received, &length,
			&fixture.error);
		ck_assert_msg(status == STREAM_OK || status == STREAM_WANT_READ, "%s",
			fixture.error.text);
		received += length;
	}
}

static void *plain_echo(void *argument)
{
	int listener = *(int *)argument;
	int fd = accept(listener, NULL, NULL);
	char data[4096];
	ssize_t length;

	while ((length = recv(fd, data, sizeof(data), 0)) > 0)
		send(fd, data, (size_t)length, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

START_TEST(transfers)
{
	enum { SIZE = 4 << 20 };
	const struct transfer_case *expected = &transfer_cases[_i];
	struct secure_proxy own = {
		.reply = HTTP_OK, .piece = expected->piece, .updates = expected->updates};
	static char out[SIZE], in[SIZE];
	struct tls_server server = {0};
	pthread_t echo;
	int listener = -1;

	for (size_t i = 0; i < expected->size; i++)
		out[i] = (char)(i * 31 + i / 251);
	if (expected->secure) {
		tls_server_start(&server, &good, SCRIPT_ECHO);
		tls_server_go(&server);
		own.target_port = server.port;
	} else {
		listener = listen_on(AF_INET, &own.target_port, 5);
		ck_assert_int_eq(pthread_create(&echo, NULL, plain_echo, &listener), 0);
	}
	proxy_start(&own, &good);
	use_proxy(&own, "", ca.cert_file);
	fixture_dial(&fixture, trusting(), 50000, 50000, "%s://127.0.0.1:%u/",
		expected->secure ? "wss" : "ws", own.target_port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_int_eq(fixture.report.tls != NULL, expected->secure);
	transfer(fixture.stream, out, in, expected->size);
	ck_assert_mem_eq(in, out, expected->size);
	proxy_stop(&own);
	if (expected->secure) {
		tls_server_stop(&server);
	} else {
		pthread_join(echo, NULL);
		close(listener);
	}
}
END_TEST

struct end_case {
	enum script script;
	bool truncates; /* the proxy does, without a server */
	enum stream_status status;
	const char *error;
};

static const struct end_case end_cases[] = {
	{SCRIPT_END, false, STREAM_END, NULL},
	{SCRIPT_TRUNCATE, false, STREAM_ERROR,
		"connection closed by peer without the end of TLS: data may be missing"},
	{SCRIPT_TRUNCATE, true, STREAM_ERROR,
		"connection closed by the proxy without the end of TLS: data may be missing"},
};

/* The proxy cannot end what the server has not ended. */
START_TEST(ends)
{
	static char data[RECORDS * RECORD_SIZE];
	const struct end_case *expected = &end_cases[_i];
	struct secure_proxy own = {.reply = HTTP_OK, .truncates = expected->truncates};
	struct pollfd ready = {.events = POLLIN};
	enum stream_status status;
	struct tls_server server;
	size_t length;
	char rest[16];

	tls_server_start(&server, &good, expected->script);
	tls_server_go(&server);
	own.target_port = server.port;
	proxy_start(&own, &good);
	use_proxy(&own, "", ca.cert_file);
	fixture_dial(&fixture, trusting(), 5000, 5000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_eq(read_exactly(fixture.stream, data, sizeof(data)), sizeof(data));
	ready.fd = fixture.stream->fd;
	do {
		if (!stream_pending(fixture.stream))
			ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		status = stream_read(fixture.stream, rest, sizeof(rest), &length, &fixture.error);
	} while (status == STREAM_WANT_READ);
	ck_assert_int_eq(status, expected->status);
	if (expected->error)
		ck_assert_str_eq(fixture.error.text, expected->error);
	proxy_stop(&own);
	tls_server_stop(&server);
}
END_TEST

TCase *test_net_tunnel_tls(void)
{
	TCase *tests = tcase_create("tunnel_tls");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, failures, 0, sizeof(failure_cases) / sizeof(failure_cases[0]));
	tcase_add_test(tests, no_tls_there);
	tcase_add_test(tests, a_ca_file_that_is_missing);
	tcase_add_test(tests, target_speaks_first);
	tcase_add_test(tests, both_are_verified);
	tcase_add_loop_test(tests, transfers, 0,
		sizeof(transfer_cases) / sizeof(transfer_cases[0]));
	tcase_add_loop_test(tests, ends, 0, sizeof(end_cases) / sizeof(end_cases[0]));
	return tests;
}
