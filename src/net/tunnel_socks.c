#include "net/tunnel.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/address.h"

/* SOCKS5 (RFC 1928), with user name and password (RFC 1929). */

enum {
	SOCKS_VERSION = 5,
	SOCKS_METHOD_NONE = 0,
	SOCKS_METHOD_LOGIN = 2,
	SOCKS_METHOD_REFUSED = 0xff,
	SOCKS_LOGIN_VERSION = 1,
	SOCKS_CONNECT = 1,
	SOCKS_IPV4 = 1,
	SOCKS_NAME = 3,
	SOCKS_IPV6 = 4,
	SOCKS_TEXT_MAX = 255, /* bytes of a user name, password or host name */
};

enum { STEP_METHOD, STEP_LOGIN, STEP_REPLY };

static void tunnel_socks_put(struct tunnel *tunnel, uint8_t byte)
{
	buffer_append(&tunnel->out, &byte, 1);
}

static void tunnel_socks_put_text(struct tunnel *tunnel, const char *text)
{
	tunnel_socks_put(tunnel, (uint8_t)strlen(text));
	buffer_append_text(&tunnel->out, text);
}

bool tunnel_socks_start(struct tunnel *tunnel, struct error *error)
{
	const struct url *url = &tunnel->proxy->url;

	if (strlen(tunnel->target->host) > SOCKS_TEXT_MAX)
		return error_set(error, ERROR_WEBSOCKET,
			"SOCKS5 has no room for a host name of more than 255 bytes");
	if (url->user && (!*url->user || strlen(url->user) > SOCKS_TEXT_MAX))
		return error_set(error, ERROR_WEBSOCKET,
			"a user name for SOCKS5 has 1 to 255 bytes");
	if (url->password && strlen(url->password) > SOCKS_TEXT_MAX)
		return error_set(error, ERROR_WEBSOCKET,
			"a password for SOCKS5 has at most 255 bytes");
	tunnel_socks_put(tunnel, SOCKS_VERSION);
	tunnel_socks_put(tunnel, url->user ? 2 : 1);
	tunnel_socks_put(tunnel, SOCKS_METHOD_NONE);
	if (url->user)
		tunnel_socks_put(tunnel, SOCKS_METHOD_LOGIN);
	tunnel->step = STEP_METHOD;
	return true;
}

static void tunnel_socks_log_in(struct tunnel *tunnel)
{
	const struct url *url = &tunnel->proxy->url;

	tunnel_socks_put(tunnel, SOCKS_LOGIN_VERSION);
	tunnel_socks_put_text(tunnel, url->user);
	tunnel_socks_put_text(tunnel, url->password ? url->password : "");
	tunnel->step = STEP_LOGIN;
}

static void tunnel_socks_request(struct tunnel *tunnel)
{
	const struct url *target = tunnel->target;
	uint16_t port = htons(target->port);
	struct address address;

	tunnel_socks_put(tunnel, SOCKS_VERSION);
	tunnel_socks_put(tunnel, SOCKS_CONNECT);
	tunnel_socks_put(tunnel, 0);
	if (!address_parse(&address, target->host, target->port)) {
		tunnel_socks_put(tunnel, SOCKS_NAME);
		tunnel_socks_put_text(tunnel, target->host);
	} else if (address.generic.sa_family == AF_INET) {
		tunnel_socks_put(tunnel, SOCKS_IPV4);
		buffer_append(&tunnel->out, &address.ipv4.sin_addr, 4);
	} else {
		tunnel_socks_put(tunnel, SOCKS_IPV6);
		buffer_append(&tunnel->out, &address.ipv6.sin6_addr, 16);
	}
	buffer_append(&tunnel->out, &port, sizeof(port));
	tunnel->step = STEP_REPLY;
}

static enum tunnel_status tunnel_socks_not_socks(struct error *error)
{
	error_set(error, ERROR_SOCKET_CONNECT, "its response is not SOCKS5: is it an HTTP proxy?");
	return TUNNEL_FAILED;
}

static enum tunnel_status tunnel_socks_take_method(struct tunnel *tunnel, struct error *error)
{
	const char *user = tunnel->proxy->url.user;
	uint8_t method;

