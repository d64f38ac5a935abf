#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A WebSocket URL (RFC 6455, section 3), taken apart; or that of a server on a UNIX socket, which
 * is always plain: "ws+unix:///run/app.sock:/path?query".
 */
struct url {
	bool secure;       /* wss */
	char *host;        /* name or address, IPv6 without brackets; percent-decoded, and as its
	                      A-label when it has characters outside ASCII (IDNA, UTS 46); without
	                      a dot at the end or a zone: for TLS, and for comparing */
	char *lookup;      /* the host with its dot or zone ("fe80::1%eth0"): for connecting */
	uint16_t port;     /* the scheme's, where the URL has none; 0 for ws+unix */
	char *socket_path; /* ws+unix: decoded, host is "localhost"; NULL: over TCP */
	char *resource;    /* path and query, at least "/" */
	char *user;        /* decoded; NULL: none */
	char *password;    /* decoded; NULL: none */
	char *authority;   /* for the Host header: "example.com", "[::1]:8080"; with the dot, but
	                      without the zone, which says nothing to others (RFC 6874) */
	char *reference;   /* the authority with the zone, as in a URL: "[fe80::1%25eth0]:8080" */
	char *shown;       /* the URL as a person may see it: user and password as "***",
	                      the query as "?…" */
};

/* Fails with ERROR_WEBSOCKET on another scheme, a fragment, a missing host, a bad port, …; the text
 * never contains user name, password, query or fragment. */
bool url_parse(struct url *url, const char *text, struct error *error);
void url_release(struct url *url);

/* True if the text is such a URL. */
bool url_check(const char *text, struct error *error);

/* True if a user name can log in with Basic authentication: it has no ':' (RFC 7617, section 2).
 * The text of the error follows what it is the name of. */
bool url_check_user(const char *user, struct error *error);

/*
 * The part of an alleged URL that may be shown, whatever it is: nothing that could be a user name,
 * a password, a query or a fragment, and at most 256 bytes of the rest, as they are.
 */
enum { URL_SHOWN_SIZE = 320 };
void url_show(const char *text, char shown[URL_SHOWN_SIZE]);

/* For this room only. */

/* Of the name of a host: RFC 1035, section 2.3.4, as text, and what many use beside it. */
enum { URL_HOST_MAX = 253 };
#define URL_HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

/* "example.com:443", as errors name a server: unlike the Host header always with the port. For
 * ws+unix the path of the socket. */
enum { URL_SERVER_SIZE = 280 };
void url_format_server(const struct url *url, char text[URL_SERVER_SIZE]);

struct url_scheme {
	const char *name;
	bool secure;
	uint16_t port;
};

struct url_schemes {
	const struct url_scheme *items;
	size_t count;
	const char *wanted; /* for the error: "the scheme must be …" */
};

/* Like url_parse(), for other schemes. `scheme` is the one that the URL has. */
bool url_parse_schemes(struct url *url, const char *text, const struct url_schemes *schemes,
	const struct url_scheme **scheme, struct error *error);

#endif
