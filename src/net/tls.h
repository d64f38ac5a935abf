#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/stream.h"

/* How to speak TLS with a server. All strings may be NULL: the default. */
struct tls_settings {
	bool verify;             /* the certificate chain and the host name */
	const char *ca_file;     /* PEM; default: the system's */
	const char *ca_path;     /* a c_rehash'ed directory */
	const char *cert_file;   /* client certificate chain, PEM; read at each connect */
	const char *key_file;    /* its private key, likewise; default: in cert_file */
	const char *server_name; /* for SNI and verification; default: the URL's host */
	const char *min_version; /* "1.2" or "1.3"; default: "1.2" */
	const char *ciphers;     /* OpenSSL cipher list for TLS 1.2; default: OpenSSL's */
};

/* What follows is for this room. */

/*
 * OpenSSL contexts, one for each distinct set of settings. A changed CA file gets a new one. The
 * cache keeps the few last used; a context that left it lives as long as its last connection.
 */
struct tls_cache;

struct tls_cache *tls_cache_new(void);
void tls_cache_free(struct tls_cache *cache);

/* A client session on the connected socket `fd` with the server at `host`, its handshake still to
 * come. The caller frees it with SSL_free(). NULL: a setting that cannot be used. */
SSL *tls_open(struct tls_cache *cache, const struct tls_settings *settings, int fd,
	const char *host, struct error *error);

/* Goes on with the handshake; `server` names the peer in errors: "example.com:443". */
enum stream_status tls_handshake(SSL *ssl, const char *server, struct error *error);

/* OpenSSL's words for an error code; static or of strerror(3). */
const char *tls_reason(unsigned long code);

#endif
