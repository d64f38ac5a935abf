#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static const struct url_scheme proxy_scheme_items[] = {
	{"http", false, 80},
	{"https", true, 443},
	{"socks5", false, 1080},
	{"socks5h", false, 1080},
};

static const struct url_schemes proxy_schemes = {
	.items = proxy_scheme_items,
	.count = sizeof(proxy_scheme_items) / sizeof(proxy_scheme_items[0]),
	.wanted = "the scheme must be http, https, socks5 or socks5h",
};

static bool proxy_parse_url(struct proxy *proxy, const char *text, struct error *error)
{
	const struct url_scheme *scheme;
	char shown[URL_SHOWN_SIZE];

	if (!url_parse_schemes(&proxy->url, text, &proxy_schemes, &scheme, error))
		return false;
	if (strcmp(proxy->url.resource, "/") != 0) {
		/* As it was written: of "socks5:/USER:PASSWORD@HOST" the path has the password. */
		url_show(text, shown);
		error_set(error, ERROR_WEBSOCKET, "URL '%s': it has a path", shown);
		proxy_release(proxy);
		return false;
	}
	proxy->url.shown[strlen(proxy->url.shown) - 1] = '\0'; /* the '/' says nothing here */
	proxy->kind = strncmp(scheme->name, "http", 4) == 0 ? PROXY_HTTP : PROXY_SOCKS5;
	return true;
}

bool proxy_parse(struct proxy *proxy, const char *text, struct error *error)
{
	char *full = alloc_join(strstr(text, "://") ? "" : "http://", text, "");
	bool ok = proxy_parse_url(proxy, full, error);

	alloc_wipe(full);
	return ok;
}

bool proxy_is_environment(const char *text)
{
	return strcmp(text, "environment") == 0;
}

bool proxy_check(const char *text, struct error *error)
{
	struct proxy proxy;

	if (proxy_is_environment(text))
		return true;
	if (!proxy_parse(&proxy, text, error))
		return false;
	proxy_release(&proxy);
	return true;
}

bool proxy_choose(struct proxy *proxy, const struct proxy_settings *settings, const char *password,
	const struct url *url, bool *chosen, struct error *error)
{
	const char *text = url->socket_path ? NULL : settings->url;

	*chosen = false;
	if (text && proxy_is_environment(text))
		text = proxy_from_environment(url);
	if (!text)
		return true;
	if (!proxy_parse(proxy, text, error))
		return error_prefix(error, "proxy: ");
	proxy_set_login(proxy, settings->username, password);
	proxy->tls = proxy_tls(settings);
	*chosen = true;
	return true;
}

struct tls_settings proxy_tls(const struct proxy_settings *settings)
{
	return (struct tls_settings){
		.group = "proxy",
		.verify = true,
		.ca_file = settings->ca_file,
		.min_version = TLS_VERSION_1_2,
		.resume = true,
	};
}

void proxy_release(struct proxy *proxy)
{
	url_release(&proxy->url);
}

static void proxy_replace(char **text, const char *with)
{
	if (!with)
		return;
	alloc_wipe(*text);
	*text = alloc_string(with);
}

void proxy_set_login(struct proxy *proxy, const char *user, const char *password)
{
	proxy_replace(&proxy->url.user, user);
	proxy_replace(&proxy->url.password, password);
}
