#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include <jansson.h>

#include "gateway/gateway.h"
#include "gateway/reload.h"

/*
 * The gateway's state as JSON, as wsgated-protocol(7) describes it. Each returns a new value that
 * the caller owns.
 */

/* Who is to see it. */
enum report_view {
	REPORT_ALL,      /* root and the daemon's user, at the control socket */
	REPORT_CONTROL,  /* its other clients: no subprotocol, which may carry a token */
	REPORT_OBSERVED, /* those of the observe socket: nothing that a server has written, no logins */
};

/* {"response":…,"info":…} of a call to the server; "response" is missing if there was none. */
json_t *report_call(const struct call_report *call, enum report_view view);

/* A line of `list`, and everything. */
json_t *report_connection(const struct connection *connection, enum report_view view);
json_t *report_status(const struct connection *connection, enum report_view view);

/* The same for everybody. */
json_t *report_stats(const struct connection *connection, enum report_view view);

json_t *report_warning(const struct warning *warning, const char *connection);

json_t *report_outlet(const struct outlet *outlet);
json_t *report_subscriber(const struct outlet_subscriber_info *info, const char *outlet);

json_t *report_reload(const struct reload_outcome *outcome);

/* The parameters of an `event` notification. */
json_t *report_event(const struct gateway_event *event, enum report_view view);

#endif
