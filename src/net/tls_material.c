#include "net/tls_material.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "net/tls_guard.h"

/* Given to OpenSSL when a private key is encrypted. */
struct tls_passphrase {
	const char *text; /* NULL: none */
	bool asked;
};

static int tls_give_passphrase(char *buffer, int size, int writing, void *context)
{
	struct tls_passphrase *passphrase = context;
	size_t length = passphrase->text ? strlen(passphrase->text) : 0;

	(void)writing;
	passphrase->asked = true;
	if (!passphrase->text || length > (size_t)size)
		return -1;
	memcpy(buffer, passphrase->text, length);
	return (int)length;
}

static const char *tls_key_file(const struct tls_settings *settings)
{
	return settings->key_file ? settings->key_file : settings->cert_file;
}

static bool tls_load_key(SSL_CTX *context, const struct tls_settings *settings, struct error *error)
{
	const char *text = settings->key_passphrase, *file = tls_key_file(settings);
	struct tls_passphrase passphrase = {.text = text};
	const char *reason;
	bool ok;

	SSL_CTX_set_default_passwd_cb(context, tls_give_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(context, &passphrase);
	ok = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
	if (ok)
		return true;
	if (!passphrase.asked)
		reason = tls_reason(ERR_peek_error());
	else
		reason = text ? "the passphrase is wrong"
			      : "it is encrypted, and there is no passphrase";
	return error_set(error, ERROR_SOCKET_SSL, "cannot use the private key '%s': %s", file,
		reason);
}

static bool tls_load_certificate(SSL_CTX *context, const struct tls_settings *settings,
	struct error *error)
{
	if (!settings->cert_file)
		return true;
	SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
	if (!SSL_CTX_use_certificate_chain_file(context, settings->cert_file))
		return error_set(error, ERROR_SOCKET_SSL,
			"cannot use the client certificate '%s': %s", settings->cert_file,
			tls_reason(ERR_peek_error()));
	return tls_load_key(context, settings, error);
}

/* References to the client's certificate and key, which the context has. */
static void tls_material_take(struct tls_material *material, SSL_CTX *context)
{
	STACK_OF(X509) *chain = NULL;

	material->certificate = SSL_CTX_get0_certificate(context);
	if (!material->certificate)
		return;
	X509_up_ref(material->certificate);
	material->key = SSL_CTX_get0_privatekey(context);
	EVP_PKEY_up_ref(material->key);
	SSL_CTX_get0_chain_certs(context, &chain);
	material->chain = chain ? X509_chain_up_ref(chain) : NULL;
}

/* On a context that is only for this: what a certificate may be depends on the ciphers, too. */
static bool tls_material_try(struct tls_material *material, const struct tls_settings *settings,
	struct error *error)
{
	SSL_CTX *context;
	bool usable = false;

	if (!settings->cert_file && !settings->ciphers)
		return true;
	context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return error_set(error, ERROR_SOCKET_SSL, "OpenSSL: %s",
			tls_reason(ERR_peek_error()));
	tls_use_version(context, settings->min_version);
	usable = tls_use_ciphers(context, settings->ciphers, error) &&
		tls_load_certificate(context, settings, error);
	if (usable)
		tls_material_take(material, context);
	SSL_CTX_free(context);
	return usable;
}

/* OpenSSL opens the file by name, and would wait for the writer of a FIFO. */
static bool tls_check_file(const struct tls_settings *settings, const char *setting,
	const char *path, struct error *error)
{
	int fd = path ? file_open(path, FILE_REGULAR, error) : -1;

	if (fd >= 0)
		close(fd);
	if (!path || fd >= 0)
		return true;
	error->name = ERROR_SOCKET_SSL;
	return error_prefix(error, "%s.%s: %s ", tls_group(settings), setting, path);
}

static bool tls_check_files(const struct tls_settings *settings, struct error *error)
{
	bool verify = settings->verify;

	return tls_check_file(settings, "ca_file", verify ? settings->ca_file : NULL, error) &&
		tls_check_file(settings, "crl_file", verify ? settings->crl_file : NULL, error) &&
		tls_check_file(settings, "cert_file", settings->cert_file, error) &&
		tls_check_file(settings, "key_file", settings->key_file, error);
}

bool tls_material_load(struct tls_material *material, const struct tls_settings *settings,
	struct tls_stores *stores, struct error *error)
{
	*material = (struct tls_material){0};
	if (!tls_check_files(settings, error))
		return false;
	ERR_clear_error();
	if (settings->verify) {
		material->store = tls_stores_get(stores, settings, &material->store_number, error);
		if (!material->store)
			return false;
	}
	if (tls_material_try(material, settings, error))
		return true;
	tls_material_release(material);
	return false;
}

struct tls_material tls_material_copy(const struct tls_material *material)
{
	struct tls_material copy = *material;

	if (copy.store)
		X509_STORE_up_ref(copy.store);
	if (copy.certificate)
		X509_up_ref(copy.certificate);
	if (copy.key)
		EVP_PKEY_up_ref(copy.key);
	if (copy.chain)
		copy.chain = X509_chain_up_ref(copy.chain);
	return copy;
}

void tls_material_release(struct tls_material *material)
{
	X509_STORE_free(material->store);
	X509_free(material->certificate);
	EVP_PKEY_free(material->key);
	sk_X509_pop_free(material->chain, X509_free);
	*material = (struct tls_material){0};
}

bool tls_material_use(const struct tls_material *material, SSL *ssl,
	const struct tls_settings *settings, struct error *error)
{
	if (!material->certificate ||
		SSL_use_cert_and_key(ssl, material->certificate, material->key, material->chain,
			1) == 1)
		return true;
	return error_set(error, ERROR_SOCKET_SSL, "cannot use the client certificate '%s': %s",
		settings->cert_file, tls_reason(ERR_peek_error()));
}
