#include "outlet/inputs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/container.h"

static bool inputs_on_turn(struct turn *turn, void *context)
{
	struct inputs_share *share = container_of(turn, struct inputs_share, turn);

	(void)context;
	share->take(share);
	return true;
}

struct inputs *inputs_new(struct event_base *base, uint64_t memory)
{
	static const struct turns_callbacks callbacks = {.take = inputs_on_turn};
	struct inputs *inputs = alloc_zero(1, sizeof(*inputs));

	turns_init(&inputs->turns, base, &callbacks, inputs);
	budget_init(&inputs->budget, memory);
	return inputs;
}

void inputs_free(struct inputs *inputs)
{
	if (!inputs)
		return;
	turns_release(&inputs->turns);
	budget_release(&inputs->budget);
	free(inputs);
}

void inputs_await(struct inputs *inputs, struct inputs_share *share)
{
	turns_await(&inputs->turns, &share->turn);
}

void inputs_forget(struct inputs *inputs, struct inputs_share *share)
{
	turns_forget(&inputs->turns, &share->turn);
}
