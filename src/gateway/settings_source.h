#ifndef GATEWAY_SETTINGS_SOURCE_H
#define GATEWAY_SETTINGS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"
#include "gateway/settings.h"

/*
 * The text of a configuration file, with the files that it includes in their place, and where each
 * line comes from. libconfig would open included files by itself: whatever they are, by name once
 * more, ending the process if one is a directory.
 */
struct settings_source {
	struct buffer text; /* ends with a NUL, has no other */
	unsigned lines;     /* in the text so far */
	struct string_list files; /* names as problems show them */
	struct settings_run *runs; /* lines of the text that follow each other in one file */
	size_t run_count;
};

/* False, and the problems say why: a file that cannot be read, or has what libconfig would
 * misread. */
bool settings_source_read(struct settings_source *source, const char *file, enum file_kinds kinds,
	struct settings_problems *problems);
void settings_source_release(struct settings_source *source);

/* Where a line of the text, counted from 1, stands. Line 0: the file that was read first. */
const char *settings_source_place(const struct settings_source *source, unsigned line,
	unsigned *number);

#endif
