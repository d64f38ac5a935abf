#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include <openssl/types.h>
#include <stdbool.h>

#include "net/stamp.h"
#include "net/tls_settings.h"

/* The files of whom a client trusts: certificate authorities, and what they have revoked.
 * Zero-initialised: no files. */
struct tls_trust {
	char *ca_file;
	char *ca_path;
	char *crl_file;
	struct stamp ca_file_stamp; /* of the files as they were when they were read; */
	struct stamp ca_path_stamp; /* with the system's where there is no setting */
	struct stamp crl_file_stamp;
};

void tls_trust_init(struct tls_trust *trust, const struct tls_settings *settings);
void tls_trust_release(struct tls_trust *trust);

/* True if these are the files of the settings, */
bool tls_trust_matches(const struct tls_trust *trust, const struct tls_settings *settings);

/* and they have not changed since they were read. */
bool tls_trust_is_fresh(const struct tls_trust *trust);

/* Reads all of them: megabytes, maybe from a slow file system. The store is the caller's. NULL if
 * any cannot be read, be it only now: a store that has missed a file must not be used, nor kept. */
X509_STORE *tls_trust_load(struct tls_trust *trust, struct error *error);

/* Has this client accept only a certificate for that name or address. */
bool tls_trust_expect(SSL *ssl, const char *name, bool verify, struct error *error);

/* Describes why the server's certificate was not accepted; false: it was accepted. */
bool tls_trust_explain(SSL *ssl, const char *server, struct error *error);

#endif
