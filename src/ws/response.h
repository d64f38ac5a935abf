#ifndef WS_RESPONSE_H
#define WS_RESPONSE_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/strings.h"

/* The head of an HTTP/1.1 answer: RFC 9112, sections 4 and 5. */

enum {
	WS_RESPONSE_BYTES_MAX = 32 * 1024, /* of status line and headers together */
	WS_RESPONSE_HEADERS_MAX = 128,
	WS_RESPONSE_BODY_MAX = 1024, /* kept of an answer that is not 101 */
};

/* The server's HTTP answer. Zero-initialise; owns its memory until ws_response_release(). */
struct ws_response {
	unsigned status; /* 0 until the head is complete */
	unsigned header_count;
	struct header *headers; /* names as they came; values without space around */
	char *reason;        /* "" if the server sent none */
	char *text;          /* what the strings above point into */
	struct buffer *head; /* private: bytes of the head until it is complete; NULL: none */
};

enum ws_response_state {
	WS_RESPONSE_MORE,    /* needs more bytes */
	WS_RESPONSE_DONE,    /* the head is complete; *used bytes of this piece belong to it */
	WS_RESPONSE_INVALID, /* not HTTP/1.1, or over a limit */
};

/*
 * Takes the next bytes of the answer. What follows *used is the first frame, or the body. HTTP/1.0
 * is taken for any status but 101, as proxies answer so.
 */
enum ws_response_state ws_response_parse(struct ws_response *response, const void *data,
	size_t length, size_t *used, struct error *error);
void ws_response_release(struct ws_response *response);

/* The value of the first header of that name, whatever its case; NULL if there is none. */
const char *ws_response_header(const struct ws_response *response, const char *name);

#endif
