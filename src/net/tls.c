#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls_cache.h"
#include "net/tls_certificate.h"
#include "net/tls_client.h"
#include "net/tls_guard.h"
#include "net/tls_material.h"
#include "net/tls_trust.h"

bool tls_check(const struct tls_settings *settings, struct tls_stores *stores, struct error *error)
{
	struct tls_settings named = tls_named(settings);
	struct tls_material material;

	tls_init();
	if (!tls_material_load(&material, &named, stores, error))
		return false;
	tls_material_release(&material);
	return true;
}

static bool tls_check_pins(const struct tls_settings *settings, struct error *error)
{
	for (size_t i = 0; i < settings->pins.count; i++) {
		if (!tls_check_pin(settings->pins.items[i], error))
			return error_prefix(error, "tls.pins: ");
	}
	return true;
}

/* A resumed handshake checks neither the server's name nor our own certificate again: a session is
 * only for whoever has the same. */
static char *tls_session_key(const SSL *ssl, const char *name, const char *server)
{
	char own[TLS_FINGERPRINT_SIZE];

	tls_certificate_fingerprint(SSL_get_certificate(ssl), own);
	return alloc_format("%s %s %s", server, name, own);
}

/* For SNI and the certificate, where a name has no dot at the end (RFC 6066, section 3). */
static char *tls_name(const struct tls_order *order)
{
	const char *wanted = order->settings->server_name;
	char *name = alloc_string(wanted ? wanted : order->host);
	size_t length = strlen(name);

	if (length > 1 && name[length - 1] == '.')
		name[length - 1] = '\0';
	return name;
}

static bool tls_prepare(SSL *ssl, const struct tls_cache *cache, const struct tls_order *order,
	const char *name, struct error *error)
{
	const struct tls_settings *settings = order->settings;
	const struct tls_handshaking handshaking = {
		.base = cache->base,
		.store = order->material->store,
		.resume = order->resume,
		.context = order->context,
	};
	struct tls_client *client = tls_client_new(ssl, cache->client_index, &handshaking);

	if (!tls_check_pins(settings, error) ||
		!tls_trust_expect(ssl, name, settings->verify, error) ||
		!tls_material_use(order->material, ssl, settings, error) ||
		!tls_client_use_keylog(client, settings->keylog_file, error))
		return false;
	if (settings->resume && !settings->crl_file) /* a resumed handshake checks no revocation */
		tls_client_use_session(client, ssl, tls_session_key(ssl, name, order->server));
	SSL_set_connect_state(ssl);
	return true;
}

SSL *tls_open(struct tls_cache *cache, const struct tls_order *order, struct error *error)
{
	SSL_CTX *context;
	char *name;
	bool ready;
	SSL *ssl;

	ERR_clear_error();
	context = tls_cache_get(cache, order->settings, order->material->store_number, error);
	ssl = context ? SSL_new(context) : NULL;
	if (!ssl) {
		BIO_free(order->bio);
		if (context)
			error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s",
				tls_reason(ERR_peek_error()));
		return NULL;
	}
	SSL_set_bio(ssl, order->bio, order->bio);
	name = tls_name(order);
	ready = tls_prepare(ssl, cache, order, name, error);
	free(name);
	if (ready)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void tls_handshake_failed(SSL *ssl, const char *server, int cause, struct error *error)
{
	const struct tls_handshaking *now = tls_client_of(ssl)->handshaking;
	unsigned long code = ERR_peek_error();
	const char *reason;

	if (now->no_thread) {
		*error = now->error;
		return;
	}
	if (tls_trust_explain(ssl, server, error))
		return;
	if (!code)
		reason = cause ? strerror(cause) : "connection closed by peer";
	else if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		reason = "connection closed by peer";
	else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
		reason = "the response is not TLS: is this a port without TLS?";
	else
		reason = tls_reason(code);
	error_set(error, ERROR_SOCKET_SSL, "TLS handshake with %s failed: %s", server, reason);
}

/* OpenSSL ensures this as well, but nothing matters more. */
static bool tls_is_verified(const SSL *ssl, const char *server, struct error *error)
{
	return SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || SSL_session_reused(ssl) ||
		tls_client_of(ssl)->handshaking->accepted ||
		error_set(error, ERROR_SOCKET_SSL, "certificate of %s not verified", server);
}

static enum tls_status tls_handshake_status(SSL *ssl, int result)
{
	if (result == 1)
		return TLS_DONE;
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_WANT_RETRY_VERIFY:
		return TLS_VERIFYING;
	default:
		return TLS_FAILED;
	}
}

enum tls_status tls_handshake(SSL *ssl, const struct tls_settings *settings, const char *server,
	struct error *error)
{
	struct tls_client *client = tls_client_of(ssl);
	enum tls_status status;
	int cause;

	errno = 0;
	ERR_clear_error();
	tls_guard_begin_call(&client->guard);
	status = tls_handshake_status(ssl, SSL_do_handshake(ssl));
	cause = errno;
	if (!tls_guard_check(&client->guard, error))
		return TLS_FAILED;
	if (status == TLS_FAILED) {
		tls_handshake_failed(ssl, server, cause, error);
		tls_client_forget_session(client, ssl);
	}
	if (status != TLS_DONE)
		return status;
	if (!tls_is_verified(ssl, server, error) ||
		!tls_certificate_pinned(SSL_get0_peer_certificate(ssl), settings, server, error))
		return TLS_FAILED;
	tls_client_end_handshake(client);
	return TLS_DONE;
}

void tls_describe(SSL *ssl, struct tls_report *report)
{
	const unsigned char *protocol;
	unsigned int length;

	*report = (struct tls_report){.resumed = SSL_session_reused(ssl)};
	snprintf(report->version, sizeof(report->version), "%s", SSL_get_version(ssl));
	snprintf(report->cipher, sizeof(report->cipher), "%s", SSL_get_cipher_name(ssl));
	SSL_get0_alpn_selected(ssl, &protocol, &length);
	snprintf(report->alpn, sizeof(report->alpn), "%.*s", (int)length, protocol);
	tls_certificate_describe(SSL_get0_peer_certificate(ssl), report);
}
