#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_net.h"

static void tls_server_note(struct tls_server *server, SSL *ssl)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	X509 *client = SSL_get0_peer_certificate(ssl);

	snprintf(server->server_name, sizeof(server->server_name), "%s", name ? name : "");
	server->client_name[0] = '\0';
	if (client)
		X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName,
			server->client_name, sizeof(server->client_name));
}

static void tls_server_send(SSL *ssl)
{
	char record[RECORD_SIZE];

	for (int i = 0; i < RECORDS; i++) {
		memset(record, 'a' + i % 26, sizeof(record));
		SSL_write(ssl, record, sizeof(record));
	}
}

static void tls_server_echo(SSL *ssl)
{
	char data[4096];
	int length;

	while ((length = SSL_read(ssl, data, sizeof(data))) > 0)
		SSL_write(ssl, data, length);
}

static void tls_server_serve(struct tls_server *server, int fd)
{
	static const char plain[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	char hello[2048];
	SSL *ssl;

	if (server->script == SCRIPT_NOT_TLS || server->script == SCRIPT_CLOSE_AT_ONCE) {
		ck_assert_int_gt(recv(fd, hello, sizeof(hello), 0), 0);
		if (server->script == SCRIPT_NOT_TLS)
			send(fd, plain, sizeof(plain) - 1, MSG_NOSIGNAL);
		return;
	}
	ssl = SSL_new(server->context);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		tls_server_note(server, ssl);
		if (server->script == SCRIPT_ECHO)
			tls_server_echo(ssl);
		else
			tls_server_send(ssl);
		if (server->script != SCRIPT_TRUNCATE)
			SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static void *tls_server_run(void *argument)
{
	struct tls_server *server = argument;
	char rest[4096];
	int fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		tls_server_serve(server, fd);
		shutdown(fd, SHUT_WR);
		while (recv(fd, rest, sizeof(rest), 0) > 0)
			continue; /* closing with bytes unread would be a reset */
		close(fd);
	}
	OPENSSL_thread_stop();
	return NULL;
}

void tls_server_start(struct tls_server *server, const struct certificate *certificate,
	enum script script)
{
	*server = (struct tls_server){.script = script};
	server->context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(server->context, certificate->x509);
	SSL_CTX_use_PrivateKey(server->context, certificate->key);
	server->listener = listen_on(AF_INET, &server->port, 5);
}

void tls_server_go(struct tls_server *server)
{
	ck_assert_int_eq(pthread_create(&server->thread, NULL, tls_server_run, server), 0);
}

void tls_server_stop(struct tls_server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	SSL_CTX_free(server->context);
}

void tls_server_fork(struct tls_server *server)
{
	server->process = fork();
	ck_assert_int_ge(server->process, 0);
	if (server->process == 0) {
		tls_server_run(server);
		_exit(0);
	}
}

void tls_server_kill(struct tls_server *server)
{
	kill(server->process, SIGKILL);
	waitpid(server->process, NULL, 0);
	close(server->listener);
	SSL_CTX_free(server->context);
}
