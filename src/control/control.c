#include "control/control.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "control/control_socket.h"

struct control {
	struct control_host host;
	struct listeners *listeners;
	struct control_socket control;
	struct control_socket observe;
	struct gateway_watcher watcher;
};

static void control_on_event(const struct gateway_event *event, void *context)
{
	struct control *control = context;

	control_socket_tell(&control->control, event);
	control_socket_tell(&control->observe, event);
}

/* Nothing that waits for a change is called at the observe socket. */
static void control_on_settled(void *context)
{
	struct control *control = context;

	control_socket_resume(&control->control);
}

struct control *control_new(struct gateway *gateway, const struct control_callbacks *callbacks,
	void *context, struct error *error)
{
	const struct gateway_settings *settings = &gateway_settings(gateway)->gateway;
	struct control *control = alloc_zero(1, sizeof(*control));
	struct control_host *host = &control->host;

	host->gateway = gateway;
	host->callbacks = callbacks;
	host->callbacks_context = context;
	host->started = clock_realtime();
	control_turns_init(&host->turns, gateway_base(gateway), control_client_step);
	control->listeners = listeners_new(gateway_base(gateway), gateway_log(gateway));
	control->watcher = (struct gateway_watcher){
		.event = control_on_event,
		.settled = control_on_settled,
		.context = control,
	};
	gateway_watch(gateway, &control->watcher);
	if (control_socket_open(&control->control, host, control->listeners, REPORT_ALL,
		    &settings->control, error) &&
		control_socket_open(&control->observe, host, control->listeners, REPORT_OBSERVED,
			&settings->observe, error))
		return control;
	control_free(control);
	return NULL;
}

bool control_set_access(struct control *control, const struct gateway_settings *settings,
	struct settings_problems *problems)
{
	const struct gateway_settings *before = &gateway_settings(control->host.gateway)->gateway;
	bool set = control_socket_set_access(&control->control, &settings->control, problems);

	if (control_socket_set_access(&control->observe, &settings->observe, problems))
		return set;
	if (set)
		control_socket_set_access(&control->control, &before->control, problems);
	return false;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	gateway_unwatch(control->host.gateway, &control->watcher);
	control_socket_close(&control->control);
	control_socket_close(&control->observe);
	listeners_free(control->listeners);
	control_turns_release(&control->host.turns);
	free(control);
}
