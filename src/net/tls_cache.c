#include "net/tls_cache.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls_client.h"
#include "net/tls_guard.h"
#include "net/tls_sessions.h"
#include "net/tls_trust.h"

enum {
	TLS_CONTEXTS_MAX = 16,
	TLS_READ_BUFFER = 32768, /* bytes: two full records for one read(2) */

	/* Bytes of certificates that a server may send. To parse them costs the loop up to 100 ms for
	 * OpenSSL's 100 KB: hundreds of small ones, with keys that are compressed points. */
	TLS_CERTIFICATES_MAX = 32768,
};

struct tls_context {
	struct tls_context *next;
	SSL_CTX *ssl;
	struct tls_sessions sessions;

	/* made from: */
	struct tls_trust trust; /* the names of the files */
	uint64_t store_number;  /* of what was read from them */
	bool verify;
	enum tls_version min_version;
	char *ciphers;
	bool keylog;
};

static bool tls_context_matches(const struct tls_context *context,
	const struct tls_settings *settings)
{
	return context->verify == settings->verify &&
		tls_trust_matches(&context->trust, settings) &&
		context->min_version == settings->min_version &&
		string_equal(context->ciphers, settings->ciphers) &&
		context->keylog == (settings->keylog_file != NULL);
}

static void tls_context_free(struct tls_context *context)
{
	if (context->ssl)
		tls_client_detach(context->ssl); /* connections may still use it */
	SSL_CTX_free(context->ssl);
	tls_sessions_release(&context->sessions);
	tls_trust_release(&context->trust);
	free(context->ciphers);
	free(context);
}

static bool tls_context_configure(struct tls_context *context, const struct tls_settings *settings,
	struct error *error)
{
	SSL_CTX *ssl = context->ssl;
	static const unsigned char alpn[] = "\x08http/1.1";

	tls_client_attach(ssl, &context->sessions, context->keylog);
	SSL_CTX_set_mode(ssl,
		SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	tls_guard_drop_ffdhe(ssl);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, TLS_READ_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_set_max_cert_list(ssl, TLS_CERTIFICATES_MAX);
	SSL_CTX_set_default_passwd_cb(ssl, tls_no_passphrase);
	SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
	SSL_CTX_set_verify(ssl, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	tls_use_version(ssl, settings->min_version);
	return tls_use_ciphers(ssl, settings->ciphers, error);
}

static struct tls_context *tls_context_new(const struct tls_settings *settings,
	uint64_t store_number, struct error *error)
{
	struct tls_context *context = alloc_zero(1, sizeof(*context));

	context->store_number = store_number;
	tls_trust_init(&context->trust, settings);
	context->verify = settings->verify;
	context->min_version = settings->min_version;
	context->ciphers = alloc_string(settings->ciphers);
	context->keylog = settings->keylog_file != NULL;

	context->ssl = SSL_CTX_new(TLS_client_method());
	if (!context->ssl)
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_context_configure(context, settings, error))
		return context;
	tls_context_free(context);
	return NULL;
}

struct tls_cache *tls_cache_new(struct event_base *base)
{
	struct tls_cache *cache = alloc_zero(1, sizeof(*cache));

	/* Now, at the start: later there may be no descriptor for openssl.cnf, which it would then
	 * take for missing for as long as the process lives. */
	tls_init();
	cache->base = base;
	cache->client_index = tls_client_index_new();
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
	tls_client_index_free(cache->client_index);
	free(cache);
}

/* Takes the context for these settings out of the cache; NULL if there is none, or one for an
 * earlier content of the files. */
static struct tls_context *tls_cache_take(struct tls_cache *cache,
	const struct tls_settings *settings, uint64_t store_number)
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

SSL_CTX *tls_cache_get(struct tls_cache *cache, const struct tls_settings *settings,
	uint64_t store_number, struct error *error)
{
	struct tls_context *context = tls_cache_take(cache, settings, store_number);

	if (!context)
		context = tls_context_new(settings, store_number, error);
	if (!context)
		return NULL;
	context->next = cache->newest;
	cache->newest = context;
	tls_cache_trim(cache);
	return context->ssl;
}
