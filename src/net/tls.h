#ifndef NET_TLS_H
#define NET_TLS_H

#include <event2/event.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/tls_settings.h"

/* The outcome of the handshake, and the server's certificate; "" and 0 where absent. */
struct tls_report {
	char version[16]; /* "TLSv1.3" */
	char cipher[64];
	char alpn[16];
	bool resumed;
	uint64_t certificate_expiry;   /* ns since 1970 */
	char certificate_subject[160]; /* "CN=example.com", cut if longer */
};

struct tls_stores;

/* True if OpenSSL can use the files, which must be regular ones, and ciphers that the settings
 * name; it does not check `pins`. May take long; for any thread. What it reads stays in `stores`
 * for the next call. net_check_tls() does the same without waiting. */
bool tls_check(const struct tls_settings *settings, struct tls_stores *stores, struct error *error);

/* For this room only. */

struct tls_cache;
struct tls_material;

/* A client, its handshake still to come. */
struct tls_order {
	const struct tls_settings *settings;
	const struct tls_material *material; /* from their files */
	BIO *bio;                            /* what its bytes go through; the SSL's from now on */
	const char *host;                    /* of the URL */
	const char *server;                  /* "host:port" */

	/* Called when a handshake that was TLS_VERIFYING can go on. */
	void (*resume)(void *context);
	void *context;
};

/* The caller frees it with SSL_free(), before the cache. NULL: a setting that cannot be used. */
SSL *tls_open(struct tls_cache *cache, const struct tls_order *order, struct error *error);

enum tls_status {
	TLS_DONE,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_VERIFYING, /* the server's certificates, on a thread */
	TLS_FAILED,
};

/* Goes on with the handshake, and checks the pins at its end. */
enum tls_status tls_handshake(SSL *ssl, const struct tls_settings *settings, const char *server,
	struct error *error);

/* After the handshake. */
void tls_describe(SSL *ssl, struct tls_report *report);

#endif
