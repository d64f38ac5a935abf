#ifndef CONTROL_REPORT_VALUE_H
#define CONTROL_REPORT_VALUE_H

#include "base/counter.h"
#include "base/json_put.h"
#include "base/strings.h"
#include "control/report.h"

/* Values that reports consist of. */

/* A time since 1970 in ns; null for 0. */
void report_time(struct json_writer *json, const char *name, uint64_t time);

/* Null for "" and for NULL. */
void report_text_or_null(struct json_writer *json, const char *name, const char *text);

/* A URL as it may be shown; an observer sees no user name either. Null for "" and for NULL. */
void report_url(struct json_writer *json, const char *name, const char *url, enum report_view view);

/* Text that is JSON already; null for NULL. */
void report_json(struct json_writer *json, const char *name, const char *text);

void report_texts(struct json_writer *json, const char *name, const struct string_list *texts);

/* A member for each counter of the table. */
void report_counters(struct json_writer *json, const struct counter *counters, const void *numbers);

#endif
