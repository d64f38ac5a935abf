#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A WebSocket URL (RFC 6455, section 3), taken apart. */
struct url {
	bool secure;    /* wss */
	char *host;     /* name or address, IPv6 without brackets; percent-decoded */
	uint16_t port;  /* the scheme's, where the URL has none */
	char *resource; /* path and query, at least "/" */
	char *user;     /* decoded; NULL: none */
	char *password; /* decoded; NULL: none */
	char *authority; /* for the Host header: "example.com", "[::1]:8080" */
	char *shown;    /* the URL as a person may see it: without password */
};

/* Fails with ERROR_WEBSOCKET on another scheme, a fragment, a missing host, a bad port, …; the text
 * never contains the password. */
bool url_parse(struct url *url, const char *text, struct error *error);
void url_release(struct url *url);

#endif
