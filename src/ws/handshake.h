#ifndef WS_HANDSHAKE_H
#define WS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/http_head.h"
#include "base/strings.h"
#include "ws/deflate.h"

/* The opening handshake of a client: RFC 6455, section 4.1. */

enum { WS_KEY_SIZE = 25 }; /* base64 of 16 random bytes, with its NUL */

struct ws_request {
	const char *host;     /* for the Host header: with its port if that is not the scheme's */
	const char *resource; /* path and query */
	const struct header *headers; /* the user's: they win over ours of the same name */
	size_t header_count;
	const char *const *protocols; /* in the order of preference */
	size_t protocol_count;
	const char *user_agent;
	const char *origin;        /* NULL: none */
	const char *authorization; /* the whole value ("Basic …", "Bearer …"); NULL: none */
	const struct ws_deflate_parameters *deflate; /* the offer; NULL: none */
};

/* A fresh random Sec-WebSocket-Key. */
void ws_handshake_key(char key[WS_KEY_SIZE]);

/*
 * Appends the request. Fails on what would break it apart: control characters in a header or the
 * resource, a name that is not a token, or one of the handshake's own headers among the user's.
 */
bool ws_handshake_request(struct buffer *out, const struct ws_request *request, const char *key,
	struct error *error);

/*
 * A header name that the user may not set, as the handshake sets it itself, or as it would announce
 * a body that does not come. Whatever its case.
 */
bool ws_handshake_owns_header(const char *name);

/* True if a host, with or without a port, can be in a Host header; else the text of the error
 * follows the name of the setting ("must be …"). */
bool ws_handshake_check_host(const char *host, struct error *error);

/* True if each subprotocol is a token, and none is there twice (RFC 6455, section 4.1). As they may
 * be secrets, the error names them by their numbers. */
bool ws_handshake_check_protocols(const char *const *protocols, size_t count, struct error *error);

/* True if the user may add this header to a request. */
bool ws_handshake_check_header(const struct header *header, struct error *error);

/* The outcome of the negotiation. */
struct ws_agreement {
	const char *protocol;   /* one of the request's; NULL if none */
	size_t protocol_number; /* which, from 1; 0: none */
	bool deflate;
	struct ws_deflate_parameters deflate_parameters;
};

enum { WS_RESPONSE_BYTES_MAX = 32 * 1024 }; /* of status line and headers together */

/* Takes the next bytes of the server's response: http_head_parse(). HTTP/1.0 is accepted with any
 * status but 101, since proxies refuse with it. */
enum http_head_state ws_handshake_parse(struct http_head *response, const void *data, size_t length,
	size_t *used, struct error *error);

/*
 * Checks the response against the request as RFC 6455, section 4.1, demands: status 101, Upgrade,
 * Connection, Sec-WebSocket-Accept, a subprotocol and extensions only from those offered. Lists may
 * have empty elements, and headers of only those are as good as absent: RFC 9110, section 5.6.1. The text
 * of the error quotes what the server sent, except a subprotocol, which may carry a secret; its name
 * is ERROR_HTTP_RESPONSE for a status other than 101, and ERROR_WEBSOCKET for anything else.
 */
bool ws_handshake_check(const struct http_head *response, const struct ws_request *request,
	const char *key, struct ws_agreement *agreement, struct error *error);

#endif
