#include "net/tls_guard.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "base/buffer.h"

/*
 * Far more than a server has reason for: a handshake has about six, some servers send a few session
 * tickets after it, and keys are good for gigabytes.
 */
enum { TLS_MESSAGES_MAX = 1000 };

/* The ciphers of TLS 1.3 are a list of their own, and may be all that there is. */
bool tls_guard_drop_dhe(SSL_CTX *context)
{
	STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
	struct buffer names = {0};
	bool ok;

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
		int exchange = SSL_CIPHER_get_kx_nid(cipher);

		if (exchange != NID_kx_any && exchange != NID_kx_dhe && exchange != NID_kx_dhe_psk)
			buffer_append_format(&names, "%s%s", names.length ? ":" : "",
				SSL_CIPHER_get_name(cipher));
	}
	buffer_append(&names, "", 1);
	ok = names.length == 1 ||
		SSL_CTX_set_cipher_list(context, (const char *)buffer_data(&names));
	buffer_release(&names);
	return ok;
}

/* The callback that the context had before. */
typedef int (*security_callback)(const SSL *ssl, const SSL_CTX *context, int operation, int bits,
	int nid, void *other, void *former);

/* For a group `other` is its number in TLS (RFC 8446, section 4.2.7): 0x01.. are the primes. */
static int tls_guard_on_security(const SSL *ssl, const SSL_CTX *context, int operation, int bits,
	int nid, void *other, void *former)
{
	const unsigned char *group = other;

	bool is_group = ((unsigned)operation & SSL_SECOP_OTHER_TYPE) == SSL_SECOP_OTHER_CURVE;

	if (is_group && group[0] == 0x01)
		return 0;
	return ((security_callback)former)(ssl, context, operation, bits, nid, other, NULL);
}

void tls_guard_drop_ffdhe(SSL_CTX *context)
{
	SSL_CTX_set0_security_ex_data(context, (void *)SSL_CTX_get_security_callback(context));
	SSL_CTX_set_security_callback(context, tls_guard_on_security);
}

/* Called before each read from the socket (and what else a BIO does); a result of less than 1 is
 * that of the read. */
static long tls_guard_on_socket(BIO *bio, int operation, const char *data, size_t length,
	int argument, long more, int result, size_t *processed)
{
	struct tls_guard *guard = (struct tls_guard *)BIO_get_callback_arg(bio);

	(void)data, (void)length, (void)argument, (void)more, (void)processed;
	if (operation != BIO_CB_READ)
		return result;
	if (guard->may_read) {
		guard->may_read = false;
		return result;
	}
	BIO_clear_retry_flags(bio);
	BIO_set_retry_read(bio);
	return -1;
}

static void tls_guard_on_message(int sent, int version, int type, const void *data, size_t length,
	SSL *ssl, void *context)
{
	struct tls_guard *guard = context;

	(void)version, (void)data, (void)length, (void)ssl;
	if (sent || (type != SSL3_RT_HANDSHAKE && type != SSL3_RT_ALERT))
		return;
	guard->work += TLS_WORK_MESSAGE;
	guard->messages++;
}

void tls_guard_attach(struct tls_guard *guard, SSL *ssl)
{
	BIO *socket = SSL_get_rbio(ssl);

	BIO_set_callback_ex(socket, tls_guard_on_socket);
	BIO_set_callback_arg(socket, (char *)guard);
	SSL_set_msg_callback(ssl, tls_guard_on_message);
	SSL_set_msg_callback_arg(ssl, guard);
}

struct tls_guard *tls_guard_of(const SSL *ssl)
{
	return (struct tls_guard *)BIO_get_callback_arg(SSL_get_rbio(ssl));
}

void tls_guard_begin_call(struct tls_guard *guard)
{
	guard->may_read = true;
}

void tls_guard_note_data(struct tls_guard *guard)
{
	guard->work++;
	guard->messages = 0;
}

bool tls_guard_check(const struct tls_guard *guard, struct error *error)
{
	return guard->messages <= TLS_MESSAGES_MAX ||
		error_set(error, ERROR_SOCKET_SSL,
			"the peer sent more than %d TLS messages in a row without data",
			TLS_MESSAGES_MAX);
}
