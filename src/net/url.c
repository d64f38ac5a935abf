#include "net/url.h"

#include <arpa/inet.h>
#include <event2/http.h>
#include <idn2.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/text.h"
#include "net/address.h"

enum {
	URL_SCHEME_MAX = 32, /* with its "://" */
	URL_SHOWN_MAX = 256, /* in an error, so that there is room for what is wrong */
};

static const struct url_scheme url_websocket_schemes[] = {
	{"ws", false, 80},
	{"wss", true, 443},
};

static const struct url_schemes url_websocket = {
	.items = url_websocket_schemes,
	.count = sizeof(url_websocket_schemes) / sizeof(url_websocket_schemes[0]),
	.wanted = "the scheme must be ws, wss or ws+unix",
};

static const char url_unix_scheme[] = "ws+unix:";

static const struct url_scheme *url_find_scheme(const struct url_schemes *schemes, const char *name)
{
	for (size_t i = 0; name && i < schemes->count; i++) {
		if (strcasecmp(schemes->items[i].name, name) == 0)
			return &schemes->items[i];
	}
	return NULL;
}

void url_show(const char *text, char shown[URL_SHOWN_SIZE])
{
	const char *authority = strstr(text, "://");
	const char *query = strpbrk(text, "?#"); /* or a fragment, which may be a token, too */
	const char mark[] = {query ? *query : '\0', '\0'};
	const char *at = strrchr(text, '@');
	size_t kept = authority ? (size_t)(authority - text) + 3 : 0;
	size_t length;

	if (kept > URL_SCHEME_MAX || (query && query < text + kept) || (at && at < text + kept))
		kept = 0;
	if (at && query && query < at) /* of a password, or the query? */
		query = at;
	else if (!at)
		at = text + kept;
	length = query ? (size_t)(query - at) : strlen(at);
	if (length > URL_SHOWN_MAX)
		length = (size_t)text_cut(at, URL_SHOWN_MAX);
	snprintf(shown, URL_SHOWN_SIZE, "%.*s%s%.*s%s%s", (int)kept, text,
		at == text + kept ? "" : "***", (int)length, at, mark, query ? "…" : "");
}

/* Names the URL in an error. */
static bool url_error(struct error *error, const char *text, const char *what)
{
	char shown[URL_SHOWN_SIZE];

	url_show(text, shown);
	return error_set(error, ERROR_WEBSOCKET, "URL '%s': %s", shown, what);
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

/* The user, host and port of a URL: where they begin and end. */
static const char *url_find_authority(const char *text, const char **end)
{
	const char *start = strstr(text, "://");

	start = start ? start + 3 : text;
	*end = start == text ? text : start + strcspn(start, "/?#");
	return start;
}

/* Outside ASCII may only be what becomes ASCII on its way: host (IDNA) and user (Base64). */
static bool url_check_characters(const char *text, struct error *error)
{
	const char *end;
	const char *start = url_find_authority(text, &end);

	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= 0x20 || *c == 0x7f)
			return url_error(error, text, "it has a space or control character");
		if ((unsigned char)*c > 0x7f && (c < start || c >= end))
			return url_error(error, text,
				"it has a character outside ASCII; "
				"after the host, write it percent-encoded");
	}
	return true;
}

/* With what is outside ASCII percent-encoded: libevent takes nothing else. */
static char *url_encode(const char *text)
{
	char *encoded = alloc_zero(3, strlen(text) + 1);
	char *out = encoded;

	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c > 0x7f)
			out += sprintf(out, "%%%02X", (unsigned char)*c);
		else
			*out++ = *c;
	}
	return encoded;
}

static bool url_is_ascii(const char *text)
{
	while (*text && (unsigned char)*text <= 0x7f)
		text++;
	return !*text;
}

