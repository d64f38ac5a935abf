#ifndef BASE_LOG_PRIVATE_H
#define BASE_LOG_PRIVATE_H

#include <stddef.h>

#include "base/log.h"

/* Bytes that wait to be written; as many again are in the hands of the thread. */
enum { LOG_QUEUE_MAX = 256 << 10 };

/* Writes one line, however long it takes; called by the thread of the log. */
typedef void log_write_line(enum log_format format, const char *line, size_t length);

/* As log_new(), with something else than stderr and the journal to write to. */
struct log *log_new_to(log_write_line *write_line, enum log_format format, int level);

#endif
