#ifndef NET_TLS_SESSIONS_H
#define NET_TLS_SESSIONS_H

#include <openssl/ssl.h>
#include <stddef.h>

/*
 * TLS sessions to be resumed, the newest for each key. The key says all that the server's or our
 * own identity depends on: a resumed handshake checks neither again. Bounded: the one that was
 * stored least recently goes. Zero-initialised is empty.
 */
struct tls_sessions {
	struct tls_session *newest; /* private */
	size_t count;
};

/* Keeps a copy: OpenSSL marks the session of a connection that was lost as not to be resumed, but a
 * loss is what resuming is for. Borrows the key's text only for the call. */
void tls_sessions_store(struct tls_sessions *sessions, const char *key, SSL_SESSION *session);

/* Has this client resume what is there for the key, if anything. */
void tls_sessions_offer(const struct tls_sessions *sessions, const char *key, SSL *ssl);

void tls_sessions_remove(struct tls_sessions *sessions, const char *key);

void tls_sessions_release(struct tls_sessions *sessions);

#endif
