#include "net/net.h"

#include <openssl/bio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/net_private.h"
#include "net/stream.h"
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

struct net *net_new(struct event_base *base, struct timers *timers, struct log *log,
	const char *const *servers, size_t server_count)
{
	struct resolver_settings settings = {
		.servers = servers,
		.server_count = server_count,
		.hosts = "/etc/hosts",
	};
	struct net *net = alloc_zero(1, sizeof(*net));

	net->base = base;
	net->timers = timers;
	net->resolver = resolver_new(base, log, &settings);
	net->tls = tls_cache_new(base);
	net->over_tls = stream_bio_method_new();
	net->loader = tls_loader_new(base);
	return net;
}

void net_flush(struct net *net)
{
	resolver_flush(net->resolver);
}

void net_free(struct net *net)
{
	if (!net)
		return;
	resolver_free(net->resolver);
	tls_loader_free(net->loader);
	tls_cache_free(net->tls);
	BIO_meth_free(net->over_tls);
	free(net);
}

/* One of the settings that are checked. */
struct net_check_part {
	struct net_check *check;
	struct tls_load *load; /* NULL: it has ended */
};

struct net_check {
	struct net_check_part parts[NET_CHECK_MAX];
	void (*done)(const struct error *error, void *context);
	void *context;
};

static bool net_check_has_ended(const struct net_check *check)
{
	for (size_t i = 0; i < NET_CHECK_MAX; i++) {
		if (check->parts[i].load)
			return false;
	}
	return true;
}

static void net_on_checked(struct tls_material *material, const struct error *error, void *context)
{
	struct net_check_part *part = context;
	struct net_check *check = part->check;

	part->load = NULL;
	if (material)
		tls_material_release(material);
	if (!error && !net_check_has_ended(check))
		return;
	check->done(error, check->context);
	net_check_cancel(check);
}

struct net_check *net_check_tls(struct net *net, const struct tls_settings *settings, size_t count,
	void (*done)(const struct error *error, void *context), void *context)
{
	struct net_check *check = alloc_zero(1, sizeof(*check));

	check->done = done;
	check->context = context;
	for (size_t i = 0; i < count; i++) {
		const struct tls_settings named = tls_named(&settings[i]);
		struct net_check_part *part = &check->parts[i];

		part->check = check;
		part->load = tls_load_start(net->loader, &named, net_on_checked, part);
	}
	return check;
}

void net_check_cancel(struct net_check *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < NET_CHECK_MAX; i++)
		tls_load_cancel(check->parts[i].load);
	free(check);
}
