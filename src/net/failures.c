#include "net/failures.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { FAILURES_MAX = 64 };

/* So long ago says little about now, and what stands first in DNS may do so for a reason. */
#define FAILURES_FORGET (600 * CLOCK_NS_PER_SECOND)

struct failure {
	struct address address;
	uint64_t time; /* of timers_now() */
};

/* The number of items if it is not there. */
static size_t failures_find(const struct failures *failures, const struct address *address)
{
	size_t i = 0;

	while (i < failures->count && !address_equal(&failures->items[i].address, address))
		i++;
	return i;
}

static void failures_remove(struct failures *failures, size_t index)
{
	struct failure *item = &failures->items[index];

	failures->count--;
	memmove(item, item + 1, (failures->count - index) * sizeof(*item));
}

static bool failure_is_old(const struct failure *failure, uint64_t now)
{
	return now - failure->time > FAILURES_FORGET;
}

void failures_forgive(struct failures *failures, const struct address *address)
{
	size_t index = failures_find(failures, address);

	if (index < failures->count)
		failures_remove(failures, index);
}

void failures_note(struct failures *failures, const struct address *address, uint64_t now)
{
	failures_forgive(failures, address);
	while (failures->count &&
		(failures->count == FAILURES_MAX || failure_is_old(&failures->items[0], now)))
		failures_remove(failures, 0);
	failures->items =
		alloc_one_more(failures->items, failures->count, sizeof(*failures->items));
	failures->items[failures->count++] = (struct failure){.address = *address, .time = now};
}

size_t failures_rank(const struct failures *failures, const struct address *address, uint64_t now)
{
	size_t index = failures_find(failures, address);

	if (index == failures->count || failure_is_old(&failures->items[index], now))
		return 0;
	return index + 1;
}

void failures_release(struct failures *failures)
{
	free(failures->items);
	*failures = (struct failures){0};
}
