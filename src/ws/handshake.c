#include "ws/handshake.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/token.h"
#include "ws/extension.h"

enum {
	HANDSHAKE_KEY_BYTES = 16,
	HANDSHAKE_ACCEPT_SIZE = 29, /* base64 of a SHA-1, with its NUL */
	HANDSHAKE_QUOTE_SIZE = 128, /* of foreign text, in an error */
};

/* OpenSSL lacks random numbers only on a broken host, and nothing is safe without them. */
void ws_handshake_key(char key[WS_KEY_SIZE])
{
	uint8_t bytes[HANDSHAKE_KEY_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		abort();
	text_base64_encode(key, bytes, sizeof(bytes));
	key[WS_KEY_SIZE - 1] = '\0';
}

/* RFC 6455, section 4.2.2, item 5.4. */
static void handshake_accept(char accept[HANDSHAKE_ACCEPT_SIZE], const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA_DIGEST_LENGTH];
	char text[WS_KEY_SIZE + sizeof(guid)];

	stpcpy(stpcpy(text, key), guid);
	if (EVP_Q_digest(NULL, "SHA1", NULL, text, strlen(text), digest, NULL) != 1)
		abort();
	text_base64_encode(accept, digest, sizeof(digest));
	accept[HANDSHAKE_ACCEPT_SIZE - 1] = '\0';
}

bool ws_handshake_owns_header(const char *name)
{
	static const char *const owned[] = {
		"Connection",
		"Content-Length",
		"Sec-WebSocket-Accept",
		"Sec-WebSocket-Extensions",
		"Sec-WebSocket-Key",
		"Sec-WebSocket-Protocol",
		"Sec-WebSocket-Version",
		"Transfer-Encoding",
		"Upgrade",
	};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		if (strcasecmp(name, owned[i]) == 0)
			return true;
	}
	return false;
}

static bool request_has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return true;
	}
	return false;
}

/* Does not show the value, which may be a secret. */
static bool request_check_value(const char *name, const char *value, struct error *error)
{
	if (value && request_has_control(value))
		return error_set(error, ERROR_WEBSOCKET,
			"the value of the header '%s' has a control character", name);
	return true;
}

bool ws_handshake_check_header(const struct header *header, struct error *error)
{
	char quote[HANDSHAKE_QUOTE_SIZE];

	if (!token_is_valid(header->name, strlen(header->name))) {
		text_printable(quote, sizeof(quote), header->name, strlen(header->name));
		return error_set(error, ERROR_WEBSOCKET, "'%s' is not a header name", quote);
	}
	if (ws_handshake_owns_header(header->name))
		return error_set(error, ERROR_WEBSOCKET,
			"the header '%s' belongs to the handshake and cannot be set", header->name);
	return request_check_value(header->name, header->value, error);
}

bool ws_handshake_check_protocols(const char *const *protocols, size_t count, struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (!token_is_valid(protocols[i], strlen(protocols[i])))
			return error_set(error, ERROR_WEBSOCKET,
				"subprotocol %zu must be a token: one word without separators",
				i + 1);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(protocols[i], protocols[j]) == 0)
				return error_set(error, ERROR_WEBSOCKET,
					"subprotocols %zu and %zu are the same", j + 1, i + 1);
		}
	}
	return true;
}

bool ws_handshake_check_host(const char *host, struct error *error)
{
	for (const char *c = host; *c; c++) {
		if (*c <= ' ' || *c >= 0x7F || strchr("/?#@", *c))
			return error_set(error, ERROR_WEBSOCKET,
				"must be a host with or without a port such as "
				"\"example.com:8443\"");
	}
	return *host || error_set(error, ERROR_WEBSOCKET, "must not be empty");
}

/* In the request line a space would end it, and other bytes are not ASCII. */
static bool request_check_resource(const char *path, struct error *error)
{
	char quote[HANDSHAKE_QUOTE_SIZE];

	for (const char *c = path; *c; c++) {
		if (*c > 0x20 && *c < 0x7F)
			continue;
		text_printable(quote, sizeof(quote), path, strlen(path));
		return error_set(error, ERROR_WEBSOCKET,
			"the path '%s' has a character that must be percent-encoded", quote);
	}
	return path[0] == '/' ||
		error_set(error, ERROR_WEBSOCKET, "the path '%s' does not begin with '/'", path);
}

