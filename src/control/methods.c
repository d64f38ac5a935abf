#include "control/methods.h"

#include <stddef.h>

const struct rpc_method *const methods[] = {
	&method_connect,
	&method_disconnect,
	&method_is_open,
	&method_send,
	&method_ping,
	&method_on_open,
	&method_list,
	&method_status,
	&method_outlets,
	&method_subscribers,
	&method_events,
	&method_config,
	&method_stats,
	&method_clear,
	&method_warn,
	&method_unwarn,
	&method_warnings,
	&method_add,
	&method_remove,
	&method_reload,
	&method_log,
	&method_version,
	NULL,
};
