#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "net/tls_certificate.h"
#include "test_net.h"

/* What TLS does beyond a handshake: pins, resumption, passphrases, the key log, the report. */

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static struct certificate ca, good, lone, client;
static struct tls_server server;

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&good, directory, "good", "DNS:good.test,IP:127.0.0.1", &ca, 10);
	certificate_make(&lone, directory, "lone", "DNS:lone.test", NULL, 10);
	certificate_make(&client, directory, "client", "DNS:client.test", &ca, 10);
}

static void teardown(void)
{
	certificate_free(&ca);
	certificate_free(&good);
	certificate_free(&lone);
	certificate_free(&client);
	rmdir(directory);
	fixture_stop(&fixture);
}

static bool dial(const struct tls_settings *settings)
{
	fixture_dial(&fixture, settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	return fixture_wait(&fixture);
}

/* An answer has come, and with it the tickets that TLS 1.3 sends after the handshake. */
static void exchange(void)
{
	struct pollfd ready = {.fd = fixture.stream->fd, .events = POLLIN};
	enum stream_status status;
	struct error error;
	size_t length;
	char data[8];

	ck_assert_int_eq(stream_write(fixture.stream, "x", 1, &length, &error), STREAM_OK);
	do {
		ck_assert_int_eq(poll(&ready, 1, 5000), 1);
		status = stream_read(fixture.stream, data, sizeof(data), &length, &error);
	} while (status == STREAM_WANT_READ);
	ck_assert_int_eq(status, STREAM_OK);
}

static void make_pin(const struct certificate *certificate, char pin[64])
{
	unsigned char *der = NULL, hash[32];
	int length = i2d_PUBKEY(certificate->key, &der);

	ck_assert(EVP_Digest(der, (size_t)length, hash, NULL, EVP_sha256(), NULL));
	OPENSSL_free(der);
	memset(pin, 0, 64);
	strcpy(pin, "sha256//");
	text_base64_encode(pin + 8, hash, sizeof(hash));
}

struct pin_case {
	const struct certificate *server;
	bool verify;
	const struct certificate *pinned[2];
	bool accepted;
};

static const struct pin_case pin_cases[] = {
	{&good, true, {&good}, true}, {&good, true, {&ca, &good}, true},
	{&good, true, {&ca}, false}, {&good, false, {&ca}, false}, {&lone, false, {&lone}, true},
	{&lone, true, {&lone}, false}, /* the chain counts too */
};

START_TEST(pins)
{
	const struct pin_case *expected = &pin_cases[_i];
	char pin[2][64], servers[64], text[256];
	char *pinned[] = {pin[0], pin[1]};
	struct tls_settings settings = {
		.verify = expected->verify, .ca_file = ca.cert_file, .pins.items = pinned};

	for (size_t i = 0; i < 2 && expected->pinned[i]; i++)
		make_pin(expected->pinned[i], pin[settings.pins.count++]);
	tls_server_start(&server, expected->server, SCRIPT_ECHO);
	tls_server_go(&server);
	ck_assert_msg(dial(&settings) == expected->accepted, "%s", fixture.error.text);
	make_pin(expected->server, servers);
	snprintf(text, sizeof(text),
		"certificate of 127.0.0.1:%u not accepted: its public key is %s, which is not "
		"pinned",
		server.port, servers);
	if (!expected->accepted) {
		ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_SSL);
		if (expected->server == &good)
			ck_assert_str_eq(fixture.error.text, text);
	}
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

START_TEST(bad_pins)
{
	static const char *const bad[] = {
		"",
		"sha256//",
		"sha1//2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
		"sha256//2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
		"sha256//****************************************====",
		"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;",
	};
	char *pin = (char *)bad[_i];
	struct tls_settings settings = {.pins = {&pin, 1}};
	struct error error;

	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	ck_assert(!tls_check_pin(pin, &error));
	ck_assert_str_eq(error.name, ERROR_WEBSOCKET);
	ck_assert(!dial(&settings));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, error.text));
	tls_server_stop(&server);
	ck_assert(tls_check_pin("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", &error));
}
END_TEST

