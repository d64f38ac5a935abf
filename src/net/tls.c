#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/tls_certificate.h"
#include "net/tls_guard.h"
#include "net/tls_material.h"
#include "net/tls_sessions.h"
#include "net/tls_trust.h"
#include "net/tls_verify.h"

enum {
	TLS_CONTEXTS_MAX = 16,
	TLS_READ_BUFFER = 32768, /* bytes: two full records for one read(2) */

	/* Bytes of certificates that a server may send. To parse them costs the loop up to 100 ms for
	 * OpenSSL's 100 KB: hundreds of small ones, with keys that are compressed points. */
	TLS_CERTIFICATES_MAX = 32768,
};

struct tls_context {
	struct tls_context *next;
	SSL_CTX *ssl; /* its app data is this, while this lives */
	struct tls_sessions sessions;

	/* what it was made from */
	struct tls_trust trust; /* the names of the files */
	uint64_t store_number; /* of what was read from them */
	bool verify;
	enum tls_version min_version;
	char *ciphers;
	bool keylog;
};

struct tls_cache {
	struct event_base *base;
	struct tls_context *newest; /* the last used first */
	int client_index;           /* where an SSL has its struct tls_client */
};

/* What belongs to one SSL beyond the handshake: a session ticket may come at any time. */
struct tls_client {
	struct tls_guard guard; /* the first: see tls_client_of() */
	char *session_key; /* NULL: no resumption */
	char *keylog_file;
	struct tls_handshaking *handshaking; /* NULL: it is over */
};

/* What only a handshake needs. */
struct tls_handshaking {
	X509_STORE *store; /* whom to trust; NULL: anybody */
	struct tls_verify *verify; /* NULL: the server's certificates are still to come */
	bool accepted;
	bool no_thread; /* for it: then */
	struct error error;
	void (*resume)(void *context);
	void *context;
};

const char *tls_reason(unsigned long code)
{
	const char *reason;

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	reason = ERR_reason_error_string(code);
	return reason ? reason : "unknown error";
}

static bool tls_same(const char *left, const char *right)
{
	return left && right ? strcmp(left, right) == 0 : left == right;
}

static char *tls_copy(const char *text)
{
	return text ? alloc_string(text) : NULL;
}

static bool tls_context_matches(const struct tls_context *context,
	const struct tls_settings *settings)
{
	return context->verify == settings->verify &&
		tls_trust_matches(&context->trust, settings) &&
		context->min_version == settings->min_version &&
		tls_same(context->ciphers, settings->ciphers) &&
		context->keylog == (settings->keylog_file != NULL);
}

static void tls_context_free(struct tls_context *context)
{
	if (context->ssl)
		SSL_CTX_set_app_data(context->ssl, NULL); /* connections may still use it */
	SSL_CTX_free(context->ssl);
	tls_sessions_release(&context->sessions);
	tls_trust_release(&context->trust);
	free(context->ciphers);
	free(context);
}

/* NULL: it has left the cache. */
static struct tls_context *tls_context_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static struct tls_client *tls_client_of(const SSL *ssl)
{
	return (struct tls_client *)tls_guard_of(ssl); /* which is its first member */
}

static int tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_client *client = tls_client_of(ssl);
	struct tls_context *context = tls_context_of(ssl);

	if (context && client->session_key && SSL_SESSION_is_resumable(session))
		tls_sessions_store(&context->sessions, client->session_key, session);
	return 0; /* the session itself stays OpenSSL's */
}

static int tls_open_keylog(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		S_IRUSR | S_IWUSR);
}

/* Opens the file for each line: it is for debugging, and may be removed at any time. */
static void tls_on_secret(const SSL *ssl, const char *line)
{
	const struct tls_client *client = tls_client_of(ssl);
	int fd = client->keylog_file ? tls_open_keylog(client->keylog_file) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", line);
	close(fd);
}

/* OpenSSL asks what to make of the server's certificates; again, when the thread is done. */
static int tls_on_certificates(X509_STORE_CTX *of, void *context)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(of, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_cache *cache = context;
	struct tls_handshaking *now = tls_client_of(ssl)->handshaking;

	X509_STORE_CTX_set_error(of, X509_V_ERR_UNSPECIFIED); /* unless something else is found */
	if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
		return 1;
	if (now->verify && tls_verify_is_done(now->verify)) {
		now->accepted = tls_verify_outcome(now->verify, of);
		return now->accepted;
	}
	if (!now->verify)
		now->verify = tls_verify_start(
			cache->base, now->store, of, now->resume, now->context, &now->error);
	now->no_thread = !now->verify;
	return now->verify && SSL_set_retry_verify(ssl) == 1;
}

