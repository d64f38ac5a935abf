#include "gateway/cookies.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"

enum {
	COOKIE_ATTRIBUTE_MAX = 1024,  /* bytes; a longer value is ignored */
	COOKIES_HEADER_MAX = 8192,    /* bytes of a Cookie header */
	COOKIE_AGE_MAX = 400 * 86400, /* seconds */
};

const struct choice cookies_lifetimes[] = {
	{"none", COOKIES_NONE},
	{"call", COOKIES_CALL},
	{"keep", COOKIES_KEEP},
	{0},
};

struct cookie {
	struct cookie *next; /* a later one */
	char *name;
	char *value;
	char *domain; /* lower case */
	char *path;
	int64_t expiry; /* seconds since 1970 */
	bool host_only;
	bool secure;
};

static void cookie_free(struct cookie *cookie)
{
	alloc_wipe(cookie->name);
	alloc_wipe(cookie->value);
	free(cookie->domain);
	free(cookie->path);
	free(cookie);
}

static size_t cookie_size(const struct cookie *cookie)
{
	return strlen(cookie->name) + strlen(cookie->value) + strlen(cookie->domain) +
		strlen(cookie->path);
}

/* --- hosts and paths ------------------------------------------------------------------------- */

/* A part of a longer text. */
struct span {
	const char *start;
	size_t length;
};

static struct span span_trim(struct span span)
{
	while (span.length && strchr(" \t", span.start[0]))
		span.start++, span.length--;
	while (span.length && strchr(" \t", span.start[span.length - 1]))
		span.length--;
	return span;
}

static bool span_is(struct span span, const char *text)
{
	return span.length == strlen(text) && strncasecmp(span.start, text, span.length) == 0;
}

static char *span_copy(struct span span)
{
	char *text = alloc_zero(1, span.length + 1);

	memcpy(text, span.start, span.length);
	return text;
}

/* In lower case, and without the dot at the end that some names have. */
static char *cookie_host(struct span host)
{
	char *copy;

	if (host.length && host.start[host.length - 1] == '.')
		host.length--;
	copy = span_copy(host);
	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static char *cookie_url_host(const struct url *url)
{
	return cookie_host((struct span){url->host, strlen(url->host)});
}

/* False for an address, in whatever form: one ends in a number, which no domain does. */
static bool host_is_name(const char *host)
{
	const char *dot = strrchr(host, '.');

	return !strchr(host, ':') && !isdigit((unsigned char)(dot ? dot[1] : host[0]));
}

/* Section 5.1.3. */
static bool domain_matches(const char *domain, const char *host)
{
	size_t length = strlen(domain), host_length = strlen(host);

	if (strcmp(domain, host) == 0)
		return true;
	return host_length > length && host[host_length - length - 1] == '.' &&
		strcmp(host + host_length - length, domain) == 0 && host_is_name(host);
}

/* Section 5.1.4. */
static struct span default_path(const struct url *url)
{
	size_t length = strcspn(url->resource, "?");

	while (length > 1 && url->resource[length - 1] != '/')
		length--;
	return (struct span){url->resource, length > 1 ? length - 1 : 1};
}

static bool path_matches(const char *path, const char *resource)
{
	size_t length = strlen(path), resource_length = strcspn(resource, "?");

	return resource_length >= length && strncmp(resource, path, length) == 0 &&
		(resource_length == length || path[length - 1] == '/' || resource[length] == '/');
}

static bool cookie_is_for_host(const struct cookie *cookie, const char *host)
{
	return cookie->host_only ? strcmp(cookie->domain, host) == 0
				 : domain_matches(cookie->domain, host);
}

/* --- what a server sets ---------------------------------------------------------------------- */

/* Set-Cookie, taken apart (section 5.2). */
struct set_cookie {
	struct span name, value;
	struct span domain, path; /* empty: absent */
	bool secure;
	bool has_age;
	int64_t expiry; /* seconds since 1970 */
};

/* Up to the ';', which is skipped. */
static struct span set_cookie_next(const char **text)
{
	struct span part = {*text, strcspn(*text, ";")};

	*text += part.length + ((*text)[part.length] == ';');
	return part;
}

/* Cuts at the first '='; `value` is empty if there is none. */
static bool set_cookie_split(struct span part, struct span *name, struct span *value)
{
	const char *equals = part.length ? memchr(part.start, '=', part.length) : NULL;
	size_t length = equals ? (size_t)(equals - part.start) : part.length;

	*name = span_trim((struct span){part.start, length});
	*value = (struct span){part.start + part.length, 0};
	if (equals)
		*value = span_trim((struct span){equals + 1, part.length - length - 1});
	return equals != NULL;
}

/* Max-Age goes before Expires. */
static void set_cookie_age(struct set_cookie *set, struct span value, int64_t now)
{
	bool negative = value.length && value.start[0] == '-';
	size_t digits = strspn(value.start + negative, "0123456789");
	long long age;

	if (!digits || digits + negative != value.length)
		return;
	age = strtoll(value.start, NULL, 10); /* the limits of the type, if it is beyond them */
	set->has_age = true;
	set->expiry = age <= 0 ? INT64_MIN : now + (age < COOKIE_AGE_MAX ? age : COOKIE_AGE_MAX);
}

static void set_cookie_expires(struct set_cookie *set, struct span value, int64_t now)
{
	char *text = span_copy(value);
	int64_t seconds;

	if (!set->has_age && cookies_parse_date(text, &seconds))
		set->expiry = seconds < now + COOKIE_AGE_MAX ? seconds : now + COOKIE_AGE_MAX;
	free(text);
}

static void set_cookie_attribute(struct set_cookie *set, struct span name, struct span value,
	int64_t now)
{
	if (value.length > COOKIE_ATTRIBUTE_MAX)
		return;
	if (span_is(name, "Expires"))
		set_cookie_expires(set, value, now);
	else if (span_is(name, "Max-Age"))
		set_cookie_age(set, value, now);
	else if (span_is(name, "Domain") && value.length)
		set->domain = value;
	else if (span_is(name, "Path"))
		set->path = value;
	else if (span_is(name, "Secure"))
		set->secure = true;
}

static bool has_controls(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return true;
	}
	return false;
}