static bool request_check(const struct ws_request *request, struct error *error)
{
	if (!ws_handshake_check_host(request->host, error))
		return error_prefix(error, "host: ");
	if (!request_check_resource(request->resource, error))
		return false;
	for (size_t i = 0; i < request->header_count; i++) {
		if (!ws_handshake_check_header(&request->headers[i], error))
			return false;
	}
	return request_check_value("User-Agent", request->user_agent, error) &&
		request_check_value("Origin", request->origin, error) &&
		request_check_value("Authorization", request->authorization, error) &&
		ws_handshake_check_protocols(request->protocols, request->protocol_count, error);
}

/* Avoids printf(3), which may leave a copy of a secret on the stack. */
static void request_append_line(struct buffer *out, const char *name, const char *value)
{
	buffer_append_text(out, name);
	buffer_append_text(out, ": ");
	buffer_append_text(out, value);
	buffer_append_text(out, "\r\n");
}

/* Appends a header of ours unless the user has set it. */
static void request_append(struct buffer *out, const struct ws_request *request, const char *name,
	const char *value)
{
	if (!value)
		return;
	for (size_t i = 0; i < request->header_count; i++) {
		if (strcasecmp(request->headers[i].name, name) == 0)
			return;
	}
	request_append_line(out, name, value);
}

static void request_append_protocols(struct buffer *out, const struct ws_request *request)
{
	for (size_t i = 0; i < request->protocol_count; i++) {
		buffer_append_text(out, i ? ", " : "Sec-WebSocket-Protocol: ");
		buffer_append_text(out, request->protocols[i]);
	}
	if (request->protocol_count)
		buffer_append_text(out, "\r\n");
}

static void request_append_extensions(struct buffer *out, const struct ws_request *request)
{
	if (!request->deflate)
		return;
	buffer_append_text(out, "Sec-WebSocket-Extensions: ");
	ws_extension_offer(out, request->deflate);
	buffer_append_text(out, "\r\n");
}

bool ws_handshake_request(struct buffer *out, const struct ws_request *request, const char *key,
	struct error *error)
{
	if (!request_check(request, error))
		return false;
	buffer_append_text(out, "GET ");
	buffer_append_text(out, request->resource);
	buffer_append_text(out, " HTTP/1.1\r\n");
	request_append(out, request, "Host", request->host);
	buffer_append_text(out, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
	buffer_append_format(out, "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", key);
	request_append_protocols(out, request);
	request_append_extensions(out, request);
	request_append(out, request, "User-Agent", request->user_agent);
	request_append(out, request, "Origin", request->origin);
	request_append(out, request, "Authorization", request->authorization);
	for (size_t i = 0; i < request->header_count; i++)
		request_append_line(out, request->headers[i].name, request->headers[i].value);
	buffer_append_text(out, "\r\n");
	return true;
}

/* --- the response -------------------------------------------------------------------------- */

enum http_head_state ws_handshake_parse(struct http_head *response, const void *data, size_t length,
	size_t *used, struct error *error)
{
	static const struct http_rules rules = {
		.kind = HTTP_RESPONSE,
		.subject = "the server's HTTP response",
		.error = ERROR_WEBSOCKET,
		.bytes_max = WS_RESPONSE_BYTES_MAX,
	};

	return http_head_parse(response, &rules, data, length, used, error);
}

/* Gets the value of a header that must occur exactly once. */
static bool response_demand(const struct http_head *response, const char *name, const char **value,
	struct error *error)
{
	struct http_field field = {0};

