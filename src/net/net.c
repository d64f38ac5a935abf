#include "net/net.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "net/net_private.h"

struct net *net_new(struct event_base *base, struct log *log, const char *const *servers,
	size_t server_count)
{
	struct resolver_settings settings = {
		.servers = servers,
		.server_count = server_count,
		.resolv_conf = "/etc/resolv.conf",
		.hosts = "/etc/hosts",
	};
	struct net *net = alloc_zero(1, sizeof(*net));

	net->base = base;
	net->resolver = resolver_new(base, log, &settings);
	net->tls = tls_cache_new();
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	resolver_free(net->resolver);
	tls_cache_free(net->tls);
	free(net);
}
