#include "net/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/tls.h"
#include "net/tls_guard.h"

struct stream *stream_new(int fd)
{
	struct stream *stream = alloc_zero(1, sizeof(*stream));

	stream->fd = fd;
	return stream;
}

static enum stream_status stream_lost(int cause, struct error *error)
{
	if (cause == ECONNRESET || cause == EPIPE)
		error_set(error, ERROR_SOCKET_CLOSED, "connection reset by peer");
	else
		error_set(error, ERROR_SOCKET_CLOSED, "connection lost: %s", strerror(cause));
	return STREAM_ERROR;
}

/* The meaning of an SSL_read or SSL_write that returned 0. */
static enum stream_status stream_ssl_status(struct stream *stream, struct error *error)
{
	int cause = errno;

	switch (SSL_get_error(stream->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_END;
	case SSL_ERROR_SYSCALL:
		return stream_lost(cause ? cause : ECONNRESET, error);
	default:
		break;
	}
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		error_set(error, ERROR_SOCKET_CLOSED,
			"connection closed by peer without the end of TLS: data may be missing");
	else
		error_set(error, ERROR_SOCKET_SSL, "TLS failed: %s", tls_reason(ERR_peek_error()));
	return STREAM_ERROR;
}

/* The status after the bytes that this call has moved. */
static void stream_keep_fault(struct error **fault, const struct error *error)
{
	*fault = alloc_zero(1, sizeof(**fault));
	**fault = *error;
}

/* Reads records until there is no whole one in memory, or this has been enough for one callback. */
static enum stream_status stream_read_records(struct stream *stream, void *data, size_t size,
	size_t *length, struct error *error)
{
	struct tls_guard *guard = tls_guard_of(stream->ssl);
	size_t piece;

	guard->work = 0;
	do {
		errno = 0;
		ERR_clear_error();
		tls_guard_begin_call(guard);
		if (!SSL_read_ex(stream->ssl, (char *)data + *length, size - *length, &piece)) {
			if (!tls_guard_check(guard, error))
				return STREAM_ERROR;
			return stream_ssl_status(stream, error);
		}
		*length += piece;
		tls_guard_note_data(guard);
		/* Nothing left in memory: another read would only be a system call for EAGAIN. */
	} while (*length < size && guard->work < TLS_WORK_MAX && SSL_has_pending(stream->ssl));
	return STREAM_OK;
}

static enum stream_status stream_read_ssl(struct stream *stream, void *data, size_t size,
	size_t *length, struct error *error)
{
	enum stream_status status;

	if (stream->fault) {
		*error = *stream->fault;
		return STREAM_ERROR;
	}
	status = stream_read_records(stream, data, size, length, error);
	/* A session ticket has OpenSSL set up its buffer for writing, 16 KiB, which SSL_MODE_RELEASE_
	 * BUFFERS gives back only after the next write: an idle connection would keep it. */
	SSL_free_buffers(stream->ssl);
	stream->drained = status == STREAM_WANT_READ || status == STREAM_WANT_WRITE;
	if (status == STREAM_ERROR)
		stream_keep_fault(&stream->fault, error);
	return *length ? STREAM_OK : status;
}

enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error)
{
	ssize_t received;

	*length = 0;
	if (stream->ssl)
		return stream_read_ssl(stream, data, size, length, error);
	do {
		received = recv(stream->fd, data, size, 0);
	} while (received < 0 && errno == EINTR);
	if (received == 0)
		return STREAM_END;
	if (received < 0)
		return errno == EAGAIN ? STREAM_WANT_READ : stream_lost(errno, error);
	*length = (size_t)received;
	return STREAM_OK;
}

static enum stream_status stream_write_ssl(struct stream *stream, const void *data, size_t size,
	size_t *length, struct error *error)
{
	enum stream_status status = STREAM_OK;
	size_t piece;

	if (stream->write_fault) {
		*error = *stream->write_fault;
		return STREAM_ERROR;
	}
	while (status == STREAM_OK && *length < size) {
		errno = 0;
		ERR_clear_error();
		tls_guard_begin_call(tls_guard_of(stream->ssl));
		if (SSL_write_ex(stream->ssl, (const char *)data + *length, size - *length, &piece))
			*length += piece; /* a record */
		else
			status = stream_ssl_status(stream, error);
	}
	if (status == STREAM_ERROR)
		stream_keep_fault(&stream->write_fault, error);
	return *length ? STREAM_OK : status;
}

enum stream_status stream_write(struct stream *stream, const void *data, size_t size,
	size_t *length, struct error *error)
{
	ssize_t sent;

	*length = 0;
	if (stream->ssl)
		return stream_write_ssl(stream, data, size, length, error);
	do {
		sent = send(stream->fd, data, size, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? STREAM_WANT_WRITE : stream_lost(errno, error);
	*length = (size_t)sent;
	return STREAM_OK;
}

size_t stream_pending(const struct stream *stream)
{
	int decrypted;

	if (!stream->ssl)
		return 0;
	if (stream->fault || (SSL_get_shutdown(stream->ssl) & SSL_RECEIVED_SHUTDOWN))
		return 1;
	decrypted = SSL_pending(stream->ssl);
	if (decrypted > 0)
		return (size_t)decrypted;
	return !stream->drained && SSL_has_pending(stream->ssl) ? 1 : 0;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->ssl) {
		ERR_clear_error();
		if (SSL_is_init_finished(stream->ssl) && !stream->fault && !stream->write_fault)
			SSL_shutdown(stream->ssl);
		SSL_free(stream->ssl);
		ERR_clear_error();
	}
	free(stream->fault);
	free(stream->write_fault);
	close(stream->fd);
	free(stream);
}
