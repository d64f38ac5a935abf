#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel's messages about the network (rtnetlink(7)): finds those after which connections may
 * go another way, or none, among the many that say that nothing of this kind has changed.
 */

/* Later values take precedence. */
enum netlink_news {
	NETLINK_NOTHING,
	NETLINK_ROUTE_CHANGED,
	NETLINK_ADDRESS_CHANGED,
	NETLINK_LINK_CHANGED,
	NETLINK_OVERRUN, /* messages were lost */
};

enum { NETLINK_LINKS = 256, NETLINK_ROUTES = 64 };

/* A link is usable if it is up and running, on its own: not a bridge port, as those of containers,
 * nor a loopback. */
struct netlink_link {
	int index;
	bool usable;
	bool loopback;
};

/* State known from earlier messages. Zero-initialised: none. Private. */
struct netlink_view {
	struct netlink_link links[NETLINK_LINKS]; /* further ones count as not usable before */
	size_t link_count;
	uint64_t routes[NETLINK_ROUTES]; /* digests of the latest that were added; 0: none */
	size_t next_route;
};

/* Takes messages as received, aligned like uint32_t. Malformed ones are ignored. */
enum netlink_news netlink_take(struct netlink_view *view, const void *data, size_t length);

/* After an overrun. */
void netlink_forget(struct netlink_view *view);

/* A request for all links; the answers fill the view, and do not count as changes. */
struct netlink_request {
	uint32_t words[8];
};
void netlink_ask_for_links(struct netlink_request *request);

#endif
