#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_net.h"

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static struct certificate ca, other_ca, good, lone, expired, client;

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&other_ca, directory, "other_ca", NULL, NULL, 10);
	certificate_make(&good, directory, "good", "DNS:good.test,DNS:*.wild.test,IP:127.0.0.1",
		&ca, 10);
	certificate_make(&expired, directory, "expired", "IP:127.0.0.1", &ca, -1);
	certificate_make(&lone, directory, "lone", "DNS:good.test", NULL, 10);
	certificate_make(&client, directory, "client", "DNS:client.test", &ca, 10);
}

static void teardown(void)
{
	certificate_free(&ca);
	certificate_free(&other_ca);
	certificate_free(&good);
	certificate_free(&lone);
	certificate_free(&expired);
	certificate_free(&client);
	rmdir(directory);
	fixture_stop(&fixture);
}

/*
 * "%P" is the port, "%D" the directory, in what is expected; "%A" what this OpenSSL calls the alert
 * handshake_failure, which versions do not agree on.
 */
static void assert_error(const char *expected, uint16_t port)
{
	char text[512] = "";

	for (const char *c = expected; *c; c++) {
		size_t used = strlen(text);

		if (c[0] == '%' && c[1] == 'P')
			snprintf(text + used, sizeof(text) - used, "%u", port), c++;
		else if (c[0] == '%' && c[1] == 'D')
			snprintf(text + used, sizeof(text) - used, "%s", directory), c++;
		else if (c[0] == '%' && c[1] == 'A')
			snprintf(text + used, sizeof(text) - used, "%s",
				ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0,
					SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE))),
				c++;
		else
			text[used] = *c;
	}
	ck_assert_str_eq(fixture.error.text, text);
}

struct handshake_case {
	const struct certificate *server;
	bool verify;
	const struct certificate *trusted;
	const char *server_name;
	const char *error; /* NULL: accepted */
};

static const struct handshake_case handshake_cases[] = {
	{&good, true, &ca, NULL, NULL},
	{&good, true, &ca, "good.test", NULL},
	{&good, true, &ca, "a.wild.test", NULL},
	{&good, true, &ca, "other.test",
		"certificate of 127.0.0.1:%P not accepted: hostname mismatch: it is not for "
		"'other.test'"},
	{&good, true, &ca, ".wild.test", "'.wild.test' cannot be a TLS server name"},
	{&good, true, &ca, ".test", "'.test' cannot be a TLS server name"},
	{&good, true, &ca, "127.0.0.2",
		"certificate of 127.0.0.1:%P not accepted: IP address mismatch"},
	{&good, true, &other_ca, NULL,
		"certificate of 127.0.0.1:%P not accepted: unable to get local issuer certificate"},
	{&good, true, NULL, NULL,
		"certificate of 127.0.0.1:%P not accepted: unable to get local issuer certificate"},
	{&expired, true, &ca, NULL,
		"certificate of 127.0.0.1:%P not accepted: certificate has expired"},
	{&lone, true, &ca, "good.test",
		"certificate of 127.0.0.1:%P not accepted: self-signed certificate"},
	{&lone, false, NULL, NULL, NULL},
	{&expired, false, NULL, "other.test", NULL},
};

START_TEST(certificates)
{
	const struct handshake_case *expected = &handshake_cases[_i];
	struct tls_settings settings = {
		.verify = expected->verify,
		.ca_file = expected->trusted ? expected->trusted->cert_file : NULL,
		.server_name = expected->server_name,
	};
	struct tls_server server;

	tls_server_start(&server, expected->server, SCRIPT_ECHO);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	if (expected->error) {
		ck_assert(!fixture_wait(&fixture));
		assert_error(expected->error, server.port);
		ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_SSL);
	} else {
		ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
		ck_assert_str_eq(fixture.report.tls->version, "TLSv1.3");
		ck_assert_str_eq(fixture.report.tls->cipher, "TLS_AES_256_GCM_SHA384");
		ck_assert_uint_gt(fixture.report.tls_us, 0);
	}
	fixture_close(&fixture);
	tls_server_stop(&server);
	if (!expected->error) /* and never an address as the name: RFC 6066 */
		ck_assert_str_eq(server.server_name,
			expected->server_name ? expected->server_name : "");
}
END_TEST

struct failure_case {
	enum script script;
	struct tls_settings settings;
	const char *name;
	const char *error;
};

