#ifndef BASE_LOG_PRIVATE_H
#define BASE_LOG_PRIVATE_H

#include <stddef.h>

#include "base/log.h"

/* Bytes waiting to be written; the thread may hold as many again. */
enum { LOG_QUEUE_MAX = 256 << 10 };

/* Writes one line, however long it takes; called by the thread of the log. */
typedef void log_write_line(enum log_format format, const char *line, size_t length);

/* Like log_new(), but writes with this function instead of to stderr or the journal. */
struct log *log_new_to(log_write_line *write_line, enum log_format format, int level);

#endif