static void start_resuming(int version)
{
	tls_server_start(&server, &good, SCRIPT_ECHO);
	SSL_CTX_set_max_proto_version(server.context, version);
	SSL_CTX_set_session_id_context(server.context, (const unsigned char *)"t", 1);
	tls_server_go(&server);
}

/* How a call ends does not matter: the second of three breaks off. */
START_TEST(resumption)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file, .resume = true};

	start_resuming(versions[_i]);
	for (int call = 0; call < 3; call++) {
		ck_assert_msg(dial(&settings), "%s", fixture.error.text);
		ck_assert_int_eq(fixture.report.tls->resumed, call > 0);
		ck_assert_str_eq(fixture.report.tls->certificate_subject, "CN=good");
		exchange();
		if (call == 1)
			SSL_set_quiet_shutdown(fixture.stream->ssl, 1);
		fixture_close(&fixture);
	}
	settings.resume = false;
	ck_assert(dial(&settings));
	ck_assert(!fixture.report.tls->resumed);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

/* Nobody goes on with a session that was verified for another name, or with other rights. */
START_TEST(resumption_only_of_the_same)
{
	struct tls_settings first = {.verify = true, .ca_file = ca.cert_file, .resume = true};
	struct tls_settings others[] = {first, first, first, first};
	char pin[64];
	char *pinned[] = {pin};

	make_pin(&lone, pin);
	others[0].server_name = "good.test";
	others[1].cert_file = client.cert_file;
	others[1].key_file = client.key_file;
	others[2].verify = false;
	others[3].server_name = "other.test"; /* and is refused */
	start_resuming(TLS1_3_VERSION);
	ck_assert(dial(&first));
	exchange();
	for (size_t i = 0; i < 3; i++) {
		ck_assert_msg(dial(&others[i]), "%s", fixture.error.text);
		ck_assert(!fixture.report.tls->resumed);
		exchange();
	}
	ck_assert(!dial(&others[3]));
	ck_assert(dial(&first));
	ck_assert(fixture.report.tls->resumed);
	exchange();

	first.pins = (struct string_list){pinned, 1};
	ck_assert(!dial(&first)); /* a resumed handshake does not slip past the pins */
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "not pinned"));
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

/* The context with its sessions may leave the cache before a ticket comes. */
START_TEST(session_outlives_its_context)
{
	char name[32] = "first";
	struct tls_settings settings = {.verify = false, .ca_file = name, .resume = true};
	struct tls_server closing;
	struct stream *first;

	start_resuming(TLS1_3_VERSION);
	ck_assert(dial(&settings));
	first = fixture.stream;
	fixture.stream = NULL;
	tls_server_start(&closing, &good, SCRIPT_CLOSE_AT_ONCE);
	tls_server_go(&closing);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fixture_dial(&fixture, &settings, 2000, 2000, "wss://127.0.0.1:%u/", closing.port);
		ck_assert(!fixture_wait(&fixture));
	}
	tls_server_stop(&closing);
	fixture.stream = first;
	exchange();
	snprintf(name, sizeof(name), "first");
	ck_assert(dial(&settings));
	ck_assert(!fixture.report.tls->resumed);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

struct passphrase_case {
	const char *passphrase;
	const char *error; /* NULL: accepted */
};

static const struct passphrase_case passphrase_cases[] = {
	{"secret", NULL},
	{"wrong", "the passphrase is wrong"},
	{"", "the passphrase is wrong"},
	/* OpenSSL would ask on the terminal, and the daemon would stand still */
	{NULL, "it is encrypted, and there is no passphrase"},
};

