#ifndef NET_TLS_GUARD_H
#define NET_TLS_GUARD_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/error.h"

/*
 * Bounds what one call into OpenSSL does for its peer. By itself SSL_read goes on for as long as
 * messages without data keep coming (key updates, session tickets, requests to renegotiate), and so
 * does SSL_do_handshake; SSL_MODE_AUTO_RETRY does not help, because with read-ahead the
 * next message has nearly always begun in memory. So the socket is handed out by the piece: a call
 * gets one read(2), and then has to come back after a poll.
 */
struct tls_guard {
	bool may_read;     /* private: the call has not read from the socket yet */
	unsigned work;     /* since the caller last set it to 0, see TLS_WORK_MAX */
	unsigned messages; /* private: without data, since data last came */
};

/* The most work for one callback. A record of data is 1, a message without data costs as much as
 * the keys that it makes. A call can go beyond that by what one read(2) brings. */
enum {
	TLS_WORK_MAX = 2048,
	TLS_WORK_MESSAGE = 16,
};

/*
 * Key agreements for which a server can keep us computing: Diffie-Hellman over primes (not elliptic
 * curves), of which one with 10000 bits takes two seconds in TLS 1.2, and the group ffdhe8192 a
 * third of one in TLS 1.3. The first takes those ciphers off the list that the context has, and
 * fails if OpenSSL does; the second is for TLS 1.3.
 */
bool tls_guard_drop_dhe(SSL_CTX *context);
void tls_guard_drop_ffdhe(SSL_CTX *context);

/* For a client that has its socket. The guard must stay for as long as the SSL. */
void tls_guard_attach(struct tls_guard *guard, SSL *ssl);

/* That of an SSL of tls_open(). */
struct tls_guard *tls_guard_of(const SSL *ssl);

/* Before each call that may read. */
void tls_guard_begin_call(struct tls_guard *guard);

/* The call brought data. */
void tls_guard_note_data(struct tls_guard *guard);

/* False: the peer keeps us busy with messages without data. ERROR_SOCKET_SSL */
bool tls_guard_check(const struct tls_guard *guard, struct error *error);

#endif