static const struct failure_case failure_cases[] = {
	{SCRIPT_NOT_TLS, {0}, ERROR_SOCKET_SSL,
		"TLS handshake with 127.0.0.1:%P failed: the response is not TLS: is this a port "
		"without TLS?"},
	{SCRIPT_CLOSE_AT_ONCE, {0}, ERROR_SOCKET_SSL,
		"TLS handshake with 127.0.0.1:%P failed: connection closed by peer"},
	{SCRIPT_ECHO, {.min_version = TLS_VERSION_1_3}, ERROR_SOCKET_SSL,
		"TLS handshake with 127.0.0.1:%P failed: tlsv1 alert protocol version"},
	{SCRIPT_ECHO, {.ciphers = "NONSENSE"}, ERROR_WEBSOCKET,
		"TLS cipher list 'NONSENSE' cannot be used: no cipher match"},
	{SCRIPT_ECHO, {.verify = true, .ca_file = "/nonexistent/ca"}, ERROR_SOCKET_SSL,
		"tls.ca_file: /nonexistent/ca cannot be read: No such file or directory"},
	{SCRIPT_ECHO, {.cert_file = "/nonexistent/crt"}, ERROR_SOCKET_SSL,
		"tls.cert_file: /nonexistent/crt cannot be read: No such file or directory"},
	{SCRIPT_ECHO, {0}, ERROR_SOCKET_SSL, /* the server wants a client certificate */
		"TLS handshake with 127.0.0.1:%P failed: %A"},
};

/* With a server that speaks only TLS 1.2 and asks for a client certificate. */
START_TEST(failures)
{
	const struct failure_case *expected = &failure_cases[_i];
	struct tls_server server;

	tls_server_start(&server, &good, expected->script);
	SSL_CTX_set_max_proto_version(server.context, TLS1_2_VERSION);
	SSL_CTX_load_verify_file(server.context, ca.cert_file);
	SSL_CTX_set_verify(server.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls_server_go(&server);
	fixture_dial(&fixture, &expected->settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	assert_error(expected->error, server.port);
	ck_assert_str_eq(fixture.error.name, expected->name);
	tls_server_stop(&server);
}
END_TEST

START_TEST(client_certificate)
{
	struct tls_settings settings = {
		.verify = true,
		.ca_file = ca.cert_file,
		.cert_file = client.cert_file,
		.key_file = client.key_file,
	};
	struct tls_server server;

	tls_server_start(&server, &good, SCRIPT_ECHO);
	SSL_CTX_load_verify_file(server.context, ca.cert_file);
	SSL_CTX_set_verify(server.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	fixture_close(&fixture);

	settings.key_file = good.key_file;
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "good.key': key values mismatch"));
	tls_server_stop(&server);
	ck_assert_str_eq(server.client_name, "client");
}
END_TEST

/* With TLS 1.2 (0) and 1.3 (1). */
START_TEST(no_prime_that_the_server_chooses)
{
	struct tls_settings settings = {.verify = false};
	struct tls_server server;

	tls_server_start(&server, &good, SCRIPT_ECHO);
	if (_i == 0)
		SSL_CTX_set_max_proto_version(server.context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(server.context, "kDHE");
	SSL_CTX_set_dh_auto(server.context, 1);
	SSL_CTX_set1_groups_list(server.context, "ffdhe2048:ffdhe8192");
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "alert handshake failure"));
	tls_server_stop(&server);
}
END_TEST

static SSL_CTX *dial_context(const struct tls_server *server, const struct tls_settings *settings)
{
	SSL_CTX *context;

	fixture_dial(&fixture, settings, 2000, 2000, "wss://127.0.0.1:%u/", server->port);
	if (!fixture_wait(&fixture))
		return NULL;
	context = SSL_get_SSL_CTX(fixture.stream->ssl);
	SSL_CTX_up_ref(context); /* so that its address is not used again */
	fixture_close(&fixture);
	return context;
}

START_TEST(contexts_are_shared_until_the_ca_changes)
{
	char file[128];
	struct tls_settings settings = {.verify = true, .ca_file = file};
	struct tls_settings same = {
		.verify = true, .ca_file = ca.cert_file, .server_name = "good.test"};
	struct tls_server server;
	SSL_CTX *first, *second, *third;

	snprintf(file, sizeof(file), "%s", ca.cert_file);
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	first = dial_context(&server, &settings);
	second = dial_context(&server, &same);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_eq(first, second);

	ck_assert_int_eq(rename(other_ca.cert_file, ca.cert_file), 0);
	ck_assert_ptr_null(dial_context(&server, &settings));
	settings.verify = false;
	third = dial_context(&server, &settings);
	ck_assert_ptr_nonnull(third);
	ck_assert_ptr_ne(first, third);
	tls_server_stop(&server);
	SSL_CTX_free(first);
	SSL_CTX_free(second);
	SSL_CTX_free(third);
}
END_TEST

/* More sets of settings than the cache holds. */
START_TEST(contexts_are_bounded)
{
	char name[32];
	struct tls_settings settings = {.verify = false, .ca_file = name};
	struct tls_server server;
	SSL_CTX *first, *context;

	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	snprintf(name, sizeof(name), "0");
	first = dial_context(&server, &settings);
	for (int i = 1; i < 20; i++) {
		snprintf(name, sizeof(name), "%d", i);
		SSL_CTX_free(dial_context(&server, &settings));
	}
	snprintf(name, sizeof(name), "0");
	context = dial_context(&server, &settings);
	ck_assert_ptr_ne(context, first);
	SSL_CTX_free(first);
	SSL_CTX_free(context);
	tls_server_stop(&server);
}
END_TEST

