#include "net/netlink.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* --- attributes ------------------------------------------------------------------------------ */

/* The next attribute, which is whole; NULL: there is none. */
static const struct rtattr *attribute_next(const uint8_t **at, size_t *left)
{
	const struct rtattr *attribute = (const void *)*at;
	size_t step;

	if (*left < sizeof(*attribute) || attribute->rta_len < sizeof(*attribute) ||
		attribute->rta_len > *left)
		return NULL;
	step = RTA_ALIGN((size_t)attribute->rta_len);
	step = step < *left ? step : *left;
	*at += step;
	*left -= step;
	return attribute;
}

/* Attributes follow a header of that size. */
static const uint8_t *message_attributes(const struct nlmsghdr *message, size_t header,
	size_t *left)
{
	size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(header);

	*left = message->nlmsg_len > offset ? message->nlmsg_len - offset : 0;
	return (const uint8_t *)message + offset;
}

/* NULL: there is none, or it is shorter than `size`. */
static const void *message_find(const struct nlmsghdr *message, size_t header, unsigned short type,
	size_t size)
{
	size_t left;
	const uint8_t *at = message_attributes(message, header, &left);
	const struct rtattr *attribute;

	while ((attribute = attribute_next(&at, &left))) {
		if (attribute->rta_type == type && attribute->rta_len >= RTA_LENGTH(size))
			return RTA_DATA(attribute);
	}
	return NULL;
}

/* The header of that size behind that of the message; NULL: the message is too short. */
static const void *message_header(const struct nlmsghdr *message, size_t size)
{
	return message->nlmsg_len >= NLMSG_LENGTH(size) ? NLMSG_DATA(message) : NULL;
}

/* --- links ----------------------------------------------------------------------------------- */

static struct netlink_link *view_link(struct netlink_view *view, int index)
{
	for (size_t i = 0; i < view->link_count; i++) {
		if (view->links[i].index == index)
			return &view->links[i];
	}
	return NULL;
}

static void view_set_link(struct netlink_view *view, const struct netlink_link *link)
{
	struct netlink_link *known = view_link(view, link->index);

	if (known)
		*known = *link;
	else if (view->link_count < NETLINK_LINKS)
		view->links[view->link_count++] = *link;
}

static void view_remove_link(struct netlink_view *view, struct netlink_link *link)
{
	if (link)
		*link = view->links[--view->link_count];
}

/* Most messages about a link are about other things: scans, statistics, settings. */
static enum netlink_news take_link(struct netlink_view *view, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = message_header(message, sizeof(*info));
	bool removed = message->nlmsg_type == RTM_DELLINK;
	struct netlink_link link, *known;
	bool was_usable;

	if (!info || info->ifi_family != AF_UNSPEC) /* AF_BRIDGE: of a port, as a port */
		return NETLINK_NOTHING;
	known = view_link(view, info->ifi_index);
	was_usable = known && known->usable;
	link = (struct netlink_link){
		.index = info->ifi_index,
		.loopback = info->ifi_flags & IFF_LOOPBACK,
		.usable = !removed && (info->ifi_flags & IFF_UP) &&
			(info->ifi_flags & IFF_RUNNING) && !(info->ifi_flags & IFF_LOOPBACK) &&
			!message_find(message, sizeof(*info), IFLA_MASTER, sizeof(uint32_t)),
	};
	if (removed)
		view_remove_link(view, known);
	else
		view_set_link(view, &link);
	if (message->nlmsg_flags & NLM_F_MULTI) /* asked for */
		return NETLINK_NOTHING;
	return link.usable != was_usable ? NETLINK_LINK_CHANGED : NETLINK_NOTHING;
}

/* --- addresses ------------------------------------------------------------------------------- */

/* An address whose lifetime a router or a DHCP server renews has a later stamp than when it was
 * created. */
static bool address_is_new(const struct nlmsghdr *message, const struct ifaddrmsg *address)
{
	const struct ifa_cacheinfo *times =
		message_find(message, sizeof(*address), IFA_CACHEINFO, sizeof(*times));
	const uint32_t *more = message_find(message, sizeof(*address), IFA_FLAGS, sizeof(*more));
	uint32_t flags = more ? *more : address->ifa_flags;

	return !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) &&
		(!times || times->cstamp == times->tstamp);
}

