#ifndef CONTROL_METHOD_CONTEXT_H
#define CONTROL_METHOD_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/control.h"
#include "control/report.h"
#include "control/rpc.h"
#include "gateway/gateway.h"

/* The context of the methods, one for each client. */
struct method_context {
	struct gateway *gateway;
	const struct control_callbacks *callbacks;
	void *callbacks_context;
	uint64_t started; /* ns since 1970 */
	enum report_view view;
	bool trusted;   /* the client runs as root or as the daemon's user */
	bool following; /* it has called `events` */
};

struct method_context *method_context(const struct rpc_call *call);

/* The connection named by the parameter "name". NULL: it does not exist, and the call is answered. */
struct connection *method_connection(struct rpc_call *call, const json_t *parameters);

/*
 * Answers that settings are invalid: with the first problem as the message, under that name of an
 * error, and all of them in `data`. If there are no problems, the error is the answer.
 */
void method_fail_settings(struct rpc_call *call, const char *name,
	const struct settings_problems *problems, const struct error *error);

#endif
