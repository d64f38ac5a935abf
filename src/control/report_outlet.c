#include <stdio.h>
#include <stdlib.h>

#include "control/report_value.h"

static void report_from(struct json_writer *json, const struct outlet *outlet)
{
	const char **sources;
	size_t count;

	sources = gateway_outlet_sources(outlet, &count);
	json_put_array(json, "from");
	for (size_t i = 0; i < count; i++)
		json_put_text(json, NULL, sources[i]);
	json_put_array_end(json);
	free(sources);
}

void report_outlet(struct json_writer *json, const char *name, const struct outlet *outlet)
{
	const struct outlet_settings *settings = outlet_settings(outlet);
	struct outlet_stats stats;
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", (unsigned)settings->mode & 07777);
	outlet_stats(outlet, &stats);
	json_put_object(json, name);
	json_put_text(json, "name", settings->name);
	json_put_text(json, "path", settings->path);
	json_put_text(json, "format", choice_name(outlet_formats, settings->format));
	report_from(json, outlet);
	json_put_text(json, "on_lag", choice_name(outlet_on_lags, settings->on_lag));
	json_put_text(json, "start", choice_name(outlet_starts, settings->start));
	json_put_number(json, "ring", settings->ring);
	json_put_text(json, "mode", mode);
	json_put_text(json, "owner", settings->owner);
	json_put_text(json, "group", settings->group);
	json_put_boolean(json, "writable", settings->writable);
	json_put_number(json, "max_subscribers", settings->max_subscribers);
	json_put_boolean(json, "waiting", stats.waiting);
	report_counters(json, outlet_counters, &stats);
	json_put_object_end(json);
}

/* Null for a subscriber that maps the ring: the daemon does not know where it reads. */
static void report_unless_mapped(struct json_writer *json, const char *name,
	const struct outlet_subscriber_info *info, uint64_t number)
{
	if (info->mapped)
		json_put_null(json, name);
	else
		json_put_number(json, name, number);
}

void report_subscriber(struct json_writer *json, const char *name,
	const struct outlet_subscriber_info *info, const char *outlet)
{
	json_put_object(json, name);
	json_put_text(json, "outlet", outlet);
	json_put_number(json, "id", info->id);
	json_put_integer(json, "pid", info->pid);
	json_put_number(json, "uid", info->uid);
	report_time(json, "since", info->since);
	json_put_text(json, "mode", info->mapped ? "ring" : "bytes");
	json_put_number(json, "sent", info->sent);
	report_unless_mapped(json, "behind", info, info->behind);
	report_unless_mapped(json, "lost", info, info->lost);
	report_unless_mapped(json, "lags", info, info->lags);
	report_time(json, "behind_since", info->behind_since);
	json_put_number(json, "oversize", info->oversize);
	json_put_number(json, "inputs", info->inputs);
	json_put_number(json, "input_errors", info->input_errors);
	json_put_object_end(json);
}
