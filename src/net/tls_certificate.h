#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include <openssl/types.h>

#include "base/error.h"
#include "net/tls.h"

/* True if a pin, or a name for SNI and verification, is well-formed; else ERROR_WEBSOCKET, with a
 * text that follows the name of the setting ("must be …"). */
bool tls_check_pin(const char *pin, struct error *error);
bool tls_check_server_name(const char *name, struct error *error);

/* True if the server's public key is one of the pins, or there are none. `server` names the peer in
 * the error. */
bool tls_certificate_pinned(const X509 *certificate, const struct tls_settings *settings,
	const char *server, struct error *error);

void tls_certificate_describe(const X509 *certificate, struct tls_report *report);

/* Text that two certificates do not share: the SHA-256 of the whole. NULL: "". */
enum { TLS_FINGERPRINT_SIZE = 45 };
void tls_certificate_fingerprint(const X509 *certificate, char text[TLS_FINGERPRINT_SIZE]);

#endif
