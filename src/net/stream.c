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

/* --- TLS within TLS -------------------------------------------------------------------------- */

/* The layer above has its bytes from a stream, as it would from a socket. */

/* OpenSSL's errors of the layer above, which may be about to send an alert for them, while the layer
 * below has its own: the two that anybody looks at. */
struct stream_errors {
	unsigned long first, last;
};

static struct stream_errors stream_save_errors(void)
{
	return (struct stream_errors){ERR_peek_error(), ERR_peek_last_error()};
}

static void stream_restore_errors(struct stream_errors errors)
{
	ERR_clear_error();
	if (errors.first)
		ERR_raise(ERR_GET_LIB(errors.first), ERR_GET_REASON(errors.first));
	if (errors.last != errors.first)
		ERR_raise(ERR_GET_LIB(errors.last), ERR_GET_REASON(errors.last));
}

static int stream_bio_status(BIO *bio, enum stream_status status)
{
	BIO_clear_retry_flags(bio);
	if (status == STREAM_WANT_READ)
		BIO_set_retry_read(bio);
	else if (status == STREAM_WANT_WRITE)
		BIO_set_retry_write(bio);
	return status == STREAM_OK;
}

/* Work of the layer below counts as work of this call. */
static int stream_bio_read(BIO *bio, char *data, size_t size, size_t *length)
{
	struct stream *stream = BIO_get_data(bio);
	struct tls_guard *guard = (struct tls_guard *)BIO_get_callback_arg(bio);
	struct stream_errors errors = stream_save_errors();
	struct error error;
	enum stream_status status = stream_read(stream, data, size, length, &error);

	stream_restore_errors(errors);
	guard->work += tls_guard_of(stream->ssl)->work;
	return stream_bio_status(bio, status);
}

static int stream_bio_write(BIO *bio, const char *data, size_t size, size_t *length)
{
	struct stream_errors errors = stream_save_errors();
	struct error error;
	enum stream_status status = stream_write(BIO_get_data(bio), data, size, length, &error);

	stream_restore_errors(errors);
	return stream_bio_status(bio, status);
}

static long stream_bio_control(BIO *bio, int command, long argument, void *more)
{
	const struct stream *stream = BIO_get_data(bio);

	(void)argument, (void)more;
	if (command == BIO_CTRL_EOF)
		return SSL_get_shutdown(stream->ssl) & SSL_RECEIVED_SHUTDOWN;
	return command == BIO_CTRL_FLUSH;
}

static int stream_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *stream_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "TLS");

	if (!method || !BIO_meth_set_create(method, stream_bio_create) ||
		!BIO_meth_set_read_ex(method, stream_bio_read) ||
		!BIO_meth_set_write_ex(method, stream_bio_write) ||
		!BIO_meth_set_ctrl(method, stream_bio_control))
		abort(); /* only without memory */
	return method;
}

BIO *stream_bio(struct stream *stream, const BIO_METHOD *over_tls)
{
	BIO *bio = stream->ssl ? BIO_new(over_tls) : BIO_new_socket(stream->fd, BIO_NOCLOSE);

	if (!bio)
		abort(); /* only without memory */
	if (stream->ssl)
		BIO_set_data(bio, stream);
	return bio;
}

struct stream *stream_secure(struct stream *stream, SSL *ssl, bool with_proxy)
{
	struct stream *secured = stream;

	if (stream->ssl) {
		secured = stream_new(stream->fd);
		secured->under = stream;
	}
	secured->ssl = ssl;
	secured->with_proxy = with_proxy;
	return secured;
}

bool stream_under_failed(const struct stream *stream, struct error *error)
{
	const struct stream *under = stream->under;

	if (!under || (!under->fault && !under->write_fault))
		return false;
	*error = under->fault ? *under->fault : *under->write_fault;
	return true;
}

/* --- TLS ------------------------------------------------------------------------------------- */

