#include "net/tunnel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"

/* CONNECT (RFC 9110, section 9.3.6). The buffer `in` begins with the answer's header. */

enum {
	HTTP_HEADER_MAX = 8192,
	HTTP_BODY_MAX = 2048, /* of a refusal: enough for the text of a page */
	HTTP_INTERIM_MAX = 8,
	HTTP_TEXT_SIZE = 200, /* of what a refusal says, in the error */
};

static void tunnel_http_authorize(struct tunnel *tunnel)
{
	const struct url *url = &tunnel->proxy->url;
	char *login = alloc_join(url->user, ":", url->password ? url->password : "");
	size_t length = strlen(login);
	size_t encoded = text_base64_length(length);

	buffer_append_text(&tunnel->out, "Proxy-Authorization: Basic ");
	text_base64_encode((char *)buffer_reserve(&tunnel->out, encoded + 1), login, length);
	buffer_commit(&tunnel->out, encoded);
	buffer_append_text(&tunnel->out, "\r\n");
	alloc_wipe(login);
}

bool tunnel_http_start(struct tunnel *tunnel, struct error *error)
{
	char target[URL_SERVER_SIZE];

	if (tunnel->proxy->url.user && !url_check_user(tunnel->proxy->url.user, error))
		return error_prefix(error, "the user name for a proxy ");
	url_format_server(tunnel->target, target);
	buffer_append_format(&tunnel->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target);
	if (tunnel->proxy->url.user)
		tunnel_http_authorize(tunnel);
	buffer_append_text(&tunnel->out, "\r\n");
	return true;
}

