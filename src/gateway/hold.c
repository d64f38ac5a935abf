#include "gateway/hold.h"

#include "base/clock.h"

static void hold_on_timer(void *context);

static void hold_arm_timer(struct hold *hold)
{
	uint64_t now = clock_monotonic(), end;
	struct queued_message oldest;

	if (!message_queue_first(&hold->messages, &oldest)) {
		timer_clear(&hold->timer);
		return;
	}
	end = oldest.time + hold->age_max;
	timer_set(&hold->timer, hold->base, end > now ? end - now : 0, hold_on_timer, hold);
}

static void hold_expire(struct hold *hold)
{
	uint64_t now = clock_monotonic();
	struct queued_message oldest;
	size_t expired = 0;

	while (message_queue_first(&hold->messages, &oldest) &&
		oldest.time + hold->age_max <= now) {
		message_queue_drop_first(&hold->messages);
		expired++;
	}
	if (expired)
		hold->expired(expired, hold->context);
}

static void hold_on_timer(void *context)
{
	struct hold *hold = context;

	hold_expire(hold);
	hold_arm_timer(hold);
}

void hold_init(struct hold *hold, struct event_base *base,
	void (*expired)(size_t messages, void *context), void *context)
{
	*hold = (struct hold){.base = base, .expired = expired, .context = context};
}

void hold_release(struct hold *hold)
{
	timer_clear(&hold->timer);
	message_queue_release(&hold->messages);
}

void hold_set_limits(struct hold *hold, uint64_t bytes, uint64_t age)
{
	hold->bytes_max = bytes;
	hold->age_max = age;
	hold_arm_timer(hold);
}

bool hold_take(struct hold *hold, enum ws_opcode opcode, const void *data, size_t length,
	struct error *error)
{
	const struct queued_message message = {opcode, data, length, clock_monotonic()};
	size_t size = length + MESSAGE_QUEUE_OVERHEAD;

	if (size > hold->bytes_max)
		return error_set(error, ERROR_WEBSOCKET,
			"a message of %zu bytes, with %d bytes to keep it, is larger than "
			"hold.bytes "
			"(%llu bytes)",
			length, MESSAGE_QUEUE_OVERHEAD, (unsigned long long)hold->bytes_max);
	if (message_queue_size(&hold->messages) + size > hold->bytes_max)
		return error_set(error, ERROR_WEBSOCKET,
			"the connection is not open, and no more can be held for it: %zu messages "
			"take %zu of %llu bytes",
			hold->messages.count, message_queue_size(&hold->messages),
			(unsigned long long)hold->bytes_max);
	message_queue_append(&hold->messages, &message);
	if (hold->messages.count == 1)
		hold_arm_timer(hold);
	return true;
}

bool hold_first(struct hold *hold, struct queued_message *message)
{
	hold_expire(hold);
	return message_queue_first(&hold->messages, message);
}

void hold_drop_first(struct hold *hold)
{
	message_queue_drop_first(&hold->messages);
}
