#include "gateway/hold.h"

enum { HOLD_EXPIRED_MAX = 4096 }; /* dropped in one go: there can be millions */

static void hold_on_timer(void *context);

/* The queue that the oldest message is in. */
static struct ws_message_queue *hold_front(struct hold *hold)
{
	return hold->returned.count ? &hold->returned : &hold->messages;
}

size_t hold_count(const struct hold *hold)
{
	return hold->returned.count + hold->messages.count;
}

size_t hold_size(const struct hold *hold)
{
	return ws_message_queue_size(&hold->returned) + ws_message_queue_size(&hold->messages);
}

static void hold_arm_timer(struct hold *hold)
{
	struct ws_outgoing oldest;

	if (!ws_message_queue_first(hold_front(hold), &oldest)) {
		timer_clear(&hold->timer);
		return;
	}
	timer_set_at(&hold->timer, hold->timers, oldest.time + hold->age_max, hold_on_timer, hold);
}

bool hold_first(struct hold *hold, struct ws_outgoing *oldest)
{
	uint64_t now = timers_now(hold->timers);
	size_t expired = 0;
	bool fresh;

	while (ws_message_queue_first(hold_front(hold), oldest)) {
		fresh = oldest->time + hold->age_max > now;
		if (fresh || expired == HOLD_EXPIRED_MAX)
			break;
		ws_message_queue_drop_first(hold_front(hold));
		expired++;
	}
	if (expired)
		hold->expired(expired, hold->context);
	return hold_count(hold) && fresh;
}

static void hold_on_timer(void *context)
{
	struct hold *hold = context;
	struct ws_outgoing oldest;

	hold_first(hold, &oldest);
	hold_arm_timer(hold);
}

void hold_init(struct hold *hold, struct timers *timers,
	void (*expired)(size_t messages, void *context), void *context)
{
	*hold = (struct hold){.timers = timers, .expired = expired, .context = context};
}

void hold_release(struct hold *hold)
{
	timer_clear(&hold->timer);
	ws_message_queue_release(&hold->returned);
	ws_message_queue_release(&hold->messages);
}

void hold_set_limits(struct hold *hold, const char *limit, uint64_t bytes, uint64_t age)
{
	hold->limit = limit;
	hold->bytes_max = bytes;
	hold->age_max = age;
	hold_arm_timer(hold);
}

bool hold_take(struct hold *hold, struct ws_outgoing *message, struct error *error)
{
	size_t size = message->length + WS_MESSAGE_QUEUE_OVERHEAD;

	if (size > hold->bytes_max)
		return error_set(error, ERROR_WEBSOCKET,
			"a message of %zu bytes, with %d bytes to keep it, is larger than %s "
			"(%llu bytes)",
			message->length, WS_MESSAGE_QUEUE_OVERHEAD, hold->limit,
			(unsigned long long)hold->bytes_max);
	if (hold_size(hold) + size > hold->bytes_max)
		return error_set(error, ERROR_WEBSOCKET,
			"the connection is not ready, and no more can be held for it: %zu messages "
			"take %zu of %llu bytes",
			hold_count(hold), hold_size(hold), (unsigned long long)hold->bytes_max);
	if (!message->time)
		message->time = timers_now(hold->timers);
	ws_message_queue_append(&hold->messages, message);
	if (hold_count(hold) == 1)
		hold_arm_timer(hold);
	return true;
}

/* All of them at once if none has to be dropped, which may be millions. */
static void hold_move_kept(struct ws_message_queue *from, struct ws_message_queue *to, size_t room)
{
	struct ws_outgoing first;

	if (from->kept == from->count && ws_message_queue_size(from) <= room) {
		ws_message_queue_join(to, from);
		return;
	}
	while (from->kept && ws_message_queue_first(from, &first)) {
		if (first.keep &&
			ws_message_queue_size(to) + WS_MESSAGE_QUEUE_OVERHEAD + first.length > room)
			break;
		if (first.keep)
			ws_message_queue_append(to, &first);
		ws_message_queue_drop_first(from);
	}
	ws_message_queue_release(from);
}

struct ws_endpoint_unsent hold_return(struct hold *hold, struct ws_message_queue *queue)
{
	size_t size = hold_size(hold);
	struct ws_message_queue kept = {0};
	struct ws_endpoint_unsent result;

	hold_move_kept(queue, &kept, size < hold->bytes_max ? hold->bytes_max - size : 0);
	result.messages = kept.count;
	result.bytes = ws_message_queue_size(&kept) - kept.count * WS_MESSAGE_QUEUE_OVERHEAD;
	ws_message_queue_join(&kept, &hold->returned);
	hold->returned = kept;
	hold_arm_timer(hold);
	return result;
}

void hold_drop_all(struct hold *hold)
{
	ws_message_queue_release(&hold->returned);
	ws_message_queue_release(&hold->messages);
}

void hold_drop_first(struct hold *hold)
{
	ws_message_queue_drop_first(hold_front(hold));
}
