#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/*
 * Appends JSON to a buffer, a value at a time, commas included. Begins as {&buffer, false}.
 * `name` is the member's name, UTF-8; NULL in an array and at the top.
 */
struct json_writer {
	struct buffer *out;
	bool after_value; /* private */
};

void json_put_object(struct json_writer *json, const char *name);
void json_put_array(struct json_writer *json, const char *name);
void json_put_object_end(struct json_writer *json);
void json_put_array_end(struct json_writer *json);

/* A member whose value follows, put without a name. */
void json_put_member(struct json_writer *json, const char *name);

void json_put_number(struct json_writer *json, const char *name, uint64_t number);
void json_put_integer(struct json_writer *json, const char *name, int64_t number);
void json_put_boolean(struct json_writer *json, const char *name, bool value);
void json_put_null(struct json_writer *json, const char *name);

/* A finite number, in the shortest text that gives it back; never mistaken for an integer. */
void json_put_real(struct json_writer *json, const char *name, double number);

/* A value that is JSON already. */
void json_put_raw(struct json_writer *json, const char *name, const char *text);

/* Text from anywhere, as text_clean() leaves it; null for NULL. */
void json_put_text(struct json_writer *json, const char *name, const char *text);

/* The bytes as they are, escaped as JSON demands; they must be UTF-8. */
void json_put_string(struct json_writer *json, const char *name, const void *data, size_t length);

#endif
