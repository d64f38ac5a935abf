#ifndef NET_TLS_MATERIAL_H
#define NET_TLS_MATERIAL_H

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/tls_settings.h"
#include "net/tls_stores.h"

/* The contents of the files of the settings; each member may be NULL. References to what OpenSSL shares,
 * so a copy costs nothing. */
struct tls_material {
	X509_STORE *store; /* with `verify` */
	uint64_t store_number;
	X509 *certificate; /* the client's, */
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

/* Reads them, on a thread since that may take long. True if OpenSSL can use all of it, and the
 * ciphers of the settings. */
bool tls_material_load(struct tls_material *material, const struct tls_settings *settings,
	struct tls_stores *stores, struct error *error);

struct tls_material tls_material_copy(const struct tls_material *material);
void tls_material_release(struct tls_material *material);

/* Gives a client its certificate, if there is one. */
bool tls_material_use(const struct tls_material *material, SSL *ssl,
	const struct tls_settings *settings, struct error *error);

#endif
