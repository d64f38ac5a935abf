#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/cookies.h"

/* RFC 6265, section 5.1.1: tokens in any order, the first of each kind counts. */
struct cookie_date {
	struct tm time;
	bool has_time, has_day, has_month, has_year;
};

/* A number of so many digits, after which comes none. */
static bool date_number(const char *text, size_t least, size_t most, int *number)
{
	size_t length = strspn(text, "0123456789");

	return length >= least && length <= most && sscanf(text, "%d", number) == 1;
}

static bool date_take_time(struct tm *time, const char *token)
{
	int length = 0;

	return isdigit((unsigned char)token[0]) &&
		sscanf(token, "%2d:%2d:%2d%n", &time->tm_hour, &time->tm_min, &time->tm_sec,
			&length) == 3 &&
		!isdigit((unsigned char)token[length]);
}

static bool date_take_month(struct tm *time, const char *token)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int i = 0; i < 12; i++) {
		if (strncasecmp(token, months + 3 * i, 3) == 0) {
			time->tm_mon = i;
			return true;
		}
	}
	return false;
}

static bool date_take_year(struct tm *time, const char *token)
{
	int year;

	if (!date_number(token, 2, 4, &year))
		return false;
	if (year < 100)
		year += year < 70 ? 2000 : 1900;
	time->tm_year = year - 1900;
	return true;
}

static void date_take_token(struct cookie_date *date, const char *token)
{
	if (!date->has_time && date_take_time(&date->time, token))
		date->has_time = true;
	else if (!date->has_day && date_number(token, 1, 2, &date->time.tm_mday))
		date->has_day = true;
	else if (!date->has_month && date_take_month(&date->time, token))
		date->has_month = true;
	else if (!date->has_year && date_take_year(&date->time, token))
		date->has_year = true;
}

static bool date_is_delimiter(char c)
{
	return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') ||
		(c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool cookies_parse_date(const char *text, int64_t *seconds)
{
	struct cookie_date date = {0};
	char token[32];
	size_t length;

	while (*text) {
		for (length = 0; text[length] && !date_is_delimiter(text[length]);)
			length++;
		snprintf(token, sizeof(token), "%.*s", (int)length, text);
		if (length)
			date_take_token(&date, token);
		text += length ? length : 1;
	}
	if (!date.has_time || !date.has_day || !date.has_month || !date.has_year ||
		date.time.tm_mday < 1 || date.time.tm_mday > 31 || date.time.tm_year < -299 ||
		date.time.tm_hour > 23 || date.time.tm_min > 59 || date.time.tm_sec > 59)
		return false;
	*seconds = timegm(&date.time);
	return true;
}
