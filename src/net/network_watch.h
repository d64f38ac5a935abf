#ifndef NET_NETWORK_WATCH_H
#define NET_NETWORK_WATCH_H

#include <event2/event.h>

#include "base/log.h"
#include "base/timers.h"
#include "net/netlink.h"

/*
 * Notices that the network of the host has changed, or that the host was suspended: open connections
 * may be dead then, and those that wait may get through.
 *
 * Changes come in bursts, which count as one, reported a quarter of a second after its first
 * message. A network that changes all the time, such as that of a link that flaps, is reported three
 * times at once, and then every ten seconds.
 */
struct network_watch;

enum network_change {
	NETWORK_UNCHANGED,
	NETWORK_ROUTE,
	NETWORK_ADDRESS,
	NETWORK_LINK,
	NETWORK_UNKNOWN, /* so much has changed that the kernel's messages were lost */
	NETWORK_RESUME,
};

/* "route", …, for the log and events. */
const char *network_change_name(enum network_change change);

/* Borrows all. `changed` is called from the event loop. Where there is no netlink, as in some
 * containers, or no descriptor left, it logs a warning and notices less. */
struct network_watch *network_watch_new(struct event_base *base, struct timers *timers,
	struct log *log, void (*changed)(enum network_change change, void *context), void *context);

/* NULL is ignored. */
void network_watch_free(struct network_watch *watch);

/* Something has changed; of a burst, the greatest change is reported. */
void network_watch_note(struct network_watch *watch, enum network_change change);

#endif
