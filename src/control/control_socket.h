#ifndef CONTROL_CONTROL_SOCKET_H
#define CONTROL_CONTROL_SOCKET_H

#include "base/listener.h"
#include "control/control_client.h"

/* The control socket or the observe socket: where clients come in, and those that have. */
struct control_socket {
	struct control_host *host;
	enum report_view view;
	char *path;
	struct log_subject about;
	struct listener *listener; /* NULL: the settings name no such socket */
	struct control_client_list clients;
};

/* Listens, if the settings name a path. */
bool control_socket_open(struct control_socket *socket, struct control_host *host,
	struct listeners *listeners, enum report_view view, const struct socket_settings *settings,
	struct error *error);
void control_socket_close(struct control_socket *socket);

/* Gives it mode, owner and group of the settings, and a new file if its own is gone. True also if
 * there is no such socket: one that the settings then name needs a restart. */
bool control_socket_set_access(struct control_socket *socket,
	const struct socket_settings *settings, struct settings_problems *problems);

/* Tells those of its clients that follow events. */
void control_socket_tell(struct control_socket *socket, const struct gateway_event *event);

/* A change of the gateway is over: requests that have waited for it go on. */
void control_socket_resume(struct control_socket *socket);

#endif