/* The length of the header with its empty line; 0: its end has not come. */
static size_t tunnel_http_header_length(const struct tunnel *tunnel)
{
	const char *data = (const char *)buffer_data(&tunnel->in);
	size_t length = tunnel->in.length < HTTP_HEADER_MAX ? tunnel->in.length : HTTP_HEADER_MAX;

	for (size_t i = 0; i + 1 < length; i++) {
		if (data[i] != '\n')
			continue;
		if (data[i + 1] == '\n')
			return i + 2;
		if (i + 2 < length && data[i + 1] == '\r' && data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* The value of a header, up to the end of its line, without what surrounds it. */
static const char *tunnel_http_find(const struct tunnel *tunnel, const char *name, size_t *length)
{
	const char *line = (const char *)buffer_data(&tunnel->in);
	const char *end = line + tunnel_http_header_length(tunnel);
	size_t name_length = strlen(name);

	for (; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
		if ((size_t)(end - line) <= name_length || line[name_length] != ':' ||
			strncasecmp(line, name, name_length) != 0)
			continue;
		line += name_length + 1;
		line += strspn(line, " \t"); /* the header ends with a newline */
		*length = strcspn(line, "\r\n");
		return line;
	}
	return NULL;
}

/* How much of a refusal's body is worth waiting for. */
static size_t tunnel_http_body_length(const struct tunnel *tunnel)
{
	size_t length;
	const char *value = tunnel_http_find(tunnel, "Content-Length", &length);
	size_t body;

	if (!value || !isdigit((unsigned char)*value))
		return HTTP_BODY_MAX;
	body = strtoul(value, NULL, 10);
	return body < HTTP_BODY_MAX ? body : HTTP_BODY_MAX;
}

/* What a person would read of a page: without tags, the space between words made one. */
static size_t tunnel_http_strip(char *out, const char *page, size_t length)
{
	size_t used = 0;
	bool tag = false;

	for (size_t i = 0; i < length; i++) {
		bool space = tag || page[i] == '<' || isspace((unsigned char)page[i]);

		if (page[i] == '<' || page[i] == '>')
			tag = page[i] == '<';
		if (!space)
			out[used++] = page[i];
		else if (used && out[used - 1] != ' ')
			out[used++] = ' ';
	}
	while (used && out[used - 1] == ' ')
		used--;
	return used;
}

static void tunnel_http_body_text(const struct tunnel *tunnel, char text[HTTP_TEXT_SIZE])
{
	size_t header = tunnel_http_header_length(tunnel);
	const char *start = (const char *)buffer_data(&tunnel->in) + header;
	size_t length = tunnel->in.length - header;
	size_t wanted = tunnel_http_body_length(tunnel);
	char plain[HTTP_BODY_MAX];
	const char *body;

	if (length > wanted)
		length = wanted;
	body = memmem(start, length, "<body", strlen("<body"));
	if (body) { /* what a page has before it is the status again, and style */
		length -= (size_t)(body - start);
		start = body;
	}
	text_printable(text, HTTP_TEXT_SIZE, plain, tunnel_http_strip(plain, start, length));
}

static void tunnel_http_status_text(const struct tunnel *tunnel, char *text, size_t size)
{
	const char *line = (const char *)buffer_data(&tunnel->in) + strlen("HTTP/1.1 ");

	text_printable(text, size, line, strcspn(line, "\r\n"));
}

static void tunnel_http_wants_login(const struct tunnel *tunnel, struct error *error)
{
	char status[64], scheme[64] = "";
	size_t length;
	const char *value = tunnel_http_find(tunnel, "Proxy-Authenticate", &length);

	tunnel_http_status_text(tunnel, status, sizeof(status));
	if (value)
		text_printable(scheme, sizeof(scheme), value, length);
	error_set(error, ERROR_SOCKET_CONNECT, "it %s: %s%s%s%s",
		tunnel->proxy->url.user ? "does not accept the user name and password"
					: "wants a user name and password",
		status, scheme[0] ? " (Proxy-Authenticate: " : "", scheme, scheme[0] ? ")" : "");
}

void tunnel_http_refusal(const struct tunnel *tunnel, struct error *error)
{
	char target[URL_SERVER_SIZE];
	char status[80];
	char text[HTTP_TEXT_SIZE];

	if (tunnel->status == 407 || (tunnel->status == 401 && tunnel->proxy->url.user)) {
		tunnel_http_wants_login(tunnel, error);
		return;
	}
	url_format_server(tunnel->target, target);
	tunnel_http_status_text(tunnel, status, sizeof(status));
	tunnel_http_body_text(tunnel, text);
	error_set(error, ERROR_SOCKET_CONNECT, "it refused the tunnel to %.*s: %s%s%s",
		text_cut(target, 128), target, status, text[0] ? ": " : "", text);
}

static enum tunnel_status tunnel_http_invalid(const char *what, struct error *error)
{
	error_set(error, ERROR_SOCKET_CONNECT, "%s", what);
	return TUNNEL_FAILED;
}

static bool tunnel_http_begins(const struct tunnel *tunnel)
{
	static const char start[] = "HTTP/1.";
	size_t length = sizeof(start) - 1;

	if (tunnel->in.length < length)
		length = tunnel->in.length;
	return length == 0 || memcmp(buffer_data(&tunnel->in), start, length) == 0;
}

/* The status of "HTTP/1.1 200 …"; 0: it is none. */
static unsigned tunnel_http_status(const struct tunnel *tunnel)
{
	const uint8_t *line = buffer_data(&tunnel->in);

	if (!isdigit(line[7]) || line[8] != ' ' || line[9] < '1' || line[9] > '9' ||
		!isdigit(line[10]) || !isdigit(line[11]) ||
		(line[12] != ' ' && line[12] != '\r' && line[12] != '\n'))
		return 0;
	return (line[9] - '0') * 100U + (line[10] - '0') * 10U + (line[11] - '0');
}

enum tunnel_status tunnel_http_advance(struct tunnel *tunnel, struct error *error)
{
	size_t header = 0;

	while (!tunnel->status) {
		if (!tunnel_http_begins(tunnel))
			return tunnel_http_invalid("its answer is not HTTP", error);
		header = tunnel_http_header_length(tunnel);
		if (!header && tunnel->in.length >= HTTP_HEADER_MAX)
			return tunnel_http_invalid(
				"the header of its answer is longer than 8 KiB", error);
		if (!header)
			return TUNNEL_MORE;
		if (header < sizeof("HTTP/1.1 200\n\n") - 1)
			return tunnel_http_invalid("its answer is not HTTP", error);
		tunnel->status = tunnel_http_status(tunnel);
		if (!tunnel->status)
			return tunnel_http_invalid("its answer is not HTTP", error);
		if (tunnel->status >= 300)
			break;
		buffer_consume(&tunnel->in, header);
		if (tunnel->status >= 200)
			return TUNNEL_OPEN;
		tunnel->status = 0;
		if (++tunnel->interim > HTTP_INTERIM_MAX)
			return tunnel_http_invalid("it sent too many interim answers", error);
	}
	if (tunnel->in.length - tunnel_http_header_length(tunnel) < tunnel_http_body_length(tunnel))
		return TUNNEL_MORE;
	tunnel_http_refusal(tunnel, error);
	return TUNNEL_FAILED;
}
