#include "net/net.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "net/net_private.h"
#include "net/tls_cache.h"

bool net_check_server(const char *text, struct error *error)
{
	struct sockaddr_storage address;
	int length = sizeof(address);

	return evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &length) == 0 ||
		error_set(error, ERROR_SETTINGS,
			"must be the address of a name server such as \"127.0.0.1:53\", not \"%s\"",
			text);
}

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
	net->tls = tls_cache_new(base);
	net->loader = tls_loader_new(base);
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	resolver_free(net->resolver);
	tls_loader_free(net->loader);
	tls_cache_free(net->tls);
	free(net);
}

struct net_check {
	struct tls_load *load;
	void (*done)(const struct error *error, void *context);
	void *context;
};

static void net_on_checked(struct tls_material *material, const struct error *error, void *context)
{
	struct net_check *check = context;

	if (material)
		tls_material_release(material);
	check->done(error, check->context);
	free(check);
}

struct net_check *net_check_tls(struct net *net, const struct tls_settings *settings,
	void (*done)(const struct error *error, void *context), void *context)
{
	struct net_check *check = alloc_zero(1, sizeof(*check));
	const struct tls_settings named = tls_named(settings);

	check->done = done;
	check->context = context;
	check->load = tls_load_start(net->loader, &named, net_on_checked, check);
	return check;
}

void net_check_cancel(struct net_check *check)
{
	if (!check)
		return;
	tls_load_cancel(check->load);
	free(check);
}
