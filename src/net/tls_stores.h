#ifndef NET_TLS_STORES_H
#define NET_TLS_STORES_H

#include <openssl/types.h>
#include <stdint.h>

#include "net/tls_settings.h"

/*
 * Trust stores, read once from each set of files and shared by all settings that name them, until
 * the files change. Keeps the few last used. Any thread may use it; threads that need the same
 * files wait for the one that reads them.
 */
struct tls_stores;

struct tls_stores *tls_stores_new(void);

/* Adds a user; each ends with tls_stores_release(). */
struct tls_stores *tls_stores_hold(struct tls_stores *stores);
void tls_stores_release(struct tls_stores *stores);

/* The store that the settings trust. The caller gives it back with X509_STORE_free(). Each store
 * has a number of its own, from 1. NULL: a file that cannot be used. */
X509_STORE *tls_stores_get(struct tls_stores *stores, const struct tls_settings *settings,
	uint64_t *number, struct error *error);

#endif