/* False: it is none. */
static bool set_cookie_parse(struct set_cookie *set, const char *text, int64_t now)
{
	struct span name, value;

	*set = (struct set_cookie){.expiry = INT64_MAX};
	if (has_controls(text) ||
		!set_cookie_split(set_cookie_next(&text), &set->name, &set->value))
		return false;
	while (*text) {
		set_cookie_split(set_cookie_next(&text), &name, &value);
		set_cookie_attribute(set, name, value, now);
	}
	return set->name.length && set->name.length + set->value.length <= COOKIE_BYTES_MAX;
}

/* Sets domain and host_only. False: the server may not set it for that domain. */
static bool cookie_place(struct cookie *cookie, struct span domain, const char *host)
{
	if (domain.length && domain.start[0] == '.')
		domain.start++, domain.length--;
	cookie->host_only = domain.length == 0;
	cookie->domain = cookie->host_only ? alloc_string(host) : cookie_host(domain);
	if (!cookie->host_only && strcmp(cookie->domain, host) == 0)
		cookie->host_only = !strchr(host, '.') || !host_is_name(host);
	return cookie->host_only ||
		(strchr(cookie->domain, '.') && domain_matches(cookie->domain, host));
}

/* The promises that a name makes, whatever its case (RFC 6265bis, section 4.1.3). */
static bool cookie_keeps_prefix(const struct cookie *cookie, const struct set_cookie *set)
{
	if (strncasecmp(cookie->name, "__Secure-", 9) == 0)
		return cookie->secure;
	if (strncasecmp(cookie->name, "__Host-", 7) == 0)
		return cookie->secure && !set->domain.length && strcmp(cookie->path, "/") == 0;
	return true;
}

/* NULL: it is refused. */
static struct cookie *cookie_new(const struct set_cookie *set, const struct url *from)
{
	struct cookie *cookie = alloc_zero(1, sizeof(*cookie));
	char *host = cookie_url_host(from);
	bool own_path = set->path.length && set->path.start[0] == '/';
	bool good;

	cookie->name = span_copy(set->name);
	cookie->value = span_copy(set->value);
	cookie->path = span_copy(own_path ? set->path : default_path(from));
	cookie->expiry = set->expiry;
	cookie->secure = set->secure;
	good = cookie_place(cookie, set->domain, host) && (from->secure || !cookie->secure) &&
		cookie_keeps_prefix(cookie, set);
	free(host);
	if (good)
		return cookie;
	cookie_free(cookie);
	return NULL;
}

char *cookies_show(const char *set_cookie)
{
	const char *rest = set_cookie;
	struct span name, value;

	if (!set_cookie_split(set_cookie_next(&rest), &name, &value))
		name.length = 0;
	return alloc_format("%.*s%s***%s", (int)name.length, name.start, name.length ? "=" : "",
		set_cookie + strcspn(set_cookie, ";"));
}

/* --- those that are kept --------------------------------------------------------------------- */

static void cookies_drop(struct cookie **link)
{
	struct cookie *cookie = *link;

	*link = cookie->next;
	cookie_free(cookie);
}

static void cookies_drop_expired(struct cookies *cookies, int64_t now)
{
	struct cookie **link = &cookies->oldest;

	while (*link) {
		if ((*link)->expiry <= now)
			cookies_drop(link);
		else
			link = &(*link)->next;
	}
}

