#ifndef GATEWAY_PLACEHOLDERS_H
#define GATEWAY_PLACEHOLDERS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

/*
 * Placeholders in messages for `on_open`: %n, the name of the connection; %{VARIABLE}, of the
 * environment; and %% for a percent sign.
 */

/* False: a % begins none of them. The error does not show the message. */
bool placeholders_check(const char *message, struct error *error);

/* True if the message, which need not be right, uses the environment. */
bool placeholders_use_environment(const char *message);

/*
 * Appends the message, which must be right, with its placeholders replaced. Returns the first
 * variable that is not set, and nothing stands for: the caller frees it. NULL: all are set.
 */
char *placeholders_expand(struct buffer *out, const char *message, const char *name);

#endif
