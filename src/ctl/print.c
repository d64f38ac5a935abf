#include "ctl/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/text.h"

char *print_clean(const char *text, size_t length)
{
	struct buffer clean = {0};
	uint32_t character;
	size_t i = 0;

	while (i < length) {
		size_t size = text_character(text + i, length - i, &character);

		if (size && text_is_fair(character))
			buffer_append(&clean, text + i, size);
		else if (size && character > 0xff)
			buffer_append_format(&clean, "\\u%04x", (unsigned)character);
		else
			buffer_append_format(&clean, "\\x%02x",
				size ? (unsigned)character : (unsigned char)text[i]);
		i += size ? size : 1;
	}
	buffer_append(&clean, "", 1);
	return alloc_resize(clean.memory, clean.length); /* a table keeps many */
}

char *print_bytes(json_int_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double amount = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024)
		return alloc_format("%lld B", (long long)bytes);
	for (; amount >= 1023.95 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
		amount /= 1024;
	return alloc_format("%.1f %s", amount, units[unit]);
}

/* "3d 4h", "2h 5m", "7m 1s", "12s" */
static char *print_seconds(long long seconds)
{
	if (seconds >= 86400)
		return alloc_format("%lldd %lldh", seconds / 86400, seconds % 86400 / 3600);
	if (seconds >= 3600)
		return alloc_format("%lldh %lldm", seconds / 3600, seconds % 3600 / 60);
	if (seconds >= 60)
		return alloc_format("%lldm %llds", seconds / 60, seconds % 60);
	return alloc_format("%llds", seconds);
}

char *print_microseconds(json_int_t us)
{
	if (us < 1000)
		return alloc_format("%lld µs", (long long)us);
	if (us < 1000000)
		return alloc_format("%.1f ms", (double)us / 1e3);
	if (us < 60000000)
		return alloc_format("%.2f s", (double)us / 1e6);
	return print_seconds((long long)(us / 1000000));
}

/* Seconds since 1970; the fraction (".123456Z") follows at `*rest`. */
static bool print_parse_time(const json_t *time, time_t *seconds, const char **rest)
{
	struct tm utc = {0};

	*rest = json_is_string(time) ? strptime(json_string_value(time), "%Y-%m-%dT%H:%M:%S", &utc)
				     : NULL;
	if (*rest)
		*seconds = timegm(&utc);
	return *rest != NULL;
}

char *print_since(const json_t *time_json)
{
	const char *rest;
	time_t then;

	if (!print_parse_time(time_json, &then, &rest))
		return alloc_string("");
	return print_seconds((long long)(time(NULL) > then ? time(NULL) - then : 0));
}

char *print_time(const json_t *time)
{
	char text[32];
	const char *rest;
	struct tm local;
	time_t then;

	if (!print_parse_time(time, &then, &rest))
		return alloc_string("");
	localtime_r(&then, &local);
	strftime(text, sizeof(text), "%H:%M:%S", &local);
	return alloc_format("%s%.4s", text, rest);
}

json_int_t print_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

char *print_count(const json_t *object, const char *key)
{
	return alloc_format("%lld", (long long)print_number(object, key));
}

char *print_scalar(const json_t *value)
{
	if (!value || json_is_null(value))
		return alloc_string("-");
	if (json_is_string(value))
		return alloc_string(json_string_value(value));
	return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
}

static bool print_ends_with(const char *key, const char *end)
{
	size_t length = strlen(key), end_length = strlen(end);

	return length >= end_length && strcmp(key + length - end_length, end) == 0;
}

static bool print_is_microseconds(const char *key)
{
	return print_ends_with(key, "_us") || strncmp(key, "us_", 3) == 0 ||
		strcmp(key, "timeout") == 0;
}

static bool print_is_bytes(const char *key)
{
	return strncmp(key, "bytes_", 6) == 0 || strcmp(key, "send_queued") == 0;
}

char *print_value(const char *key, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	char *amount = NULL, *text;

	if (json_is_integer(value) && print_is_microseconds(key) && number >= 1000)
		amount = print_microseconds(number);
	else if (json_is_integer(value) && print_is_bytes(key) && number >= 1024)
		amount = print_bytes(number);
	if (!amount)
		return print_scalar(value);
	text = alloc_format("%lld (%s)", (long long)number, amount);
	free(amount);
	return text;
}

char *print_warning(const json_t *warning)
{
	const char *operation = json_string_value(json_object_get(warning, "operation"));
	const char *direction = json_string_value(json_object_get(warning, "dir"));
	char *value, *threshold, *text;

	if (operation) {
		value = print_microseconds(print_number(warning, "us"));
		threshold = print_microseconds(print_number(warning, "timeout"));
		text = alloc_format("%s took %s (threshold %s)", operation, value, threshold);
	} else {
		value = print_bytes((json_int_t)json_number_value(json_object_get(warning,
			"bytes_sec")));
		threshold = print_bytes(print_number(warning, "threshold"));
		text = alloc_format("%s at %s/s (threshold %s/s)", direction ? direction : "?",
			value, threshold);
	}
	free(value);
	free(threshold);
	return text;
}

/* Jansson leaves C1 and bidirectional controls as they are. They are in strings only, and of four
 * digits at most. */
void print_json(FILE *out, const json_t *json)
{
	char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	size_t length = text ? strlen(text) : 0, plain = 0, size;
	uint32_t character;

	for (size_t i = 0; i < length; i += size ? size : 1) {
		size = text_character(text + i, length - i, &character);
		if (size && text_is_fair(character))
			continue;
		fwrite(text + plain, 1, i - plain, out);
		fprintf(out, "\\u%04x", size ? (unsigned)character : 0xfffd);
		plain = i + (size ? size : 1);
	}
	fwrite(text ? text + plain : "", 1, length - plain, out);
	fputs("\n", out);
	free(text);
}
