#include "net/tls_trust.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strings.h"
#include "net/address.h"

/* Where the CA certificates are: the system's, unless a setting says otherwise. */
static const char *tls_trust_file(const struct tls_trust *trust)
{
	const char *system = getenv(X509_get_default_cert_file_env());

	if (trust->ca_file || trust->ca_path)
		return trust->ca_file;
	return system ? system : X509_get_default_cert_file();
}

static const char *tls_trust_path(const struct tls_trust *trust)
{
	const char *system = getenv(X509_get_default_cert_dir_env());

	if (trust->ca_file || trust->ca_path)
		return trust->ca_path;
	return system ? system : X509_get_default_cert_dir();
}

/* True when a file is not the one that was read. */
static bool tls_trust_stamp(struct tls_trust *trust)
{
	const char *file = tls_trust_file(trust), *path = tls_trust_path(trust);
	bool changed = false;

	if (file)
		changed |= stamp_update(&trust->ca_file_stamp, file);
	if (path)
		changed |= stamp_update(&trust->ca_path_stamp, path);
	if (trust->crl_file)
		changed |= stamp_update(&trust->crl_file_stamp, trust->crl_file);
	return changed;
}

bool tls_trust_is_fresh(const struct tls_trust *trust)
{
	struct tls_trust now = *trust;

	return !tls_trust_stamp(&now);
}

bool tls_trust_matches(const struct tls_trust *trust, const struct tls_settings *settings)
{
	return string_equal(trust->ca_file, settings->ca_file) &&
		string_equal(trust->ca_path, settings->ca_path) &&
		string_equal(trust->crl_file, settings->crl_file);
}

void tls_trust_init(struct tls_trust *trust, const struct tls_settings *settings)
{
	*trust = (struct tls_trust){
		.ca_file = alloc_string(settings->ca_file),
		.ca_path = alloc_string(settings->ca_path),
		.crl_file = alloc_string(settings->crl_file),
	};
}

void tls_trust_release(struct tls_trust *trust)
{
	free(trust->ca_file);
	free(trust->ca_path);
	free(trust->crl_file);
	*trust = (struct tls_trust){0};
}

/* --- loading --------------------------------------------------------------------------------- */

static bool tls_trust_is_missing(unsigned long code)
{
	return ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) == ENOENT;
}

/* The system's own file need not be there; then `missing`. */
static bool tls_trust_load_file(X509_STORE *store, const char *file, bool *missing,
	struct error *error)
{
	unsigned long code;

	ERR_clear_error();
	if (X509_STORE_load_file(store, file))
		return true;
	code = ERR_peek_error();
	if (missing && tls_trust_is_missing(code)) {
		*missing = true;
		return true;
	}
	return error_set(error, ERROR_SOCKET_SSL, "cannot use the CA certificates of '%s': %s",
		file, tls_reason(code));
}

/* As OpenSSL looks for them: the hash of a name, and a number, with an r in front for CRLs. */
static bool tls_trust_is_hashed(const char *name)
{
	size_t hash = strspn(name, "0123456789abcdef");

	if (hash != 8 || name[hash] != '.')
		return false;
	name += hash + 1 + (name[hash + 1] == 'r');
	return *name && name[strspn(name, "0123456789")] == '\0';
}

/* OpenSSL opens what it looks for in the middle of a handshake, and would wait for who writes to a
 * FIFO. When the folder changes it is looked at again. */
static bool tls_trust_check_entries(DIR *folder, const char *path, struct error *error)
{
	const struct dirent *entry;
	struct stat status;

	while ((entry = readdir(folder))) {
		if (tls_trust_is_hashed(entry->d_name) &&
			fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 &&
			!S_ISREG(status.st_mode))
			return error_set(error, ERROR_SOCKET_SSL,
				"cannot use the CA directory '%s': %s is not a regular file", path,
				entry->d_name);
	}
	return true;
}

/* Looks into the folder, because OpenSSL does not before it searches there for a certificate.
 * `missing`: it may be, and is. */
static bool tls_trust_check_path(const char *path, bool *missing, struct error *error)
{
	DIR *folder = opendir(path);
	bool good;

	if (!folder && missing && errno == ENOENT) {
		*missing = true;
		return true;
	}
	if (!folder)
		return error_set(error, ERROR_SOCKET_SSL, "cannot use the CA directory '%s': %s",
			path, strerror(errno));
	good = tls_trust_check_entries(folder, path, error);
	closedir(folder);
	return good;
}

static bool tls_trust_load_path(X509_STORE *store, const char *path, bool *missing,
	struct error *error)
{
	bool several = missing && strchr(path, ':'); /* the environment may name more than one */

	if (!several && !tls_trust_check_path(path, missing, error))
		return false;
	if (missing && *missing)
		return true;
	ERR_clear_error();
	return X509_STORE_load_path(store, path) ||
		error_set(error, ERROR_SOCKET_SSL, "cannot use the CA directory '%s': %s", path,
			tls_reason(ERR_peek_error()));
}

static bool tls_trust_load_system(const struct tls_trust *trust, X509_STORE *store,
	struct error *error)
{
	const char *file = tls_trust_file(trust), *path = tls_trust_path(trust);
	bool no_file = false, no_path = false;

