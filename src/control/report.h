#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include "base/json_put.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"

/*
 * The gateway's state as JSON, as wsgated-protocol(7) describes it. Each function puts one object;
 * `name` is the member's name, NULL for an item or the whole.
 */

/* The reader. Values that must stay hidden from it are left out, or null. */
enum report_view {
	REPORT_ALL,     /* root and the daemon's user, at the control socket */
	REPORT_CONTROL, /* its other clients: no subprotocol, which may carry a token */
	REPORT_OBSERVED, /* those of the observe socket: nothing that a server has written, no logins */
};

/* --- report_call.c --------------------------------------------------------------------------- */

/* The members "response" and "info" of a call to the server; no "response" if there was none. */
void report_call_members(struct json_writer *json, const struct call_report *call,
	enum report_view view);

/* --- report_connection.c --------------------------------------------------------------------- */

/* An object of `list`, and that of `status`. */
void report_connection(struct json_writer *json, const char *name,
	const struct connection *connection, enum report_view view);
void report_status(struct json_writer *json, const char *name, const struct connection *connection,
	enum report_view view);

/* The same for everybody. */
void report_stats(struct json_writer *json, const char *name, const struct connection *connection,
	enum report_view view);

void report_warning(struct json_writer *json, const char *name, const struct warning *warning,
	const char *connection);

/* --- report_outlet.c ------------------------------------------------------------------------- */

void report_outlet(struct json_writer *json, const char *name, const struct outlet *outlet);
void report_subscriber(struct json_writer *json, const char *name,
	const struct outlet_subscriber_info *info, const char *outlet);

/* --- report_event.c -------------------------------------------------------------------------- */

/* The parameters of an `event` notification. */
void report_event(struct json_writer *json, const char *name, const struct gateway_event *event,
	enum report_view view);

/* The changes of a reload that succeeded. */
void report_reload(struct json_writer *json, const char *name,
	const struct reload_outcome *outcome);

#endif
