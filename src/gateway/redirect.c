#include "gateway/redirect.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "net/address.h"

enum { REDIRECT_WAIT_MAX = 366 * 86400 }; /* seconds; what asks for more is ignored */

bool redirect_is(const struct http_head *response)
{
	switch (response->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return http_head_find_single(response, "Location") != NULL;
	default:
		return false;
	}
}

/* RFC 3986, section 3.1; 0: the reference has no scheme. */
static size_t redirect_scheme_length(const char *location)
{
	size_t length = strspn(location,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+-.");

	return isalpha((unsigned char)location[0]) && location[length] == ':' ? length : 0;
}

static const char *redirect_map_scheme(const char *location, size_t length)
{
	static const struct {
		const char *from;
		const char *to;
	} schemes[] = {{"ws", "ws"}, {"wss", "wss"}, {"http", "ws"}, {"https", "wss"}};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strlen(schemes[i].from) == length &&
			strncasecmp(location, schemes[i].from, length) == 0)
			return schemes[i].to;
	}
	return NULL;
}

static char *redirect_absolute(const struct url *from, const char *location, size_t scheme_length,
	struct error *error)
{
	const char *scheme = redirect_map_scheme(location, scheme_length);
	char shown[URL_SHOWN_SIZE];

	url_show(location, shown);
	if (!scheme) {
		error_set(error, ERROR_WEBSOCKET,
			"the server redirects to %s, which is not a WebSocket URL", shown);
		return NULL;
	}
	if (from->secure && strcmp(scheme, "ws") == 0) {
		error_set(error, ERROR_WEBSOCKET,
			"the server redirects from wss to ws (%s): not followed", shown);
		return NULL;
	}
	return alloc_format("%s%s", scheme, location + scheme_length);
}

/* A path without a leading slash replaces what is behind the last slash of the old path. */
static char *redirect_relative(const struct url *from, const char *location)
{
	const char *scheme = from->secure ? "wss" : "ws";
	size_t path = strcspn(from->resource, "?");
	size_t keep = 0;

	if (strncmp(location, "//", 2) == 0)
		return alloc_format("%s:%s", scheme, location);
	if (location[0] == '?') {
		keep = path;
	} else if (location[0] != '/') {
		keep = path;
		while (keep > 0 && from->resource[keep - 1] != '/')
			keep--;
	}
	return alloc_format("%s://%s%.*s%s", scheme, from->reference, (int)keep, from->resource,
		location);
}

/* RFC 3986 permits only ASCII. Anything else would be shown as it is. */
static bool redirect_is_clean(const char *location)
{
	for (const char *c = location; *c; c++) {
		if (*c <= ' ' || *c >= 0x7F)
			return false;
	}
	return true;
}

char *redirect_target(const struct url *from, const char *location, struct error *error)
{
	size_t scheme_length = redirect_scheme_length(location);
	char *target;

	if (from->socket_path) {
		error_set(error, ERROR_WEBSOCKET,
			"the server on a UNIX socket redirects: not followed");
		return NULL;
	}
	if (!redirect_is_clean(location)) {
		char shown[URL_SHOWN_SIZE], clean[128];

		url_show(location, shown);
		text_printable(clean, sizeof(clean), shown, strcspn(shown, "?#"));
		error_set(error, ERROR_WEBSOCKET,
			"the server redirects to %s, which is not a valid URL", clean);
		return NULL;
	}
	target = scheme_length ? redirect_absolute(from, location, scheme_length, error)
			       : redirect_relative(from, location);
	if (target)
		target[strcspn(target, "#")] = '\0'; /* a fragment is for the client alone */
	return target;
}

/* Also the forms that a proxy may accept, as inet_aton(3) does: "127.1", "0x7f000001". */
static bool redirect_parse_address(struct address *address, const char *host)
{
	struct in_addr ipv4;

	if (address_parse(address, host, 0))
		return true;
	if (!inet_aton(host, &ipv4))
		return false;
	*address = (struct address){.ipv4 = {.sin_family = AF_INET, .sin_addr = ipv4}};
	return true;
}

bool redirect_is_local(const char *host)
{
	static const char localhost[] = "localhost";
	size_t length = strlen(host);
	struct address address;

	if (redirect_parse_address(&address, host))
		return !address_is_public(&address);
	if (length && host[length - 1] == '.')
		length--;
	if (length < sizeof(localhost) - 1)
		return false;
	host += length - (sizeof(localhost) - 1); /* RFC 6761, section 6.3: with its subdomains */
	return strncasecmp(host, localhost, sizeof(localhost) - 1) == 0 &&
		(length == sizeof(localhost) - 1 || host[-1] == '.');
}

