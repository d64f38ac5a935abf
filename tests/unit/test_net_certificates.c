#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "test_net.h"

static void certificate_extend(X509 *x509, int id, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, id, value);

	ck_assert_ptr_nonnull(extension);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
}

static void certificate_write(const struct certificate *certificate)
{
	FILE *file = fopen(certificate->cert_file, "w");

	ck_assert_ptr_nonnull(file);
	PEM_write_X509(file, certificate->x509);
	fclose(file);
	file = fopen(certificate->key_file, "w");
	ck_assert_ptr_nonnull(file);
	PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

void certificate_make(struct certificate *certificate, const char *directory, const char *name,
	const char *names, const struct certificate *issuer, int days)
{
	static long serial;
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);

	certificate->key = EVP_EC_gen("P-256");
	certificate->x509 = x509;
	snprintf(certificate->cert_file, sizeof(certificate->cert_file), "%s/%s.crt", directory,
		name);
	snprintf(certificate->key_file, sizeof(certificate->key_file), "%s/%s.key", directory,
		name);

	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x509), -10L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x509), days * 86400L);
	X509_set_pubkey(x509, certificate->key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
		0);
	X509_set_issuer_name(x509, issuer ? X509_get_subject_name(issuer->x509) : subject);
	certificate_extend(x509, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
	if (names && *names)
		certificate_extend(x509, NID_subject_alt_name, names);
	ck_assert_int_gt(X509_sign(x509, issuer ? issuer->key : certificate->key, EVP_sha256()), 0);
	certificate_write(certificate);
}

void certificate_revoke(const char *file, const struct certificate *issuer,
	const struct certificate *revoked, int days)
{
	ASN1_TIME *begin = X509_gmtime_adj(NULL, days * 86400L - 60);
	ASN1_TIME *end = X509_gmtime_adj(NULL, (days + 1) * 86400L);
	X509_CRL *list = X509_CRL_new();
	X509_REVOKED *entry;
	FILE *out = fopen(file, "a");

	X509_CRL_set_version(list, 1);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->x509));
	X509_CRL_set1_lastUpdate(list, begin);
	X509_CRL_set1_nextUpdate(list, end);
	if (revoked) {
		entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509));
		X509_REVOKED_set_revocationDate(entry, begin);
		X509_CRL_add0_revoked(list, entry);
	}
	ck_assert_int_gt(X509_CRL_sign(list, issuer->key, EVP_sha256()), 0);
	ck_assert_ptr_nonnull(out);
	PEM_write_X509_CRL(out, list);
	fclose(out);
	X509_CRL_free(list);
	ASN1_TIME_free(begin);
	ASN1_TIME_free(end);
}

void certificate_free(struct certificate *certificate)
{
	X509_free(certificate->x509);
	EVP_PKEY_free(certificate->key);
	remove(certificate->cert_file);
	remove(certificate->key_file);
}
