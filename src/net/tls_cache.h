#ifndef NET_TLS_CACHE_H
#define NET_TLS_CACHE_H

#include <event2/event.h>
#include <openssl/types.h>
#include <stdint.h>

#include "base/error.h"
#include "net/tls_settings.h"

/*
 * OpenSSL contexts, one for each distinct set of settings; when a CA or CRL file has changed, its
 * new content gets a new one. The cache keeps the last few used; a context that has left it lives
 * as long as its last connection. Each has the sessions that can be resumed with it.
 */
struct tls_cache {
	struct event_base *base;
	int client_index;           /* where an SSL has its struct tls_client */
	struct tls_context *newest; /* private: the last used first */
};

struct tls_cache *tls_cache_new(struct event_base *base);
void tls_cache_free(struct tls_cache *cache);

/* The context for these settings and the store of that number; the cache's. NULL: a setting that
 * cannot be used. */
SSL_CTX *tls_cache_get(struct tls_cache *cache, const struct tls_settings *settings,
	uint64_t store_number, struct error *error);

#endif
