#ifndef GATEWAY_SETTINGS_EFFECTIVE_H
#define GATEWAY_SETTINGS_EFFECTIVE_H

#include "base/json_put.h"
#include "gateway/settings.h"

/* The settings in force, one at a time, with where their values come from. */

struct settings_item {
	const char *name; /* dotted: "ping.interval" */
	const char *url;  /* of a URL that is set: without user, password and query */
	struct settings_origin origin;

	const struct setting *setting; /* private, like the next one */
	const void *member;
};

/* Puts its value as JSON: texts as the file would have them, "***" for what may be a secret, null
 * for what is not set. */
void settings_item_put(const struct settings_item *item, struct json_writer *json,
	const char *name);

/* All of it is borrowed for the time of the call. */
typedef void settings_visit(const struct settings_item *item, void *context);

void gateway_settings_visit(const struct settings *settings, settings_visit *visit, void *context);
void connection_config_visit(const struct connection_config *connection, settings_visit *visit,
	void *context);
void outlet_config_visit(const struct outlet_config *outlet, settings_visit *visit, void *context);

#endif
