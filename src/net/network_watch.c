#include "net/network_watch.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rate.h"
#include "base/resume.h"

#define NETWORK_SETTLE (250 * CLOCK_NS_PER_MS)

/* Changes reported at once after a silence, and seconds between further ones. */
enum { NETWORK_BURST = 3, NETWORK_SECONDS = 10 };

enum {
	NETWORK_READ_SIZE = 32 * 1024, /* the kernel's messages are smaller */
	NETWORK_READS = 8,             /* at a time, so that others have their turn */
};

struct network_watch {
	struct timers *timers;
	void (*changed)(enum network_change change, void *context);
	void *context;
	int fd; /* -1: none */
	struct event readable;
	struct netlink_view view;
	struct resume_watch resume;
	struct timer settle;         /* until the change is reported */
	enum network_change pending; /* to be reported */
	struct rate rate;
};

const char *network_change_name(enum network_change change)
{
	static const char *const names[] = {
		[NETWORK_UNCHANGED] = "none",
		[NETWORK_ROUTE] = "route",
		[NETWORK_ADDRESS] = "address",
		[NETWORK_LINK] = "link",
		[NETWORK_UNKNOWN] = "unknown",
		[NETWORK_RESUME] = "resume",
	};

	return names[change];
}

/* --- reporting ------------------------------------------------------------------------------- */

static void network_watch_on_settled(void *context)
{
	struct network_watch *watch = context;
	uint64_t delay = rate_delay(&watch->rate, timers_now(watch->timers));
	enum network_change change = watch->pending;

	if (delay) {
		timer_set(&watch->settle, watch->timers, delay, network_watch_on_settled, watch);
		return;
	}
	watch->pending = NETWORK_UNCHANGED;
	watch->changed(change, watch->context);
}

void network_watch_note(struct network_watch *watch, enum network_change change)
{
	if (change > watch->pending)
		watch->pending = change;
	if (watch->pending && !timer_is_set(&watch->settle))
		timer_set(&watch->settle, watch->timers, NETWORK_SETTLE, network_watch_on_settled,
			watch);
}

static void network_watch_on_resumed(void *context)
{
	network_watch_note(context, NETWORK_RESUME);
}

/* --- netlink --------------------------------------------------------------------------------- */

static void network_watch_ask(struct network_watch *watch)
{
	struct netlink_request request;

	netlink_ask_for_links(&request);
	/* Without an answer, the first message about each link counts as a change. */
	(void)!send(watch->fd, &request, sizeof(request), 0);
}

static void network_watch_overrun(struct network_watch *watch)
{
	netlink_forget(&watch->view);
	network_watch_ask(watch);
	network_watch_note(watch, NETWORK_UNKNOWN);
}

static void network_watch_take(struct network_watch *watch, const void *data, size_t length)
{
	static const enum network_change changes[] = {
		[NETLINK_NOTHING] = NETWORK_UNCHANGED,
		[NETLINK_ROUTE_CHANGED] = NETWORK_ROUTE,
		[NETLINK_ADDRESS_CHANGED] = NETWORK_ADDRESS,
		[NETLINK_LINK_CHANGED] = NETWORK_LINK,
		[NETLINK_OVERRUN] = NETWORK_UNKNOWN,
	};
	enum netlink_news news = netlink_take(&watch->view, data, length);

	if (news == NETLINK_OVERRUN)
		network_watch_overrun(watch);
	else
		network_watch_note(watch, changes[news]);
}

/* False: nothing was there. Any process can send to the socket; the kernel has port 0. */
static bool network_watch_read(struct network_watch *watch)
{
	uint32_t buffer[NETWORK_READ_SIZE / sizeof(uint32_t)];
	struct sockaddr_nl sender = {0};
	struct iovec part = {.iov_base = buffer, .iov_len = sizeof(buffer)};
	struct msghdr message = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &part,
		.msg_iovlen = 1,
	};
	ssize_t length = recvmsg(watch->fd, &message, 0);

	if (length < 0 && errno == ENOBUFS)
		network_watch_overrun(watch);
	else if (length < 0)
		return false;
	else if (sender.nl_pid == 0 && message.msg_flags & MSG_TRUNC)
		network_watch_overrun(watch);
	else if (sender.nl_pid == 0)
		network_watch_take(watch, buffer, (size_t)length);
	return true;
}

static void network_watch_on_readable(evutil_socket_t fd, short what, void *context)
{
	struct network_watch *watch = context;

	(void)fd, (void)what;
	for (int i = 0; i < NETWORK_READS && network_watch_read(watch); i++)
		;
}

static bool network_watch_open(struct network_watch *watch)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};

	watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	return watch->fd >= 0 &&
		bind(watch->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* --- life ------------------------------------------------------------------------------------ */

struct network_watch *network_watch_new(struct event_base *base, struct timers *timers,
	struct log *log, void (*changed)(enum network_change change, void *context), void *context)
{
	struct network_watch *watch = alloc_zero(1, sizeof(*watch));

	watch->timers = timers;
	watch->changed = changed;
	watch->context = context;
	watch->rate = (struct rate){
		.per_second = 1.0 / NETWORK_SECONDS,
		.burst = NETWORK_BURST,
	};
	if (!resume_watch_init(&watch->resume, base, network_watch_on_resumed, watch))
		log_write(log, LOG_WARNING, NULL, "cannot watch for suspends of the host: %s",
			strerror(errno));
	if (network_watch_open(watch)) {
		event_assign(&watch->readable, base, watch->fd, EV_READ | EV_PERSIST,
			network_watch_on_readable, watch);
		event_add(&watch->readable, NULL);
		network_watch_ask(watch);
		return watch;
	}
	log_write(log, LOG_WARNING, NULL, "cannot watch the network: netlink: %s", strerror(errno));
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
	return watch;
}

void network_watch_free(struct network_watch *watch)
{
	if (!watch)
		return;
	timer_clear(&watch->settle);
	resume_watch_release(&watch->resume);
	if (watch->fd >= 0) {
		event_del(&watch->readable);
		close(watch->fd);
	}
	free(watch);
}
