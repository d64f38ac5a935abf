#include "daemon/service.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/notify.h"

/* Asked of systemd beyond the time to stop. */
#define SERVICE_STOP_MARGIN (5 * CLOCK_NS_PER_SECOND)

enum { SERVICE_STATUS_DELAY_MS = 200 }; /* changes within it make one status */

struct service {
	struct event_base *base;
	struct notify *notify;
	struct gateway *gateway; /* NULL: not started */
	struct gateway_watcher watcher;
	struct event *status;
	struct event *watchdog; /* NULL: systemd does not ask for it */
	bool stopping;
};

/* --- status ---------------------------------------------------------------------------------- */

static void service_on_status(evutil_socket_t fd, short what, void *context)
{
	struct service *service = context;
	struct connection *const *connections;
	size_t count, open = 0;

	(void)fd, (void)what;
	if (service->stopping)
		return;
	connections = gateway_connections(service->gateway, &count);
	for (size_t i = 0; i < count; i++)
		open += connection_is_open(connections[i]);
	notify_send(service->notify, "STATUS=%zu of %zu connections open, %zu outlets", open, count,
		gateway_outlet_count(service->gateway));
}

/* True if the event may change what the status counts. */
static bool service_counts(enum event_type type)
{
	return type == EVENT_TYPE_OPEN || type == EVENT_TYPE_CLOSE || type == EVENT_TYPE_ADDED ||
		type == EVENT_TYPE_REMOVED || type == EVENT_TYPE_RELOAD;
}

static void service_on_event(const struct gateway_event *event, void *context)
{
	const struct timeval delay = {.tv_usec = SERVICE_STATUS_DELAY_MS * 1000};
	struct service *service = context;

	if (service_counts(event->type) && !event_pending(service->status, EV_TIMEOUT, NULL))
		event_add(service->status, &delay);
}

/* --- watchdog -------------------------------------------------------------------------------- */

static void service_on_watchdog(evutil_socket_t fd, short what, void *context)
{
	const struct service *service = context;

	(void)fd, (void)what;
	notify_send(service->notify, "WATCHDOG=1");
}

/* Half of what systemd allows, as sd_watchdog_enabled(3) recommends. */
static void service_start_watchdog(struct service *service)
{
	struct timeval interval;
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	interval = clock_timeval(usec * CLOCK_NS_PER_US / 2);
	service->watchdog = event_new(service->base, -1, EV_PERSIST, service_on_watchdog, service);
	event_add(service->watchdog, &interval);
}

/* --- life ------------------------------------------------------------------------------------ */

struct service *service_new(struct event_base *base)
{
	struct service *service = alloc_zero(1, sizeof(*service));

	service->base = base;
	service->notify = notify_new(base);
	service->status = evtimer_new(base, service_on_status, service);
	return service;
}

void service_free(struct service *service)
{
	if (service->gateway)
		gateway_unwatch(service->gateway, &service->watcher);
	if (service->watchdog)
		event_free(service->watchdog);
	event_free(service->status);
	notify_free(service->notify);
	free(service);
}

static void service_ready(struct service *service)
{
	notify_send(service->notify, "READY=1");
	event_active(service->status, EV_TIMEOUT, 0);
}

void service_start(struct service *service, struct gateway *gateway)
{
	service->gateway = gateway;
	service->watcher = (struct gateway_watcher){.event = service_on_event, .context = service};
	gateway_watch(gateway, &service->watcher);
	service_start_watchdog(service);
	service_ready(service);
}

void service_reloading(struct service *service)
{
	notify_send(service->notify,
		"RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading the configuration",
		(unsigned long long)(clock_monotonic() / CLOCK_NS_PER_US));
}

void service_reloaded(struct service *service)
{
	service_ready(service);
}

void service_stopping(struct service *service, uint64_t time)
{
	service->stopping = true;
	notify_send(service->notify,
		"STOPPING=1\nSTATUS=Closing the connections\nEXTEND_TIMEOUT_USEC=%llu",
		(unsigned long long)((time + SERVICE_STOP_MARGIN) / CLOCK_NS_PER_US));
}
