#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include <openssl/types.h>
#include <stdbool.h>

#include "net/stamp.h"
#include "net/tls.h"

/* Which certificates a context accepts: those that certificate authorities have issued and not
 * revoked. Zero-initialised is from no file. */
struct tls_trust {
	bool verify;
	char *ca_file;
	char *ca_path;
	char *crl_file;
	struct stamp ca_file_stamp; /* of the files as they were when they were read; */
	struct stamp ca_path_stamp; /* with the system's where there is no setting */
	struct stamp crl_file_stamp;
};

/* Has the context check what the settings say. Fails if any of it cannot be read, be it only now: a
 * context that has missed a file must not be used, nor kept. */
bool tls_trust_load(struct tls_trust *trust, SSL_CTX *ssl, const struct tls_settings *settings,
	struct error *error);
void tls_trust_release(struct tls_trust *trust);

/* Whether it was loaded for these settings, */
bool tls_trust_matches(const struct tls_trust *trust, const struct tls_settings *settings);

/* and from files that have not changed since. */
bool tls_trust_is_fresh(const struct tls_trust *trust);

/* Has this client accept only a certificate for that name or address. */
bool tls_trust_expect(SSL *ssl, const char *name, bool verify, struct error *error);

/* The server's certificate was not accepted; false: that was not it. */
bool tls_trust_explain(SSL *ssl, const char *server, struct error *error);

#endif
