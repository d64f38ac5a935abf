#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/address.h"

enum { EXCEPTION_MAX = 256 }; /* bytes of one entry of no_proxy; a longer one names nothing */

/* An empty variable is as good as none. */
static const char *environment_get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *environment_either(const char *lower, const char *upper)
{
	const char *value = environment_get(lower);

	return value ? value : environment_get(upper);
}

/* The bytes of an address, most significant first, and how many bits they are. */
static const uint8_t *exception_bits(const struct address *address, unsigned *bits)
{
	bool ipv6 = address->generic.sa_family == AF_INET6;

	*bits = ipv6 ? 128 : 32;
	return ipv6 ? address->ipv6.sin6_addr.s6_addr
		    : (const uint8_t *)&address->ipv4.sin_addr.s_addr;
}

static bool exception_covers(const struct address *network, unsigned prefix,
	const struct address *host)
{
	unsigned bits;
	const uint8_t *ours = exception_bits(host, &bits);
	const uint8_t *theirs = exception_bits(network, &bits);

	if (network->generic.sa_family != host->generic.sa_family || prefix > bits)
		return false;
	for (unsigned bit = 0; bit < prefix; bit++) {
		if ((ours[bit / 8] ^ theirs[bit / 8]) & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

/* "10.0.0.0/8", "192.0.2.1", "2001:db8::1", "[2001:db8::1]". */
static bool exception_matches_address(char *entry, const struct address *host)
{
	char *slash = strchr(entry, '/');
	size_t length = strlen(entry);
	struct address network;
	unsigned prefix;
	char *end = NULL;

	if (slash) {
		*slash = '\0';
		prefix = (unsigned)strtoul(slash + 1, &end, 10);
		return end != slash + 1 && !*end && address_parse(&network, entry, 0) &&
			exception_covers(&network, prefix, host);
	}
	if (entry[0] == '[' && length > 1 && entry[length - 1] == ']') {
		entry[length - 1] = '\0';
		entry++;
	}
	if (!address_parse(&network, entry, 0))
		return false;
	exception_bits(&network, &prefix);
	return exception_covers(&network, prefix, host);
}

/* "example.com", ".example.com", "*.example.com": the domain and what is below it. */
static bool exception_matches_name(const char *entry, const char *host)
{
	size_t entry_length, host_length = strlen(host);
	const char *tail;

	entry += entry[0] == '*' && entry[1] == '.';
	entry += entry[0] == '.';
	entry_length = strlen(entry);
	if (entry_length && entry[entry_length - 1] == '.')
		entry_length--;
	if (host_length && host[host_length - 1] == '.')
		host_length--;
	if (!entry_length || entry_length > host_length)
		return false;
	tail = host + host_length - entry_length;
	return strncasecmp(tail, entry, entry_length) == 0 && (tail == host || tail[-1] == '.');
}

/* Takes the port off "host:port", where there is one; false when it is another than the URL's. */
static bool exception_take_port(char *entry, uint16_t port)
{
	char *colon = strrchr(entry, ':');
	struct address address;
	char *end;

	if (!colon || entry + strlen(entry) - 1 == colon || strchr(colon, ']') ||
		(entry[0] != '[' && strchr(entry, ':') != colon) ||
		address_parse(&address, entry, 0))
		return true;
	*colon = '\0';
	return strtoul(colon + 1, &end, 10) == port && !*end;
}

static bool exception_matches(const char *text, size_t length, const struct url *url)
{
	char entry[EXCEPTION_MAX];
	struct address host;

	if (length >= sizeof(entry))
		return false;
	snprintf(entry, sizeof(entry), "%.*s", (int)length, text);
	if (strcmp(entry, "*") == 0)
		return true;
	if (!exception_take_port(entry, url->port))
		return false;
	if (address_parse(&host, url->host, 0))
		return exception_matches_address(entry, &host);
	return exception_matches_name(entry, url->host);
}

static bool exceptions_match(const char *list, const struct url *url)
{
	static const char separators[] = ", \t";
	size_t length;

	while (list && *(list += strspn(list, separators))) {
		length = strcspn(list, separators);
		if (exception_matches(list, length, url))
			return true;
		list += length;
	}
	return false;
}

const char *proxy_from_environment(const struct url *url)
{
	const char *proxy;

	if (url->socket_path || exceptions_match(environment_either("no_proxy", "NO_PROXY"), url))
		return NULL;
	proxy = url->secure ? environment_either("https_proxy", "HTTPS_PROXY")
			    : environment_get("http_proxy");
	return proxy ? proxy : environment_either("all_proxy", "ALL_PROXY");
}
