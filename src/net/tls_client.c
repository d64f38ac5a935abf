#include "net/tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

struct tls_client *tls_client_of(const SSL *ssl)
{
	return (struct tls_client *)tls_guard_of(ssl); /* which is its first member */
}

/* NULL: the context has left the cache. */
static struct tls_sessions *tls_client_sessions(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* --- callbacks of OpenSSL ------------------------------------------------------------------ */

static int tls_client_on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_client *client = tls_client_of(ssl);
	struct tls_sessions *sessions = tls_client_sessions(ssl);

	if (sessions && client->session_key && SSL_SESSION_is_resumable(session))
		tls_sessions_store(sessions, client->session_key, session);
	return 0; /* the session itself stays OpenSSL's */
}

static int tls_client_open_keylog(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		S_IRUSR | S_IWUSR);
}

/* Opens the file for each line: it is for debugging, and may be removed at any time. */
static void tls_client_on_secret(const SSL *ssl, const char *line)
{
	const struct tls_client *client = tls_client_of(ssl);
	int fd = client->keylog_file ? tls_client_open_keylog(client->keylog_file) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", line);
	close(fd);
}

/* OpenSSL asks for its verdict on the server's certificates, and again when the thread is done. */
static int tls_client_on_certificates(X509_STORE_CTX *of, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(of, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_handshaking *now = tls_client_of(ssl)->handshaking;

	(void)unused;
	X509_STORE_CTX_set_error(of, X509_V_ERR_UNSPECIFIED); /* unless a fault is found */
	if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
		return 1;
	if (now->verify && tls_verify_is_done(now->verify)) {
		now->accepted = tls_verify_outcome(now->verify, of);
		return now->accepted;
	}
	if (!now->verify)
		now->verify = tls_verify_start(now->base, now->store, of, now->resume, now->context,
			&now->error);
	now->no_thread = !now->verify;
	return now->verify && SSL_set_retry_verify(ssl) == 1;
}

void tls_client_attach(SSL_CTX *context, struct tls_sessions *sessions, bool keylog)
{
	SSL_CTX_set_app_data(context, sessions);
	SSL_CTX_sess_set_new_cb(context, tls_client_on_session);
	if (keylog)
		SSL_CTX_set_keylog_callback(context, tls_client_on_secret);
	SSL_CTX_set_cert_verify_callback(context, tls_client_on_certificates, NULL);
}

void tls_client_detach(SSL_CTX *context)
{
	SSL_CTX_set_app_data(context, NULL);
}

/* --- a client ------------------------------------------------------------------------------ */

static void tls_handshaking_free(struct tls_handshaking *now)
{
	if (!now)
		return;
	tls_verify_free(now->verify);
	X509_STORE_free(now->store);
	free(now);
}

static void tls_client_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argument,
	void *pointer)
{
	struct tls_client *client = data;

	(void)parent, (void)all, (void)index, (void)argument, (void)pointer;
	if (!client)
		return;
	free(client->session_key);
	free(client->keylog_file);
	tls_handshaking_free(client->handshaking);
	free(client);
}

int tls_client_index_new(void)
{
	return SSL_get_ex_new_index(0, NULL, NULL, NULL, tls_client_free);
}

void tls_client_index_free(int index)
{
	CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, index);
}

struct tls_client *tls_client_new(SSL *ssl, int index, const struct tls_handshaking *handshaking)
{
	struct tls_client *client = alloc_zero(1, sizeof(*client));

	client->handshaking = alloc_zero(1, sizeof(*client->handshaking));
	*client->handshaking = *handshaking;
	if (handshaking->store)
		X509_STORE_up_ref(handshaking->store);
	SSL_set_ex_data(ssl, index, client);
	tls_guard_attach(&client->guard, ssl);
	return client;
}

bool tls_client_use_keylog(struct tls_client *client, const char *path, struct error *error)
{
	int fd;

	if (!path)
		return true;
	fd = tls_client_open_keylog(path);
	if (fd < 0)
		return error_set(error, ERROR_SOCKET_SSL, "cannot write the key log '%s': %s", path,
			strerror(errno));
	close(fd);
	client->keylog_file = alloc_string(path);
	return true;
}

void tls_client_use_session(struct tls_client *client, SSL *ssl, char *key)
{
	client->session_key = key;
	tls_sessions_offer(tls_client_sessions(ssl), key, ssl);
}

void tls_client_forget_session(const struct tls_client *client, const SSL *ssl)
{
	struct tls_sessions *sessions = tls_client_sessions(ssl);

	if (sessions && client->session_key)
		tls_sessions_remove(sessions, client->session_key);
}

void tls_client_end_handshake(struct tls_client *client)
{
	tls_handshaking_free(client->handshaking);
	client->handshaking = NULL;
}
