#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum stream_status {
	STREAM_OK,
	STREAM_WANT_READ,
	STREAM_WANT_WRITE,
	STREAM_END,   /* the peer has closed in an orderly way (EOF, close_notify) */
	STREAM_ERROR, /* reset, TLS failure, EOF without close_notify: `error` says it */
};

/*
 * A connected byte stream, plain or TLS; non-blocking. A status other than STREAM_OK moved no
 * bytes. With TLS a read may have to wait for the socket to become writable and the other way
 * round (renegotiation, key update): the status says which event to wait for.
 */
struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */

	/* private */
	bool drained;              /* TLS: what is buffered is not a whole record */
	struct error *fault;       /* TLS: the error after the bytes that the last read returned */
	struct error *write_fault; /* TLS: of the last write; what has arrived can still be read */
};

/* Takes a connected, non-blocking socket. */
struct stream *stream_new(int fd);

/*
 * Reads as much as there is, up to `size`: with TLS several records, so that one batch is large.
 * Bytes that came before the end or an error are returned first, by themselves. However much the
 * peer sends, one call does little work: what it leaves in the socket is for the next call after a
 * poll, what it leaves in memory stream_pending() tells of. So a caller that loops over this
 * without a poll in between gives the peer its time to use up.
 */
enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error);

/* Writes as much as goes. What was not written must come first in the next call: TLS may have
 * encrypted some of it already. */
enum stream_status stream_write(struct stream *stream, const void *data, size_t size,
	size_t *length, struct error *error);

/* Not 0: the next stream_read() needs no socket event, which may never come. For TLS after a read
 * that filled its buffer, or had done enough; the count is a lower bound. */
size_t stream_pending(const struct stream *stream);

/* Sends close_notify if it can at once, closes the socket, frees the stream. NULL is ignored. */
void stream_close(struct stream *stream);

#endif