	if (tunnel->in.length >= 1 && buffer_data(&tunnel->in)[0] != SOCKS_VERSION)
		return tunnel_socks_not_socks(error);
	if (tunnel->in.length < 2)
		return TUNNEL_MORE;
	method = buffer_data(&tunnel->in)[1];
	buffer_consume(&tunnel->in, 2);
	if (method == SOCKS_METHOD_NONE) {
		tunnel_socks_request(tunnel);
	} else if (method == SOCKS_METHOD_LOGIN && user) {
		tunnel_socks_log_in(tunnel);
	} else if (method == SOCKS_METHOD_REFUSED) {
		error_set(error, ERROR_SOCKET_CONNECT,
			user ? "it takes neither a user name and password nor a client without"
			     : "it does not take a client without user name and password");
		return TUNNEL_FAILED;
	} else {
		error_set(error, ERROR_SOCKET_CONNECT,
			"it chose the authentication method %u, which was not offered", method);
		return TUNNEL_FAILED;
	}
	return TUNNEL_MORE;
}

static enum tunnel_status tunnel_socks_take_login(struct tunnel *tunnel, struct error *error)
{
	uint8_t status;

	if (tunnel->in.length < 2)
		return TUNNEL_MORE;
	status = buffer_data(&tunnel->in)[1]; /* of the version not all send the right one */
	buffer_consume(&tunnel->in, 2);
	if (status == 0) {
		tunnel_socks_request(tunnel);
		return TUNNEL_MORE;
	}
	error_set(error, ERROR_SOCKET_CONNECT, "it does not accept the user name and password");
	return TUNNEL_FAILED;
}

static enum tunnel_status tunnel_socks_refused(const struct tunnel *tunnel, uint8_t reply,
	struct error *error)
{
	static const char *const words[] = {
		[1] = "general failure of the proxy",
		[2] = "not allowed by its rules",
		[3] = "network unreachable",
		[4] = "host unreachable",
		[5] = "connection refused",
		[6] = "time to live expired",
		[7] = "it does not support CONNECT",
		[8] = "it does not support this type of address",
	};
	char target[URL_SERVER_SIZE];

	url_format_server(tunnel->target, target);
	error_set(error, ERROR_SOCKET_CONNECT, "it refused the tunnel to %s: %s (reply %u)", target,
		reply < sizeof(words) / sizeof(words[0]) ? words[reply] : "unknown reason", reply);
	return TUNNEL_FAILED;
}

/* The proxy's own address at the end is of no use, but must go. 0: its type is unknown. */
static size_t tunnel_socks_reply_length(const uint8_t *reply)
{
	switch (reply[3]) {
	case SOCKS_IPV4:
		return 4 + 4 + 2;
	case SOCKS_IPV6:
		return 4 + 16 + 2;
	case SOCKS_NAME:
		return 4 + 1 + (size_t)reply[4] + 2;
	default:
		return 0;
	}
}

static enum tunnel_status tunnel_socks_take_reply(struct tunnel *tunnel, struct error *error)
{
	const uint8_t *reply = buffer_data(&tunnel->in);
	size_t length;

	if (tunnel->in.length >= 1 && reply[0] != SOCKS_VERSION)
		return tunnel_socks_not_socks(error);
	if (tunnel->in.length >= 2 && reply[1] != 0)
		return tunnel_socks_refused(tunnel, reply[1], error);
	if (tunnel->in.length < 5)
		return TUNNEL_MORE;
	length = tunnel_socks_reply_length(reply);
	if (!length) {
		error_set(error, ERROR_SOCKET_CONNECT,
			"its reply has an address of the unknown type %u", reply[3]);
		return TUNNEL_FAILED;
	}
	if (tunnel->in.length < length)
		return TUNNEL_MORE;
	buffer_consume(&tunnel->in, length);
	return TUNNEL_OPEN;
}

enum tunnel_status tunnel_socks_advance(struct tunnel *tunnel, struct error *error)
{
	enum tunnel_status status = TUNNEL_MORE;
	int step;

	do {
		step = tunnel->step;
		if (step == STEP_METHOD)
			status = tunnel_socks_take_method(tunnel, error);
		else if (step == STEP_LOGIN)
			status = tunnel_socks_take_login(tunnel, error);
		else
			status = tunnel_socks_take_reply(tunnel, error);
	} while (status == TUNNEL_MORE && tunnel->step != step);
	return status;
}
