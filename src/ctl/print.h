#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Values as text for people. Text from peers is made harmless for a terminal.
 * Returned strings are the caller's to free.
 */

/* The text with control characters and bytes that are not UTF-8 as "\x1b", bidirectional controls
 * as "\u202e". */
char *print_clean(const char *text, size_t length);

char *print_bytes(json_int_t bytes);     /* "1.2 MiB" */
char *print_microseconds(json_int_t us); /* "12.3 ms" */
char *print_since(const json_t *time);   /* an RFC 3339 time as "3h 12m" ago; "" for null */
char *print_time(const json_t *time);    /* an RFC 3339 time as a local "17:53:00.123" */
char *print_scalar(const json_t *value); /* a string as it is, else its JSON; "-" for null */

/* An integer member, 0 if there is none; and the same in digits. */
json_int_t print_number(const json_t *object, const char *key);
char *print_count(const json_t *object, const char *key);

/* A warning as "connect took 6.10 s (threshold 5.00 s)". */
char *print_warning(const json_t *warning);

/* A member's value; amounts also with their unit, which the key tells: "123456 (120.6 KiB)". */
char *print_value(const char *key, const json_t *value);

/* One compact line. Of what could deceive a reader's eyes or terminal there are escapes, "\u009b". */
void print_json(FILE *out, const json_t *json);

#endif
