#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_net.h"

/* Whom a TLS client trusts: names, revocation lists, and files that cannot be read just now. */

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static char crl_file[64], ca_link[64];
static struct certificate ca, other_ca, good, nameless;
static struct tls_server server;

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&other_ca, directory, "other_ca", NULL, NULL, 10);
	certificate_make(&good, directory, "good", "DNS:good.test,IP:127.0.0.1", &ca, 10);
	certificate_make(&nameless, directory, "good.test", "", &ca, 10);
	snprintf(crl_file, sizeof(crl_file), "%s/crl.pem", directory);
	snprintf(ca_link, sizeof(ca_link), "%s/%08lx.0", directory,
		X509_NAME_hash_ex(X509_get_subject_name(ca.x509), NULL, NULL, NULL));
	ck_assert_int_eq(symlink("ca.crt", ca_link), 0);
}

static void teardown(void)
{
	certificate_free(&ca);
	certificate_free(&other_ca);
	certificate_free(&good);
	certificate_free(&nameless);
	unlink(crl_file);
	unlink(ca_link);
	rmdir(directory);
	fixture_stop(&fixture);
}

static void assert_accepted(const struct tls_settings *settings)
{
	fixture_dial(&fixture, settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
}

static void assert_refused(const struct tls_settings *settings, const char *words)
{
	fixture_dial(&fixture, settings, 2000, 2000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_SSL);
	ck_assert_msg(strstr(fixture.error.text, words), "%s", fixture.error.text);
}

static void serve(const struct certificate *certificate)
{
	tls_server_start(&server, certificate, SCRIPT_ECHO);
	tls_server_go(&server);
}

/* RFC 9525: also if it is the right one. */
START_TEST(a_common_name_does_not_count)
{
	struct tls_settings settings = {
		.verify = true, .ca_file = ca.cert_file, .server_name = "good.test"};

	serve(&nameless);
	assert_refused(&settings, "it has no DNS name (subjectAltName)");
	settings.verify = false;
	assert_accepted(&settings);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

START_TEST(revocation_lists)
{
	struct tls_settings settings = {
		.verify = true, .ca_file = ca.cert_file, .crl_file = crl_file, .resume = true};
	SSL_CTX *context;

	serve(&good);
	assert_refused(&settings, "crl.pem cannot be read: No such file or directory");
	certificate_revoke(crl_file, &other_ca, NULL, 0);
	assert_refused(&settings, "unable to get certificate CRL (crl_file)");

	certificate_revoke(crl_file, &ca, &nameless, 0); /* both lists are used */
	assert_accepted(&settings);
	context = SSL_get_SSL_CTX(fixture.stream->ssl);
	assert_accepted(&settings);
	ck_assert_ptr_eq(SSL_get_SSL_CTX(fixture.stream->ssl), context);

	unlink(crl_file);
	certificate_revoke(crl_file, &ca, &good, 0);
	assert_refused(&settings, "certificate revoked (crl_file)");
	unlink(crl_file);
	certificate_revoke(crl_file, &ca, NULL, -3);
	assert_refused(&settings, "CRL has expired (crl_file)");
	settings.crl_file = ca.cert_file;
	assert_refused(&settings, "cannot use the revocation lists of 'crl_file'");
	settings.crl_file = NULL;
	assert_accepted(&settings);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

/* A certificate that is trusted needs none above it: neither the server's own, nor what issued it. */
START_TEST(partial_chains)
{
	struct certificate middle, leaf, old, forged;
	struct tls_settings settings = {.verify = true};

	certificate_make(&middle, directory, "middle", NULL, &ca, 10);
	certificate_make(&leaf, directory, "leaf", "DNS:good.test,IP:127.0.0.1", &middle, 10);
	certificate_make(&old, directory, "old", "IP:127.0.0.1", &middle, -1);
	certificate_make(&forged, directory, "forged", "IP:127.0.0.1", &leaf, 10);

	serve(&leaf);
	settings.ca_file = ca.cert_file;
	assert_refused(&settings, "unable to get local issuer certificate");
	settings.ca_file = middle.cert_file;
	assert_accepted(&settings);
	settings.ca_file = leaf.cert_file;
	assert_accepted(&settings);
	settings.server_name = "other.test";
	assert_refused(&settings, "it is not for 'other.test'");
	settings.server_name = NULL;

	/* the issuer of the list must be known */
	certificate_revoke(crl_file, &middle, NULL, 0);
	settings.crl_file = crl_file;
	assert_refused(&settings, "(crl_file)");
	settings.ca_file = middle.cert_file;
	assert_accepted(&settings);
	unlink(crl_file);
	certificate_revoke(crl_file, &middle, &leaf, 0);
	assert_refused(&settings, "certificate revoked (crl_file)");
	settings.crl_file = NULL;
	fixture_close(&fixture);
	tls_server_stop(&server);

	serve(&old);
	assert_refused(&settings, "certificate has expired");
	settings.ca_file = old.cert_file;
	assert_refused(&settings, "certificate has expired");
	fixture_close(&fixture);
	tls_server_stop(&server);

	/* a server's certificate is not one of a CA */
	serve(&forged);
	settings.ca_file = leaf.cert_file;
	assert_refused(&settings, "invalid CA certificate");
	fixture_close(&fixture);
	tls_server_stop(&server);

	certificate_free(&middle);
	certificate_free(&leaf);
	certificate_free(&old);
	certificate_free(&forged);
}
END_TEST

struct shortage_case {
	bool folder; /* CA certificates from the folder, else from the file */
	bool system; /* as the system's, else from the settings */
};

static const struct shortage_case shortage_cases[] = {
	{false, false}, {true, false}, {false, true}, {true, true}};

/* Without a descriptor at the first call, and later for the search in the folder. */
START_TEST(a_shortage_is_not_remembered)
{
	const struct shortage_case *way = &shortage_cases[_i];
	struct tls_settings settings = {.verify = true};
	struct descriptors descriptors;

	setenv("SSL_CERT_FILE", way->folder ? "/nonexistent/file" : ca.cert_file, 1);
	setenv("SSL_CERT_DIR", way->folder ? directory : "/nonexistent/folder", 1);
	if (!way->system && way->folder)
		settings.ca_path = directory;
	else if (!way->system)
		settings.ca_file = ca.cert_file;
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_fork(&server);

	descriptors_take_all_but(&descriptors, 2); /* for the connection, and a thread */
	assert_refused(&settings, "Too many open files");
	ck_assert_msg(strstr(fixture.error.text,
			      way->system || way->folder ? "cannot use the CA" : "tls.ca_file"),
		"%s", fixture.error.text);
	descriptors_release(&descriptors);
	assert_accepted(&settings);
	fixture_close(&fixture);

	fixture_close(&fixture);
	tls_server_kill(&server);
}
END_TEST

/* Nor is what could not be looked up in the folder during a handshake. */
START_TEST(a_shortage_in_a_handshake_is_not_remembered)
{
	struct tls_settings settings = {.verify = true, .ca_path = directory};
	struct descriptors descriptors;
	struct tls_server other = {0};

	tls_server_start(&other, &good, SCRIPT_NOT_TLS);
	tls_server_fork(&other);
	fixture_dial(&fixture, &settings, 10000, 10000, "wss://127.0.0.1:%u/", other.port);
	ck_assert(!fixture_wait(&fixture)); /* but now there is a context */
	tls_server_kill(&other);
	tls_server_start(&server, &good, SCRIPT_ECHO);
	tls_server_fork(&server);
	descriptors_take_all_but(&descriptors, 2);
	/* Up to version 3.4 OpenSSL also says why it has not found the issuer. */
	assert_refused(&settings, "unable to get local issuer certificate");
	descriptors_release(&descriptors);
	assert_accepted(&settings);
	fixture_close(&fixture);
	tls_server_kill(&server);
}
END_TEST

/* What OpenSSL would open during a handshake; the folder may change at any time. */
START_TEST(a_fifo_in_the_folder_is_not_waited_for)
{
	struct tls_settings settings = {.verify = true, .ca_path = directory};

	serve(&good);
	assert_accepted(&settings);
	ck_assert_int_eq(unlink(ca_link), 0);
	ck_assert_int_eq(mkfifo(ca_link, 0600), 0);
	assert_refused(&settings, ".0 is not a regular file");
	ck_assert_int_eq(unlink(ca_link), 0);
	ck_assert_int_eq(symlink("ca.crt", ca_link), 0);
	assert_accepted(&settings);
	fixture_close(&fixture);
	tls_server_stop(&server);
}
END_TEST

START_TEST(a_system_without_certificates)
{
	struct tls_settings settings = {.verify = true};

	setenv("SSL_CERT_FILE", "/nonexistent/file", 1);
	setenv("SSL_CERT_DIR", "/nonexistent/folder", 1);
	serve(&good);
	assert_refused(&settings,
		"this system has no CA certificates: there is neither "
		"'/nonexistent/file' nor '/nonexistent/folder'");
	settings.ca_path = "/nonexistent/path";
	assert_refused(&settings,
		"cannot use the CA directory '/nonexistent/path': No such file or directory");
	tls_server_stop(&server);
}
END_TEST

TCase *test_net_trust(void)
{
	TCase *tests = tcase_create("trust");

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_common_name_does_not_count);
	tcase_add_test(tests, revocation_lists);
	tcase_add_test(tests, partial_chains);
	tcase_add_loop_test(tests, a_shortage_is_not_remembered, 0,
		sizeof(shortage_cases) / sizeof(shortage_cases[0]));
	tcase_add_test(tests, a_shortage_in_a_handshake_is_not_remembered);
	tcase_add_test(tests, a_fifo_in_the_folder_is_not_waited_for);
	tcase_add_test(tests, a_system_without_certificates);
	return tests;
}
