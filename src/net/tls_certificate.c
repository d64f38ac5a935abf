#include "net/tls_certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/url.h"

static const char pin_prefix[] = "sha256//";

enum {
	PIN_BASE64_LENGTH = 44, /* of the 32 bytes of a SHA-256 */
	SERVER_NAME_MAX = URL_HOST_MAX,
};

bool tls_check_pin(const char *pin, struct error *error)
{
	size_t prefix = strlen(pin_prefix);
	uint8_t hash[PIN_BASE64_LENGTH];
	size_t length;

	if (strncmp(pin, pin_prefix, prefix) == 0 && strlen(pin) == prefix + PIN_BASE64_LENGTH &&
		text_base64_decode(hash, &length, pin + prefix) && length == SHA256_DIGEST_LENGTH)
		return true;
	return error_set(error, ERROR_WEBSOCKET,
		"must be \"sha256//\" and the Base64 of a SHA-256, not \"%.*s\"", text_cut(pin, 80),
		pin);
}

/* A leading dot would have OpenSSL take any subdomain. */
bool tls_check_server_name(const char *name, struct error *error)
{
	struct in6_addr address;

	if (inet_pton(AF_INET6, name, &address) == 1)
		return true;
	if (*name && *name != '.' && strlen(name) <= SERVER_NAME_MAX &&
		name[strspn(name, URL_HOST_CHARACTERS)] == '\0')
		return true;
	return error_set(error, ERROR_WEBSOCKET,
		"must be the name of a host or an address, without wildcards, not \"%.*s\"",
		text_cut(name, 100), name);
}

/* The pin for the key of this certificate, as RFC 7469, section 2.4, hashes it. */
static void tls_certificate_pin(const X509 *certificate, char pin[64])
{
	unsigned char *der = NULL;
	unsigned char hash[SHA256_DIGEST_LENGTH];
	int length = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1;

	pin[0] = '\0';
	if (length <= 0)
		return;
	SHA256(der, (size_t)length, hash);
	OPENSSL_free(der);
	strcpy(pin, pin_prefix);
	text_base64_encode(pin + strlen(pin_prefix), hash, sizeof(hash));
	pin[strlen(pin_prefix) + PIN_BASE64_LENGTH] = '\0';
}

bool tls_certificate_pinned(const X509 *certificate, const struct tls_settings *settings,
	const char *server, struct error *error)
{
	char pin[64];

	if (!settings->pins.count)
		return true;
	tls_certificate_pin(certificate, pin);
	if (string_list_find(&settings->pins, pin) < settings->pins.count)
		return true;
	return error_set(error, ERROR_SOCKET_SSL,
		"certificate of %s not accepted: its public key is %s, which is not pinned", server,
		pin[0] ? pin : "missing");
}

static void tls_certificate_subject(const X509 *certificate, char *text, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data;
	long length;

	if (out &&
		X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >=
			0) {
		length = BIO_get_mem_data(out, &data);
		text_printable(text, size, data, length > 0 ? (size_t)length : 0);
	}
	BIO_free(out);
}

void tls_certificate_describe(const X509 *certificate, struct tls_report *report)
{
	struct tm expiry;
	time_t seconds;

	if (!certificate)
		return;
	tls_certificate_subject(certificate, report->certificate_subject,
		sizeof(report->certificate_subject));
	if (!ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expiry))
		return;
	seconds = timegm(&expiry);
	if (seconds > 0 && (uint64_t)seconds <= UINT64_MAX / CLOCK_NS_PER_SECOND)
		report->certificate_expiry = (uint64_t)seconds * CLOCK_NS_PER_SECOND;
}

void tls_certificate_fingerprint(const X509 *certificate, char text[TLS_FINGERPRINT_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int length;

	text[0] = '\0';
	if (!certificate || !X509_digest(certificate, EVP_sha256(), hash, &length))
		return;
	text_base64_encode(text, hash, length);
	text[text_base64_length(length)] = '\0';
}
