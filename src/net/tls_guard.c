#include "net/tls_guard.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

/*
 * Far more than a server has reason for: a handshake has about six, some servers send a few session
 * tickets after it, and keys are good for gigabytes.
 */
enum { TLS_MESSAGES_MAX = 1000 };

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
			"the server sent more than %d TLS messages in a row without data",
			TLS_MESSAGES_MAX);
}
