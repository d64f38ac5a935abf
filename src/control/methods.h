#ifndef CONTROL_METHODS_H
#define CONTROL_METHODS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/control.h"
#include "control/report.h"
#include "control/rpc.h"
#include "gateway/gateway.h"

/* What the methods work on, and for whom: the context of each rpc_session. */
struct method_context {
	struct gateway *gateway;
	const struct control_callbacks *callbacks;
	uint64_t started; /* ns since 1970 */
	enum report_view view;
	bool trusted;   /* runs as root or as the daemon's user */
	bool following; /* has called `events` */
};

/* All methods, as wsgated-protocol(7) describes them. */
extern const struct rpc_method methods[];

/* Of a call's session. */
struct method_context *methods_context(const struct rpc_call *call);

/* The connection that the parameter "name" names; NULL: the call has been answered that there is
 * none. */
struct connection *methods_connection(struct rpc_call *call, const json_t *parameters);

/*
 * Answers that the settings are wrong: the first problem as the message, under that name of an
 * error, all of them in `data`. If there are none, the error is the answer.
 */
void methods_fail_settings(struct rpc_call *call, const char *name,
	const struct settings_problems *problems, const struct error *error);

/* methods_connection.c: those about one connection, or about each. */
void methods_connect(struct rpc_call *call, json_t *parameters);
void methods_disconnect(struct rpc_call *call, json_t *parameters);
void methods_is_open(struct rpc_call *call, json_t *parameters);
void methods_send(struct rpc_call *call, json_t *parameters);
void methods_ping(struct rpc_call *call, json_t *parameters);
void methods_on_open(struct rpc_call *call, json_t *parameters);
void methods_list(struct rpc_call *call, json_t *parameters);
void methods_status(struct rpc_call *call, json_t *parameters);
void methods_add(struct rpc_call *call, json_t *parameters);
void methods_remove(struct rpc_call *call, json_t *parameters);

/* methods_counts.c: statistics and warnings. */
void methods_stats(struct rpc_call *call, json_t *parameters);
void methods_clear(struct rpc_call *call, json_t *parameters);
void methods_warn(struct rpc_call *call, json_t *parameters);
void methods_unwarn(struct rpc_call *call, json_t *parameters);
void methods_warnings(struct rpc_call *call, json_t *parameters);

#endif
