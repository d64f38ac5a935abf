#ifndef CONTROL_JSON_CONFIG_H
#define CONTROL_JSON_CONFIG_H

#include <jansson.h>
#include <libconfig.h>
#include <stdbool.h>

#include "base/error.h"

/*
 * Fills a libconfig group from a JSON object, so that settings have one reader wherever they come
 * from. An array of scalars of one type becomes a libconfig array, any other a list; null is a
 * setting that is not there. Fails on a name that libconfig does not allow.
 */
bool json_config_fill(config_setting_t *group, const json_t *object, struct error *error);

#endif
