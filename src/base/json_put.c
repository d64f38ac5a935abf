#include "base/json_put.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void json_put_quoted(struct buffer *out, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t plain = 0; /* start of the run that needs no escape */

	buffer_append(out, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\')
			continue;
		buffer_append(out, bytes + plain, i - plain);
		plain = i + 1;
		if (bytes[i] == '"' || bytes[i] == '\\')
			buffer_append_format(out, "\\%c", bytes[i]);
		else
			buffer_append_format(out, "\\u%04x", bytes[i]);
	}
	buffer_append(out, bytes + plain, length - plain);
	buffer_append(out, "\"", 1);
}

/* Puts what precedes a value: a comma, the member's name. */
static void json_put_name(struct json_writer *json, const char *name)
{
	if (json->after_value)
		buffer_append(json->out, ",", 1);
	if (name) {
		json_put_quoted(json->out, name, strlen(name));
		buffer_append(json->out, ":", 1);
	}
	json->after_value = true;
}

void json_put_object(struct json_writer *json, const char *name)
{
	json_put_name(json, name);
	buffer_append(json->out, "{", 1);
	json->after_value = false;
}

void json_put_array(struct json_writer *json, const char *name)
{
	json_put_name(json, name);
	buffer_append(json->out, "[", 1);
	json->after_value = false;
}

void json_put_object_end(struct json_writer *json)
{
	buffer_append(json->out, "}", 1);
	json->after_value = true;
}

void json_put_array_end(struct json_writer *json)
{
	buffer_append(json->out, "]", 1);
	json->after_value = true;
}

void json_put_member(struct json_writer *json, const char *name)
{
	json_put_name(json, name);
	json->after_value = false;
}

void json_put_raw(struct json_writer *json, const char *name, const char *text)
{
	json_put_name(json, name);
	buffer_append_text(json->out, text);
}

void json_put_number(struct json_writer *json, const char *name, uint64_t number)
{
	json_put_name(json, name);
	buffer_append_format(json->out, "%" PRIu64, number);
}

void json_put_integer(struct json_writer *json, const char *name, int64_t number)
{
	json_put_name(json, name);
	buffer_append_format(json->out, "%" PRId64, number);
}

void json_put_boolean(struct json_writer *json, const char *name, bool value)
{
	json_put_raw(json, name, value ? "true" : "false");
}

void json_put_null(struct json_writer *json, const char *name)
{
	json_put_raw(json, name, "null");
}

void json_put_real(struct json_writer *json, const char *name, double number)
{
	char text[32];

	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, sizeof(text) - 2, "%.*g", precision, number);
		if (strtod(text, NULL) == number)
			break;
	}
	if (!strpbrk(text, ".e"))
		strcat(text, ".0");
	json_put_raw(json, name, text);
}

void json_put_text(struct json_writer *json, const char *name, const char *text)
{
	char *clean;

	if (!text) {
		json_put_null(json, name);
		return;
	}
	clean = text_clean_copy(text, strlen(text));
	json_put_string(json, name, clean, strlen(clean));
	free(clean);
}

void json_put_string(struct json_writer *json, const char *name, const void *data, size_t length)
{
	json_put_name(json, name);
	json_put_quoted(json->out, data, length);
}
