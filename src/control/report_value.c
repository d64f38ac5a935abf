#include "control/report_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

void report_time(struct json_writer *json, const char *name, uint64_t time)
{
	char text[CLOCK_TEXT_SIZE];

	if (time)
		clock_format(text, time);
	json_put_text(json, name, time ? text : NULL);
}

void report_text_or_null(struct json_writer *json, const char *name, const char *text)
{
	json_put_text(json, name, text && *text ? text : NULL);
}

void report_url(struct json_writer *json, const char *name, const char *url, enum report_view view)
{
	const char *authority = url ? strstr(url, "://") : NULL;
	const char *user, *host;
	char *text;

	if (!authority || view != REPORT_OBSERVED) {
		report_text_or_null(json, name, url);
		return;
	}
	user = authority + strlen("://");
	host = memrchr(user, '@', strcspn(user, "/"));
	text = alloc_format("%.*s%s", (int)(user - url), url, host ? host + 1 : user);
	json_put_text(json, name, text);
	free(text);
}

void report_json(struct json_writer *json, const char *name, const char *text)
{
	json_put_raw(json, name, text ? text : "null");
}

void report_texts(struct json_writer *json, const char *name, const struct string_list *texts)
{
	json_put_array(json, name);
	for (size_t i = 0; i < texts->count; i++)
		json_put_text(json, NULL, texts->items[i]);
	json_put_array_end(json);
}

void report_counters(struct json_writer *json, const struct counter *counters, const void *numbers)
{
	for (; counters->name; counters++)
		json_put_number(json, counters->name, counter_value(counters, numbers));
}
