#ifndef GATEWAY_SETTINGS_SOURCE_H
#define GATEWAY_SETTINGS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"
#include "gateway/settings.h"
#include "gateway/settings_lines.h"

/*
 * The text of a configuration file, with the files that it includes in their place, and where each
 * line comes from. libconfig would open included files by itself: whatever they are, by name once
 * more, ending the process if one is a directory.
 */
struct settings_source {
	struct buffer text;          /* ends with a NUL, has no other */
	struct settings_lines lines; /* also the hook of what libconfig makes of the text */
};

/* False, and the problems say why: a file that cannot be read, or has what libconfig would
 * misread. */
bool settings_source_read(struct settings_source *source, const char *file, enum file_kinds kinds,
	struct settings_problems *problems);
void settings_source_release(struct settings_source *source);

#endif
