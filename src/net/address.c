#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: there is no such interface. */
static unsigned address_parse_zone(const char *zone)
{
	unsigned index = if_nametoindex(zone);
	unsigned long number;
	char *end;

	if (index || *zone < '0' || *zone > '9')
		return index;
	errno = 0;
	number = strtoul(zone, &end, 10);
	return *end || errno || number > INT_MAX ? 0 : (unsigned)number;
}

static bool address_parse_ipv6(struct sockaddr_in6 *ipv6, const char *host)
{
	const char *zone = strchr(host, ADDRESS_ZONE);
	char text[INET6_ADDRSTRLEN];
	size_t length = zone ? (size_t)(zone - host) : strlen(host);

	if (length >= sizeof(text))
		return false;
	memcpy(text, host, length);
	text[length] = '\0';
	if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) != 1)
		return false;
	if (zone)
		ipv6->sin6_scope_id = address_parse_zone(zone + 1);
	return !zone || ipv6->sin6_scope_id;
}

bool address_parse(struct address *address, const char *host, uint16_t port)
{
	*address = (struct address){0};
	if (inet_pton(AF_INET, host, &address->ipv4.sin_addr) == 1)
		address->generic.sa_family = AF_INET;
	else if (address_parse_ipv6(&address->ipv6, host))
		address->generic.sa_family = AF_INET6;
	else
		return false;
	address_set_port(address, port);
	return true;
}

void address_set_port(struct address *address, uint16_t port)
{
	if (address->generic.sa_family == AF_INET6)
		address->ipv6.sin6_port = htons(port);
	else
		address->ipv4.sin_port = htons(port);
}

bool address_equal(const struct address *left, const struct address *right)
{
	if (left->generic.sa_family != right->generic.sa_family)
		return false;
	if (left->generic.sa_family == AF_INET)
		return left->ipv4.sin_addr.s_addr == right->ipv4.sin_addr.s_addr &&
			left->ipv4.sin_port == right->ipv4.sin_port;
	return memcmp(&left->ipv6.sin6_addr, &right->ipv6.sin6_addr,
		       sizeof(left->ipv6.sin6_addr)) == 0 &&
		left->ipv6.sin6_port == right->ipv6.sin6_port &&
		left->ipv6.sin6_scope_id == right->ipv6.sin6_scope_id;
}

struct address_block {
	uint8_t prefix[16];
	unsigned bits;
};

/* What the IANA registries of special-purpose addresses do not call globally reachable, without
 * what is for documentation; and what no server of the Internet has. */
static const struct address_block address_ipv4_blocks[] = {
	{{0}, 8},            /* "this network" */
	{{10}, 8},           /* private */
	{{100, 64}, 10},     /* shared: between a provider and its customers */
	{{127}, 8},          /* loopback */
	{{169, 254}, 16},    /* link-local */
	{{172, 16}, 12},     /* private */
	{{192, 0, 0}, 24},   /* protocols */
	{{192, 88, 99}, 24}, /* relays to 6to4, given up */
	{{192, 168}, 16},    /* private */
	{{198, 18}, 15},     /* benchmarks */
	{{224}, 4},          /* multicast */
	{{240}, 4},          /* reserved, and broadcast */
};

static const struct address_block address_ipv6_blocks[] = {
	{{0}, 96},                                  /* unspecified, loopback, IPv4-compatible */
	{{[8] = 0xff, [9] = 0xff}, 96},             /* IPv4 translated to IPv6 (SIIT) */
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48}, /* NAT64 of a local network: RFC 8215 */
	{{0x01, 0x00}, 64},                         /* discarded */
	{{0x20, 0x01}, 23},                         /* protocols: Teredo, benchmarks, ORCHID, … */
	{{0x5f, 0x00}, 16},                         /* segment routing: RFC 9602 */
	{{0xfc}, 7},                                /* unique local */
	{{0xfe, 0x80}, 10},                         /* link-local */
	{{0xfe, 0xc0}, 10},                         /* site-local */
	{{0xff}, 8},                                /* multicast */
};

/* The place of an IPv4 address in an IPv6 address. */
static const struct {
	struct address_block block;
	size_t offset;
} address_embeddings[] = {
	{{{[10] = 0xff, [11] = 0xff}, 96}, 12}, /* mapped */
	{{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},   /* NAT64, RFC 6052 */
	{{{0x20, 0x02}, 16}, 2},                /* 6to4 */
};

static bool address_is_in(const uint8_t *bytes, const struct address_block *block)
{
	size_t whole = block->bits / 8;
	unsigned rest = block->bits % 8;
	uint8_t mask = (uint8_t)(0xff00U >> rest);

	return memcmp(bytes, block->prefix, whole) == 0 &&
		(!rest || ((bytes[whole] ^ block->prefix[whole]) & mask) == 0);
}

static bool address_is_public_ipv4(const uint8_t *bytes)
{
	for (size_t i = 0; i < sizeof(address_ipv4_blocks) / sizeof(address_ipv4_blocks[0]); i++) {
		if (address_is_in(bytes, &address_ipv4_blocks[i]))
			return false;
	}
	return true;
}

bool address_is_public(const struct address *address)
{
	const uint8_t *bytes = address->ipv6.sin6_addr.s6_addr;

	if (address->generic.sa_family == AF_INET)
		return address_is_public_ipv4((const uint8_t *)&address->ipv4.sin_addr);
	for (size_t i = 0; i < sizeof(address_embeddings) / sizeof(address_embeddings[0]); i++) {
		if (address_is_in(bytes, &address_embeddings[i].block))
			return address_is_public_ipv4(bytes + address_embeddings[i].offset);
	}
	for (size_t i = 0; i < sizeof(address_ipv6_blocks) / sizeof(address_ipv6_blocks[0]); i++) {
		if (address_is_in(bytes, &address_ipv6_blocks[i]))
			return false;
	}
	return true;
}

socklen_t address_length(const struct address *address)
{
	return address->generic.sa_family == AF_INET6 ? sizeof(address->ipv6)
						      : sizeof(address->ipv4);
}

/* "%eth0", "%7" when the interface has gone, or nothing. */
static void address_format_zone(const struct sockaddr_in6 *ipv6, char zone[IF_NAMESIZE + 1])
{
	char name[IF_NAMESIZE];

	*zone = '\0';
	if (!ipv6->sin6_scope_id)
		return;
	if (if_indextoname(ipv6->sin6_scope_id, name))
		snprintf(zone, IF_NAMESIZE + 1, "%c%s", ADDRESS_ZONE, name);
	else
		snprintf(zone, IF_NAMESIZE + 1, "%c%u", ADDRESS_ZONE, ipv6->sin6_scope_id);
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "";
	char zone[IF_NAMESIZE + 1];

	if (address->generic.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->ipv6.sin6_addr, host, sizeof(host));
		address_format_zone(&address->ipv6, zone);
		snprintf(text, ADDRESS_TEXT_SIZE, "[%s%s]:%u", host, zone,
			ntohs(address->ipv6.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->ipv4.sin_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(address->ipv4.sin_port));
	}
}
