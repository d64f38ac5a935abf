#include "net/tunnel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"

/* CONNECT (RFC 9110, section 9.3.6). Once the head is complete, `in` begins with the body. */

enum {
	HTTP_HEAD_MAX = 8192,
	HTTP_BODY_MAX = 2048, /* of a refusal: enough for the text of a page */
	HTTP_TEXT_SIZE = 200, /* of the text of a refusal, in the error */
	HTTP_STATUS_SIZE = 80,
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

/* Number of bytes of a refusal's body to wait for. */
static size_t tunnel_http_body_length(const struct tunnel *tunnel)
{
	const char *length = http_head_find_single(&tunnel->response, "Content-Length");
	size_t announced;

	if (!length || !isdigit((unsigned char)*length))
		return HTTP_BODY_MAX;
	announced = strtoul(length, NULL, 10);
	return announced < HTTP_BODY_MAX ? announced : HTTP_BODY_MAX;
}

/* The visible text of a page: tags removed, white space collapsed. */
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
	const char *start = (const char *)buffer_data(&tunnel->in);
	size_t wanted = tunnel_http_body_length(tunnel);
	size_t length = tunnel->in.length < wanted ? tunnel->in.length : wanted;
	char plain[HTTP_BODY_MAX];
	const char *body = length ? memmem(start, length, "<body", strlen("<body")) : NULL;

	if (body) { /* a page repeats the status before it, and has style sheets there */
		length -= (size_t)(body - start);
		start = body;
	}
	text_printable(text, HTTP_TEXT_SIZE, plain, tunnel_http_strip(plain, start, length));
}

/* "403 Forbidden". */
static void tunnel_http_status_text(const struct tunnel *tunnel, char text[HTTP_STATUS_SIZE])
{
	const char *reason = http_head_reason(&tunnel->response);
	int length = snprintf(text, HTTP_STATUS_SIZE, "%u%s", tunnel->response.status,
		*reason ? " " : "");

	text_printable(text + length, HTTP_STATUS_SIZE - (size_t)length, reason, strlen(reason));
}

/* Of authentication that a proxy offers (RFC 9110, section 11.6.1). */
struct challenges {
	bool any;
	bool basic;
	char schemes[64]; /* the names: "Digest or NTLM", what fits */
};

static void challenges_add(struct challenges *challenges, const char *scheme, size_t length)
{
	size_t used = strlen(challenges->schemes);

	challenges->basic |= length == strlen("Basic") && strncasecmp(scheme, "Basic", length) == 0;
	snprintf(challenges->schemes + used, sizeof(challenges->schemes) - used, "%s%.*s",
		challenges->any ? " or " : "", (int)length, scheme);
	challenges->any = true;
}

/* The length of an element of a list: up to a comma that is not in a quoted string. */
static size_t challenges_element(const char *text)
{
	bool quoted = false;
	size_t i;

	for (i = 0; text[i] && (quoted || text[i] != ','); i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\' && text[i + 1])
			i++;
	}
	return i;
}

/* An element begins with a scheme, or is one more parameter of the one before. */
static void challenges_parse(struct challenges *challenges, const char *text)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789!#$%&'*+-.^_`|~";

	while (*(text += strspn(text, ", \t"))) {
		size_t length = strspn(text, token);
		const char *next = text + length + strspn(text + length, " \t");

		if (length && *next != '=')
			challenges_add(challenges, text, length);
		text += challenges_element(text);
	}
}

static void tunnel_http_find_challenges(const struct tunnel *tunnel, struct challenges *challenges)
{
	struct http_field field = {0};

	*challenges = (struct challenges){0};
	while (http_head_next(&tunnel->response, &field)) {
		if (strcasecmp(field.name, "Proxy-Authenticate") == 0)
			challenges_parse(challenges, field.value);
	}
}

static void tunnel_http_wants_login(const struct tunnel *tunnel, struct error *error)
{
	const char *challenge = http_head_find(&tunnel->response, "Proxy-Authenticate");
	char status[HTTP_STATUS_SIZE], scheme[64] = "";
	struct challenges challenges;

	tunnel_http_status_text(tunnel, status);
	tunnel_http_find_challenges(tunnel, &challenges);
	if (challenges.any && !challenges.basic) {
		error_set(error, ERROR_SOCKET_CONNECT,
			"it requires %s authentication, and only Basic is supported: %s",
			challenges.schemes, status);
		return;
	}
	if (challenge)
		text_printable(scheme, sizeof(scheme), challenge, strlen(challenge));
	error_set(error, ERROR_SOCKET_CONNECT, "it %s: %s%s%s%s",
		tunnel->proxy->url.user ? "does not accept the user name and password"
					: "wants a user name and password",
		status, scheme[0] ? " (Proxy-Authenticate: " : "", scheme, scheme[0] ? ")" : "");
}

void tunnel_http_refusal(const struct tunnel *tunnel, struct error *error)
{
	unsigned status = tunnel->response.status;
	char target[URL_SERVER_SIZE];
	char status_text[HTTP_STATUS_SIZE];
	char text[HTTP_TEXT_SIZE];

	if (status == 407 || (status == 401 && tunnel->proxy->url.user)) {
		tunnel_http_wants_login(tunnel, error);
		return;
	}
	url_format_server(tunnel->target, target);
	tunnel_http_status_text(tunnel, status_text);
	tunnel_http_body_text(tunnel, text);
	error_set(error, ERROR_SOCKET_CONNECT, "it refused the tunnel to %.*s: %s%s%s",
		text_cut(target, 128), target, status_text, text[0] ? ": " : "", text);
}

static enum http_head_state tunnel_http_parse(struct tunnel *tunnel, struct error *error)
{
	static const struct http_rules rules = {
		.kind = HTTP_RESPONSE,
		.subject = "its response",
		.error = ERROR_SOCKET_CONNECT,
		.bytes_max = HTTP_HEAD_MAX,
	};
	enum http_head_state state;
	size_t used;

	state = http_head_parse(&tunnel->response, &rules, buffer_data(&tunnel->in),
		tunnel->in.length, &used, error);
	buffer_consume(&tunnel->in, used);
	return state;
}

enum tunnel_status tunnel_http_advance(struct tunnel *tunnel, struct error *error)
{
	if (!tunnel->response.status) {
		switch (tunnel_http_parse(tunnel, error)) {
		case HTTP_HEAD_MORE:
			return TUNNEL_MORE;
		case HTTP_HEAD_INVALID:
			return TUNNEL_FAILED;
		case HTTP_HEAD_DONE:
			break;
		}
	}
	if (tunnel->response.status >= 200 && tunnel->response.status < 300)
		return TUNNEL_OPEN;
	if (tunnel->in.length < tunnel_http_body_length(tunnel))
		return TUNNEL_MORE;
	tunnel_http_refusal(tunnel, error);
	return TUNNEL_FAILED;
}
