#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include <event2/event.h>
#include <stdint.h>

#include "gateway/gateway.h"

/* The daemon as the service manager sees it: sd_notify(3), its status line, its watchdog. */
struct service;

struct service *service_new(struct event_base *base);
void service_free(struct service *service);

/* Ready: from now on the status tells how many connections are open. Borrows the gateway. */
void service_start(struct service *service, struct gateway *gateway);

void service_reloading(struct service *service);
void service_reloaded(struct service *service);

/* Stopping may take this long, in ns, and a moment for the end itself; TimeoutStopSec= of the unit
 * need not know. */
void service_stopping(struct service *service, uint64_t time);

#endif