START_TEST(passphrase)
{
	const struct passphrase_case *expected = &passphrase_cases[_i];
	struct tls_settings settings = {
		.cert_file = client.cert_file,
		.key_file = client.key_file,
		.key_passphrase = expected->passphrase,
	};
	FILE *file = fopen(client.key_file, "w");
	char text[256];

	PEM_write_PrivateKey(file, client.key, EVP_aes_128_cbc(), (unsigned char *)"secret", 6,
		NULL, NULL);
	fclose(file);
	tls_server_start(&server, &good, SCRIPT_ECHO);
	SSL_CTX_load_verify_file(server.context, ca.cert_file);
	SSL_CTX_set_verify(server.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls_server_go(&server);
	ck_assert_msg(dial(&settings) == !expected->error, "%s", fixture.error.text);
	if (expected->error) {
		snprintf(text, sizeof(text), "cannot use the private key '%s': %s", client.key_file,
			expected->error);
		ck_assert_str_eq(fixture.error.text, text);
	} else {
		exchange();
	}
	fixture_close(&fixture);
	tls_server_stop(&server);
	ck_assert_str_eq(server.client_name, expected->error ? "" : "client");
}
END_TEST

static unsigned count_lines(const char *path, const char *begin)
{
	FILE *file = fopen(path, "r");
	unsigned count = 0;
	char line[512];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		count += strncmp(line, begin, strlen(begin)) == 0;
	fclose(file);
	return count;
}

START_TEST(keylog)
{
	char path[128];
	struct tls_settings settings = {.verify = false, .keylog_file = path};
	struct tls_settings without = {.verify = false};
	struct stat status;

	snprintf(path, sizeof(path), "%s/keys", directory);
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_go(&server);
	ck_assert(dial(&settings));
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
	ck_assert_uint_eq(count_lines(path, "CLIENT_TRAFFIC_SECRET_0 "), 1);
	ck_assert_uint_eq(count_lines(path, "SERVER_TRAFFIC_SECRET_0 "), 1);
	ck_assert(dial(&settings)); /* appended */
	ck_assert_uint_eq(count_lines(path, "CLIENT_TRAFFIC_SECRET_0 "), 2);
	ck_assert(dial(&without));
	ck_assert_uint_eq(count_lines(path, "CLIENT_TRAFFIC_SECRET_0 "), 2);
	unlink(path);

	snprintf(path, sizeof(path), "%s/none/keys", directory);
	ck_assert(!dial(&settings));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "cannot write the key log '"));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "/none/keys': No such file or directory"));
	tls_server_stop(&server);
}
END_TEST

static int choose_http(SSL *ssl, const unsigned char **chosen, unsigned char *length,
	const unsigned char *offered, unsigned int offered_length, void *context)
{
	(void)ssl, (void)context;
	ck_assert_uint_eq(offered_length, 9);
	*chosen = offered + 1;
	*length = offered[0];
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(report)
{
	struct tls_settings settings = {.verify = false};
	const struct tls_report *tls;
	uint64_t expiry = clock_realtime() + 10 * 86400 * CLOCK_NS_PER_SECOND;

	tls_server_start(&server, &lone, SCRIPT_ECHO);
	SSL_CTX_set_alpn_select_cb(server.context, choose_http, NULL);
	tls_server_go(&server);
	ck_assert(dial(&settings));
	tls = fixture.report.tls;
	ck_assert_str_eq(tls->version, "TLSv1.3");
	ck_assert_str_eq(tls->cipher, "TLS_AES_256_GCM_SHA384");
	ck_assert_str_eq(tls->alpn, "http/1.1");
	ck_assert_str_eq(tls->certificate_subject, "CN=lone");
	ck_assert(!tls->resumed);
	ck_assert_uint_le(tls->certificate_expiry, expiry);
	ck_assert_uint_ge(tls->certificate_expiry, expiry - 60 * CLOCK_NS_PER_SECOND);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

TCase *test_net_session(void)
{
	TCase *tests = tcase_create("session");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, pins, 0, sizeof(pin_cases) / sizeof(pin_cases[0]));
	tcase_add_loop_test(tests, bad_pins, 0, 7);
	tcase_add_loop_test(tests, resumption, 0, 2);
	tcase_add_test(tests, resumption_only_of_the_same);
	tcase_add_test(tests, session_outlives_its_context);
	tcase_add_loop_test(tests, passphrase, 0,
		sizeof(passphrase_cases) / sizeof(passphrase_cases[0]));
	tcase_add_test(tests, keylog);
	tcase_add_test(tests, report);
	return tests;
}
