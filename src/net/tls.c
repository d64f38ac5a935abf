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
#include "net/tls_sessions.h"
#include "net/tls_trust.h"

enum {
	TLS_CONTEXTS_MAX = 16,
	TLS_READ_BUFFER = 32768, /* bytes: two full records for one read(2) */
};

struct tls_context {
	struct tls_context *next;
	SSL_CTX *ssl; /* its app data is this, while this lives */
	struct tls_sessions sessions;
	int client_index; /* the cache's */

	/* what it was made from */
	struct tls_trust trust;
	char *min_version;
	char *ciphers;
	bool keylog;
};

struct tls_cache {
	struct tls_context *newest; /* the last used first */
	int client_index;           /* where an SSL has its struct tls_client */
};

/* What belongs to one SSL beyond the handshake: a session ticket may come at any time. */
struct tls_client {
	struct tls_guard guard;
	char *session_key; /* NULL: no resumption */
	char *keylog_file;
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
	return tls_trust_matches(&context->trust, settings) &&
		tls_same(context->min_version, settings->min_version) &&
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
	free(context->min_version);
	free(context->ciphers);
	free(context);
}

/* Without it OpenSSL would ask for the passphrase of a key on the terminal. */
static int tls_no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return -1;
}

static struct tls_context *tls_context_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* NULL: its context has left the cache. */
static struct tls_client *tls_client_of(const SSL *ssl)
{
	struct tls_context *context = tls_context_of(ssl);

	return context ? SSL_get_ex_data(ssl, context->client_index) : NULL;
}

static int tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *client = tls_client_of(ssl);

	if (client && client->session_key && SSL_SESSION_is_resumable(session))
		tls_sessions_store(&tls_context_of(ssl)->sessions, client->session_key, session);
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
	struct tls_client *client = tls_client_of(ssl);
	int fd = client && client->keylog_file ? tls_open_keylog(client->keylog_file) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", line);
	close(fd);
}

static bool tls_use_version(SSL_CTX *ssl, const char *version, struct error *error)
{
	int minimum = TLS1_2_VERSION;

	if (version && strcmp(version, "1.3") == 0)
		minimum = TLS1_3_VERSION;
	else if (version && strcmp(version, "1.2") != 0)
		return error_set(error, ERROR_WEBSOCKET,
			"TLS version '%s' is not known: use 1.2 or 1.3", version);
	SSL_CTX_set_min_proto_version(ssl, minimum);
	return true;
}

static bool tls_use_ciphers(SSL_CTX *ssl, const char *list, struct error *error)
{
	if (list ? SSL_CTX_set_cipher_list(ssl, list) : tls_guard_drop_dhe(ssl))
		return true;
	return error_set(error, ERROR_WEBSOCKET, "TLS cipher list '%s' cannot be used: %s",
		list ? list : "default", tls_reason(ERR_peek_error()));
}

static bool tls_context_configure(struct tls_context *context,
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
	SSL_CTX_set_default_passwd_cb(ssl, tls_no_passphrase);
	SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
	return tls_use_ciphers(ssl, settings->ciphers, error) &&
		tls_use_version(ssl, settings->min_version, error) &&
		tls_trust_load(&context->trust, ssl, settings, error);
}

static struct tls_context *tls_context_new(int client_index, const struct tls_settings *settings,
	struct error *error)
{
	struct tls_context *context = alloc_zero(1, sizeof(*context));

	context->client_index = client_index;
	context->min_version = tls_copy(settings->min_version);
	context->ciphers = tls_copy(settings->ciphers);
	context->keylog = settings->keylog_file != NULL;

	context->ssl = SSL_CTX_new(TLS_client_method());
	if (!context->ssl)
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_context_configure(context, settings, error))
		return context;
	tls_context_free(context);
	return NULL;
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
	free(client);
}

struct tls_cache *tls_cache_new(void)
{
	struct tls_cache *cache = alloc_zero(1, sizeof(*cache));

	/* Now, at the start: later there may be no descriptor for openssl.cnf, which it would then
	 * take for missing for as long as the process lives. */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CONFIG, NULL);
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

/* Takes the context for these settings out of the cache; NULL when there is none, or a stale one.
 */
static struct tls_context *tls_cache_take(struct tls_cache *cache,
	const struct tls_settings *settings)
{
	struct tls_context **link = &cache->newest;
	struct tls_context *context;

	while (*link && !tls_context_matches(*link, settings))
		link = &(*link)->next;
	context = *link;
	if (!context)
		return NULL;
	*link = context->next;
	if (tls_trust_is_fresh(&context->trust))
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
	const struct tls_settings *settings, struct error *error)
{
	struct tls_context *context = tls_cache_take(cache, settings);

	if (!context)
		context = tls_context_new(cache->client_index, settings, error);
	if (!context)
		return NULL;
	context->next = cache->newest;
	cache->newest = context;
	tls_cache_trim(cache);
	return context;
}

/* What OpenSSL gets when a private key is encrypted. */
struct tls_passphrase {
	const char *text; /* NULL: none */
	bool asked;
};

static int tls_give_passphrase(char *buffer, int size, int writing, void *context)
{
	struct tls_passphrase *passphrase = context;
	size_t length = passphrase->text ? strlen(passphrase->text) : 0;

	(void)writing;
	passphrase->asked = true;
	if (!passphrase->text || length > (size_t)size)
		return -1;
	memcpy(buffer, passphrase->text, length);
	return (int)length;
}

