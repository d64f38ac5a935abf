#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* "250ms", "5s", "2m", "1h", "1d" to nanoseconds; a bare "0" too. False for anything else. */
bool text_parse_duration(const char *text, uint64_t *ns);

/* "512", "64K", "1M", "2G" (powers of 1,024) to bytes. False for anything else. */
bool text_parse_size(const char *text, uint64_t *bytes);

/* The shortest of the spellings above that is exact: 90 s is "90s", 60 s is "1m". */
enum { TEXT_DURATION_SIZE = 32 };
void text_format_duration(char text[TEXT_DURATION_SIZE], uint64_t ns);

/* The same for sizes: 1,048,576 bytes are "1M". */
enum { TEXT_SIZE_SIZE = 32 };
void text_format_size(char text[TEXT_SIZE_SIZE], uint64_t bytes);

/*
 * Quotes what a peer sent for the text of an error: at most size - 1 characters, cut with "..." if
 * there is more, and '?' for what is not printable ASCII.
 */
void text_printable(char *out, size_t size, const void *data, size_t length);

/*
 * Cleans text of foreign origin for a log, an event or a response: U+FFFD for each
 * byte that is not UTF-8, and for what would deceive a reader's eyes or terminal (C1 controls,
 * bidirectional controls, the separators U+2028 and U+2029); a space for C0 controls and DEL. With
 * its NUL it takes at most `size` bytes, and is not cut within a character. Returns its length.
 */
size_t text_clean(char *out, size_t size, const char *text, size_t length);

/* The whole of it, in new memory that the caller frees. */
char *text_clean_copy(const char *text, size_t length);

/* As text_clean(), of what vsnprintf(3) makes: at most TEXT_FORMAT_MAX bytes, before the cleaning. */
enum { TEXT_FORMAT_MAX = 2048 };
size_t text_clean_format(char *out, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

/* The length of the text, or of its front that has at most `limit` bytes and only whole characters:
 * for "%.*s". */
int text_cut(const char *text, size_t limit);

/* The length without a character at the end of which the rest is missing. */
size_t text_whole(const char *text, size_t length);

/* The length of the UTF-8 character at the front (RFC 3629, section 4), and its code point; 0 if
 * there is no valid one. `length` must not be 0. */
size_t text_character(const char *text, size_t length, uint32_t *character);

/* True if text_clean() keeps the character, as it cannot deceive a reader. */
bool text_is_fair(uint32_t character);

/* The bytes that base64 of `length` bytes takes (RFC 4648, padded), and the encoding itself. */
size_t text_base64_length(size_t length);
void text_base64_encode(char *out, const void *data, size_t length);

/* The other way round, padding demanded; `out` holds strlen(text) / 4 * 3 bytes. False when the
 * text is not base64. */
bool text_base64_decode(void *out, size_t *length, const char *text);

/* True if it has any character that makes a name a shell pattern. */
bool text_is_glob(const char *text);

/* True if `name` matches the shell pattern `glob`, as fnmatch(3), or equals it. */
bool text_matches(const char *glob, const char *name);

/* Names of connections and outlets: 1 to 64 of A-Z a-z 0-9 . _ -, and no dot or dash in front. */
bool text_is_name(const char *text);

/* Not fewer values than the JSON text has, keys left out: how much parsing it will cost, without
 * doing so. It need not be JSON. */
size_t text_count_json_values(const char *text, size_t length);

#endif