/* "[::1]": as a pattern it is a set of characters. */
static bool redirect_is_bracketed(const char *text)
{
	struct in6_addr address;
	char inside[INET6_ADDRSTRLEN];
	size_t length = strlen(text);

	if (length < 2 || length - 2 >= sizeof(inside) || text[0] != '[' || text[length - 1] != ']')
		return false;
	memcpy(inside, text + 1, length - 2);
	inside[length - 2] = '\0';
	return inet_pton(AF_INET6, inside, &address) == 1;
}

bool redirect_check_host(const char *text, struct error *error)
{
	const char *colon = strchr(text, ':'); /* an IPv6 address has two at least */
	char shown[URL_SHOWN_SIZE];

	if (redirect_is_bracketed(text))
		return error_set(error, ERROR_SETTINGS,
			"must be an IPv6 address without brackets, not \"%s\"", text);
	if (*text && !strpbrk(text, "/@# ") && (!colon || strchr(colon + 1, ':')))
		return true;
	url_show(text, shown);
	return error_set(error, ERROR_SETTINGS,
		"must be a host or a pattern such as \"*.example.com\", without scheme and port, "
		"not \"%s\"",
		shown);
}

/* The length of a set such as "[0-9]" at the beginning of a pattern; 0: there is none. */
static size_t redirect_set_length(const char *glob)
{
	const char *first = glob + 1 + (glob[1] == '!' || glob[1] == '^');
	const char *end = *glob == '[' && *first ? strchr(first + 1, ']') : NULL;

	return end ? (size_t)(end - glob) + 1 : 0;
}

/* True if a pattern has a letter or digit besides wildcards and sets. */
static bool redirect_names(const char *glob)
{
	size_t set;

	if (!text_is_glob(glob))
		return true;
	for (; *glob; glob += set ? set : 1) {
		set = redirect_set_length(glob);
		if (!set && isalnum((unsigned char)*glob))
			return true;
	}
	return false;
}

/* `host` is without a dot at the end, which the pattern may have. */
static bool redirect_matches(const char *pattern, const char *host)
{
	size_t length = strlen(pattern);
	char glob[URL_SHOWN_SIZE];

	if (length > 1 && pattern[length - 1] == '.')
		length--;
	if (length >= sizeof(glob))
		return false; /* longer than any host */
	memcpy(glob, pattern, length);
	glob[length] = '\0';
	return text_is_glob(glob) ? fnmatch(glob, host, FNM_CASEFOLD) == 0
				  : strcasecmp(glob, host) == 0;
}

/* True if one of the patterns matches the host; `named`: with more than wildcards. */
static bool redirect_is_listed(const struct string_list *hosts, const char *host, bool *named)
{
	bool listed = false;

	*named = false;
	for (size_t i = 0; i < hosts->count; i++) {
		if (!redirect_matches(hosts->items[i], host))
			continue;
		listed = true;
		*named |= redirect_names(hosts->items[i]);
	}
	return listed;
}

bool redirect_allowed(const struct url *from, const struct url *to,
	const struct redirect_terms *terms, bool *public_only, struct error *error)
{
	bool named;
	bool listed = redirect_is_listed(terms->hosts, to->host, &named);

	if (!listed && strcasecmp(to->host, from->host) != 0 &&
		strcasecmp(to->host, terms->first->host) != 0)
		return error_set(error, ERROR_WEBSOCKET,
			"the server redirects to another host, %s: not followed, because "
			"redirect_hosts does not allow it",
			to->shown);
	*public_only = terms->from_public && !named;
	if (*public_only && redirect_is_local(to->host))
		return error_set(error, ERROR_WEBSOCKET,
			"a public server redirects to %s, in this host or a private network: not "
			"followed, because redirect_hosts does not name it",
			to->shown);
	return true;
}

bool redirect_stays(const struct url *from, const struct url *to)
{
	return strcasecmp(from->host, to->host) == 0 &&
		(from->port == to->port || (!from->secure && to->secure));
}

uint64_t redirect_retry_after(const struct http_head *response, uint64_t now)
{
	const char *value = http_head_find_single(response, "Retry-After");
	struct tm date = {0};
	uint64_t seconds, at;
	char *end;

	if (!value)
		return 0;
	if (isdigit((unsigned char)value[0])) {
		seconds = strtoull(value, &end, 10);
		if (*end || seconds > REDIRECT_WAIT_MAX)
			return 0;
		return seconds * CLOCK_NS_PER_SECOND;
	}
	end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &date);
	if (!end || *end)
		return 0;
	at = (uint64_t)timegm(&date) * CLOCK_NS_PER_SECOND;
	return at > now && at - now <= REDIRECT_WAIT_MAX * CLOCK_NS_PER_SECOND ? at - now : 0;
}
