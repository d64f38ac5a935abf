#include <fcntl.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/tls_loader.h"
#include "test_net.h"

/* What threads do for TLS: reading files, verifying servers. */

enum {
	LOADS = 1000,
	CHAIN = 22,
	LOOP_MS = 70, /* of CPU in the loop, at most; without the thread it is some 140 */
};

static struct fixture fixture;
static char directory[] = "/tmp/unit_net.XXXXXX";
static struct certificate ca, other_ca;
static struct tls_loader *loader;

struct outcome {
	struct tls_load *load; /* NULL: ended */
	uint64_t store_number; /* 0: failed */
	struct error error;
};

static struct outcome outcomes[LOADS];

static void setup(void)
{
	fixture_start(&fixture, NULL);
	memcpy(strchr(directory, '.'), ".XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	certificate_make(&ca, directory, "ca", NULL, NULL, 10);
	certificate_make(&other_ca, directory, "other_ca", NULL, NULL, 10);
	loader = tls_loader_new(fixture.base);
	memset(outcomes, 0, sizeof(outcomes));
}

static void teardown(void)
{
	if (loader)
		tls_loader_free(loader);
	certificate_free(&ca);
	certificate_free(&other_ca);
	rmdir(directory);
	fixture_stop(&fixture);
}

static void on_loaded(struct tls_material *material, const struct error *error, void *context)
{
	struct outcome *outcome = context;

	outcome->load = NULL;
	if (!material) {
		outcome->error = *error;
		return;
	}
	ck_assert_ptr_nonnull(material->store);
	outcome->store_number = material->store_number;
	tls_material_release(material);
}

static void start(size_t number, const struct tls_settings *settings)
{
	outcomes[number] = (struct outcome){0};
	outcomes[number].load = tls_load_start(loader, settings, on_loaded, &outcomes[number]);
}

static void finish(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		while (outcomes[i].load)
			event_base_loop(fixture.base, EVLOOP_ONCE);
	}
}

START_TEST(a_thousand_ask_and_one_reads)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};
	const struct tls_settings other = {.verify = true, .ca_file = other_ca.cert_file};

	for (size_t i = 0; i < LOADS - 1; i++)
		start(i, &settings);
	start(LOADS - 1, &other);
	ck_assert_ptr_nonnull(outcomes[0].load); /* never from within the start */
	finish(LOADS);
	for (size_t i = 0; i < LOADS - 1; i++)
		ck_assert_uint_eq(outcomes[i].store_number, outcomes[0].store_number);
	ck_assert_uint_ne(outcomes[LOADS - 1].store_number, outcomes[0].store_number);
	ck_assert_uint_ne(outcomes[0].store_number, 0);
}
END_TEST

/* Also one that changes while it is being read: who asks afterwards gets the new one. */
START_TEST(a_changed_file_is_read_again)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	start(0, &settings);
	finish(1);
	start(1, &settings);
	ck_assert_int_eq(utimensat(AT_FDCWD, ca.cert_file, times, 0), 0);
	start(2, &settings);
	finish(3);
	ck_assert_uint_gt(outcomes[2].store_number, outcomes[0].store_number);

	ck_assert_int_eq(unlink(ca.cert_file), 0);
	start(3, &settings);
	finish(4);
	ck_assert_uint_eq(outcomes[3].store_number, 0);
	ck_assert_str_eq(outcomes[3].error.name, ERROR_SOCKET_SSL);
	ck_assert_ptr_nonnull(strstr(outcomes[3].error.text, "tls.ca_file: "));
}
END_TEST

START_TEST(a_cancelled_load_is_not_answered)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};

	for (size_t i = 0; i < 4; i++)
		start(i, &settings);
	tls_load_cancel(outcomes[0].load); /* is being read */
	tls_load_cancel(outcomes[2].load); /* waits for that */
	outcomes[0].load = outcomes[2].load = NULL;
	finish(4);
	ck_assert_uint_eq(outcomes[0].store_number + outcomes[2].store_number, 0);
	ck_assert_uint_ne(outcomes[1].store_number, 0);
	ck_assert_uint_eq(outcomes[1].store_number, outcomes[3].store_number);
}
END_TEST

/* The process may end at any time. */
START_TEST(the_loader_goes_while_a_thread_reads)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};

	start(0, &settings);
	tls_load_cancel(outcomes[0].load);
	tls_loader_free(loader);
	loader = NULL;
}
END_TEST

START_TEST(a_shortage_of_descriptors_passes)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};
	struct descriptors descriptors;

	for (size_t left = 0; left < 2; left++) {
		descriptors_take_all_but(&descriptors, left);
		start(0, &settings);
		finish(1);
		descriptors_release(&descriptors);
		ck_assert_uint_eq(outcomes[0].store_number, 0);
		ck_assert_ptr_nonnull(strstr(outcomes[0].error.text, "Too many open files"));
	}
	start(0, &settings);
	finish(1);
	ck_assert_uint_ne(outcomes[0].store_number, 0);
}
END_TEST

