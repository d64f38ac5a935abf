#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum stream_status {
	STREAM_OK,
	STREAM_WANT_READ,
	STREAM_WANT_WRITE,
	STREAM_END,   /* the peer has closed in an orderly way (EOF, close_notify) */
	STREAM_ERROR, /* reset, TLS failure, EOF without close_notify: `error` says it */
};

/*
 * A connected byte stream, plain or TLS, or TLS within the TLS of a proxy; non-blocking. A status
 * other than STREAM_OK moved no bytes. With TLS a read may have to wait for the socket to become
 * writable and the other way round (renegotiation, key update): the status says which event to wait
 * for.
 */
struct stream {
	int fd;               /* of the socket, below all layers */
	bool with_proxy;      /* private: the TLS is that of a proxy, which errors then name */
	bool drained;         /* private. TLS: what is buffered is not a whole record */
	SSL *ssl;             /* NULL: plain */
	unsigned committed;   /* bytes that the last write did not write, but TLS has encrypted */
	struct stream *under; /* private: owned; what TLS is over, if not over the socket */

	/* private */
	struct error *fault;       /* TLS: the error after the bytes that the last read returned */
	struct error *write_fault; /* TLS: of the last write; what has arrived can still be read */
};

/* Takes a connected, non-blocking socket. */
struct stream *stream_new(int fd);

/* For TLS over a stream: what SSL reads from and writes to, the socket or the TLS that is there. The
 * SSL owns it, and ends before the stream. `over_tls` is from stream_bio_method_new(). */
BIO *stream_bio(struct stream *stream, const BIO_METHOD *over_tls);
BIO_METHOD *stream_bio_method_new(void);

/* The stream with this TLS, whose handshake may still be to come: takes over both. `with_proxy`: the
 * peer of that TLS is a proxy. */
struct stream *stream_secure(struct stream *stream, SSL *ssl, bool with_proxy);

/* Not 0 during the handshake of TLS within TLS: it can go on without a socket event. */
size_t stream_under_pending(const struct stream *stream);

/* True if the layer below has failed, and with it the TLS over it: `error` says how. */
bool stream_under_failed(const struct stream *stream, struct error *error);

/*
 * Reads as much as there is, up to `size`: with TLS several records, so that one batch is large.
 * Bytes that came before the end or an error are returned first, by themselves. However much the
 * peer sends, one call does little work: what it leaves in the socket is for the next call after a
 * poll, what it leaves in memory stream_pending() tells of. So a caller that loops over this
 * without a poll in between gives the peer its time to use up.
 */
enum stream_status stream_read(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error);

/* Reads without taking: the same bytes come again. At most a record of TLS. */
enum stream_status stream_peek(struct stream *stream, void *data, size_t size, size_t *length,
	struct error *error);

/* Writes as much as goes. Of what was not written, `committed` bytes must come first in the next
 * call. */
enum stream_status stream_write(struct stream *stream, const void *data, size_t size,
	size_t *length, struct error *error);

/* Not 0: the next stream_read() needs no socket event, which may never come. For TLS after a read
 * that filled its buffer, or had done enough; for TLS within TLS also after STREAM_WANT_READ. The
 * count is a lower bound. */
size_t stream_pending(const struct stream *stream);

/* True after a read that brought nothing because the record that has begun is not whole. */
bool stream_in_record(const struct stream *stream);

/* Bytes that have moved over the socket, whatever the stream puts on top of it. Where the counts
 * begin does not matter. */
struct stream_traffic {
	uint64_t received;     /* read or not */
	uint64_t sent;         /* into the socket, */
	uint64_t acknowledged; /* and of those by the peer's kernel */
	uint32_t window;       /* receive window that the peer announces; 0: closed, or unknown */
	uint64_t silence;      /* ns since the peer's kernel last acknowledged anything, if only
	                          once more; UINT64_MAX: unknown */
	bool unread;           /* some lie in the socket, or in memory of TLS */
};

/* `read` and `written` are the caller's own counts, for a socket that keeps none: a local one. There
 * the peer acknowledges by reading. Takes three system calls. */
void stream_measure(const struct stream *stream, uint64_t read, uint64_t written,
	struct stream_traffic *traffic);

/* Sends close_notify if it can at once, closes the socket, frees the stream. NULL is ignored. */
void stream_close(struct stream *stream);

#endif
