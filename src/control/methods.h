#ifndef CONTROL_METHODS_H
#define CONTROL_METHODS_H

#include "control/rpc.h"

/* All methods, ended by NULL, as wsgated-protocol(7) describes them. Their context is a struct
 * method_context. */
extern const struct rpc_method *const methods[];

/* methods_connection.c */
extern const struct rpc_method method_disconnect;
extern const struct rpc_method method_is_open;
extern const struct rpc_method method_list;
extern const struct rpc_method method_on_open;
extern const struct rpc_method method_ping;
extern const struct rpc_method method_send;
extern const struct rpc_method method_status;

/* method_connect.c, method_add.c */
extern const struct rpc_method method_connect;
extern const struct rpc_method method_add;
extern const struct rpc_method method_remove;

/* methods_stats.c */
extern const struct rpc_method method_clear;
extern const struct rpc_method method_stats;
extern const struct rpc_method method_unwarn;
extern const struct rpc_method method_warn;
extern const struct rpc_method method_warnings;

/* methods_config.c */
extern const struct rpc_method method_config;

/* methods_daemon.c */
extern const struct rpc_method method_events;
extern const struct rpc_method method_log;
extern const struct rpc_method method_outlets;
extern const struct rpc_method method_reload;
extern const struct rpc_method method_subscribers;
extern const struct rpc_method method_version;

#endif
