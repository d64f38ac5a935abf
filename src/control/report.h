#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include <jansson.h>

#include "gateway/gateway.h"

/*
 * The gateway's state as JSON, as wsgated-protocol(7) describes it. Each returns a new value that
 * the caller owns.
 */

/* {"response":…,"info":…} of a call to the server; "response" is missing if there was none. */
json_t *report_call(const struct call_report *call);

/* A line of `list`, and everything. */
json_t *report_connection(const struct connection *connection);
json_t *report_status(const struct connection *connection);

json_t *report_stats(const struct connection *connection);

/* Appends the queued warnings, oldest first. */
void report_warnings(json_t *array, const struct connection *connection);

json_t *report_outlet(const struct outlet *outlet);

/* Appends an object for each subscriber. */
void report_subscribers(json_t *array, const struct outlet *outlet);

json_t *report_changes(const struct gateway_changes *changes);

/* The parameters of an `event` notification. */
json_t *report_event(const struct gateway_event *event);

#endif
