#include "gateway/redirect.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

enum { REDIRECT_WAIT_MAX = 366 * 86400 }; /* seconds; more is nonsense */

bool redirect_is(const struct ws_response *response)
{
	switch (response->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return ws_response_header(response, "Location") != NULL;
	default:
		return false;
	}
}

/* RFC 3986, section 3.1; 0: the reference has no scheme. */
static size_t redirect_scheme_length(const char *location)
{
	size_t length = strspn(location, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
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
	char shown[128];

	text_printable(shown, sizeof(shown), location, strlen(location));
	if (!scheme) {
		error_set(error, ERROR_WEBSOCKET, "the server redirects to %s, which is no WebSocket",
			shown);
		return NULL;
	}
	if (from->secure && strcmp(scheme, "ws") == 0) {
		error_set(error, ERROR_WEBSOCKET,
			"the server redirects from wss to ws (%s): not followed", shown);
		return NULL;
	}
	return alloc_format("%s%s", scheme, location + scheme_length);
}

/* A path without a slash in front goes to where the last slash of the old path is. */
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
	return alloc_format("%s://%s%.*s%s", scheme, from->authority, (int)keep, from->resource,
		location);
}

/* RFC 3986 has ASCII only. What else comes would be shown as it is. */
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
		char shown[128];

		text_printable(shown, sizeof(shown), location, strlen(location));
		error_set(error, ERROR_WEBSOCKET, "the server redirects to %s, which is no URL",
			shown);
		return NULL;
	}
	target = scheme_length ? redirect_absolute(from, location, scheme_length, error)
			       : redirect_relative(from, location);
	if (target)
		target[strcspn(target, "#")] = '\0'; /* a fragment is for the client alone */
	return target;
}

bool redirect_stays(const struct url *from, const struct url *to)
{
	return strcasecmp(from->host, to->host) == 0 &&
		(from->port == to->port || (!from->secure && to->secure));
}

uint64_t redirect_retry_after(const struct ws_response *response, uint64_t now)
{
	const char *value = ws_response_header(response, "Retry-After");
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
