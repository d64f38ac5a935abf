#include "net/tcp.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

const struct choice tcp_families[] = {
	{"any", TCP_FAMILY_ANY},
	{"ipv4", TCP_FAMILY_IPV4},
	{"ipv6", TCP_FAMILY_IPV6},
	{0},
};

static const struct tcp_settings tcp_defaults = {.nodelay = true};

static int tcp_wanted_family(const struct tcp_settings *settings)
{
	switch (settings->family) {
	case TCP_FAMILY_IPV4:
		return AF_INET;
	case TCP_FAMILY_IPV6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

bool tcp_check_source(const char *text, struct error *error)
{
	struct address source;

	return address_parse(&source, text, 0) ||
		error_set(error, ERROR_WEBSOCKET, "must be an IPv4 or IPv6 address, not \"%.*s\"",
			text_cut(text, 64), text);
}

bool tcp_check_interface(const char *name, struct error *error)
{
	return strlen(name) < IFNAMSIZ ||
		error_set(error, ERROR_WEBSOCKET,
			"must be the name of an interface, at most %d bytes, not \"%.*s\"",
			IFNAMSIZ - 1, text_cut(name, 64), name);
}

bool tcp_check_family(const struct tcp_settings *settings, struct error *error)
{
	int family = tcp_wanted_family(settings);
	const char *text = settings->source_address;
	struct address source;

	if (!text || family == AF_UNSPEC || !address_parse(&source, text, 0) ||
		family == source.generic.sa_family)
		return true;
	return error_set(error, ERROR_WEBSOCKET,
		"must be an %s address, as 'family' says, not \"%s\"",
		family == AF_INET ? "IPv4" : "IPv6", text);
}

bool tcp_check(const struct tcp_settings *settings, struct error *error)
{
	const char *source = settings->source_address, *interface = settings->interface;

	if (interface && !tcp_check_interface(interface, error))
		return error_prefix(error, "interface: ");
	if (source && !(tcp_check_source(source, error) && tcp_check_family(settings, error)))
		return error_prefix(error, "source address: ");
	return true;
}

int tcp_family(const struct tcp_settings *settings)
{
	struct address source;

	if (!settings)
		return AF_UNSPEC;
	if (settings->source_address && address_parse(&source, settings->source_address, 0))
		return source.generic.sa_family;
	return tcp_wanted_family(settings);
}

static bool tcp_set(int fd, int level, int option, int value, const char *name, struct error *error)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) == 0)
		return true;
	return error_set(error, ERROR_SYSTEM, "cannot set %s to %d: %s", name, value,
		strerror(errno));
}

/* In a unit of so many ns, rounded up: what was asked for must not become the system's default. */
static int tcp_units(uint64_t ns, uint64_t unit)
{
	uint64_t count = ns / unit + (ns % unit != 0);

	return count > INT_MAX ? INT_MAX : (int)count;
}

static bool tcp_set_keepalive(int fd, const struct tcp_settings *settings, struct error *error)
{
	int idle = tcp_units(settings->keepalive_idle, CLOCK_NS_PER_SECOND);
	int interval = tcp_units(settings->keepalive_interval, CLOCK_NS_PER_SECOND);
	int count = (int)settings->keepalive_count;

	if (!idle)
		return true;
	return tcp_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE", error) &&
		tcp_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle, "TCP_KEEPIDLE", error) &&
		(!interval ||
			tcp_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval, "TCP_KEEPINTVL",
				error)) &&
		(!count || tcp_set(fd, IPPROTO_TCP, TCP_KEEPCNT, count, "TCP_KEEPCNT", error));
}

static bool tcp_bind_interface(int fd, const char *interface, struct error *error)
{
	if (!interface ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
			(socklen_t)strlen(interface)) == 0)
		return true;
	if (errno == ENODEV)
		return error_set(error, ERROR_SOCKET_CONNECT, "no such interface: '%s'", interface);
	return error_set(error, ERROR_SOCKET_CONNECT, "cannot use the interface '%s': %s%s",
		interface, strerror(errno), errno == EPERM ? " (it needs CAP_NET_RAW)" : "");
}

/* The port is chosen by connect(2), so that one may serve several peers. */
static bool tcp_bind_source(int fd, const char *text, struct error *error)
{
	struct address source;

	if (!text || !address_parse(&source, text, 0))
		return true;
	if (!tcp_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT", error))
		return false;
	if (bind(fd, &source.generic, address_length(&source)) == 0)
		return true;
	return error_set(error, ERROR_SOCKET_CONNECT, "cannot connect from %s: %s", text,
		strerror(errno));
}

static bool tcp_apply(int fd, const struct tcp_settings *settings, struct error *error)
{
	int user_timeout = tcp_units(settings->user_timeout, CLOCK_NS_PER_MS);

	return tcp_set(fd, IPPROTO_TCP, TCP_NODELAY, settings->nodelay, "TCP_NODELAY", error) &&
		(!user_timeout ||
			tcp_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, "TCP_USER_TIMEOUT",
				error)) &&
		tcp_set_keepalive(fd, settings, error) &&
		tcp_bind_interface(fd, settings->interface, error) &&
		tcp_bind_source(fd, settings->source_address, error);
}

int tcp_socket(const struct tcp_settings *settings, const struct address *peer, struct error *error)
{
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(peer->generic.sa_family, type, 0);

	if (fd < 0) {
		error_set(error, ERROR_SYSTEM, "%s", strerror(errno));
		return -1;
	}
	if (tcp_apply(fd, settings ? settings : &tcp_defaults, error))
		return fd;
	close(fd);
	return -1;
}