	if (!tls_trust_load_file(store, file, &no_file, error) ||
		!tls_trust_load_path(store, path, &no_path, error))
		return false;
	return !(no_file && no_path) ||
		error_set(error, ERROR_SOCKET_SSL,
			"this system has no CA certificates: there is neither '%s' nor '%s'", file,
			path);
}

static bool tls_trust_load_ca(const struct tls_trust *trust, X509_STORE *store, struct error *error)
{
	if (!trust->ca_file && !trust->ca_path)
		return tls_trust_load_system(trust, store, error);
	return (!trust->ca_file || tls_trust_load_file(store, trust->ca_file, NULL, error)) &&
		(!trust->ca_path || tls_trust_load_path(store, trust->ca_path, NULL, error));
}

/* All that are in the file. */
static bool tls_trust_load_crl(const struct tls_trust *trust, X509_STORE *store,
	struct error *error)
{
	X509_LOOKUP *lookup;

	if (!trust->crl_file)
		return true;
	ERR_clear_error();
	lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
	if (lookup && X509_load_crl_file(lookup, trust->crl_file, X509_FILETYPE_PEM) > 0)
		return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
	return error_set(error, ERROR_SOCKET_SSL,
		"cannot use the revocation lists of 'crl_file' '%s': %s", trust->crl_file,
		tls_reason(ERR_peek_error()));
}

/* As with curl and Go, each certificate of the store is trusted by itself: an intermediate one, or the
 * server's own, needs none above it. */
static bool tls_trust_allow_partial(X509_STORE *store, struct error *error)
{
	return X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 ||
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
}

X509_STORE *tls_trust_load(struct tls_trust *trust, struct error *error)
{
	X509_STORE *store = X509_STORE_new();

	tls_trust_stamp(trust); /* before it is read: what changes meanwhile is read again */
	if (!store)
		error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s", tls_reason(ERR_peek_error()));
	else if (tls_trust_allow_partial(store, error) && tls_trust_load_ca(trust, store, error) &&
		tls_trust_load_crl(trust, store, error))
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* --- one client ------------------------------------------------------------------------------ */

/* RFC 9525, section 6.3: a name counts only in subjectAltName, never as a common name. */
bool tls_trust_expect(SSL *ssl, const char *name, bool verify, struct error *error)
{
	X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
	struct address numeric;
	bool is_name = !address_parse(&numeric, name, 0);
	int ok = name[0] != '.'; /* OpenSSL takes that for all subdomains */

	if (ok && is_name) /* RFC 6066, section 3: no literal addresses */
		ok = SSL_set_tlsext_host_name(ssl, name) == 1;
	if (ok && verify) {
		X509_VERIFY_PARAM_set_hostflags(parameters,
			X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
		ok = is_name ? SSL_set1_host(ssl, name)
			     : X509_VERIFY_PARAM_set1_ip_asc(parameters, name);
	}
	if (!ok)
		error_set(error, ERROR_SOCKET_SSL, "'%s' cannot be a TLS server name", name);
	return ok;
}

static bool tls_trust_has_name(const X509 *certificate, int type)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = sk_GENERAL_NAME_value(names, i)->type == type;
	GENERAL_NAMES_free(names);
	return found;
}

/* The certificate that was not accepted; borrowed; NULL if there is none. */
static const X509 *tls_trust_refused(const SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);

	return chain ? sk_X509_value(chain, 0) : NULL;
}

static void tls_trust_explain_name(SSL *ssl, const char *server, const char *reason,
	struct error *error)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const X509 *certificate = tls_trust_refused(ssl);

	if (certificate && !tls_trust_has_name(certificate, GEN_DNS))
		error_set(error, ERROR_SOCKET_SSL,
			"certificate of %s not accepted: it has no DNS name (subjectAltName), and its "
			"common name does not count (RFC 9525)",
			server);
	else
		error_set(error, ERROR_SOCKET_SSL,
			"certificate of %s not accepted: %s: it is not for '%s'", server, reason,
			name);
}

static bool tls_trust_is_about_crl(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_CERT_REVOKED:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return true;
	default:
		return false;
	}
}

/* The first error may be that a file could not be opened in the CA directory, where the issuer is
 * then not found. */
static const char *tls_trust_shortage(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) != ENOENT ? tls_reason(code) : NULL;
}

bool tls_trust_explain(SSL *ssl, const char *server, struct error *error)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *reason = X509_verify_cert_error_string(verdict);
	const char *shortage = tls_trust_shortage();

	if (ERR_GET_REASON(ERR_peek_last_error()) != SSL_R_CERTIFICATE_VERIFY_FAILED ||
		verdict == X509_V_OK)
		return false;
	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH)
		tls_trust_explain_name(ssl, server, reason, error);
	else
		error_set(error, ERROR_SOCKET_SSL, "certificate of %s not accepted: %s%s%s%s",
			server, reason, tls_trust_is_about_crl(verdict) ? " (crl_file)" : "",
			shortage ? ": " : "", shortage ? shortage : "");
	return true;
}
