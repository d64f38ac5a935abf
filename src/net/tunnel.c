#include "net/tunnel.h"

#include <string.h>

bool tunnel_start(struct tunnel *tunnel, const struct proxy *proxy, const struct url *target,
	struct error *error)
{
	*tunnel = (struct tunnel){.proxy = proxy, .target = target, .out.secret = true};
	return proxy->kind == PROXY_HTTP ? tunnel_http_start(tunnel, error)
					 : tunnel_socks_start(tunnel, error);
}

enum tunnel_status tunnel_receive(struct tunnel *tunnel, const void *data, size_t length,
	size_t *used, struct error *error)
{
	enum tunnel_status status;

	buffer_append(&tunnel->in, data, length);
	status = tunnel->proxy->kind == PROXY_HTTP ? tunnel_http_advance(tunnel, error)
						   : tunnel_socks_advance(tunnel, error);
	*used = status == TUNNEL_OPEN ? length - tunnel->in.length : length;
	return status;
}

bool tunnel_refused(const struct tunnel *tunnel, struct error *error)
{
	if (tunnel->response.status)
		tunnel_http_refusal(tunnel, error);
	return tunnel->response.status != 0;
}

void tunnel_closed(const struct tunnel *tunnel, struct error *error)
{
	char target[URL_SERVER_SIZE];

	if (tunnel_refused(tunnel, error))
		return;
	url_format_server(tunnel->target, target);
	error_set(error, ERROR_SOCKET_CONNECT,
		"it closed the connection before the tunnel to %s was open", target);
}

void tunnel_release(struct tunnel *tunnel)
{
	if (tunnel->out.memory)
		explicit_bzero(tunnel->out.memory, tunnel->out.capacity); /* it has the password */
	buffer_release(&tunnel->out);
	buffer_release(&tunnel->in);
	http_head_release(&tunnel->response);
}
