#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>

#include "base/error.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"

/*
 * The control socket: JSON-RPC 2.0, one object a line (wsgated-protocol(7)). And, if the settings
 * name one, the observe socket: the same server for clients that may look but change nothing.
 */
struct control;

/* Requests to the program around the gateway. */
struct control_callbacks {
	/* As reload_request() and reload_forget(). */
	void (*reload)(struct reload_waiter *waiter, void *context);
	void (*forget_reload)(struct reload_waiter *waiter, void *context);
};

/* Listens at the paths of the settings. Borrows the gateway and the callbacks. */
struct control *control_new(struct gateway *gateway, const struct control_callbacks *callbacks,
	void *context, struct error *error);

/* Gives the sockets mode, owner and group of the settings. On failure the problems say why, and
 * nothing has changed. */
bool control_set_access(struct control *control, const struct gateway_settings *settings,
	struct settings_problems *problems);

void control_free(struct control *control);

#endif
