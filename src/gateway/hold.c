#include "gateway/hold.h"

enum { HOLD_EXPIRED_MAX = 4096 }; /* dropped in one go: there can be millions */

static void hold_on_timer(void *context);

static void hold_arm_timer(struct hold *hold)
{
	struct ws_outgoing oldest;

	if (!ws_message_queue_first(&hold->messages, &oldest)) {
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

	while (ws_message_queue_first(&hold->messages, oldest)) {
		fresh = oldest->time + hold->age_max > now;
		if (fresh || expired == HOLD_EXPIRED_MAX)
			break;
		ws_message_queue_drop_first(&hold->messages);
		expired++;
	}
	if (expired)
		hold->expired(expired, hold->context);
	return hold->messages.count && fresh;
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
	if (ws_message_queue_size(&hold->messages) + size > hold->bytes_max)
		return error_set(error, ERROR_WEBSOCKET,
			"the connection is not ready, and no more can be held for it: %zu messages "
			"take %zu of %llu bytes",
			hold->messages.count, ws_message_queue_size(&hold->messages),
			(unsigned long long)hold->bytes_max);
	message->time = timers_now(hold->timers);
	ws_message_queue_append(&hold->messages, message);
	if (hold->messages.count == 1)
		hold_arm_timer(hold);
	return true;
}

void hold_drop_all(struct hold *hold)
{
	ws_message_queue_release(&hold->messages);
}

void hold_drop_first(struct hold *hold)
{
	ws_message_queue_drop_first(&hold->messages);
}
