#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <sys/types.h>

/* One blocking TCP connection, with or without TLS. Every failure ends the program. */
struct stream {
	int fd;
	SSL *tls; /* NULL: without */
};

/* TLS 1.3 with AES-128-GCM; `pem`: a file with the certificate and its key. */
SSL_CTX *stream_server_context(const char *pem);

/* Checks no certificate. */
SSL_CTX *stream_client_context(void);

/* Take the descriptor over; `context` NULL: without TLS, else the handshake is made. */
struct stream stream_accept(int fd, SSL_CTX *context);
struct stream stream_connect(int fd, SSL_CTX *context);

void stream_write(const struct stream *stream, const void *data, size_t length);

/* One read() or SSL_read(). Returns how many bytes there are; 0 at the end. */
size_t stream_read(const struct stream *stream, void *data, size_t size);

#endif
