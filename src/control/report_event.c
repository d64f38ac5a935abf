#include "control/report_value.h"

static void report_member(struct json_writer *json, const struct event_member *member,
	enum report_view view)
{
	switch (member->kind) {
	case EVENT_MEMBER_NUMBER:
		json_put_number(json, member->name, member->number);
		break;
	case EVENT_MEMBER_BOOLEAN:
		json_put_boolean(json, member->name, member->boolean);
		break;
	case EVENT_MEMBER_OWN_TEXT:
		json_put_text(json, member->name, member->text);
		break;
	case EVENT_MEMBER_URL:
		report_url(json, member->name, member->text, view);
		break;
	case EVENT_MEMBER_TEXT:
		if (view != REPORT_OBSERVED)
			json_put_text(json, member->name, member->text);
		break;
	}
}

void report_event(struct json_writer *json, const char *name, const struct gateway_event *event,
	enum report_view view)
{
	const struct event_members *members = event->members;

	json_put_object(json, name);
	json_put_text(json, "type", event_type_name(event->type));
	report_time(json, "time", event->time);
	if (event->connection)
		json_put_text(json, "connection", event->connection);
	if (event->outlet)
		json_put_text(json, "outlet", event->outlet);
	if (event->warning)
		report_warning(json, "warning", event->warning, event->connection);
	for (unsigned i = 0; members && i < members->count; i++)
		report_member(json, &members->list[i], view);
	json_put_object_end(json);
}

void report_reload(struct json_writer *json, const char *name, const struct reload_outcome *outcome)
{
	const struct gateway_changes *changes = &outcome->changes;

	json_put_object(json, name);
	json_put_number(json, "added", changes->added);
	json_put_number(json, "removed", changes->removed);
	json_put_number(json, "changed", changes->changed);
	json_put_number(json, "unchanged", changes->unchanged);
	json_put_number(json, "outlets_added", changes->outlets_added);
	json_put_number(json, "outlets_removed", changes->outlets_removed);
	json_put_number(json, "outlets_changed", changes->outlets_changed);
	report_texts(json, "restart", &outcome->restart);
	report_texts(json, "warnings", &outcome->problems.warnings);
	json_put_object_end(json);
}
