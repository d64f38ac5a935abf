#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/choice.h"
#include "base/error.h"
#include "base/strings.h"

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
extern const struct choice tls_versions[];

/* TLS with a server. Any string may be NULL: the default. */
struct tls_settings {
	const char *group;     /* the name of these settings, for errors; default: "tls" */
	bool verify;           /* the certificate chain and the host name */
	const char *ca_file;   /* PEM; default: the system's */
	const char *ca_path;   /* a c_rehash'ed directory */
	const char *crl_file;  /* certificate revocation lists, PEM, of which one has to be of the
	                              issuer of the server's certificate, and valid; only with
	                              `verify`, and nothing is resumed then; default: none */
	const char *cert_file; /* client certificate chain, PEM; read at each connect */
	const char *key_file;  /* its private key, read with it; default: in cert_file */
	const char *key_passphrase_file; /* for the caller, who sets the next one */
	const char *key_passphrase;      /* of an encrypted key: the text itself */
	const char *server_name;         /* for SNI and verification; default: the URL's host */
	enum tls_version min_version;
	const char *ciphers;     /* OpenSSL cipher list for TLS 1.2; default: OpenSSL's, but
	                              for finite-field Diffie-Hellman (DHE) */
	struct string_list pins; /* "sha256//BASE64": the server's public key must be one of them,
	                              besides what `verify` says; none: any */
	bool resume;             /* resume the session of an earlier call */
	const char *keylog_file; /* the secrets of the sessions are appended, in NSS's format;
	                              made with mode 0600. For debugging */
};

/* True if the settings are consistent with each other. */
bool tls_check_settings(const struct tls_settings *settings, struct error *error);

/* True if the settings name anything that tls_check() looks at. */
bool tls_needs_check(const struct tls_settings *settings);

/* The part of the settings that tls_check() looks at. */
struct tls_settings tls_named(const struct tls_settings *settings);

/* For this room only. */

/* Must precede any other use of OpenSSL; may be called again. */
void tls_init(void);

const char *tls_group(const struct tls_settings *settings);

/* Apply settings to a new context. */
void tls_use_version(SSL_CTX *context, enum tls_version minimum);
bool tls_use_ciphers(SSL_CTX *context, const char *list, struct error *error);

/* A callback without which OpenSSL would ask for the passphrase of a key on the terminal. */
int tls_no_passphrase(char *buffer, int size, int writing, void *context);

/* OpenSSL's text for an error code: static, or from strerror(3). */
const char *tls_reason(unsigned long code);

#endif
