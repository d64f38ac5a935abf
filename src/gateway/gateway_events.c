#include "base/clock.h"
#include "gateway/gateway_private.h"

void gateway_watch(struct gateway *gateway, struct gateway_watcher *watcher)
{
	TAILQ_INSERT_TAIL(&gateway->watchers, watcher, entry);
}

void gateway_unwatch(struct gateway *gateway, struct gateway_watcher *watcher)
{
	TAILQ_REMOVE(&gateway->watchers, watcher, entry);
}

void gateway_emit(struct gateway *gateway, const struct gateway_event *event)
{
	struct gateway_watcher *watcher, *next;

	for (watcher = TAILQ_FIRST(&gateway->watchers); watcher; watcher = next) {
		next = TAILQ_NEXT(watcher, entry);
		if (watcher->event)
			watcher->event(event, watcher->context);
	}
}

void gateway_tell_settled(struct gateway *gateway)
{
	struct gateway_watcher *watcher, *next;

	for (watcher = TAILQ_FIRST(&gateway->watchers); watcher; watcher = next) {
		next = TAILQ_NEXT(watcher, entry);
		if (watcher->settled)
			watcher->settled(watcher->context);
	}
}

void gateway_emit_connection(struct gateway *gateway, enum event_type type, const char *name)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.connection = name,
	};

	gateway_emit(gateway, &event);
}

void gateway_on_connection_event(struct connection *connection, enum event_type type,
	const struct event_members *members, const struct warning *warning, void *context)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.connection = connection_name(connection),
		.members = members,
		.warning = warning,
	};

	gateway_emit(context, &event);
}

void gateway_on_outlet_event(struct outlet *outlet, enum event_type type,
	const struct event_members *members, void *context)
{
	const struct gateway_event event = {
		.type = type,
		.time = clock_realtime(),
		.outlet = outlet_settings(outlet)->name,
		.members = members,
	};

	gateway_emit(context, &event);
}