static bool tls_context_configure(struct tls_context *context, struct tls_cache *cache,
	const struct tls_settings *settings, struct error *error)
{
	SSL_CTX *ssl = context->ssl;
	static const unsigned char alpn[] = "\x08http/1.1";

	SSL_CTX_set_app_data(ssl, context);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	tls_guard_drop_ffdhe(ssl);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, TLS_READ_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, tls_on_session);
	if (settings->keylog_file)
		SSL_CTX_set_keylog_callback(ssl, tls_on_secret);
	SSL_CTX_set_max_cert_list(ssl, TLS_CERTIFICATES_MAX);
	SSL_CTX_set_default_passwd_cb(ssl, tls_no_passphrase);
	SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
	SSL_CTX_set_verify(ssl, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, tls_on_certificates, cache);
	tls_use_version(ssl, settings->min_version);
	return tls_use_ciphers(ssl, settings->ciphers, error);
}

static struct tls_context *tls_context_new(struct tls_cache *cache,
	const struct tls_settings *settings, uint64_t store_number, struct error *error)
{
	struct tls_context *context = alloc_zero(1, sizeof(*context));

	context->store_number = store_number;
	tls_trust_init(&context->trust, settings);
	context->verify = settings->verify;
	context->min_version = settings->min_version;
	context->ciphers = tls_copy(settings->ciphers);
	context->keylog = settings->keylog_file != NULL;

	context->ssl = SSL_CTX_new(TLS_client_method());
	if (!context->ssl)
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_context_configure(context, cache, settings, error))
		return context;
	tls_context_free(context);
	return NULL;
}

static void tls_handshaking_free(struct tls_handshaking *now)
{
	if (!now)
		return;
	tls_verify_free(now->verify);
	X509_STORE_free(now->store);
	free(now);
}

static void tls_client_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argument,
	void *pointer)
{
	struct tls_client *client = data;

	(void)parent, (void)all, (void)index, (void)argument, (void)pointer;
	if (!client)
		return;
	free(client->session_key);
	free(client->keylog_file);
	tls_handshaking_free(client->handshaking);
	free(client);
}

void tls_init(void)
{
	/* A thread may still be inside OpenSSL when the process exits, so it must not tidy up. */
	OPENSSL_init_ssl(
		OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT,
		NULL);
}

struct tls_cache *tls_cache_new(struct event_base *base)
{
	struct tls_cache *cache = alloc_zero(1, sizeof(*cache));

	/* Now, at the start: later there may be no descriptor for openssl.cnf, which it would then
	 * take for missing for as long as the process lives. */
	tls_init();
	cache->base = base;
	cache->client_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, tls_client_free);
	if (cache->client_index < 0)
		abort(); /* only without memory */
	return cache;
}

void tls_cache_free(struct tls_cache *cache)
{
	struct tls_context *next;

	for (struct tls_context *context = cache->newest; context; context = next) {
		next = context->next;
		tls_context_free(context);
	}
	CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, cache->client_index);
	free(cache);
}

/* Takes the context for these settings out of the cache; NULL when there is none, or only one for
 * files as they were before. */
static struct tls_context *tls_cache_take(
	struct tls_cache *cache, const struct tls_settings *settings, uint64_t store_number)
{
	struct tls_context **link = &cache->newest;
	struct tls_context *context;

	while (*link && !tls_context_matches(*link, settings))
		link = &(*link)->next;
	context = *link;
	if (!context)
		return NULL;
	*link = context->next;
	if (context->store_number == store_number)
		return context;
	tls_context_free(context);
	return NULL;
}

static void tls_cache_trim(struct tls_cache *cache)
{
	struct tls_context **link = &cache->newest;
	struct tls_context *oldest;

	for (int kept = 0; *link && kept < TLS_CONTEXTS_MAX; kept++)
		link = &(*link)->next;
	oldest = *link;
	*link = NULL;
	if (oldest)
		tls_context_free(oldest);
}

static struct tls_context *tls_cache_get(struct tls_cache *cache,
	const struct tls_settings *settings, uint64_t store_number, struct error *error)
{
	struct tls_context *context = tls_cache_take(cache, settings, store_number);

	if (!context)
		context = tls_context_new(cache, settings, store_number, error);
	if (!context)
		return NULL;
	context->next = cache->newest;
	cache->newest = context;
	tls_cache_trim(cache);
	return context;
}

static bool tls_check_pins(const struct tls_settings *settings, struct error *error)
{
	for (size_t i = 0; i < settings->pins.count; i++) {
		if (!tls_check_pin(settings->pins.items[i], error))
			return error_prefix(error, "tls.pins: ");
	}
	return true;
}

