#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_parse(struct address *address, const char *host, uint16_t port)
{
	*address = (struct address){0};
	if (inet_pton(AF_INET, host, &address->ipv4.sin_addr) == 1)
		address->generic.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &address->ipv6.sin6_addr) == 1)
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

socklen_t address_length(const struct address *address)
{
	return address->generic.sa_family == AF_INET6 ? sizeof(address->ipv6)
						      : sizeof(address->ipv4);
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->generic.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->ipv6.sin6_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%u", host, ntohs(address->ipv6.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->ipv4.sin_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(address->ipv4.sin_port));
	}
}