static void cookies_trim(struct cookies *cookies)
{
	size_t count = 0, size = 0;

	for (const struct cookie *cookie = cookies->oldest; cookie; cookie = cookie->next) {
		count++;
		size += cookie_size(cookie);
	}
	while (count > COOKIES_MAX || size > COOKIES_BYTES_MAX) {
		size -= cookie_size(cookies->oldest);
		count--;
		cookies_drop(&cookies->oldest);
	}
}

/* Without TLS nobody may replace, or hide, what TLS protects. */
static bool cookies_protect(const struct cookies *cookies, const struct cookie *other,
	const struct url *from)
{
	for (const struct cookie *cookie = cookies->oldest; cookie; cookie = cookie->next) {
		if (!from->secure && cookie->secure && strcmp(cookie->name, other->name) == 0 &&
			(domain_matches(cookie->domain, other->domain) ||
				domain_matches(other->domain, cookie->domain)) &&
			path_matches(cookie->path, other->path))
			return true;
	}
	return false;
}

static bool cookie_replaces(const struct cookie *cookie, const struct cookie *other)
{
	return strcmp(cookie->name, other->name) == 0 &&
		strcmp(cookie->domain, other->domain) == 0 &&
		cookie->host_only == other->host_only && strcmp(cookie->path, other->path) == 0;
}

/* Takes it over, in the place of the one that it replaces. */
static void cookies_put(struct cookies *cookies, struct cookie *cookie)
{
	struct cookie **link = &cookies->oldest;

	while (*link && !cookie_replaces(cookie, *link))
		link = &(*link)->next;
	if (*link)
		cookies_drop(link);
	cookie->next = *link;
	*link = cookie;
}

void cookies_take(struct cookies *cookies, const struct url *from, const struct http_head *response,
	uint64_t now)
{
	int64_t seconds = (int64_t)(now / CLOCK_NS_PER_SECOND);
	struct http_field field = {0};
	struct set_cookie set;
	struct cookie *cookie;

	cookies_drop_expired(cookies, seconds);
	while (http_head_next(response, &field)) {
		if (strcasecmp(field.name, "Set-Cookie") != 0 ||
			!set_cookie_parse(&set, field.value, seconds))
			continue;
		cookie = cookie_new(&set, from);
		if (cookie && cookies_protect(cookies, cookie, from))
			cookie_free(cookie);
		else if (cookie)
			cookies_put(cookies, cookie);
		cookies_drop_expired(cookies, seconds);
		cookies_trim(cookies);
	}
}

/* --- what a request sends -------------------------------------------------------------------- */

/* True if a Cookie header has a cookie of that name. */
static bool header_names(const char *header, const char *name)
{
	struct span own, value;

	while (header && *header) {
		set_cookie_split(set_cookie_next(&header), &own, &value);
		if (own.length == strlen(name) && strncmp(own.start, name, own.length) == 0)
			return true;
	}
	return false;
}

/* Those to send, in the order of section 5.4: longer paths first, then the older ones. */
static size_t cookies_select(const struct cookies *cookies, const struct url *to, const char *own,
	int64_t now, const struct cookie *selected[COOKIES_MAX])
{
	char *host = cookie_url_host(to);
	size_t count = 0, place;

	for (const struct cookie *cookie = cookies->oldest; cookie; cookie = cookie->next) {
		if (cookie->expiry <= now || (cookie->secure && !to->secure) ||
			!cookie_is_for_host(cookie, host) ||
			!path_matches(cookie->path, to->resource) ||
			header_names(own, cookie->name))
			continue;
		for (place = count++;
			place && strlen(selected[place - 1]->path) < strlen(cookie->path); place--)
			selected[place] = selected[place - 1];
		selected[place] = cookie;
	}
	free(host);
	return count;
}

char *cookies_header(const struct cookies *cookies, const struct url *to, const char *own,
	uint64_t now)
{
	const struct cookie *selected[COOKIES_MAX];
	size_t count =
		cookies_select(cookies, to, own, (int64_t)(now / CLOCK_NS_PER_SECOND), selected);
	struct buffer header = {.secret = true};
	char *text;

	if (count == 0)
		return NULL;
	buffer_append_text(&header, own ? own : "");
	for (size_t i = 0; i < count; i++) {
		const struct cookie *cookie = selected[i];

		if (header.length + strlen(cookie->name) + strlen(cookie->value) >
			COOKIES_HEADER_MAX)
			break;
		buffer_append_text(&header, header.length ? "; " : "");
		buffer_append_text(&header, cookie->name);
		buffer_append_text(&header, "=");
		buffer_append_text(&header, cookie->value);
	}
	text = span_copy((struct span){(const char *)buffer_data(&header), header.length});
	buffer_release(&header);
	return text;
}

void cookies_release(struct cookies *cookies)
{
	while (cookies->oldest)
		cookies_drop(&cookies->oldest);
}
