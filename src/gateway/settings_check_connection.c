#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"
#include "gateway/settings_private.h"
#include "net/url.h"
#include "ws/handshake.h"
#include "ws/token.h"

enum {
	PING_PAYLOAD_MAX = 125, /* RFC 6455, section 5.5 */
};

/* Less than one message in so many seconds is a typing error, and far from what overflows. */
#define SEND_RATE_MIN 0.001

static void check_url(const struct connection_config *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;
	struct url url;

	if (!connection->url)
		return;
	if (!url_parse(&url, connection->url, &error)) {
		settings_problem(problems, settings_problem_place(where, "url"), "%s", error.text);
		return;
	}
	if (url.user && connection->settings->username)
		settings_problem(problems, settings_problem_place(where, "username"),
			"the 'url' has a user name too");
	url_release(&url);
}

/* HOST:PORT with or without USER:PASSWORD@, which is what a WebSocket URL can have there too. */
static bool proxy_authority_valid(const char *authority, bool *has_user)
{
	const char *at = strrchr(authority, '@');
	const char *host = at ? at + 1 : authority;
	const char *bracket = strrchr(host, ']');
	char *text = alloc_format("ws://%s", authority);
	struct error error;
	struct url url;
	bool valid = url_parse(&url, text, &error);

	free(text);
	if (!valid)
		return false;
	*has_user = url.user != NULL;
	valid = strcmp(url.resource, "/") == 0 && strchr(bracket ? bracket : host, ':');
	url_release(&url);
	return valid;
}

static bool proxy_url_valid(const char *url, bool *has_user)
{
	static const char *const schemes[] = {"http://", "socks5://"};

	*has_user = false;
	if (strcmp(url, "environment") == 0)
		return true;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i]);

		if (strncasecmp(url, schemes[i], length) == 0)
			return proxy_authority_valid(url + length, has_user);
	}
	return false;
}

/* The value may have a password, and is not shown. */
static void check_proxy(const struct connection_settings *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	bool has_user;

	if (connection->proxy.password_file && !connection->proxy.username)
		settings_problem(problems, settings_problem_place(where, "proxy"),
			"'password_file' needs the 'username' that it is the password of");
	if (!connection->proxy.url)
		return;
	if (!proxy_url_valid(connection->proxy.url, &has_user))
		settings_problem(problems, settings_problem_place(where, "proxy.url"),
			"must be \"http://HOST:PORT\", \"socks5://HOST:PORT\" or \"environment\"");
	else if (has_user && connection->proxy.username)
		settings_problem(problems, settings_problem_place(where, "proxy.username"),
			"the 'url' has a user name too");
}

static void check_credentials(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	if (connection->password_file && !connection->username)
		settings_problem(problems, settings_problem_place(where, "password_file"),
			"needs the 'username' that it is the password of");
	if (!connection->username)
		return;
	if (strchr(connection->username, ':')) /* RFC 7617, section 2 */
		settings_problem(
			problems, settings_problem_place(where, "username"), "must not have a ':'");
	if (connection->bearer_file)
		settings_problem(problems, settings_problem_place(where, "username"),
			"there can be only one of 'username' and 'bearer_file'");
}

/* `others` is a list that shall not have the same headers. */
static void check_headers(const struct header_list *headers, const struct header_list *others,
	const config_setting_t *place, struct settings_problems *problems)
{
	for (size_t i = 0; i < headers->count; i++) {
		const char *name = headers->items[i].name;

		if (ws_handshake_owns_header(name))
			settings_problem(problems, place,
				"the header '%s' is the handshake's own and cannot be set", name);
		for (size_t j = 0; j < others->count; j++) {
			if (strcasecmp(name, others->items[j].name) == 0)
				settings_problem(problems, place,
					"the header '%s' is in 'headers' too", name);
		}
	}
}

