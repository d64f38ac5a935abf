/*
 * A TLS server that keeps its clients busy: tls_flood CERTIFICATE KEY, then the port on standard
 * output. The path of the request says what it floods with once the WebSocket is open:
 *
 *   /key-updates     key updates that want an answer, and nothing else
 *   /tickets         session tickets, and nothing else
 *   /both-and-data   those, but now and then a message: it never gets too much
 *   /records         messages of one byte, each in a record of its own
 *
 * To a client that takes it for a proxy, the host that it is to CONNECT to says so, without "/".
 *
 * On the port that it prints second it answers a client's hello with requests for another one.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 400 }; /* messages without data between two with */

struct client {
	SSL_CTX *context;
	int fd;
};

static bool key_update(SSL *ssl)
{
	return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
}

static bool ticket(SSL *ssl)
{
	return SSL_new_session_ticket(ssl) == 1 && SSL_do_handshake(ssl) == 1;
}

static bool message(SSL *ssl)
{
	static const char frame[] = "\x81\x01x";

	return SSL_write(ssl, frame, sizeof(frame) - 1) > 0;
}

static bool both_and_data(SSL *ssl)
{
	for (int i = 0; i < BURST; i++) {
		if (!(i % 2 ? key_update(ssl) : ticket(ssl)))
			return false;
	}
	return message(ssl);
}

static const struct {
	const char *name;
	bool (*send)(SSL *ssl);
} floods[] = {
	{"key-updates", key_update},
	{"tickets", ticket},
	{"both-and-data", both_and_data},
	{"records", message},
};

static bool answer(SSL *ssl, const char *request)
{
	static const char tunnel[] = "HTTP/1.1 200 OK\r\n\r\n";
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	const char *key = strcasestr(request, "\r\nSec-WebSocket-Key: ");
	unsigned char hash[EVP_MAX_MD_SIZE];
	char text[512], accept[64];
	unsigned length;

	if (strncmp(request, "CONNECT ", strlen("CONNECT ")) == 0)
		return SSL_write(ssl, tunnel, sizeof(tunnel) - 1) > 0;
	if (!key)
		return false;
	key += strlen("\r\nSec-WebSocket-Key: ");
	snprintf(text, sizeof(text), "%.*s%s", (int)strcspn(key, "\r"), key, guid);
	EVP_Digest(text, strlen(text), hash, &length, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)accept, hash, (int)length);
	snprintf(text, sizeof(text),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		accept);
	return SSL_write(ssl, text, (int)strlen(text)) > 0;
}

static void flood(SSL *ssl)
{
	char request[4096];
	int length = SSL_read(ssl, request, sizeof(request) - 1);
	const char *name;

	if (length <= 0)
		return;
	request[length] = '\0';
	if (!answer(ssl, request))
		return;
	name = request + strcspn(request, " ") + 1;
	name += *name == '/';
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		if (strncmp(name, floods[i].name, strlen(floods[i].name)) != 0)
			continue;
		while (floods[i].send(ssl))
			continue;
	}
}

static void *serve_tls(void *argument)
{
	struct client *client = argument;
	SSL *ssl = SSL_new(client->context);

	SSL_set_fd(ssl, client->fd);
	if (SSL_accept(ssl) == 1)
		flood(ssl);
	SSL_free(ssl);
	close(client->fd);
	free(client);
	return NULL;
}

/* Records of the type handshake, each full of requests for a hello: 4 bytes, all 0. */
static void *serve_hello_requests(void *argument)
{
	static const unsigned char record[5 + 16384] = {22, 3, 3, 0x40, 0};
	struct client *client = argument;
	char hello[4096];

	if (recv(client->fd, hello, sizeof(hello), 0) > 0) {
		while (send(client->fd, record, sizeof(record), 0) > 0)
			continue;
	}
	close(client->fd);
	free(client);
	return NULL;
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 16) < 0)
		exit(1);
	getsockname(fd, (struct sockaddr *)&address, &length);
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

struct listener {
	int fd;
	SSL_CTX *context;
	void *(*serve)(void *client);
};

static void *accept_clients(void *argument)
{
	const struct listener *listener = argument;
	struct client *client;
	pthread_t thread;

	for (;;) {
		client = calloc(1, sizeof(*client));
		client->context = listener->context;
		client->fd = accept(listener->fd, NULL, NULL);
		if (client->fd < 0 || pthread_create(&thread, NULL, listener->serve, client) != 0)
			exit(1);
		pthread_detach(thread);
	}
}

int main(int count, char **arguments)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct listener tls = {.context = context, .serve = serve_tls};
	struct listener hello = {.serve = serve_hello_requests};
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	if (count != 3 || SSL_CTX_use_certificate_chain_file(context, arguments[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(context, arguments[2], SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		return 2;
	}
	tls.fd = listen_on_loopback();
	hello.fd = listen_on_loopback();
	if (pthread_create(&thread, NULL, accept_clients, &hello) != 0)
		return 1;
	accept_clients(&tls);
	return 0;
}
