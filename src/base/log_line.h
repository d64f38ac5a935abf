#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"

/* Formats lines of the log, and writes them. */

/*
 * Appends the line as it will be written: with its newline, or for the journal one field per line.
 * `message` is clean, as text_clean() has it; `time` is in ns since 1970. `format` is not AUTO.
 */
void log_line_append(struct buffer *out, enum log_format format, int priority,
	const struct log_subject *about, uint64_t time, const char *message);

/* Writes such a line to stderr or the journal, however long that takes. */
void log_line_write(enum log_format format, const char *line, size_t length);

/* "err", "warning", …: of LOG_EMERG to LOG_DEBUG. */
extern const char *const log_line_levels[LOG_DEBUG + 1];

#endif