static void stream_ssl_failed(const struct stream *stream, struct error *error)
{
	const char *peer = stream->with_proxy ? "the proxy" : "peer";

	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		error_set(error, ERROR_SOCKET_CLOSED,
			"connection closed by %s without the end of TLS: data may be missing",
			peer);
	else
		error_set(error, ERROR_SOCKET_SSL, "TLS %sfailed: %s",
			stream->with_proxy ? "with the proxy " : "", tls_reason(ERR_peek_error()));
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
		if (stream_under_failed(stream, error))
			return STREAM_ERROR;
		return stream_lost(cause ? cause : ECONNRESET, error);
	default:
		if (!stream_under_failed(stream, error))
			stream_ssl_failed(stream, error);
		return STREAM_ERROR;
	}
}

/* The status after the bytes that this call has moved. */
static void stream_keep_fault(struct error **fault, const struct error *error)
{
	*fault = alloc_zero(1, sizeof(**fault));
	**fault = *error;
}

static enum stream_status stream_ssl_read_status(struct stream *stream, struct error *error)
{
	if (tls_guard_check(tls_guard_of(stream->ssl), error))
		return stream_ssl_status(stream, error);
	if (stream->with_proxy)
		error_prefix(error, "TLS with the proxy failed: ");
	return STREAM_ERROR;
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
		if (!SSL_read_ex(stream->ssl, (char *)data + *length, size - *length, &piece))
			return stream_ssl_read_status(stream, error);
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

static enum stream_status stream_peek_ssl(struct stream *stream, void *data, size_t size,
	size_t *length, struct error *error)
{
	enum stream_status status;

	if (stream->fault) {
		*error = *stream->fault;
		return STREAM_ERROR;
	}
	errno = 0;
	ERR_clear_error();
	tls_guard_begin_call(tls_guard_of(stream->ssl));
	status = SSL_peek_ex(stream->ssl, data, size, length)
		? STREAM_OK
		: stream_ssl_read_status(stream, error);
	stream->drained = status == STREAM_WANT_READ || status == STREAM_WANT_WRITE;
	if (status == STREAM_ERROR)
		stream_keep_fault(&stream->fault, error);
	return status;
}

static enum stream_status stream_recv(struct stream *stream, void *data, size_t size, int flags,
	size_t *length, struct error *error)
{
	ssize_t received;

	do {
		received = recv(stream->fd, data, size, flags);
	} while (received < 0 && errno == EINTR);
	if (received == 0)
		return STREAM_END;
	if (received < 0)
		return errno == EAGAIN ? STREAM_WANT_READ : stream_lost(errno, error);
	*length = (size_t)received;
	return STREAM_OK;
}

enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error)
{
	*length = 0;
	return stream->ssl ? stream_read_ssl(stream, data, size, length, error)
			   : stream_recv(stream, data, size, 0, length, error);
}

enum stream_status stream_peek(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error)
{
	*length = 0;
	return stream->ssl ? stream_peek_ssl(stream, data, size, length, error)
			   : stream_recv(stream, data, size, MSG_PEEK, length, error);
}

/* At most a record, so that what OpenSSL may have encrypted is known if the socket takes no more. */
static enum stream_status stream_write_record(struct stream *stream, const void *data, size_t size,
	size_t *written, struct error *error)
{
	size_t length = size < SSL3_RT_MAX_PLAIN_LENGTH ? size : SSL3_RT_MAX_PLAIN_LENGTH;
	bool done;

	errno = 0;
	ERR_clear_error();
	tls_guard_begin_call(tls_guard_of(stream->ssl));
	done = SSL_write_ex(stream->ssl, data, length, written);
	stream->committed = done ? 0 : (unsigned)length;
	return done ? STREAM_OK : stream_ssl_status(stream, error);
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
		status = stream_write_record(stream, (const char *)data + *length, size - *length,
			&piece, error);
		if (status == STREAM_OK)
			*length += piece;
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
	if (!stream->drained && SSL_has_pending(stream->ssl))
		return 1;
	return stream_under_pending(stream);
}

size_t stream_under_pending(const struct stream *stream)
{
	return stream->under ? stream_pending(stream->under) : 0;
}

bool stream_in_record(const struct stream *stream)
{
	return stream->ssl &&
		(SSL_has_pending(stream->ssl) ||
			(stream->under && stream_in_record(stream->under)));
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
	if (stream->under)
		stream_close(stream->under);
	else
		close(stream->fd);
	free(stream);
}