/* A name with characters outside ASCII as its A-label, as UTS 46 maps it for a lookup. */
static bool url_apply_idna(struct url *url, const char *text, struct error *error)
{
	char what[128];
	char *ascii;
	int result;

	if (url_is_ascii(url->host))
		return true;
	result = idn2_to_ascii_8z(url->host, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (result != IDN2_OK) {
		snprintf(what, sizeof(what),
			"the host is not a valid internationalised name (IDNA): %s",
			idn2_strerror(result));
		return url_error(error, text, what);
	}
	free(url->host);
	url->host = alloc_string(ascii);
	idn2_free(ascii);
	return true;
}

/* Takes the zone out of "ws://[fe80::1%25eth0]/" (RFC 6874), for which evhttp has no room; many write
 * "%eth0". NULL: there is none. */
static char *url_cut_zone(char *text)
{
	const char *end;
	char *start = text + (url_find_authority(text, &end) - text);
	char *bracket, *mark, *at, *zone;

	for (at = start; (at = memchr(at, '@', (size_t)(end - at))); at++)
		start = at + 1;
	bracket = *start == '[' ? memchr(start, ']', (size_t)(end - start)) : NULL;
	mark = bracket ? memchr(start, ADDRESS_ZONE, (size_t)(bracket - start)) : NULL;
	if (!mark)
		return NULL;
	zone = alloc_format("%.*s", (int)(bracket - mark - 1), mark + 1);
	memmove(mark, bracket, strlen(bracket) + 1);
	if (strncmp(zone, "25", 2) == 0 && zone[2])
		memmove(zone, zone + 2, strlen(zone) - 1);
	return zone;
}

/* As the kernel takes the names of interfaces. */
static bool url_is_interface(const char *name)
{
	return *name && strlen(name) < IF_NAMESIZE && !strpbrk(name, "/ ") &&
		strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool url_take_ipv6(struct url *url, const char *host, const char *encoded_zone,
	const char *text, struct error *error)
{
	struct in6_addr ipv6;
	char *zone;

	url->host = alloc_string(host + 1);
	url->host[strcspn(url->host, "]")] = '\0';
	if (inet_pton(AF_INET6, url->host, &ipv6) != 1)
		return url_error(error, text, "the host is not an IPv6 address");
	if (!encoded_zone) {
		url->lookup = alloc_string(url->host);
		return true;
	}
	zone = url_decode(encoded_zone);
	if (zone && url_is_interface(zone))
		url->lookup = alloc_format("%s%c%s", url->host, ADDRESS_ZONE, zone);
	free(zone);
	if (!url->lookup)
		return url_error(error, text,
			"the zone of the address is not the name or index of an interface");
	return IN6_IS_ADDR_LINKLOCAL(&ipv6) ||
		url_error(error, text, "only a link-local address (fe80::…) has a zone");
}

/* A dot at the end says that the name is complete: to the resolver, but not to TLS. */
static bool url_take_dot(struct url *url, const char *text, struct error *error)
{
	size_t length = strlen(url->host);
	struct in_addr ipv4;

	url->lookup = alloc_string(url->host);
	if (length > 1 && url->host[length - 1] == '.')
		url->host[length - 1] = '\0';
	if (inet_pton(AF_INET, url->host, &ipv4) == 1)
		url->lookup[strlen(url->host)] = '\0';
	if (url->host[0] == '.') /* which OpenSSL would take for all subdomains */
		return url_error(error, text, "the host begins with a dot");
	return !strstr(url->lookup, "..") ||
		url_error(error, text, "the host has two dots in a row");
}

static bool url_take_name(struct url *url, const char *host, const char *text, struct error *error)
{
	url->host = url_decode(host);
	if (!url->host)
		return url_error(error, text, "the host has a control character");
	if (!url_apply_idna(url, text, error) || !url_take_dot(url, text, error))
		return false;
	if (strlen(url->host) > URL_HOST_MAX)
		return url_error(error, text, "the host is longer than 253 characters");
	if (url->host[strspn(url->host, URL_HOST_CHARACTERS)])
		return url_error(error, text,
			"the host has a character that is not allowed in host names");
	return true;
}

static bool url_take_host(struct url *url, const char *host, const char *zone, const char *text,
	struct error *error)
{
	if (!host || !*host)
		return url_error(error, text, "it has no host");
	return *host == '[' ? url_take_ipv6(url, host, zone, text, error)
			    : url_take_name(url, host, text, error);
}

static bool url_take_port(struct url *url, int port, const struct url_scheme *scheme,
	const char *text, struct error *error)
{
	if (port == 0 || port > UINT16_MAX)
		return url_error(error, text, "the port must be 1 to 65535");
	url->port = port < 0 ? scheme->port : (uint16_t)port;
	return true;
}

bool url_check_user(const char *user, struct error *error)
{
	return !strchr(user, ':') || error_set(error, ERROR_WEBSOCKET, "must not have a ':'");
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
		explicit_bzero(colon + 1, strlen(colon + 1));
	}
	url->user = url_decode(user);
	alloc_wipe(user);
	if (!url->user || (colon && !url->password))
		return url_error(error, text, "user name or password has a control character");
	return url_check_user(url->user, error) ||
		url_error(error, text, "the user name has a ':'");
}

static void url_compose(struct url *url, const struct evhttp_uri *uri,
	const struct url_scheme *scheme)
{
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	const char *userinfo = evhttp_uri_get_userinfo(uri);
	bool ipv6 = strchr(url->host, ':') != NULL;
	const char *zone = ipv6 ? strchr(url->lookup, ADDRESS_ZONE) : NULL;
	char port[8] = "";

	if (url->port != scheme->port)
		snprintf(port, sizeof(port), ":%u", url->port);
	url->authority = ipv6 ? alloc_format("[%s]%s", url->host, port)
			      : alloc_format("%s%s", url->lookup, port);
	url->reference = zone ? alloc_format("[%s%%25%s]%s", url->host, zone + 1, port)
			      : alloc_string(url->authority);
	url->resource =
		alloc_join(path && *path ? path : "/", query ? "?" : "", query ? query : "");
	url->shown = alloc_format("%s://%s%s%s%s", scheme->name, userinfo ? "***@" : "",
		url->reference, path && *path ? path : "/", query ? "?…" : "");
}

bool url_parse_schemes(struct url *url, const char *text, const struct url_schemes *schemes,
	const struct url_scheme **scheme, struct error *error)
{
	struct evhttp_uri *uri;
	bool ok = false;
	char *encoded, *zone;

	*url = (struct url){0};
	if (!url_check_characters(text, error))
		return false;
	encoded = url_encode(text);
	zone = url_cut_zone(encoded);
	uri = evhttp_uri_parse(encoded);
	*scheme = uri ? url_find_scheme(schemes, evhttp_uri_get_scheme(uri)) : NULL;
	if (!uri)
		url_error(error, text, "it is not a well-formed URL");
	else if (!*scheme)
		url_error(error, text, schemes->wanted);
	else if (evhttp_uri_get_fragment(uri)) /* RFC 6455, section 3 */
		url_error(error, text, "it must not have a fragment ('#'); write %23");
	else
		ok = url_take_userinfo(url, evhttp_uri_get_userinfo(uri), text, error) &&
			url_take_host(url, evhttp_uri_get_host(uri), zone, text, error) &&
			url_take_port(url, evhttp_uri_get_port(uri), *scheme, text, error);
	if (ok) {
		url->secure = (*scheme)->secure;
		url_compose(url, uri, *scheme);
	} else {
		url_release(url);
	}
	if (uri)
		evhttp_uri_free(uri);
	alloc_wipe(encoded);
	free(zone);
	return ok;
}

static bool url_take_socket_path(struct url *url, const char *path, size_t length, const char *text,
	struct error *error)
{
	char *encoded = alloc_format("%.*s", (int)length, path);

	url->socket_path = url_decode(encoded);
	free(encoded);
	if (!url->socket_path)
		return url_error(error, text, "the socket's path has a control character");
	if (url->socket_path[0] != '/')
		return url_error(error, text,
			"the socket's path must be absolute: "
			"ws+unix:///run/app.sock:/path");
	if (strlen(url->socket_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return url_error(error, text, "the socket's path is longer than 107 bytes");
	return true;
}

/* Parses what follows the socket's path, as in any other URL. */
static bool url_take_unix_resource(struct url *url, const char *resource, const char *text,
	struct error *error)
{
	const struct url_scheme *scheme;
	char shown[URL_SHOWN_SIZE];
	struct url inner;
	char *joined;
	bool ok;

	if (*resource && *resource != '/' && *resource != '?')
		return url_error(error, text,
			"after the socket's path comes ':' and a path that "
			"begins with '/'");
	joined = alloc_join("ws://localhost", resource, "");
	ok = url_parse_schemes(&inner, joined, &url_websocket, &scheme, error);
	alloc_wipe(joined);
	if (!ok) {
		url_show(text, shown);
		return error_prefix(error, "in '%s': ", shown);
	}
	url->host = alloc_string(inner.host);
	url->lookup = alloc_string(inner.lookup);
	url->authority = alloc_string(inner.authority);
	url->reference = alloc_string(inner.reference);
	url->resource = alloc_string(inner.resource);
	url_release(&inner);
	return true;
}

/* `text` begins with the scheme; both "ws+unix:/path" and "ws+unix:///path" are in use. */
static bool url_parse_unix(struct url *url, const char *text, struct error *error)
{
	const char *path = text + strlen(url_unix_scheme);
	size_t length;

	*url = (struct url){0};
	if (strncmp(path, "//", 2) == 0)
		path += 2;
	length = strcspn(path, ":?#");
	if (path[length] && path[length] != ':')
		return url_error(error, text,
			"a query comes after the socket's path and ':', "
			"as in ws+unix:///run/app.sock:/?query");
	if (!url_take_socket_path(url, path, length, text, error) ||
		!url_take_unix_resource(url, path + length + (path[length] == ':'), text, error)) {
		url_release(url);
		return false;
	}
	url->shown = alloc_format("ws+unix://%.*s:%.*s%s", (int)length, path,
		(int)strcspn(url->resource, "?"), url->resource,
		strchr(url->resource, '?') ? "?…" : "");
	return true;
}

bool url_parse(struct url *url, const char *text, struct error *error)
{
	const struct url_scheme *scheme;

	if (strncasecmp(text, url_unix_scheme, strlen(url_unix_scheme)) == 0)
		return url_parse_unix(url, text, error);
	return url_parse_schemes(url, text, &url_websocket, &scheme, error);
}

bool url_check(const char *text, struct error *error)
{
	struct url url;

	if (!url_parse(&url, text, error))
		return false;
	url_release(&url);
	return true;
}

void url_format_server(const struct url *url, char text[URL_SERVER_SIZE])
{
	const char *format = strchr(url->host, ':') ? "[%s]:%u" : "%s:%u";

	if (url->socket_path)
		snprintf(text, URL_SERVER_SIZE, "%s", url->socket_path);
	else
		snprintf(text, URL_SERVER_SIZE, format, url->host, url->port);
}

void url_release(struct url *url)
{
	free(url->host);
	free(url->lookup);
	free(url->socket_path);
	alloc_wipe(url->resource); /* a query may have a token */
	alloc_wipe(url->user);     /* it may be one */
	alloc_wipe(url->password);
	free(url->authority);
	free(url->reference);
	free(url->shown);
	*url = (struct url){0};
}
