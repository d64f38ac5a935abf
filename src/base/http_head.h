#ifndef BASE_HTTP_HEAD_H
#define BASE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * The head of an HTTP/1.1 message, parsed as it arrives: RFC 9112, sections 2 to 5.
 *
 * Requests must be exact. In responses, oddities that leave no doubt where the head ends, nor which
 * headers it has, are tolerated: a bare LF ends a line as CR LF does, and a line that is not a header
 * is ignored. A header may be folded, or have a blank before its colon, or controls in its value;
 * none of the values that we act on can, see struct http_field.
 */

enum http_kind { HTTP_REQUEST, HTTP_RESPONSE };

enum { HTTP_INTERIM_MAX = 16 }; /* interim responses before the final one */

/* Limits for a head, and the name for its sender in errors. */
struct http_rules {
	enum http_kind kind;
	const char *subject; /* "the server's response": errors begin with it */
	const char *error;   /* their name */
	uint16_t bytes_max;  /* of a head, its empty line included */
};

/*
 * Owns its memory until http_head_release(). Zero-initialised is an empty one. It is kept for as
 * long as a connection is open, hence the small members.
 */
struct http_head {
	uint16_t status; /* of a response; 0 until the head is complete */
	uint8_t minor;   /* of the version: HTTP/1.minor */

	/* private */
	uint8_t interim; /* responses skipped */
	uint16_t fields; /* offset of the first one in `text`; 0 until the head is complete */
	uint16_t length; /* of `text` */
	char *text;      /* as received; once complete, one string after another */
};

enum http_head_state {
	HTTP_HEAD_MORE,    /* needs more bytes */
	HTTP_HEAD_DONE,    /* the head is complete; *used bytes of this piece belong to it */
	HTTP_HEAD_INVALID, /* not HTTP/1, or over a limit; the head is empty again */
};

/*
 * Takes the next bytes. Bytes after *used belong to the body, or to another protocol. Skips interim
 * responses, up to HTTP_INTERIM_MAX: all 1xx but 101, which is final (RFC 9110, section 15.2).
 */
enum http_head_state http_head_parse(struct http_head *head, const struct http_rules *rules,
	const void *data, size_t length, size_t *used, struct error *error);
void http_head_release(struct http_head *head);

/* The parts of the start line, valid as long as the head. */
const char *http_head_method(const struct http_head *head); /* of a request */
const char *http_head_target(const struct http_head *head);
const char *http_head_reason(const struct http_head *head); /* of a response; "" if it has none */

/*
 * A header field: the name as it was sent, the value without space around it. The value of an odd one
 * has a LF where it was folded, or in front if there was a blank before the colon. So one that must
 * be unambiguous is a value without control characters.
 */
struct http_field {
	const char *name;
	const char *value;
};

/* Steps to the next field, from a zero-initialised one to the first. False after the last. */
bool http_head_next(const struct http_head *head, struct http_field *field);

size_t http_head_count(const struct http_head *head); /* fields */

/* The value of the first field of that name, whatever its case; NULL if there is none. */
const char *http_head_find(const struct http_head *head, const char *name);

/* The same for a field that has one value: NULL also if another of that name has a different one. */
const char *http_head_find_single(const struct http_head *head, const char *name);

#endif
