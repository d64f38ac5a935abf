#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* "250ms", "5s", "2m", "1h", "1d" to nanoseconds; a bare "0" too. False when it is none of these. */
bool text_parse_duration(const char *text, uint64_t *ns);

/* "512", "64K", "1M", "2G" (powers of 1,024) to bytes. False when it is none of these. */
bool text_parse_size(const char *text, uint64_t *bytes);

/* The shortest of the spellings above that is exact: 90 s is "90s", 60 s is "1m". */
enum { TEXT_DURATION_SIZE = 32 };
void text_format_duration(char text[TEXT_DURATION_SIZE], uint64_t ns);

/*
 * Quotes what a peer sent for the text of an error: at most size - 1 characters, cut with "..." if
 * there is more, and '?' for what is not printable ASCII.
 */
void text_printable(char *out, size_t size, const void *data, size_t length);

/* Appends the bytes as a JSON string, quotes included. They must be UTF-8. */
void text_append_json_string(struct buffer *out, const void *data, size_t length);

/* The bytes that base64 of `length` bytes takes (RFC 4648, padded), and the encoding itself. */
size_t text_base64_length(size_t length);
void text_base64_encode(char *out, const void *data, size_t length);

/* The other way round, padding demanded; `out` holds strlen(text) / 4 * 3 bytes. False when the
 * text is not base64. */
bool text_base64_decode(void *out, size_t *length, const char *text);

/* Whether it has any of the characters that make a shell pattern of a name. */
bool text_is_glob(const char *text);

/* Whether `name` matches the shell pattern `glob`, as fnmatch(3), or is that name. */
bool text_matches(const char *glob, const char *name);

/* Names of connections and outlets: 1 to 64 of A-Z a-z 0-9 . _ -, and no dot or dash in front. */
bool text_is_name(const char *text);

#endif
