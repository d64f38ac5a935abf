#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/settings_private.h"

/* The gateway's own settings. */

/* Under systemd, RuntimeDirectory= of the unit; the first, where it is several. */
void gateway_settings_init(struct gateway_settings *gateway)
{
	const char *directory = getenv("RUNTIME_DIRECTORY");

	settings_table_init(gateway_settings_table, gateway);
	if (!directory || directory[0] != '/')
		return;
	free(gateway->runtime_dir);
	gateway->runtime_dir = alloc_format("%.*s", (int)strcspn(directory, ":"), directory);
}

/* The path becomes absolute. Without a mode, a group that is named may use the socket, and else only
 * the daemon's user: its group is the one that reads outlets. */
static void gateway_resolve_socket(const struct gateway_settings *gateway,
	struct socket_settings *socket)
{
	char *given = socket->path;

	if (given && given[0] != '/') {
		socket->path = alloc_format("%s/%s", gateway->runtime_dir, given);
		free(given);
	}
	if (!socket->mode)
		socket->mode = socket->group ? 0660 : 0600;
}

void gateway_settings_resolve(struct gateway_settings *gateway)
{
	if (!gateway->control.path)
		gateway->control.path = alloc_string("control.sock");
	gateway_resolve_socket(gateway, &gateway->control);
	gateway_resolve_socket(gateway, &gateway->observe);
}

void gateway_settings_release(struct gateway_settings *gateway)
{
	settings_table_release(gateway_settings_table, gateway);
	free(gateway->control.place);
	free(gateway->observe.place);
}

struct gateway_settings *gateway_settings_copy(const struct gateway_settings *gateway)
{
	struct gateway_settings *copy = alloc_zero(1, sizeof(*copy));

	settings_table_copy(gateway_settings_table, copy, gateway);
	return copy;
}

void gateway_settings_free(struct gateway_settings *gateway)
{
	gateway_settings_release(gateway);
	free(gateway);
}