static bool tls_use_keylog(struct tls_client *client, const char *path, struct error *error)
{
	int fd;

	if (!path)
		return true;
	fd = tls_open_keylog(path);
	if (fd < 0)
		return error_set(error, ERROR_SOCKET_SSL, "cannot write the key log '%s': %s", path,
			strerror(errno));
	close(fd);
	client->keylog_file = alloc_string(path);
	return true;
}

bool tls_check_settings(const struct tls_settings *settings, struct error *error)
{
	if (settings->crl_file && !settings->verify)
		return error_set(error, ERROR_WEBSOCKET,
			"'crl_file' needs 'verify': without it no certificate is checked at all");
	if (settings->key_file && !settings->cert_file)
		return error_set(error, ERROR_WEBSOCKET,
			"'key_file' needs the 'cert_file' that it is the key of");
	if (settings->key_passphrase_file && !settings->cert_file)
		return error_set(error, ERROR_WEBSOCKET,
			"'key_passphrase_file' needs the 'cert_file' whose key it opens");
	return true;
}

bool tls_needs_check(const struct tls_settings *settings)
{
	return settings->ca_file || settings->ca_path || settings->crl_file ||
		settings->cert_file || settings->ciphers;
}

/* Those that settings name: the system's own certificates are none of theirs. */
struct tls_settings tls_named(const struct tls_settings *settings)
{
	struct tls_settings named = *settings;

	named.verify &= named.ca_file || named.ca_path || named.crl_file;
	return named;
}

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

/* A resumed handshake checks neither the server's name nor our own certificate again: a session is
 * only for whoever has the same. */
static char *tls_session_key(const SSL *ssl, const char *name, const char *server)
{
	char own[TLS_FINGERPRINT_SIZE];

	tls_certificate_fingerprint(SSL_get_certificate(ssl), own);
	return alloc_format("%s %s %s", server, name, own);
}

static struct tls_client *tls_client_new(SSL *ssl, int client_index, const struct tls_order *order)
{
	struct tls_client *client = alloc_zero(1, sizeof(*client));

	client->handshaking = alloc_zero(1, sizeof(*client->handshaking));
	client->handshaking->store = order->material->store;
	if (client->handshaking->store)
		X509_STORE_up_ref(client->handshaking->store);
	client->handshaking->resume = order->resume;
	client->handshaking->context = order->context;
	SSL_set_ex_data(ssl, client_index, client);
	tls_guard_attach(&client->guard, ssl);
	return client;
}

static bool tls_prepare(
	SSL *ssl, int client_index, const struct tls_order *order, struct error *error)
{
	const struct tls_settings *settings = order->settings;
	const char *name = settings->server_name ? settings->server_name : order->host;
	struct tls_client *client = tls_client_new(ssl, client_index, order);

	if (!tls_check_pins(settings, error) ||
		!tls_trust_expect(ssl, name, settings->verify, error) ||
		!tls_material_use(order->material, ssl, settings, error) ||
		!tls_use_keylog(client, settings->keylog_file, error))
		return false;
	if (settings->resume && !settings->crl_file) { /* which a resumed handshake does not ask */
		client->session_key = tls_session_key(ssl, name, order->server);
		tls_sessions_offer(&tls_context_of(ssl)->sessions, client->session_key, ssl);
	}
	SSL_set_connect_state(ssl);
	return true;
}

SSL *tls_open(struct tls_cache *cache, const struct tls_order *order, struct error *error)
{
	struct tls_context *context;
	SSL *ssl;

	ERR_clear_error();
	context = tls_cache_get(cache, order->settings, order->material->store_number, error);
	if (!context)
		return NULL;
	ssl = SSL_new(context->ssl);
	if (!ssl || !SSL_set_fd(ssl, order->fd))
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_prepare(ssl, cache->client_index, order, error))
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
		reason = "the answer is not TLS: is this a ws:// port?";
	else
		reason = tls_reason(code);
	error_set(error, ERROR_SOCKET_SSL, "TLS handshake with %s failed: %s", server, reason);
}

/* A session that the server cannot cope with must not make the next call fail too. */
static void tls_forget_session(SSL *ssl)
{
	const struct tls_client *client = tls_client_of(ssl);
	struct tls_context *context = tls_context_of(ssl);

	if (context && client->session_key)
		tls_sessions_remove(&context->sessions, client->session_key);
}

static void tls_end_handshake(struct tls_client *client)
{
	tls_handshaking_free(client->handshaking);
	client->handshaking = NULL;
}

/* OpenSSL, too, sees to that: but nothing matters more. */
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
		tls_forget_session(ssl);
	}
	if (status != TLS_DONE)
		return status;
	if (!tls_is_verified(ssl, server, error) ||
		!tls_certificate_pinned(
			SSL_get0_peer_certificate(ssl), settings, server, error))
		return TLS_FAILED;
	tls_end_handshake(client);
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