static void wait_readable(struct stream *stream)
{
	struct pollfd ready = {.fd = stream->fd, .events = POLLIN};

	ck_assert_int_eq(poll(&ready, 1, 5000), 1);
}

/* Reads to the end, as an event loop does: after an event while there is something pending. */
static enum stream_status read_all(struct stream *stream, size_t piece, char *data, size_t *total,
	struct error *error)
{
	enum stream_status status;
	size_t length;

	*total = 0;
	do {
		wait_readable(stream);
		do {
			status = stream_read(stream, data + *total, piece, &length, error);
			ck_assert(status == STREAM_OK || length == 0);
			*total += length;
		} while (status == STREAM_OK && stream_pending(stream));
	} while (status == STREAM_OK || status == STREAM_WANT_READ);
	return status;
}

struct stream_case {
	enum script script;
	size_t piece;
	enum tls_version version;
};

static const struct stream_case stream_cases[] = {
	{SCRIPT_END, 65536, TLS_VERSION_1_3},
	{SCRIPT_END, 100, TLS_VERSION_1_3},
	{SCRIPT_END, 1, TLS_VERSION_1_2},
	{SCRIPT_TRUNCATE, 65536, TLS_VERSION_1_3},
	{SCRIPT_TRUNCATE, 999, TLS_VERSION_1_2},
};

START_TEST(tls_stream)
{
	const struct stream_case *expected = &stream_cases[_i];
	struct tls_settings settings = {.verify = false, .min_version = expected->version};
	static char data[2 * RECORDS * RECORD_SIZE + 65536];
	struct tls_server server;
	enum stream_status status;
	size_t total;

	tls_server_start(&server, &good, expected->script);
	if (expected->version == TLS_VERSION_1_2)
		SSL_CTX_set_max_proto_version(server.context, TLS1_2_VERSION);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	status = read_all(fixture.stream, expected->piece, data, &total, &fixture.error);
	ck_assert_uint_eq(total, RECORDS * RECORD_SIZE);
	for (size_t i = 0; i < total; i++)
		ck_assert_int_eq(data[i], 'a' + (int)(i / RECORD_SIZE % 26));
	ck_assert_int_eq(status, expected->script == SCRIPT_END ? STREAM_END : STREAM_ERROR);
	if (status == STREAM_ERROR) {
		ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_CLOSED);
		ck_assert_str_eq(fixture.error.text,
			"connection closed by peer without the end of TLS: data may be missing");
	}
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

/* One read takes many records, without waiting in between. */
START_TEST(one_read_takes_several_records)
{
	struct tls_settings settings = {.verify = false};
	static char data[65536];
	struct tls_server server;
	size_t length;

	tls_server_start(&server, &good, SCRIPT_END);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(fixture_wait(&fixture));
	while (recv(fixture.stream->fd, data, sizeof(data), MSG_PEEK) < 10 * RECORD_SIZE)
		usleep(1000);
	ck_assert_int_eq(stream_read(fixture.stream, data, sizeof(data), &length, &fixture.error),
		STREAM_OK);
	ck_assert_uint_ge(length, 9 * RECORD_SIZE);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

START_TEST(echo)
{
	enum { SIZE = 1 << 20 };
	struct tls_settings settings = {.verify = false};
	static char out[SIZE], in[SIZE];
	struct tls_server server;
	size_t sent = 0, received = 0, length;
	enum stream_status status;
	struct pollfd ready;

	for (size_t i = 0; i < SIZE; i++)
		out[i] = (char)(i * 31 + i / 251);
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(fixture_wait(&fixture));
	while (received < SIZE) {
		ready = (struct pollfd){.fd = fixture.stream->fd, .events = POLLIN};
		if (sent < SIZE) {
			status = stream_write(fixture.stream, out + sent, SIZE - sent, &length,
				&fixture.error);
			ck_assert_int_ne(status, STREAM_ERROR);
			sent += length;
			if (status == STREAM_WANT_WRITE)
				ready.events |= POLLOUT;
		}
		if (!stream_pending(fixture.stream) && (sent == SIZE || (ready.events & POLLOUT)))
			ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		status = stream_read(fixture.stream, in + received, SIZE - received, &length,
			&fixture.error);
		ck_assert_int_ne(status, STREAM_ERROR);
		received += length;
	}
	ck_assert_mem_eq(in, out, SIZE);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

TCase *test_net_tls(void)
{
	TCase *tests = tcase_create("tls");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, certificates, 0,
		sizeof(handshake_cases) / sizeof(handshake_cases[0]));
	tcase_add_loop_test(tests, failures, 0, sizeof(failure_cases) / sizeof(failure_cases[0]));
	tcase_add_test(tests, client_certificate);
	tcase_add_loop_test(tests, no_prime_that_the_server_chooses, 0, 2);
	tcase_add_test(tests, contexts_are_shared_until_the_ca_changes);
	tcase_add_test(tests, contexts_are_bounded);
	tcase_add_loop_test(tests, tls_stream, 0, sizeof(stream_cases) / sizeof(stream_cases[0]));
	tcase_add_test(tests, one_read_takes_several_records);
	tcase_add_test(tests, echo);
	return tests;
}
