#ifndef BASE_EVENT_TYPE_H
#define BASE_EVENT_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* The kinds of events that the control socket tells of; wsgated-protocol(7) describes each. */
enum event_type {
	EVENT_TYPE_OPEN,
	EVENT_TYPE_CLOSE,
	EVENT_TYPE_ERROR,
	EVENT_TYPE_REDIRECT,
	EVENT_TYPE_RETRY,
	EVENT_TYPE_GAVE_UP,
	EVENT_TYPE_ON_OPEN_ERROR,
	EVENT_TYPE_EXPIRED,
	EVENT_TYPE_UNSENT,
	EVENT_TYPE_WARNING,
	EVENT_TYPE_ADDED,
	EVENT_TYPE_REMOVED,
	EVENT_TYPE_CHANGED,
	EVENT_TYPE_RELOAD,
	EVENT_TYPE_SUBSCRIBED,
	EVENT_TYPE_UNSUBSCRIBED,
	EVENT_TYPE_LAG,
	EVENT_TYPE_OVERSIZE,
	EVENT_TYPE_UNDELIVERED,
	EVENT_TYPE_INPUT_ERROR,
	EVENT_TYPE_NETWORK,
	EVENT_TYPE_COUNT,
};

/* Its name on the wire. */
const char *event_type_name(enum event_type type);

/* The members of an event. Names and texts are borrowed. */
enum event_member_kind {
	EVENT_MEMBER_NUMBER,
	EVENT_MEMBER_BOOLEAN,
	EVENT_MEMBER_TEXT,     /* a peer may have had a hand in it: not for observers */
	EVENT_MEMBER_OWN_TEXT, /* the daemon's own */
	EVENT_MEMBER_URL,      /* may name a user */
};

struct event_member {
	const char *name;
	enum event_member_kind kind;
	union {
		uint64_t number;
		bool boolean;
		const char *text; /* any bytes */
	};
};

enum { EVENT_MEMBERS_MAX = 8 };

struct event_members {
	unsigned count;
	struct event_member list[EVENT_MEMBERS_MAX];
};

void event_add_number(struct event_members *members, const char *name, uint64_t number);
void event_add_boolean(struct event_members *members, const char *name, bool value);
void event_add_text(struct event_members *members, const char *name, const char *text);
void event_add_own_text(struct event_members *members, const char *name, const char *text);
void event_add_url(struct event_members *members, const char *name, const char *url);

/* Appends them all as a JSON object. */
void event_members_append(struct buffer *out, const struct event_members *members);

#endif
