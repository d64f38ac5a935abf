#ifndef BASE_HTTP_HEAD_H
#define BASE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The head of an HTTP/1.1 message, parsed as it arrives: RFC 9112, sections 2 to 5. */

enum http_kind { HTTP_REQUEST, HTTP_RESPONSE };

/* Limits and tolerances for a head, and the name for its sender in errors. */
struct http_rules {
	enum http_kind kind;
	const char *subject; /* "the server's response": errors begin with it */
	const char *error;   /* their name */
	uint16_t bytes_max;  /* of the head, its empty line included */
	uint16_t fields_max;
	/* A bare LF ends a line as well, and a line that is not a header field is ignored. */
	bool lenient;
};

/*
 * Owns its memory until http_head_release(). Zero-initialised is an empty one. It is kept for as
 * long as a connection is open, hence the small members.
 */
struct http_head {
	uint16_t status; /* of a response; 0 until the head is complete */
	uint8_t minor;   /* of the version: HTTP/1.minor */

	/* private */
	uint16_t fields; /* offset of the first one in `text`; 0 until the head is complete */
	uint16_t length; /* of `text` */
	char *text;      /* as received; once complete, one string after another */
};

enum http_head_state {
	HTTP_HEAD_MORE, /* needs more bytes */
	HTTP_HEAD_DONE, /* the head is complete; *used bytes of this piece belong to it */
	/* Not HTTP/1, or over a limit. With an invalid header the head has all that precedes it, so that
	 * a status counts; otherwise it is empty again. */
	HTTP_HEAD_INVALID,
};

/* Takes the next bytes. Bytes after *used belong to the body, or to another protocol. */
enum http_head_state http_head_parse(struct http_head *head, const struct http_rules *rules,
	const void *data, size_t length, size_t *used, struct error *error);
void http_head_release(struct http_head *head);

/* The parts of the start line, valid as long as the head. */
const char *http_head_method(const struct http_head *head); /* of a request */
const char *http_head_target(const struct http_head *head);
const char *http_head_reason(const struct http_head *head); /* of a response; "" if it has none */

/* A header field: the name as it was sent, the value without space around it. */
struct http_field {
	const char *name;
	const char *value;
};

/* Steps to the next field, from a zero-initialised one to the first. False after the last. */
bool http_head_next(const struct http_head *head, struct http_field *field);

/* The value of the first field of that name, whatever its case; NULL if there is none. */
const char *http_head_find(const struct http_head *head, const char *name);

#endif