static enum netlink_news take_address(struct netlink_view *view, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *address = message_header(message, sizeof(*address));
	const struct netlink_link *link = address ? view_link(view, (int)address->ifa_index) : NULL;

	if (!address || address->ifa_scope >= RT_SCOPE_LINK || (link && link->loopback))
		return NETLINK_NOTHING;
	if (message->nlmsg_type == RTM_NEWADDR && !address_is_new(message, address))
		return NETLINK_NOTHING;
	return NETLINK_ADDRESS_CHANGED;
}

/* --- routes ---------------------------------------------------------------------------------- */

static uint64_t digest(uint64_t before, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length; i++)
		before = (before ^ bytes[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return before;
}

/* Of where the route leads; not of its age. Never 0. */
static uint64_t route_digest(const struct nlmsghdr *message, const struct rtmsg *route)
{
	uint64_t sum = digest(UINT64_C(0xcbf29ce484222325), &route->rtm_family, 1);
	const struct rtattr *attribute;
	const uint8_t *at;
	size_t left;

	sum = digest(sum, &route->rtm_dst_len, 1);
	sum = digest(sum, &route->rtm_tos, 1);
	at = message_attributes(message, sizeof(*route), &left);
	while ((attribute = attribute_next(&at, &left))) {
		if (attribute->rta_type == RTA_CACHEINFO || attribute->rta_type == RTA_EXPIRES)
			continue;
		sum = digest(sum, attribute, attribute->rta_len);
	}
	return sum ? sum : 1;
}

static bool address_is_link_local(const struct nlmsghdr *message, const struct rtmsg *route)
{
	const uint8_t *to = message_find(message, sizeof(*route), RTA_DST, 2);

	return route->rtm_family == AF_INET6 && route->rtm_dst_len >= 10 && to && to[0] == 0xfe &&
		(to[1] & 0xc0) == 0x80;
}

/* Routes to other hosts; in the table `local` are those to this one. */
static bool route_matters(const struct nlmsghdr *message, const struct rtmsg *route)
{
	const uint32_t *table = message_find(message, sizeof(*route), RTA_TABLE, sizeof(*table));

	return route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_BROADCAST &&
		route->rtm_type != RTN_ANYCAST && route->rtm_type != RTN_MULTICAST &&
		!(route->rtm_flags & RTM_F_CLONED) &&
		(table ? *table : route->rtm_table) != RT_TABLE_LOCAL &&
		!address_is_link_local(message, route);
}

/* Network managers add existing routes time and again. */
static enum netlink_news take_route(struct netlink_view *view, const struct nlmsghdr *message)
{
	const struct rtmsg *route = message_header(message, sizeof(*route));
	size_t known = 0;
	uint64_t sum;

	if (!route || !route_matters(message, route))
		return NETLINK_NOTHING;
	sum = route_digest(message, route);
	while (known < NETLINK_ROUTES && view->routes[known] != sum)
		known++;
	if (message->nlmsg_type == RTM_DELROUTE) {
		if (known < NETLINK_ROUTES)
			view->routes[known] = 0;
		return NETLINK_ROUTE_CHANGED;
	}
	if (known < NETLINK_ROUTES)
		return NETLINK_NOTHING;
	view->routes[view->next_route++ % NETLINK_ROUTES] = sum;
	return NETLINK_ROUTE_CHANGED;
}

/* --- messages -------------------------------------------------------------------------------- */

static enum netlink_news take_message(struct netlink_view *view, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return take_link(view, message);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return take_address(view, message);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return take_route(view, message);
	case NLMSG_OVERRUN:
		return NETLINK_OVERRUN;
	default:
		return NETLINK_NOTHING;
	}
}

enum netlink_news netlink_take(struct netlink_view *view, const void *data, size_t length)
{
	enum netlink_news news = NETLINK_NOTHING, one;
	const struct nlmsghdr *message = data;
	size_t step;

	while (length >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
		message->nlmsg_len <= length) {
		one = take_message(view, message);
		news = one > news ? one : news;
		step = NLMSG_ALIGN((size_t)message->nlmsg_len);
		if (step >= length)
			break;
		message = (const void *)((const uint8_t *)message + step);
		length -= step;
	}
	return news;
}

void netlink_forget(struct netlink_view *view)
{
	*view = (struct netlink_view){0};
}

void netlink_ask_for_links(struct netlink_request *request)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} message = {
		.header =
			{
				.nlmsg_len = sizeof(message),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
		.info = {.ifi_family = AF_UNSPEC},
	};

	_Static_assert(sizeof(message) == sizeof(*request), "a request is a header and a link");
	memcpy(request, &message, sizeof(message));
}
