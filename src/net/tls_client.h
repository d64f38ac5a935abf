#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/tls_guard.h"
#include "net/tls_sessions.h"
#include "net/tls_verify.h"

/* The state that a handshake needs. */
struct tls_handshaking {
	struct event_base *base;
	X509_STORE *store;             /* whom to trust; NULL: anybody */
	void (*resume)(void *context); /* called when a handshake that verifies can go on */
	void *context;

	/* private until the handshake has failed */
	struct tls_verify *verify; /* NULL: the server's certificates have not arrived */
	bool accepted;
	bool no_thread; /* to verify on, as `error` says */
	struct error error;
};

/* State of one SSL, also after the handshake: a session ticket may arrive at any time. */
struct tls_client {
	struct tls_guard guard; /* the first member: see tls_client_of() */
	char *session_key;      /* NULL: no resumption */
	char *keylog_file;
	struct tls_handshaking *handshaking; /* NULL: it is over */
};

/* The ex_data index for an SSL's client: each cache of contexts requests it once. */
int tls_client_index_new(void);
void tls_client_index_free(int index);

/* Prepares a context for clients, whose sessions are kept in `sessions` until that is set to NULL
 * by tls_client_detach(): a context outlives the cache while a connection uses it. */
void tls_client_attach(SSL_CTX *context, struct tls_sessions *sessions, bool keylog);
void tls_client_detach(SSL_CTX *context);

/* The SSL owns it. Copies `handshaking`, and takes a reference to its store. */
struct tls_client *tls_client_new(SSL *ssl, int index, const struct tls_handshaking *handshaking);
struct tls_client *tls_client_of(const SSL *ssl);

/* Appends secrets to this file, if not NULL. Fails if it cannot be written. */
bool tls_client_use_keylog(struct tls_client *client, const char *path, struct error *error);

/* Resumes a session of that key, which the client takes over, and stores new ones under it. */
void tls_client_use_session(struct tls_client *client, SSL *ssl, char *key);

/* A session that the server cannot cope with must not make the next call fail too. */
void tls_client_forget_session(const struct tls_client *client, const SSL *ssl);

void tls_client_end_handshake(struct tls_client *client);

#endif
