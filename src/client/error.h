#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "wsgate.h"

/* Keeps the text for wsgate_error() and returns `result`. */
enum wsgate_result wsgate_fail(struct wsgate *gate, enum wsgate_result result, const char *format,
	...) __attribute__((format(printf, 3, 4)));

enum wsgate_result wsgate_fail_memory(struct wsgate *gate);

/*
 * Fails with the text of an error record, truncated if necessary, control characters replaced.
 * Returns WSGATE_ERROR_REFUSED.
 */
enum wsgate_result wsgate_fail_refused(struct wsgate *gate, const uint8_t *text, size_t length);

#endif
