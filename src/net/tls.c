#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/address.h"
#include "net/stamp.h"

enum {
	TLS_CONTEXTS_MAX = 16,
	TLS_READ_BUFFER = 32768, /* bytes: two full records for one read(2) */
};

struct tls_context {
	struct tls_context *next;
	SSL_CTX *ssl;

	/* what it was made from */
	bool verify;
	char *ca_file;
	char *ca_path;
	char *min_version;
	char *ciphers;
	struct stamp ca_file_stamp;
	struct stamp ca_path_stamp;
};

struct tls_cache {
	struct tls_context *newest; /* the last used first */
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

/* Where the CA certificates are: the system's, unless a setting says otherwise. */
static const char *tls_ca_file(const struct tls_settings *settings)
{
	const char *system = getenv(X509_get_default_cert_file_env());

	if (settings->ca_file || settings->ca_path)
		return settings->ca_file;
	return system ? system : X509_get_default_cert_file();
}

static const char *tls_ca_path(const struct tls_settings *settings)
{
	const char *system = getenv(X509_get_default_cert_dir_env());

	if (settings->ca_file || settings->ca_path)
		return settings->ca_path;
	return system ? system : X509_get_default_cert_dir();
}

/* True when the CA certificates are not those that the context has seen. */
static bool tls_context_stamp(struct tls_context *context, const struct tls_settings *settings)
{
	const char *file = settings->verify ? tls_ca_file(settings) : NULL;
	const char *path = settings->verify ? tls_ca_path(settings) : NULL;
	bool file_changed = file && stamp_update(&context->ca_file_stamp, file);
	bool path_changed = path && stamp_update(&context->ca_path_stamp, path);

	return file_changed || path_changed;
}

static bool tls_context_matches(const struct tls_context *context,
	const struct tls_settings *settings)
{
	return context->verify == settings->verify &&
		tls_same(context->ca_file, settings->ca_file) &&
		tls_same(context->ca_path, settings->ca_path) &&
		tls_same(context->min_version, settings->min_version) &&
		tls_same(context->ciphers, settings->ciphers);
}

static void tls_context_free(struct tls_context *context)
{
	SSL_CTX_free(context->ssl);
	free(context->ca_file);
	free(context->ca_path);
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

static bool tls_use_ca(SSL_CTX *ssl, const struct tls_settings *settings, struct error *error)
{
	if (!settings->verify) {
		SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (settings->ca_file && !SSL_CTX_load_verify_file(ssl, settings->ca_file))
		return error_set(error, ERROR_SOCKET_SSL,
			"cannot use the CA certificates of '%s': %s", settings->ca_file,
			tls_reason(ERR_peek_error()));
	if (settings->ca_path && !SSL_CTX_load_verify_dir(ssl, settings->ca_path))
		return error_set(error, ERROR_SOCKET_SSL, "cannot use the CA directory '%s': %s",
			settings->ca_path, tls_reason(ERR_peek_error()));
	if (!settings->ca_file && !settings->ca_path)
		SSL_CTX_set_default_verify_paths(ssl);
	return true;
}

static bool tls_context_configure(SSL_CTX *ssl, const struct tls_settings *settings,
	struct error *error)
{
	static const unsigned char alpn[] = "\x08http/1.1";

	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, TLS_READ_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ssl, tls_no_passphrase);
	SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
	if (settings->ciphers && !SSL_CTX_set_cipher_list(ssl, settings->ciphers))
		return error_set(error, ERROR_WEBSOCKET, "TLS cipher list '%s' cannot be used: %s",
			settings->ciphers, tls_reason(ERR_peek_error()));
	return tls_use_version(ssl, settings->min_version, error) &&
		tls_use_ca(ssl, settings, error);
}

static struct tls_context *tls_context_new(const struct tls_settings *settings,
	struct error *error)
{
	struct tls_context *context = alloc_zero(1, sizeof(*context));

	context->verify = settings->verify;
	context->ca_file = tls_copy(settings->ca_file);
	context->ca_path = tls_copy(settings->ca_path);
	context->min_version = tls_copy(settings->min_version);
	context->ciphers = tls_copy(settings->ciphers);
	tls_context_stamp(context, settings);

	context->ssl = SSL_CTX_new(TLS_client_method());
	if (!context->ssl)
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_context_configure(context->ssl, settings, error))
		return context;
	tls_context_free(context);
	return NULL;
}

struct tls_cache *tls_cache_new(void)
{
	return alloc_zero(1, sizeof(struct tls_cache));
}

void tls_cache_free(struct tls_cache *cache)
{
	struct tls_context *next;

	for (struct tls_context *context = cache->newest; context; context = next) {
		next = context->next;
		tls_context_free(context);
	}
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
	if (!tls_context_stamp(context, settings))
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
		context = tls_context_new(settings, error);
	if (!context)
		return NULL;
	context->next = cache->newest;
	cache->newest = context;
	tls_cache_trim(cache);
	return context;
}

static bool tls_use_name(SSL *ssl, const char *name, bool verify, struct error *error)
{
	X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
	struct address numeric;
	bool is_name = !address_parse(&numeric, name, 0);
	int ok = 1;

	if (is_name) /* RFC 6066, section 3: no literal addresses */
		ok = SSL_set_tlsext_host_name(ssl, name) == 1;
	if (ok && verify) {
		X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = is_name ? SSL_set1_host(ssl, name)
			     : X509_VERIFY_PARAM_set1_ip_asc(parameters, name);
	}
	if (!ok)
		error_set(error, ERROR_SOCKET_SSL, "'%s' cannot be a TLS server name", name);
	return ok;
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
	if (!SSL_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM))
		return error_set(error, ERROR_SOCKET_SSL, "cannot use the private key '%s': %s",
			key, tls_reason(ERR_peek_error()));
	return true;
}

SSL *tls_open(struct tls_cache *cache, const struct tls_settings *settings, int fd,
	const char *host, struct error *error)
{
	const char *name = settings->server_name ? settings->server_name : host;
	struct tls_context *context;
	SSL *ssl;

	ERR_clear_error();
	context = tls_cache_get(cache, settings, error);
	if (!context)
		return NULL;
	ssl = SSL_new(context->ssl);
	if (!ssl || !SSL_set_fd(ssl, fd)) {
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	} else if (tls_use_name(ssl, name, settings->verify, error) &&
		tls_use_client_certificate(ssl, settings, error)) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

static void tls_refused(SSL *ssl, const char *server, long verdict, struct error *error)
{
	const char *reason = X509_verify_cert_error_string(verdict);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH)
		error_set(error, ERROR_SOCKET_SSL,
			"certificate of %s not accepted: %s: it is not for '%s'", server, reason,
			name);
	else
		error_set(error, ERROR_SOCKET_SSL, "certificate of %s not accepted: %s", server,
			reason);
}

static void tls_handshake_failed(SSL *ssl, const char *server, int cause, struct error *error)
{
	unsigned long code = ERR_peek_error();
	long verdict = SSL_get_verify_result(ssl);
	const char *reason;

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
		tls_refused(ssl, server, verdict, error);
		return;
	}
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

enum stream_status tls_handshake(SSL *ssl, const char *server, struct error *error)
{
	int result, cause;

	errno = 0;
	ERR_clear_error();
	result = SSL_do_handshake(ssl);
	cause = errno;
	if (result == 1)
		return STREAM_OK;
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANT_WRITE;
	default:
		tls_handshake_failed(ssl, server, cause, error);
		return STREAM_ERROR;
	}
}
