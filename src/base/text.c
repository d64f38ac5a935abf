#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct text_unit {
	const char *suffix;
	uint64_t factor;
};

static const struct text_unit duration_units[] = {
	{"d", 86400 * CLOCK_NS_PER_SECOND},
	{"h", 3600 * CLOCK_NS_PER_SECOND},
	{"m", 60 * CLOCK_NS_PER_SECOND},
	{"s", CLOCK_NS_PER_SECOND},
	{"ms", CLOCK_NS_PER_MS},
	{"us", CLOCK_NS_PER_US},
	{NULL, 0},
};

static const struct text_unit size_units[] = {
	{"", 1},
	{"K", UINT64_C(1) << 10},
	{"M", UINT64_C(1) << 20},
	{"G", UINT64_C(1) << 30},
	{NULL, 0},
};

static bool text_parse_number(const char *text, const struct text_unit *units, uint64_t *value)
{
	unsigned long long number;
	char *suffix;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	number = strtoull(text, &suffix, 10);
	if (errno)
		return false;
	for (; units->suffix; units++) {
		if (strcmp(suffix, units->suffix) == 0)
			return !__builtin_mul_overflow(number, units->factor, value);
	}
	return false;
}

bool text_parse_duration(const char *text, uint64_t *ns)
{
	if (strcmp(text, "0") == 0) {
		*ns = 0;
		return true;
	}
	return text_parse_number(text, duration_units, ns);
}

bool text_parse_size(const char *text, uint64_t *bytes)
{
	return text_parse_number(text, size_units, bytes);
}

void text_format_duration(char text[TEXT_DURATION_SIZE], uint64_t ns)
{
	const struct text_unit *unit;

	for (unit = duration_units; unit->suffix; unit++) {
		if (ns >= unit->factor && ns % unit->factor == 0)
			break;
	}
	if (unit->suffix)
		snprintf(text, TEXT_DURATION_SIZE, "%llu%s",
			(unsigned long long)(ns / unit->factor), unit->suffix);
	else
		snprintf(text, TEXT_DURATION_SIZE, "%.6gs", (double)ns / CLOCK_NS_PER_SECOND);
}

void text_printable(char *out, size_t size, const void *data, size_t length)
{
	static const char cut[] = "...";
	const uint8_t *bytes = data;
	size_t kept = length < size ? length : size - sizeof(cut);

	for (size_t i = 0; i < kept; i++)
		out[i] = bytes[i] >= 0x20 && bytes[i] < 0x7F ? (char)bytes[i] : '?';
	strcpy(out + kept, kept < length ? cut : "");
}

void text_append_json_string(struct buffer *out, const void *data, size_t length)
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

size_t text_base64_length(size_t length)
{
	return (length + 2) / 3 * 4;
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64_encode(char *out, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i + 2 < length; i += 3) {
		*out++ = base64_digits[bytes[i] >> 2];
		*out++ = base64_digits[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];
		*out++ = base64_digits[(bytes[i + 1] & 15) << 2 | bytes[i + 2] >> 6];
		*out++ = base64_digits[bytes[i + 2] & 63];
	}
	if (i == length)
		return;
	*out++ = base64_digits[bytes[i] >> 2];
	if (i + 1 == length) {
		*out++ = base64_digits[(bytes[i] & 3) << 4];
		*out++ = '=';
	} else {
		*out++ = base64_digits[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];
		*out++ = base64_digits[(bytes[i + 1] & 15) << 2];
	}
	*out = '=';
}

/* Four digits to 24 bits; false if one is none. */
static bool text_base64_group(const char *group, size_t count, uint32_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < count ? memchr(base64_digits, group[i], 64) : base64_digits;

		if (!digit)
			return false;
		*bits = *bits << 6 | (uint32_t)(digit - base64_digits);
	}
	return true;
}

bool text_base64_decode(void *out, size_t *length, const char *text)
{
	size_t size = strlen(text);
	size_t padding = 0;
	uint8_t *bytes = out;
	uint32_t bits;

	*length = 0;
	if (size % 4)
		return false;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < size; i += 4) {
		size_t count = i + 4 < size ? 4 : 4 - padding;

		if (!text_base64_group(text + i, count, &bits))
			return false;
		for (size_t k = 0; k + 1 < count; k++)
			bytes[(*length)++] = (uint8_t)(bits >> (16 - 8 * k));
	}
	return true;
}

bool text_is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

bool text_matches(const char *glob, const char *name)
{
	return text_is_glob(glob) ? fnmatch(glob, name, 0) == 0 : strcmp(glob, name) == 0;
}

bool text_is_name(const char *text)
{
	size_t length = strlen(text);

	if (length < 1 || length > 64 || text[0] == '.' || text[0] == '-')
		return false;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		length;
}