static void check_all_headers(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	check_headers(&connection->headers, &(struct header_list){0},
		settings_problem_place(where, "headers"), problems);
	check_headers(&connection->header_files, &connection->headers,
		settings_problem_place(where, "header_files"), problems);
	if (connection->host && strpbrk(connection->host, " /?#@"))
		settings_problem(problems, settings_problem_place(where, "host"),
			"must be a host with or without a port such as \"example.com:8443\"");
}

/* They may carry tokens, as "bearer.TOKEN": none is shown. */
static void check_protocols(const struct string_list *protocols, const config_setting_t *where,
	struct settings_problems *problems)
{
	const config_setting_t *place = settings_problem_place(where, "protocols");

	for (size_t i = 0; i < protocols->count; i++) {
		if (!token_is_valid(protocols->items[i], strlen(protocols->items[i])))
			settings_problem(problems, place,
				"the name of a subprotocol must be one word without separators, "
				"which number %zu is not",
				i + 1);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(protocols->items[i], protocols->items[j]) == 0)
				settings_problem(problems, place,
					"number %zu and number %zu are the same", j + 1, i + 1);
		}
	}
}

/* "[::1]": as a pattern it is a set of characters. */
static bool is_bracketed_address(const char *text)
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

/* No scheme, no path, no port: the colons of an IPv6 address are two at least. */
static bool is_host_pattern(const char *text)
{
	const char *colon = strchr(text, ':');

	return *text && !strpbrk(text, "/@# ") && (!colon || strchr(colon + 1, ':'));
}

static void check_redirect_hosts(const struct string_list *hosts, const config_setting_t *where,
	struct settings_problems *problems)
{
	char shown[URL_SHOWN_SIZE];

	for (size_t i = 0; i < hosts->count; i++) {
		if (is_bracketed_address(hosts->items[i]))
			settings_problem(problems, settings_problem_place(where, "redirect_hosts"),
				"must have an IPv6 address without brackets, not as \"%s\"",
				hosts->items[i]);
		if (is_host_pattern(hosts->items[i]))
			continue;
		url_show(hosts->items[i], shown);
		settings_problem(problems, settings_problem_place(where, "redirect_hosts"),
			"must be hosts or patterns such as \"*.example.com\", without scheme and "
			"port, not \"%s\"",
			shown);
	}
}

/* The length of the placeholder that begins at the %; 0: there is none. */
static size_t placeholder_length(const char *text)
{
	size_t length = 2;

	if (text[1] == '%' || text[1] == 'n')
		return length;
	if (text[1] != '{')
		return 0;
	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	if (length == 2 || isdigit((unsigned char)text[2]) || text[length] != '}')
		return 0;
	return length + 1;
}

bool settings_placeholders_valid(const char *message, struct error *error)
{
	size_t length;

	for (; (message = strchr(message, '%')); message += length) {
		length = placeholder_length(message);
		if (length == 0)
			return error_set(error, ERROR_SETTINGS,
				"has a '%%' that begins none of %%n, %%{VARIABLE} and %%%%");
	}
	return true;
}

static void check_on_open(const struct string_list *messages, const config_setting_t *where,
	struct settings_problems *problems)
{
	struct error error;

	for (size_t i = 0; i < messages->count; i++) {
		if (!settings_placeholders_valid(messages->items[i], &error))
			settings_problem(problems, settings_problem_place(where, "on_open"),
				"message number %zu %s", i + 1, error.text);
	}
}

static bool is_base64(const char *text)
{
	void *data = alloc_zero(1, strlen(text) + 1);
	size_t length;
	bool valid = text_base64_decode(data, &length, text);

	free(data);
	return valid;
}

