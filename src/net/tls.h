#ifndef NET_TLS_H
#define NET_TLS_H

#include <event2/event.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/choice.h"
#include "base/error.h"
#include "base/strings.h"

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
extern const struct choice tls_versions[];

/* How to speak TLS with a server. All strings may be NULL: the default. */
struct tls_settings {
	bool verify;               /* the certificate chain and the host name */
	const char *ca_file;       /* PEM; default: the system's */
	const char *ca_path;       /* a c_rehash'ed directory */
	const char *crl_file;      /* certificate revocation lists, PEM, of which one has to be of the
	                              issuer of the server's certificate, and valid; only with
	                              `verify`, and nothing is resumed then; default: none */
	const char *cert_file;     /* client certificate chain, PEM; read at each connect */
	const char *key_file;      /* its private key, likewise; default: in cert_file */
	const char *key_passphrase_file; /* for the caller, who sets the next one */
	const char *key_passphrase; /* of an encrypted key: the text itself */
	const char *server_name;   /* for SNI and verification; default: the URL's host */
	enum tls_version min_version;
	const char *ciphers;       /* OpenSSL cipher list for TLS 1.2; default: OpenSSL's, but
	                              for finite-field Diffie-Hellman (DHE) */
	struct string_list pins;   /* "sha256//BASE64": the server's public key must be one of them,
	                              besides what `verify` says; none: any */
	bool resume;               /* go on with the session of an earlier call: less to do */
	const char *keylog_file;   /* the secrets of the sessions are appended, in NSS's format;
	                              made with mode 0600. For debugging */
};

/* What the handshake agreed on, and the server's certificate. An empty text, or 0: there
 * is none. */
struct tls_report {
	char version[16]; /* "TLSv1.3" */
	char cipher[64];
	char alpn[16];
	bool resumed;
	uint64_t certificate_expiry;   /* ns since 1970 */
	char certificate_subject[160]; /* "CN=example.com", cut if longer */
};

/* True if a pin, or a name for SNI and verification, is well-formed; else ERROR_WEBSOCKET, with a
 * text that follows the name of the setting ("must be …"). */
bool tls_check_pin(const char *pin, struct error *error);
bool tls_check_server_name(const char *name, struct error *error);

/* Before anything else is asked of OpenSSL; again does nothing. */
void tls_init(void);

struct tls_stores;

/* False: one of the settings needs another. */
bool tls_check_settings(const struct tls_settings *settings, struct error *error);

/* True if the settings name anything that tls_check() looks at. */
bool tls_needs_check(const struct tls_settings *settings);

/* Whether OpenSSL can use the files, which have to be regular ones, and ciphers that the settings
 * name; `pins` aside. Takes its time; for any thread. What it reads stays in `stores`, for the
 * next one. net_check_tls() does the same without waiting. */
bool tls_check(const struct tls_settings *settings, struct tls_stores *stores,
	struct error *error);

/* What follows is for this room. */

/* What of the settings tls_check() looks at. */
struct tls_settings tls_named(const struct tls_settings *settings);

/*
 * OpenSSL contexts, one for each distinct set of settings; what is read from a changed CA or CRL
 * file gets a new one. The cache keeps the few last used; a context that left it lives as long as
 * its last connection. Each has the sessions that may be resumed with it.
 */
struct tls_cache;

struct tls_cache *tls_cache_new(struct event_base *base);
void tls_cache_free(struct tls_cache *cache);

struct tls_material;

/* A client, its handshake still to come. */
struct tls_order {
	const struct tls_settings *settings;
	const struct tls_material *material; /* from their files */
	int fd;             /* the connected socket */
	const char *host;   /* of the URL */
	const char *server; /* "host:port" */

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

/* OpenSSL's words for an error code; static or of strerror(3). */
const char *tls_reason(unsigned long code);

#endif
