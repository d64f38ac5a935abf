#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>

#include "base/error.h"
#include "gateway/gateway.h"

/*
 * The control socket: JSON-RPC 2.0, one object a line (wsgated-protocol(7)). And, where the settings
 * have one, the observe socket: the same server for those who may look and change nothing.
 */
struct control;

/* What the control socket asks of the program around the gateway. */
struct control_callbacks {
	void *context;
	/* Reads the configuration again. When it is the configuration that is wrong, `problems` has
	 * all of it; the caller releases them. */
	bool (*reload)(struct gateway_changes *changes, struct settings_problems *problems,
		struct error *error, void *context);
};

/* Listens at the paths of the settings. Borrows the gateway. */
struct control *control_new(struct gateway *gateway, const struct control_callbacks *callbacks,
	struct error *error);

/* Gives the sockets the mode and owner that the gateway's settings say now. */
bool control_update_access(struct control *control, struct error *error);

void control_free(struct control *control);

#endif
