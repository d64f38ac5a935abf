#include "net/url.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

enum {
	URL_HOST_MAX = 253, /* RFC 1035, section 2.3.4, as text */
	URL_SCHEME_MAX = 32, /* likewise, with its "://" */
	URL_SHOWN_MAX = 256, /* in an error, so that there is room for what is wrong */
};

struct url_scheme {
	const char *name;
	bool secure;
	uint16_t port;
};

static const struct url_scheme url_schemes[] = {
	{"ws", false, 80},
	{"wss", true, 443},
};

static const struct url_scheme *url_find_scheme(const char *name)
{
	for (size_t i = 0; name && i < sizeof(url_schemes) / sizeof(url_schemes[0]); i++) {
		if (strcasecmp(url_schemes[i].name, name) == 0)
			return &url_schemes[i];
	}
	return NULL;
}

/* Names the URL in an error. It may be malformed, so all that could be userinfo is left out. */
static bool url_error(struct error *error, const char *text, const char *what)
{
	const char *authority = strstr(text, "://");
	const char *at = strrchr(text, '@');
	size_t kept = authority ? (size_t)(authority - text) + 3 : 0;

	if (!at)
		return error_set(error, ERROR_WEBSOCKET, "URL '%.*s': %s", URL_SHOWN_MAX, text,
			what);
	if (kept > (size_t)(at - text) || kept > URL_SCHEME_MAX)
		kept = 0;
	return error_set(error, ERROR_WEBSOCKET, "URL '%.*s***%.*s': %s", (int)kept, text,
		URL_SHOWN_MAX, at, what);
}

/* Percent-decodes; NULL when the outcome has control characters (RFC 7617 forbids them too). */
static char *url_decode(const char *text)
{
	size_t length;
	char *decoded = evhttp_uridecode(text, 0, &length);

	for (size_t i = 0; decoded && i < length; i++) {
		if ((unsigned char)decoded[i] >= 0x20 && decoded[i] != 0x7f)
			continue;
		free(decoded);
		return NULL;
	}
	return decoded;
}

static bool url_check_characters(const char *text, struct error *error)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= 0x20 || *c == 0x7f)
			return url_error(error, text, "it has a space or control character");
		if ((unsigned char)*c > 0x7f)
			return url_error(error, text, "it has a character outside ASCII; "
				"write a host as xn--…, and the rest percent-encoded");
	}
	return true;
}

static bool url_take_host(struct url *url, const char *host, const char *text, struct error *error)
{
	struct in6_addr ipv6;
	size_t length;

	if (!host || !*host)
		return url_error(error, text, "it has no host");
	if (*host == '[') {
		url->host = alloc_string(host + 1);
		url->host[strcspn(url->host, "]")] = '\0';
		if (inet_pton(AF_INET6, url->host, &ipv6) != 1)
			return url_error(error, text, "the host is not an IPv6 address");
		return true;
	}
	url->host = url_decode(host);
	if (!url->host)
		return url_error(error, text, "the host has a control character");
	length = strlen(url->host);
	if (length > URL_HOST_MAX)
		return url_error(error, text, "the host is longer than 253 characters");
	if (strspn(url->host,
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") != length)
		return url_error(error, text, "the host has a character that host names lack");
	return true;
}

static bool url_take_port(struct url *url, int port, const struct url_scheme *scheme,
	const char *text, struct error *error)
{
	if (port == 0 || port > UINT16_MAX)
		return url_error(error, text, "the port must be 1 to 65535");
	url->port = port < 0 ? scheme->port : (uint16_t)port;
	return true;
}

static bool url_take_userinfo(struct url *url, const char *userinfo, const char *text,
	struct error *error)
{
	char *user, *colon;

	if (!userinfo)
		return true;
	user = alloc_string(userinfo);
	colon = strchr(user, ':');
	if (colon) {
		*colon = '\0';
		url->password = url_decode(colon + 1);
	}
	url->user = url_decode(user);
	free(user);
	if (!url->user || (colon && !url->password))
		return url_error(error, text, "user name or password has a control character");
	if (strchr(url->user, ':')) /* RFC 7617, section 2 */
		return url_error(error, text, "the user name has a ':'");
	return true;
}

static void url_compose(struct url *url, const struct evhttp_uri *uri,
	const struct url_scheme *scheme)
{
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	const char *userinfo = evhttp_uri_get_userinfo(uri);
	bool ipv6 = strchr(url->host, ':') != NULL;
	char port[8] = "";

	if (url->port != scheme->port)
		snprintf(port, sizeof(port), ":%u", url->port);
	url->authority =
		alloc_format("%s%s%s%s", ipv6 ? "[" : "", url->host, ipv6 ? "]" : "", port);
	url->resource = alloc_format("%s%s%s", path && *path ? path : "/", query ? "?" : "",
		query ? query : "");
	url->shown = alloc_format("%s://%.*s%s%s%s%s", scheme->name,
		userinfo ? (int)strcspn(userinfo, ":") : 0, userinfo ? userinfo : "",
		url->password ? ":***" : "", userinfo ? "@" : "", url->authority, url->resource);
}

bool url_parse(struct url *url, const char *text, struct error *error)
{
	const struct url_scheme *scheme;
	struct evhttp_uri *uri = NULL;
	bool ok = false;

	*url = (struct url){0};
	if (!url_check_characters(text, error))
		return false;
	uri = evhttp_uri_parse(text);
	scheme = uri ? url_find_scheme(evhttp_uri_get_scheme(uri)) : NULL;
	if (!uri)
		url_error(error, text, "it is not a well-formed URL");
	else if (!scheme)
		url_error(error, text, "the scheme must be ws or wss");
	else if (evhttp_uri_get_fragment(uri)) /* RFC 6455, section 3 */
		url_error(error, text, "a WebSocket URL has no fragment ('#'); write %23");
	else
		ok = url_take_userinfo(url, evhttp_uri_get_userinfo(uri), text, error) &&
			url_take_host(url, evhttp_uri_get_host(uri), text, error) &&
			url_take_port(url, evhttp_uri_get_port(uri), scheme, text, error);
	if (ok) {
		url->secure = scheme->secure;
		url_compose(url, uri, scheme);
	} else {
		url_release(url);
	}
	if (uri)
		evhttp_uri_free(uri);
	return ok;
}

void url_release(struct url *url)
{
	free(url->host);
	free(url->resource);
	free(url->user);
	if (url->password)
		explicit_bzero(url->password, strlen(url->password));
	free(url->password);
	free(url->authority);
	free(url->shown);
	*url = (struct url){0};
}
