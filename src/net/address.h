#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IP address with its port, for socket calls. */
struct address {
	union {
		struct sockaddr generic;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	};
};

/* Before the zone of a link-local address, which is the name or the index of an interface:
 * "fe80::1%eth0" (RFC 4007, section 11). */
enum { ADDRESS_ZONE = '%' };

/* A numeric address, IPv6 without brackets. False when `host` is a name, or its zone names no
 * interface at present. */
bool address_parse(struct address *address, const char *host, uint16_t port);

/* Another port for the same host. */
void address_set_port(struct address *address, uint16_t port);

/* The same host and port. */
bool address_equal(const struct address *left, const struct address *right);

/* True for a public address of a single host: not of this host, a private network or a group. An
 * IPv6 address that embeds an IPv4 address is treated like that. */
bool address_is_public(const struct address *address);

socklen_t address_length(const struct address *address);

/* "192.0.2.1:443", "[2001:db8::1]:443", "[fe80::1%eth0]:443". */
enum { ADDRESS_TEXT_SIZE = 80 };
void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

#endif