static bool tls_use_key(SSL *ssl, const char *file, const char *text, struct error *error)
{
	struct tls_passphrase passphrase = {.text = text};
	const char *reason;
	bool ok;

	SSL_set_default_passwd_cb(ssl, tls_give_passphrase);
	SSL_set_default_passwd_cb_userdata(ssl, &passphrase);
	ok = SSL_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM);
	SSL_set_default_passwd_cb(ssl, tls_no_passphrase);
	SSL_set_default_passwd_cb_userdata(ssl, NULL);
	if (ok)
		return true;
	if (!passphrase.asked)
		reason = tls_reason(ERR_peek_error());
	else
		reason = text ? "the passphrase is wrong"
			      : "it is encrypted, and there is no passphrase";
	return error_set(error, ERROR_SOCKET_SSL, "cannot use the private key '%s': %s", file,
		reason);
}

static bool tls_use_client_certificate(SSL *ssl, const struct tls_settings *settings,
	struct error *error)
{
	const char *key = settings->key_file ? settings->key_file : settings->cert_file;

	if (!settings->cert_file)
		return true;
	if (!SSL_use_certificate_chain_file(ssl, settings->cert_file))
		return error_set(error, ERROR_SOCKET_SSL,
			"cannot use the client certificate '%s': %s", settings->cert_file,
			tls_reason(ERR_peek_error()));
	return tls_use_key(ssl, key, settings->key_passphrase, error);
}

static bool tls_check_pins(const struct tls_settings *settings, struct error *error)
{
	for (size_t i = 0; i < settings->pin_count; i++) {
		if (!tls_check_pin(settings->pins[i], error))
			return false;
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

bool tls_check(const struct tls_settings *settings, struct error *error)
{
	struct tls_settings named = *settings;
	struct tls_context *context;
	bool usable = false;
	SSL *ssl;

	ERR_clear_error();
	if (!named.ca_file && !named.ca_path && !named.crl_file)
		named.verify = false; /* the system's certificates are no setting */
	context = tls_context_new(-1, &named, error);
	if (!context)
		return false;
	ssl = SSL_new(context->ssl);
	if (ssl)
		usable = tls_use_client_certificate(ssl, settings, error);
	else
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	SSL_free(ssl);
	tls_context_free(context);
	return usable;
}

/* A resumed handshake checks neither the server's name nor our own certificate again: a session is
 * only for whoever has the same. */
static char *tls_session_key(const SSL *ssl, const char *name, const char *server)
{
	char own[TLS_FINGERPRINT_SIZE];

	tls_certificate_fingerprint(SSL_get_certificate(ssl), own);
	return alloc_format("%s %s %s", server, name, own);
}

static bool tls_prepare(SSL *ssl, const struct tls_settings *settings, const char *host,
	const char *server, struct error *error)
{
	const char *name = settings->server_name ? settings->server_name : host;
	struct tls_context *context = tls_context_of(ssl);
	struct tls_client *client = alloc_zero(1, sizeof(*client));

	SSL_set_ex_data(ssl, context->client_index, client);
	tls_guard_attach(&client->guard, ssl);
	if (!tls_check_pins(settings, error) ||
		!tls_trust_expect(ssl, name, settings->verify, error) ||
		!tls_use_client_certificate(ssl, settings, error) ||
		!tls_use_keylog(client, settings->keylog_file, error))
		return false;
	if (settings->resume && !settings->crl_file) { /* which a resumed handshake does not ask */
		client->session_key = tls_session_key(ssl, name, server);
		tls_sessions_offer(&context->sessions, client->session_key, ssl);
	}
	SSL_set_connect_state(ssl);
	return true;
}

SSL *tls_open(struct tls_cache *cache, const struct tls_settings *settings, int fd,
	const char *host, const char *server, struct error *error)
{
	struct tls_context *context;
	SSL *ssl;

	ERR_clear_error();
	context = tls_cache_get(cache, settings, error);
	if (!context)
		return NULL;
	ssl = SSL_new(context->ssl);
	if (!ssl || !SSL_set_fd(ssl, fd))
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_prepare(ssl, settings, host, server, error))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void tls_handshake_failed(SSL *ssl, const char *server, int cause, struct error *error)
{
	unsigned long code = ERR_peek_error();
	const char *reason;

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
	struct tls_client *client = tls_client_of(ssl);

	if (client && client->session_key)
		tls_sessions_remove(&tls_context_of(ssl)->sessions, client->session_key);
}

enum stream_status tls_handshake(SSL *ssl, const struct tls_settings *settings,
	const char *server, struct error *error)
{
	int result, cause;

	errno = 0;
	ERR_clear_error();
	tls_guard_begin_call(tls_guard_of(ssl));
	result = SSL_do_handshake(ssl);
	cause = errno;
	if (!tls_guard_check(tls_guard_of(ssl), error))
		return STREAM_ERROR;
	if (result == 1 &&
		tls_certificate_pinned(SSL_get0_peer_certificate(ssl), settings, server, error))
		return STREAM_OK;
	if (result == 1)
		return STREAM_ERROR;
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANT_WRITE;
	default:
		tls_handshake_failed(ssl, server, cause, error);
		tls_forget_session(ssl);
		return STREAM_ERROR;
	}
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
