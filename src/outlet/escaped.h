#ifndef OUTLET_ESCAPED_H
#define OUTLET_ESCAPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Text as JSON has it between quotes: with escapes, and valid UTF-8. `unchecked`: the text may not
 * be, and gets U+FFFD for what is ill-formed, as of ws_utf8_repair().
 */

size_t escaped_length(const uint8_t *data, size_t length, bool unchecked);

/* Writes escaped_length() bytes, and returns their end. */
uint8_t *escaped_write(uint8_t *out, const uint8_t *data, size_t length, bool unchecked);

#endif