	*value = NULL;
	while (http_head_next(response, &field)) {
		if (strcasecmp(field.name, name) != 0)
			continue;
		if (*value)
			return error_set(error, ERROR_WEBSOCKET,
				"the server answered with the header %s twice", name);
		*value = field.value;
	}
	return *value ||
		error_set(error, ERROR_WEBSOCKET, "the server answered without the header %s",
			name);
}

static bool response_fail(struct error *error, const char *name, const char *value,
	const char *wanted)
{
	char quote[HANDSHAKE_QUOTE_SIZE];

	text_printable(quote, sizeof(quote), value, strlen(value));
	return error_set(error, ERROR_WEBSOCKET, "the server answered with \"%s: %s\"%s", name,
		quote, wanted);
}

/* zlib has no window of 8 bits for raw DEFLATE, and some servers then refuse the handshake. */
static bool request_offers_smallest_window(const struct ws_request *request)
{
	return request->deflate &&
		(request->deflate->client_max_window_bits == WS_WINDOW_BITS_MIN ||
			request->deflate->server_max_window_bits == WS_WINDOW_BITS_MIN);
}

static bool response_check_status(const struct http_head *response,
	const struct ws_request *request, struct error *error)
{
	const char *reason = http_head_reason(response);
	char quote[HANDSHAKE_QUOTE_SIZE];

	if (response->status == 101 && response->minor == 0)
		return error_set(error, ERROR_WEBSOCKET,
			"the server switches protocols in HTTP/1.0");
	if (response->status == 101)
		return true;
	text_printable(quote, sizeof(quote), reason, strlen(reason));
	return error_set(error, ERROR_HTTP_RESPONSE,
		"the server answered %u%s%s instead of 101 Switching Protocols%s", response->status,
		*quote ? " " : "", quote,
		response->status == 400 && request_offers_smallest_window(request)
			? " (maybe because it was offered window bits of 8)"
			: "");
}

static bool response_check_upgrade(const struct http_head *response, struct error *error)
{
	const char *value;

	if (!response_demand(response, "Upgrade", &value, error))
		return false;
	return strcasecmp(value, "websocket") == 0 ||
		response_fail(error, "Upgrade", value, " instead of \"websocket\"");
}

/* True if a comma-separated list has the token. Elements may be empty: RFC 9110, 5.6.1. */
static bool response_list_has(const char *list, const char *wanted)
{
	struct token token;

	do {
		if (token_take(&list, &token) && token_is(token, wanted))
			return token_at_end(list) || token_take_mark(&list, ',');
	} while (token_take_mark(&list, ','));
	return false;
}

static bool response_check_connection(const struct http_head *response, struct error *error)
{
	const char *value = http_head_find(response, "Connection");
	struct http_field field = {0};

	while (http_head_next(response, &field)) {
		if (strcasecmp(field.name, "Connection") == 0 &&
			response_list_has(field.value, "upgrade"))
			return true;
	}
	if (!value)
		return error_set(error, ERROR_WEBSOCKET,
			"the server answered without the header Connection");
	return response_fail(error, "Connection", value, " without \"Upgrade\"");
}

static bool response_check_accept(const struct http_head *response, const char *key,
	struct error *error)
{
	char accept[HANDSHAKE_ACCEPT_SIZE];
	const char *value;

	if (!response_demand(response, "Sec-WebSocket-Accept", &value, error))
		return false;
	handshake_accept(accept, key);
	return strcmp(value, accept) == 0 ||
		response_fail(error, "Sec-WebSocket-Accept", value,
			", which does not match the key that it was sent");
}

/* False: it was not offered. */
static bool response_choose_protocol(const struct ws_request *request, struct token token,
	struct ws_agreement *agreement)
{
	for (size_t i = 0; i < request->protocol_count; i++) {
		const char *offered = request->protocols[i];

		if (strlen(offered) == token.length &&
			memcmp(offered, token.text, token.length) == 0) {
			agreement->protocol = offered;
			agreement->protocol_number = i + 1;
			return true;
		}
	}
	return false;
}

/* The errors do not show the value: it may be made of one of ours, and that a secret. */
static bool response_take_protocols(const char *list, const struct ws_request *request,
	struct ws_agreement *agreement, struct error *error)
{
	bool offered = true;
	struct token token;

	do {
		if (!token_take(&list, &token))
			continue;
		if (agreement->protocol)
			return error_set(error, ERROR_WEBSOCKET,
				"the server answered with more than one subprotocol");
		offered = response_choose_protocol(request, token, agreement);
	} while (offered && token_take_mark(&list, ','));
	return (offered && token_at_end(list)) ||
		error_set(error, ERROR_WEBSOCKET,
			"the server answered with a subprotocol that was not offered");
}

static bool response_check_protocol(const struct http_head *response,
	const struct ws_request *request, struct ws_agreement *agreement, struct error *error)
{
	struct http_field field = {0};

	while (http_head_next(response, &field)) {
		if (strcasecmp(field.name, "Sec-WebSocket-Protocol") == 0 &&
			!response_take_protocols(field.value, request, agreement, error))
			return false;
	}
	return true;
}

static bool response_check_extensions(const struct http_head *response,
	const struct ws_request *request, struct ws_agreement *agreement, struct error *error)
{
	struct http_field field = {0};

	while (http_head_next(response, &field)) {
		if (strcasecmp(field.name, "Sec-WebSocket-Extensions") == 0 &&
			!ws_extension_accept(field.value, request->deflate, &agreement->deflate,
				&agreement->deflate_parameters, error))
			return false;
	}
	return true;
}

bool ws_handshake_check(const struct http_head *response, const struct ws_request *request,
	const char *key, struct ws_agreement *agreement, struct error *error)
{
	*agreement = (struct ws_agreement){0};
	return response_check_status(response, request, error) &&
		response_check_upgrade(response, error) &&
		response_check_connection(response, error) &&
		response_check_accept(response, key, error) &&
		response_check_protocol(response, request, agreement, error) &&
		response_check_extensions(response, request, agreement, error);
}
