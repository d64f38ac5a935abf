#ifndef NET_TLS_VERIFY_H
#define NET_TLS_VERIFY_H

#include <event2/event.h>
#include <openssl/types.h>
#include <stdbool.h>

#include "base/error.h"

/*
 * Verifies a server's certificates on a thread. How long it takes is up to the server, which sends
 * up to a hundred of them with keys of its choice, and to revocation lists of megabytes, whose
 * signatures OpenSSL checks anew in each handshake; and it may read from the CA directory.
 */
struct tls_verify;

/*
 * Against this store. `of` is as OpenSSL gives it to the callback for it
 * (SSL_CTX_set_cert_verify_callback()), and not needed later. `done` is called in a callback of its
 * own. NULL if no thread can be created.
 */
struct tls_verify *tls_verify_start(struct event_base *base, X509_STORE *store, X509_STORE_CTX *of,
	void (*done)(void *context), void *context, struct error *error);

/* True once `done` has been called; */
bool tls_verify_is_done(const struct tls_verify *verify);

/* then: true if they are accepted. Gives `of` the outcome as if it had verified them itself. */
bool tls_verify_outcome(struct tls_verify *verify, X509_STORE_CTX *of);

/* Does not wait for the thread. NULL is ignored. */
void tls_verify_free(struct tls_verify *verify);

#endif
