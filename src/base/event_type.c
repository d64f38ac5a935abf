#include "base/event_type.h"

#include <assert.h>

#include "base/json_put.h"

static const char *const event_type_names[EVENT_TYPE_COUNT] = {
	[EVENT_TYPE_OPEN] = "open",
	[EVENT_TYPE_CLOSE] = "close",
	[EVENT_TYPE_ERROR] = "error",
	[EVENT_TYPE_REDIRECT] = "redirect",
	[EVENT_TYPE_RETRY] = "retry",
	[EVENT_TYPE_GAVE_UP] = "gave-up",
	[EVENT_TYPE_ON_OPEN_ERROR] = "on-open-error",
	[EVENT_TYPE_EXPIRED] = "expired",
	[EVENT_TYPE_UNSENT] = "unsent",
	[EVENT_TYPE_WARNING] = "warning",
	[EVENT_TYPE_ADDED] = "added",
	[EVENT_TYPE_REMOVED] = "removed",
	[EVENT_TYPE_CHANGED] = "changed",
	[EVENT_TYPE_RELOAD] = "reload",
	[EVENT_TYPE_SUBSCRIBED] = "subscribed",
	[EVENT_TYPE_UNSUBSCRIBED] = "unsubscribed",
	[EVENT_TYPE_LAG] = "lag",
	[EVENT_TYPE_OVERSIZE] = "oversize",
	[EVENT_TYPE_UNDELIVERED] = "undelivered",
	[EVENT_TYPE_INPUT_ERROR] = "input-error",
	[EVENT_TYPE_NETWORK] = "network",
};

const char *event_type_name(enum event_type type)
{
	return event_type_names[type];
}

static struct event_member *event_add(struct event_members *members, const char *name,
	enum event_member_kind kind)
{
	struct event_member *member = &members->list[members->count++];

	assert(members->count <= EVENT_MEMBERS_MAX);
	member->name = name;
	member->kind = kind;
	return member;
}

void event_add_number(struct event_members *members, const char *name, uint64_t number)
{
	event_add(members, name, EVENT_MEMBER_NUMBER)->number = number;
}

void event_add_boolean(struct event_members *members, const char *name, bool value)
{
	event_add(members, name, EVENT_MEMBER_BOOLEAN)->boolean = value;
}

void event_add_text(struct event_members *members, const char *name, const char *text)
{
	event_add(members, name, EVENT_MEMBER_TEXT)->text = text;
}

void event_add_own_text(struct event_members *members, const char *name, const char *text)
{
	event_add(members, name, EVENT_MEMBER_OWN_TEXT)->text = text;
}

void event_add_url(struct event_members *members, const char *name, const char *url)
{
	event_add(members, name, EVENT_MEMBER_URL)->text = url;
}

static void event_member_put(struct json_writer *json, const struct event_member *member)
{
	switch (member->kind) {
	case EVENT_MEMBER_NUMBER:
		json_put_number(json, member->name, member->number);
		break;
	case EVENT_MEMBER_BOOLEAN:
		json_put_boolean(json, member->name, member->boolean);
		break;
	case EVENT_MEMBER_TEXT:
	case EVENT_MEMBER_OWN_TEXT:
	case EVENT_MEMBER_URL:
		json_put_text(json, member->name, member->text);
		break;
	}
}

void event_members_append(struct buffer *out, const struct event_members *members)
{
	struct json_writer json = {out, false};

	json_put_object(&json, NULL);
	for (unsigned i = 0; i < members->count; i++)
		event_member_put(&json, &members->list[i]);
	json_put_object_end(&json);
}
