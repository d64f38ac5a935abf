#ifndef NET_TCP_H
#define NET_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/choice.h"
#include "base/error.h"
#include "net/address.h"

enum tcp_family { TCP_FAMILY_ANY, TCP_FAMILY_IPV4, TCP_FAMILY_IPV6 };

/* TCP settings, used for the proxy if there is one. Durations in ns; 0 or NULL: the system's
 * default. */
struct tcp_settings {
	enum tcp_family family;      /* of the addresses to try */
	const char *source_address;  /* to connect from: an IP address of this host; only the
	                                addresses of its family are tried */
	const char *interface;       /* network interface to use (SO_BINDTODEVICE) */
	bool nodelay;                /* TCP_NODELAY: small messages leave at once */
	uint64_t keepalive_idle;     /* silence before the first probe; in whole seconds; 0:
	                                no keepalive, whatever the next two say */
	uint64_t keepalive_interval; /* between probes; in whole seconds */
	unsigned keepalive_count;    /* unanswered probes after which the connection is lost */
	uint64_t user_timeout; /* lost when data is unacknowledged for this long; in whole ms */
};

extern const struct choice tcp_families[];

/* True if the value is right, or the source address of the family; else ERROR_WEBSOCKET, with a
 * text that follows the name of the setting ("must be …"). */
bool tcp_check_source(const char *text, struct error *error);
bool tcp_check_interface(const char *name, struct error *error);
bool tcp_check_family(const struct tcp_settings *settings, struct error *error);

/* All of these; the text names the setting. */
bool tcp_check(const struct tcp_settings *settings, struct error *error);

/* For this room only. Settings may be NULL: only TCP_NODELAY. */

/* AF_INET, AF_INET6 or AF_UNSPEC: what to look for. */
int tcp_family(const struct tcp_settings *settings);

/* A non-blocking socket for this peer, all settings applied, not yet connected; -1: error. */
int tcp_socket(const struct tcp_settings *settings, const struct address *peer,
	struct error *error);

#endif