/* What is sent by itself: pings, heartbeats, and how fast. */
static void check_sending(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const char *payload = connection->ping_payload;
	const char *message = connection->heartbeat.message;
	double rate = connection->send_rate.messages;

	if (payload && strlen(payload) > PING_PAYLOAD_MAX)
		settings_problem(problems, settings_problem_place(where, "ping.payload"),
			"can have %d bytes, this one has %zu", PING_PAYLOAD_MAX, strlen(payload));
	if (connection->heartbeat.every > 0 && !message)
		settings_problem(problems, settings_problem_place(where, "heartbeat"),
			"'every' needs the 'message' that is to be sent");
	if (message && connection->heartbeat.binary && !is_base64(message))
		settings_problem(problems, settings_problem_place(where, "heartbeat.message"),
			"must be Base64, because of 'binary'");
	if (rate > 0 && rate < SEND_RATE_MIN)
		settings_problem(problems, settings_problem_place(where, "send_rate.messages"),
			"must be 0 or at least %g, not %g", SEND_RATE_MIN, rate);
}

static bool is_give_up(unsigned code)
{
	return (code >= 400 && code <= 599) || (code >= 1000 && code <= 4999);
}

static void check_reconnect(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const struct integer_list *give_up = &connection->reconnect.give_up;

	if (connection->reconnect.min > connection->reconnect.max)
		settings_problem(problems, settings_problem_place(where, "reconnect"),
			"'min' must not be longer than 'max'");
	for (size_t i = 0; i < give_up->count; i++) {
		if (!is_give_up(give_up->items[i]))
			settings_problem(problems,
				settings_problem_place(where, "reconnect.give_up"),
				"must be close codes from 1000 to 4999 or HTTP statuses from 400 "
				"to 599, not %u",
				give_up->items[i]);
	}
}

/* AF_UNSPEC: it is no address. */
static int address_family(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, address) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, address) == 1 ? AF_INET6 : AF_UNSPEC;
}

static void check_address(const struct connection_settings *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const char *source = connection->address.source;
	const char *interface = connection->address.interface;
	int family = source ? address_family(source) : AF_UNSPEC;

	if (source && family == AF_UNSPEC)
		settings_problem(problems, settings_problem_place(where, "address.source"),
			"must be an IPv4 or IPv6 address, not \"%s\"", source);
	else if (source && connection->address.family != AF_UNSPEC &&
		 family != connection->address.family)
		settings_problem(problems, settings_problem_place(where, "address.source"),
			"'%s' is not of the 'family'", source);
	if (interface && strlen(interface) >= IFNAMSIZ)
		settings_problem(problems, settings_problem_place(where, "address.interface"),
			"the name of an interface can have at most %d bytes, '%s' has %zu", IFNAMSIZ - 1,
			interface, strlen(interface));
}

static void check_tls(const struct connection_settings *connection, const config_setting_t *where,
	struct settings_problems *problems)
{
	if (connection->tls.crl_file && !connection->tls.verify)
		settings_problem(problems, settings_problem_place(where, "tls"),
			"'crl_file' needs 'verify': without it no certificate is checked at all");
	if (connection->tls.key_file && !connection->tls.cert_file)
		settings_problem(problems, settings_problem_place(where, "tls"),
			"'key_file' needs the 'cert_file' that it is the key of");
	if (connection->tls.key_passphrase_file && !connection->tls.cert_file)
		settings_problem(problems, settings_problem_place(where, "tls"),
			"'key_passphrase_file' needs the 'cert_file' whose key it opens");
}

void connection_config_check(const struct connection_config *connection,
	const config_setting_t *where, struct settings_problems *problems)
{
	const struct connection_settings *settings = connection->settings;

	check_url(connection, where, problems);
	check_proxy(settings, where, problems);
	check_credentials(settings, where, problems);
	check_all_headers(settings, where, problems);
	check_protocols(&settings->protocols, where, problems);
	check_redirect_hosts(&settings->redirect_hosts, where, problems);
	check_on_open(&settings->on_open, where, problems);
	check_sending(settings, where, problems);
	check_reconnect(settings, where, problems);
	check_address(settings, where, problems);
	check_tls(settings, where, problems);
}