/* --- verifying ------------------------------------------------------------------------------- */

/* Whose signatures take as long to verify as OpenSSL allows: with an exponent as long as the key. */
static EVP_PKEY *slow_key(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *exponent = BN_new();
	EVP_PKEY *key = NULL;

	BN_rand(exponent, 3000, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
	ck_assert_int_eq(EVP_PKEY_keygen_init(context), 1);
	EVP_PKEY_CTX_set_rsa_keygen_bits(context, 3072);
	EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, exponent);
	ck_assert_int_eq(EVP_PKEY_generate(context, &key), 1);
	BN_free(exponent);
	EVP_PKEY_CTX_free(context);
	return key;
}

static void sign_again(X509 *x509, EVP_PKEY *subject, EVP_PKEY *issuer)
{
	X509_set_pubkey(x509, subject);
	ck_assert_int_gt(X509_sign(x509, issuer, EVP_sha256()), 0);
}

/* A server behind that many intermediate authorities. */
static void serve_a_long_chain(struct tls_server *server)
{
	struct certificate links[CHAIN], leaf;
	EVP_PKEY *key = slow_key();
	char name[32];

	for (int i = 0; i < CHAIN; i++) {
		snprintf(name, sizeof(name), "link-%d", i);
		certificate_make(&links[i], directory, name, NULL, i ? &links[i - 1] : &ca, 10);
		sign_again(links[i].x509, key, i ? key : ca.key);
	}
	certificate_make(&leaf, directory, "leaf", "IP:127.0.0.1", &links[CHAIN - 1], 10);
	sign_again(leaf.x509, leaf.key, key);
	tls_server_start(server, &leaf, SCRIPT_ECHO);
	SSL_CTX_use_certificate(server->context, leaf.x509);
	for (int i = 0; i < CHAIN; i++)
		SSL_CTX_add1_chain_cert(server->context, links[i].x509);
	for (int i = 0; i < CHAIN; i++)
		certificate_free(&links[i]);
	certificate_free(&leaf);
	EVP_PKEY_free(key);
	tls_server_go(server);
}

static unsigned loop_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (unsigned)(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

START_TEST(a_long_chain_costs_the_loop_little)
{
	struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};
	struct tls_server server;
	unsigned before;

	serve_a_long_chain(&server);
	before = loop_ms();
	fixture_dial(&fixture, &settings, 5000, 5000, "wss://127.0.0.1:%u/", server.port);
	ck_assert_msg(fixture_wait(&fixture), "%s", fixture.error.text);
	ck_assert_uint_lt(loop_ms() - before, LOOP_MS);
	fixture_close(&fixture);

	settings.ca_file = other_ca.cert_file;
	fixture_dial(&fixture, &settings, 5000, 5000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_ptr_nonnull(strstr(fixture.error.text, "unable to get local issuer"));

	/* and it is given up while the thread is at it */
	settings.ca_file = ca.cert_file;
	fixture_dial(&fixture, &settings, 5000, 60, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_str_eq(fixture.error.name, ERROR_SOCKET_TIMEOUT);
	tls_server_stop(&server);
}
END_TEST

/* Parsing them is left to the loop. */
START_TEST(certificates_have_a_limit)
{
	const struct tls_settings settings = {.verify = true, .ca_file = ca.cert_file};
	struct certificate leaf;
	struct tls_server server;

	certificate_make(&leaf, directory, "leaf", "IP:127.0.0.1", &ca, 10);
	tls_server_start(&server, &leaf, SCRIPT_ECHO);
	for (int sent = 0; sent < 33000; sent += i2d_X509(other_ca.x509, NULL))
		SSL_CTX_add1_chain_cert(server.context, other_ca.x509);
	tls_server_go(&server);
	fixture_dial(&fixture, &settings, 5000, 5000, "wss://127.0.0.1:%u/", server.port);
	ck_assert(!fixture_wait(&fixture));
	ck_assert_msg(strstr(fixture.error.text, "excessive message size"), "%s",
		fixture.error.text);
	tls_server_stop(&server);
	certificate_free(&leaf);
}
END_TEST

TCase *test_net_load(void)
{
	TCase *tests = tcase_create("load");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_thousand_ask_and_one_reads);
	tcase_add_test(tests, a_changed_file_is_read_again);
	tcase_add_test(tests, a_cancelled_load_is_not_answered);
	tcase_add_test(tests, the_loader_goes_while_a_thread_reads);
	tcase_add_test(tests, a_shortage_of_descriptors_passes);
	tcase_add_test(tests, a_long_chain_costs_the_loop_little);
	tcase_add_test(tests, certificates_have_a_limit);
	return tests;
}
