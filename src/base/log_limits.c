#include "base/log_limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Beyond this number of limits, lines pass unlimited: the queue of the log is bounded, too. */
enum { LOG_LIMITS_MAX = 1 << 16 };

void log_limits_init(struct log_limits *limits)
{
	*limits = (struct log_limits){0};
	TAILQ_INIT(&limits->list);
}

void log_limits_release(struct log_limits *limits)
{
	struct log_limit *limit;

	while ((limit = log_limits_take_ended(limits, UINT64_MAX)))
		log_limit_free(limit);
	names_release(&limits->by_key);
}

static void log_limit_name(struct log_limit *limit, const char *name)
{
	free(limit->name);
	limit->name = alloc_string(name);
	limit->about.name = limit->name;
}

/* Takes the key over. */
static struct log_limit *log_limit_new(struct log_limits *limits, char *key,
	const struct log_subject *about, uint64_t now)
{
	struct log_limit *limit = alloc_zero(1, sizeof(*limit));

	limit->key = key;
	limit->about = *about;
	log_limit_name(limit, about->name);
	limit->end = now + LOG_LIMIT_SECONDS * CLOCK_NS_PER_SECOND;
	names_add(&limits->by_key, limit->key, limit);
	TAILQ_INSERT_TAIL(&limits->list, limit, entry);
	return limit;
}

void log_limit_free(struct log_limit *limit)
{
	free(limit->key);
	free(limit->name);
	free(limit->message);
	free(limit);
}

static uint64_t log_limit_lines(const struct log_limit *limit)
{
	if (limit->about.crowd)
		return LOG_LIMIT_LINES_CROWD;
	return *limit->about.kind ? LOG_LIMIT_LINES : LOG_LIMIT_LINES_DAEMON;
}

bool log_limits_admit(struct log_limits *limits, const struct log_subject *about,
	const char *format, int priority, const char *message, uint64_t now, uint64_t time)
{
	static const struct log_subject nothing = {.kind = "", .name = ""};
	struct log_limit *limit;
	char *key;

	if (!about)
		about = &nothing;
	/* no other name is empty, so this cannot be one of them */
	key = alloc_format("%p %s %s", (const void *)format, about->kind,
		about->crowd ? "" : about->name);
	limit = names_find(&limits->by_key, key);
	if (limit || limits->by_key.count >= LOG_LIMITS_MAX)
		free(key);
	else
		limit = log_limit_new(limits, key, about, now);
	if (!limit || ++limit->count <= log_limit_lines(limit))
		return true;
	free(limit->message);
	limit->message = alloc_string(message);
	if (about->crowd)
		log_limit_name(limit, about->name);
	limit->priority = priority;
	limit->time = time;
	return false;
}

uint64_t log_limits_next(const struct log_limits *limits)
{
	const struct log_limit *first = TAILQ_FIRST(&limits->list);

	return first ? first->end : UINT64_MAX;
}

struct log_limit *log_limits_take_ended(struct log_limits *limits, uint64_t now)
{
	struct log_limit *limit = TAILQ_FIRST(&limits->list);

	if (!limit || limit->end > now)
		return NULL;
	TAILQ_REMOVE(&limits->list, limit, entry);
	names_remove(&limits->by_key, limit->key);
	if (TAILQ_EMPTY(&limits->list))
		names_release(&limits->by_key); /* the table does not shrink by itself */
	return limit;
}

uint64_t log_limit_held(const struct log_limit *limit)
{
	uint64_t lines = log_limit_lines(limit);

	return limit->count > lines ? limit->count - lines : 0;
}
