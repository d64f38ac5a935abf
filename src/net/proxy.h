#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "base/error.h"
#include "net/tls_settings.h"
#include "net/url.h"

enum proxy_kind {
	PROXY_HTTP,   /* CONNECT, for ws:// too (RFC 9110, section 9.3.6); within TLS if secure */
	PROXY_SOCKS5, /* RFC 1928, RFC 1929; the proxy resolves the name */
};

/* Proxy settings. */
struct proxy_settings {
	char *url;           /* as proxy_check() takes it; NULL: none */
	char *username;      /* then the URL has none */
	char *password_file; /* for the caller of proxy_choose() to read; only with a username */
	const char *ca_file; /* PEM, for an https proxy; NULL: the system's */
};

struct proxy {
	enum proxy_kind kind;
	struct url url;          /* its host, port, user and password, and how it is shown */
	struct tls_settings tls; /* for a secure URL; its strings are those of the settings */
};

/*
 * "http://[user[:password]@]host[:port]" (port 80), "https://…" (port 443), "socks5://…",
 * "socks5h://…" (port 1080), or without a scheme for HTTP. Fails with ERROR_WEBSOCKET; the text never contains the password.
 */
bool proxy_parse(struct proxy *proxy, const char *text, struct error *error);
void proxy_release(struct proxy *proxy);

/* True if the text is for proxy_parse(), or "environment". */
bool proxy_check(const char *text, struct error *error);
bool proxy_is_environment(const char *text);

/*
 * The proxy for a URL as the settings say, with the password from their file; NULL: they name none.
 * `chosen` is false if the URL needs no proxy.
 */
bool proxy_choose(struct proxy *proxy, const struct proxy_settings *settings, const char *password,
	const struct url *url, bool *chosen, struct error *error);

/* TLS with an https proxy: its certificate is always verified. Borrows the strings. */
struct tls_settings proxy_tls(const struct proxy_settings *settings);

/* A user or password that the URL does not have, as from a file; NULL leaves what is there. */
void proxy_set_login(struct proxy *proxy, const char *user, const char *password);

/*
 * The proxy for a URL as the environment has it, a text for proxy_parse(); NULL: none. As curl
 * reads it: https_proxy or HTTPS_PROXY for wss, http_proxy for ws (HTTP_PROXY not: in a CGI script
 * the client would set it), else all_proxy or ALL_PROXY; unless no_proxy or NO_PROXY names the
 * host: a list, separated by commas or spaces, of domains with what is below them, addresses and
 * networks ("10.0.0.0/8"), names and addresses with ":port" if wanted; or "*" for all. Valid until
 * the environment changes. A UNIX socket never has a proxy.
 */
const char *proxy_from_environment(const struct url *url);

#endif
