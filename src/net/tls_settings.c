#include "net/tls_settings.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "net/tls_guard.h"

const struct choice tls_versions[] = {
	{"1.2", TLS_VERSION_1_2},
	{"1.3", TLS_VERSION_1_3},
	{0},
};

void tls_init(void)
{
	/* A thread may still be inside OpenSSL when the process exits, so it must not tidy up. */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CONFIG |
			OPENSSL_INIT_NO_ATEXIT,
		NULL);
}

const char *tls_reason(unsigned long code)
{
	const char *reason;

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	reason = ERR_reason_error_string(code);
	return reason ? reason : "unknown error";
}

const char *tls_group(const struct tls_settings *settings)
{
	return settings->group ? settings->group : "tls";
}

void tls_use_version(SSL_CTX *context, enum tls_version minimum)
{
	SSL_CTX_set_min_proto_version(context,
		minimum == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

bool tls_use_ciphers(SSL_CTX *context, const char *list, struct error *error)
{
	if (list ? SSL_CTX_set_cipher_list(context, list) : tls_guard_drop_dhe(context))
		return true;
	return error_set(error, ERROR_WEBSOCKET, "TLS cipher list '%s' cannot be used: %s",
		list ? list : "default", tls_reason(ERR_peek_error()));
}

int tls_no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return -1;
}

bool tls_check_settings(const struct tls_settings *settings, struct error *error)
{
	if (settings->crl_file && !settings->verify)
		return error_set(error, ERROR_WEBSOCKET,
			"'crl_file' needs 'verify': without it no certificate is checked at all");
	if (settings->key_file && !settings->cert_file)
		return error_set(error, ERROR_WEBSOCKET,
			"'key_file' needs the 'cert_file' that it is the key of");
	if (settings->key_passphrase_file && !settings->cert_file)
		return error_set(error, ERROR_WEBSOCKET,
			"'key_passphrase_file' needs the 'cert_file' whose key it opens");
	return true;
}

bool tls_needs_check(const struct tls_settings *settings)
{
	return settings->ca_file || settings->ca_path || settings->crl_file ||
		settings->cert_file || settings->ciphers;
}

/* Those that settings name: the system's own certificates are none of theirs. */
struct tls_settings tls_named(const struct tls_settings *settings)
{
	struct tls_settings named = *settings;

	named.verify &= named.ca_file || named.ca_path || named.crl_file;
	return named;
}
