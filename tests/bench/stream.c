#include "stream.h"

#include <errno.h>
#include <unistd.h>

#include "bench.h"

SSL_CTX *stream_server_context(const char *pem)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	errno = 0;
	if (!context || SSL_CTX_use_certificate_chain_file(context, pem) != 1 ||
		SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1)
		bench_die("%s: no certificate and key to use", pem);
	return context;
}

SSL_CTX *stream_client_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context)
		bench_die("SSL_CTX_new");
	return context;
}

static struct stream stream_new(int fd, SSL_CTX *context)
{
	struct stream stream = {.fd = fd};

	if (!context)
		return stream;
	stream.tls = SSL_new(context);
	if (!stream.tls || SSL_set_fd(stream.tls, fd) != 1)
		bench_die("SSL_new");
	return stream;
}

struct stream stream_accept(int fd, SSL_CTX *context)
{
	struct stream stream = stream_new(fd, context);

	errno = 0;
	if (stream.tls && SSL_accept(stream.tls) != 1)
		bench_die("SSL_accept");
	return stream;
}

struct stream stream_connect(int fd, SSL_CTX *context)
{
	struct stream stream = stream_new(fd, context);

	errno = 0;
	if (stream.tls && SSL_connect(stream.tls) != 1)
		bench_die("SSL_connect");
	return stream;
}

void stream_write(const struct stream *stream, const void *data, size_t length)
{
	size_t written;

	errno = 0;
	if (!stream->tls)
		bench_write(stream->fd, data, length);
	else if (SSL_write_ex(stream->tls, data, length, &written) != 1)
		bench_die("SSL_write");
}

size_t stream_read(const struct stream *stream, void *data, size_t size)
{
	size_t length = 0;
	ssize_t got;

	errno = 0;
	if (stream->tls) {
		if (SSL_read_ex(stream->tls, data, size, &length) != 1 &&
			SSL_get_error(stream->tls, 0) != SSL_ERROR_ZERO_RETURN)
			bench_die("SSL_read");
		return length;
	}
	got = read(stream->fd, data, size);
	if (got < 0)
		bench_die("read");
	return (size_t)got;
}
