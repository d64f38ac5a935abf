#ifndef GATEWAY_SETTINGS_LINES_H
#define GATEWAY_SETTINGS_LINES_H

#include <stddef.h>

#include "base/strings.h"

/* Where each line of a configuration comes from, which consists of several files. Zero-initialised
 * is empty. */
struct settings_lines {
	unsigned count;           /* lines so far */
	struct string_list files; /* names as problems show them */
	struct settings_run
		*runs; /* private, like its count: lines that follow each other in one file */
	size_t run_count;
};

/* The next line is that one, counted from 1, of a file. */
void settings_lines_add(struct settings_lines *lines, size_t file, unsigned number);

/* The file of a line, counted from 1, and its line there. Line 0: the file that was read first. */
const char *settings_lines_find(const struct settings_lines *lines, unsigned line,
	unsigned *number);
void settings_lines_release(struct settings_lines *lines);

#endif
