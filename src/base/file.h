#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

/*
 * Reading files that a person names. Only regular ones are opened, so that no FIFO or device holds
 * up the caller, and the file that is read is the one that was checked. The texts of errors follow
 * the name: "is a FIFO, not a regular file", "cannot be read: Permission denied"; errno says which.
 */

enum file_kinds {
	FILE_REGULAR,
	FILE_OR_PIPE, /* one without a name too: standard input, <(command) */
};

/* A descriptor for reading; -1: an error. */
int file_open(const char *path, enum file_kinds kinds, struct error *error);

/*
 * Appends the content to the buffer, at most `most` bytes; to detect a longer file, ask for one
 * more. A UTF-8 byte order mark in front is left out; one of UTF-16 is an error. What
 * has been read before an error stays in the buffer.
 */
bool file_read_text(const char *path, enum file_kinds kinds, size_t most, struct buffer *text,
	struct error *error);

/* Why no descriptor can be opened at present, as errno says it; 0: one can. */
int file_shortage(void);

/* "a directory", "a FIFO", …: of a mode that stat() gives. */
const char *file_kind(mode_t mode);

#endif
