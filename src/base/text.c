#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
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

void text_format_size(char text[TEXT_SIZE_SIZE], uint64_t bytes)
{
	const struct text_unit *largest = size_units;

	for (const struct text_unit *unit = size_units; unit->suffix; unit++) {
		if (bytes >= unit->factor && bytes % unit->factor == 0)
			largest = unit;
	}
	snprintf(text, TEXT_SIZE_SIZE, "%llu%s", (unsigned long long)(bytes / largest->factor),
		largest->suffix);
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

/* --- UTF-8 --------------------------------------------------------------------------------- */

/* The length of the character of several bytes that the byte begins; 0 if it begins none. */
static size_t text_lead_length(uint8_t byte)
{
	if (byte < 0xC2 || byte > 0xF4)
		return 0;
	return byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

size_t text_character(const char *text, size_t length, uint32_t *character)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000}; /* of that length */
	const uint8_t *bytes = (const uint8_t *)text;
	size_t size = bytes[0] < 0x80 ? 1 : text_lead_length(bytes[0]);

	if (size == 0 || size > length)
		return 0;
	*character = size == 1 ? bytes[0] : bytes[0] & (0x7Fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
		*character = *character << 6 | (bytes[i] & 0x3F);
	}
	if (*character < lowest[size] || *character > 0x10FFFF ||
		(*character >= 0xD800 && *character <= 0xDFFF))
		return 0;
	return size;
}

/* C0 and C1 controls, DEL, line and paragraph separators, and Unicode's Bidi_Control. */
bool text_is_fair(uint32_t character)
{
	return character >= 0x20 && (character < 0x7F || character >= 0xA0) &&
		character != 0x061C && character != 0x200E && character != 0x200F &&
		(character < 0x2028 || character > 0x202E) &&
		(character < 0x2066 || character > 0x2069);
}

/* The replacement for a character or byte that begins with this byte. */
static const char *text_substitute(uint8_t byte)
{
	return byte < 0x20 || byte == 0x7F ? " " : "\xef\xbf\xbd";
}

size_t text_clean(char *out, size_t size, const char *text, size_t length)
{
	size_t written = 0, taken;
	uint32_t character;

	for (size_t i = 0; i < length; i += taken ? taken : 1) {
		const char *from = text + i;
		size_t kept = taken = text_character(from, length - i, &character);

		if (!taken || !text_is_fair(character)) {
			from = text_substitute((uint8_t)*from);
			kept = strlen(from);
		}
		if (kept >= size - written)
			break;
		memcpy(out + written, from, kept);
		written += kept;
	}
	out[written] = '\0';
	return written;
}

char *text_clean_copy(const char *text, size_t length)
{
	size_t size = 3 * length + 1; /* if all of it is replaced */
	char *clean = alloc_zero(1, size);

	text_clean(clean, size, text, length);
	return clean;
}

size_t text_whole(const char *text, size_t length)
{
	for (size_t back = 1; back <= 3 && back <= length; back++) {
		if (text_lead_length((uint8_t)text[length - back]) > back)
			return length - back;
	}
	return length;
}

size_t text_clean_format(char *out, size_t size, const char *format, va_list arguments)
{
	char text[TEXT_FORMAT_MAX + 1];
	int length = vsnprintf(text, sizeof(text), format, arguments);

	if (length < 0)
		length = 0;
	if (length > TEXT_FORMAT_MAX)
		return text_clean(out, size, text, text_whole(text, TEXT_FORMAT_MAX));
	return text_clean(out, size, text, (size_t)length);
}

int text_cut(const char *text, size_t limit)
{
	size_t length = strnlen(text, limit + 1);

	return (int)(length > limit ? text_whole(text, limit) : length);
}

/* --- base64 --------------------------------------------------------------------------------- */

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

/* Decodes four digits to 24 bits; false if one is invalid. */
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
	const size_t plain = strcspn(glob, "*?[\\");

	/* Usually the plain prefix differs already, and fnmatch() is slow. */
	if (!text_is_glob(glob))
		return strcmp(glob, name) == 0;
	return strncmp(glob, name, plain) == 0 &&
		(strcmp(glob + plain, "*") == 0 || fnmatch(glob + plain, name + plain, 0) == 0);
}

bool text_is_name(const char *text)
{
	size_t length = strlen(text);

	if (length < 1 || length > 64 || text[0] == '.' || text[0] == '-')
		return false;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		length;
}

size_t text_count_json_values(const char *text, size_t length)
{
	bool quoted = false;
	size_t count = 1;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else
			count += text[i] == ',' || text[i] == '[' || text[i] == '{';
	}
	return count;
}
