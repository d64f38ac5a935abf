#ifndef GATEWAY_SETTINGS_SOURCE_H
#define GATEWAY_SETTINGS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"
#include "gateway/settings.h"
#include "gateway/settings_lines.h"

/*
 * The text of a configuration file, with included files inserted in place, and the origin of each
 * line. libconfig would open included files by itself: by name once more, of any type, and would
 * end the process if one is a directory.
 */
struct settings_source {
	struct buffer text;          /* ends with a NUL, and contains no other */
	struct settings_lines lines; /* also the hook of the configuration parsed from the text */
};

/* Returns false, and adds problems, if a file cannot be read, or has content that libconfig would
 * misread. */
bool settings_source_read(struct settings_source *source, const char *file, enum file_kinds kinds,
	struct settings_problems *problems);
void settings_source_release(struct settings_source *source);

#endif
