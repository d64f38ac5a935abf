#include <errno.h>
#include <event2/dns.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/resolve_private.h"

/*
 * What evdns knows of hosts and name servers. It takes a file that it cannot open for an empty one,
 * and does without a name server for which there is no socket, and both for good. So it is only
 * told to read when there are descriptors enough, and a file counts as read only then.
 */

/* Of one reading: the file itself, and a socket for each of three name servers (MAXNS of
 * resolver(3)), with some to spare. */
enum { RESOLVER_DESCRIPTORS = 8 };

/* Results of evdns_base_nameserver_ip_add(), where it has no names for them. */
enum { EVDNS_ADDED = 0, EVDNS_KNOWN = 3, EVDNS_UNREADABLE = 4 };

/* Has evdns use those of the servers that it does not yet; keeps those for which there was no
 * socket. */
static void resolver_add_servers(struct resolver *resolver)
{
	size_t kept = 0;

	for (size_t i = 0; i < resolver->server_count; i++) {
		char *server = resolver->servers[i];
		int result = evdns_base_nameserver_ip_add(resolver->dns, server);

		if (result != EVDNS_ADDED && result != EVDNS_KNOWN && result != EVDNS_UNREADABLE) {
			resolver->servers[kept++] = server;
			continue;
		}
		if (result == EVDNS_UNREADABLE)
			log_write(resolver->log, LOG_ERR, NULL, "name server '%s' cannot be used",
				server);
		free(server);
	}
	resolver->server_count = kept;
}

static void resolver_take_servers(struct resolver *resolver, const char *const *servers,
	size_t count)
{
	resolver->servers = alloc_zero(count, sizeof(*resolver->servers));
	for (size_t i = 0; i < count; i++)
		resolver->servers[i] = alloc_string(servers[i]);
	resolver->server_count = count;
	resolver_add_servers(resolver);
}

struct resolver *resolver_new(struct event_base *base, struct log *log,
	const struct resolver_settings *settings)
{
	struct resolver *resolver = alloc_zero(1, sizeof(*resolver));

	resolver->base = base;
	resolver->log = log;
	resolver->hosts = settings->hosts;
	resolver->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!resolver->dns)
		abort(); /* only without memory */
	if (settings->server_count)
		resolver_take_servers(resolver, settings->servers, settings->server_count);
	else
		resolver->resolv_conf = settings->resolv_conf;
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	while (resolver->lookups) {
		if (event_base_loop(resolver->base, EVLOOP_NONBLOCK) != 0)
			break;
	}
	evdns_base_free(resolver->dns, 0);
	for (size_t i = 0; i < resolver->server_count; i++)
		free(resolver->servers[i]);
	free(resolver->servers);
	free(resolver);
}

/* True if that many descriptors can be opened now; else errno says why not. */
static bool resolver_has_descriptors(int fd, int count)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	bool enough = copy >= 0 && (count == 1 || resolver_has_descriptors(fd, count - 1));
	int cause = errno;

	if (copy >= 0)
		close(copy);
	errno = cause;
	return enough;
}

/* As for the C library, a file that is not there, or not for us, is as good as an empty one. */
static bool resolver_does_without(int cause)
{
	return cause == ENOENT || cause == ENOTDIR || cause == EACCES || cause == EPERM ||
		cause == ELOOP;
}

/* True if evdns can read the file now, or can do without it while it stays as it is. */
static bool resolver_can_read(const char *path, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool missing = fd < 0 && resolver_does_without(errno);
	bool can;

	if (missing)
		fd = open("/", O_PATH | O_CLOEXEC); /* evdns makes a socket for its default */
	can = fd >= 0 && resolver_has_descriptors(fd, RESOLVER_DESCRIPTORS);
	if (!can)
		error_set(error, ERROR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return can;
}

/* Pending questions go on with the new name servers. */
static bool resolver_read_resolv_conf(struct resolver *resolver, struct error *error)
{
	if (!resolver_can_read(resolver->resolv_conf, error))
		return false;
	log_write(resolver->log, LOG_DEBUG, NULL, "reading %s", resolver->resolv_conf);
	evdns_base_clear_nameservers_and_suspend(resolver->dns);
	evdns_base_search_clear(resolver->dns);
	evdns_base_resolv_conf_parse(resolver->dns,
		DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC,
		resolver->resolv_conf);
	evdns_base_resume(resolver->dns);
	return evdns_base_count_nameservers(resolver->dns) > 0 ||
		error_set(error, ERROR_SYSTEM, "cannot create a socket for a name server");
}

static bool resolver_read_hosts(struct resolver *resolver, struct error *error)
{
	if (!resolver_can_read(resolver->hosts, error))
		return false;
	log_write(resolver->log, LOG_DEBUG, NULL, "reading %s", resolver->hosts);
	evdns_base_clear_host_addresses(resolver->dns);
	evdns_base_load_hosts(resolver->dns, resolver->hosts);
	return true;
}

/* Reads what has changed, or has not been read yet; what cannot be read now is read the next time,
 * and until then what was read before holds. */
static bool resolver_refresh_file(struct resolver *resolver, const char *path, struct stamp *stamp,
	bool *has_read, bool (*read)(struct resolver *resolver, struct error *error),
	struct error *error)
{
	struct stamp now = *stamp;

	if (!stamp_update(&now, path) && *has_read)
		return true;
	if (!read(resolver, error))
		return *has_read;
	*stamp = now;
	*has_read = true;
	return true;
}

bool resolver_refresh(struct resolver *resolver, struct error *error)
{
	if (!resolver->resolv_conf)
		resolver_add_servers(resolver);
	else if (!resolver_refresh_file(resolver, resolver->resolv_conf,
			 &resolver->resolv_conf_stamp, &resolver->has_resolv_conf,
			 resolver_read_resolv_conf, error))
		return false;
	if (evdns_base_count_nameservers(resolver->dns) == 0)
		return error_set(error, ERROR_SYSTEM, "cannot create a socket for a name server");
	return resolver_refresh_file(resolver, resolver->hosts, &resolver->hosts_stamp,
		&resolver->has_hosts, resolver_read_hosts, error);
}
