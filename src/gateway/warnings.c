#include "gateway/warnings.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

/* The `index`th oldest warning, from 0. */
static struct warning *warnings_slot(const struct warnings *warnings, size_t index)
{
	return &warnings->queue[(warnings->oldest + index) % warnings->thresholds.queue];
}

static void warnings_remove_oldest(struct warnings *warnings)
{
	free(warnings_slot(warnings, 0)->arg);
	warnings->oldest = (warnings->oldest + 1) % warnings->thresholds.queue;
	warnings->count--;
}

static void warnings_drop_oldest(struct warnings *warnings)
{
	warnings_remove_oldest(warnings);
	warnings->dropped++;
}

/* Moves the queued warnings, in order, to a queue of another size. */
static void warnings_resize(struct warnings *warnings, uint64_t size)
{
	struct warning *queue;

	if (!warnings->queue || warnings->thresholds.queue == size)
		return;
	while (warnings->count > size)
		warnings_drop_oldest(warnings);

	queue = alloc_zero(size, sizeof(*queue));
	for (size_t i = 0; i < warnings->count; i++)
		queue[i] = *warnings_slot(warnings, i);
	free(warnings->queue);
	warnings->queue = queue;
	warnings->oldest = 0;
}

bool warnings_set(struct warnings *warnings, const struct warn_settings *thresholds,
	struct error *error)
{
	char *arg;

	if (thresholds->warning_ms == 0 && thresholds->warning_bs == 0)
		return error_set(error, ERROR_WARNING_QUEUE,
			"neither warning_ms nor warning_bs is above 0: nothing would ever warn");
	if (thresholds->queue < 1 || thresholds->queue > WARNINGS_QUEUE_MAX)
		return error_set(error, ERROR_QUEUE, "queue must be between 1 and %d, not %" PRIu64,
			WARNINGS_QUEUE_MAX, thresholds->queue);

	arg = alloc_string(thresholds->arg);
	warnings_resize(warnings, thresholds->queue);
	free(warnings->thresholds.arg);
	warnings->thresholds = *thresholds;
	warnings->thresholds.arg = arg;
	return true;
}

void warnings_clear(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->count; i++)
		free(warnings_slot(warnings, i)->arg);
	free(warnings->queue);
	free(warnings->thresholds.arg);
	warnings->queue = NULL;
	warnings->oldest = 0;
	warnings->count = 0;
	warnings->thresholds = (struct warn_settings){0};
}

bool warnings_active(const struct warnings *warnings)
{
	return warnings->thresholds.warning_ms || warnings->thresholds.warning_bs;
}

/* Queues the warning with the time and a copy of the argument, dropping the oldest from a full
 * queue. */
static const struct warning *warnings_raise(struct warnings *warnings, struct warning warning)
{
	struct warning *slot;

	if (!warnings->queue)
		warnings->queue = alloc_zero(warnings->thresholds.queue, sizeof(*warnings->queue));
	if (warnings->count == warnings->thresholds.queue)
		warnings_drop_oldest(warnings);

	warning.seq = ++warnings->raised;
	warning.time = clock_realtime();
	if (warnings->thresholds.arg)
		warning.arg = alloc_string(warnings->thresholds.arg);
	slot = warnings_slot(warnings, warnings->count);
	*slot = warning;
	warnings->count++;
	return slot;
}

const struct warning *warnings_operation(struct warnings *warnings, const char *operation,
	uint64_t us)
{
	uint64_t timeout = warnings->thresholds.warning_ms * 1000;

	if (timeout == 0 || us <= timeout)
		return NULL;
	return warnings_raise(warnings,
		(struct warning){
			.type = WARNING_OPERATION,
			.operation = operation,
			.us = us,
			.timeout = timeout,
		});
}

const struct warning *warnings_transfer(struct warnings *warnings, const char *direction,
	uint64_t bytes, uint64_t us)
{
	const struct warn_settings *thresholds = &warnings->thresholds;
	double bytes_sec;

	if (thresholds->warning_bs == 0 || us == 0 || us < thresholds->min_ms * 1000)
		return NULL;
	bytes_sec = (double)bytes * 1e6 / (double)us;
	if (bytes_sec >= (double)thresholds->warning_bs)
		return NULL;
	return warnings_raise(warnings,
		(struct warning){
			.type = WARNING_THROUGHPUT,
			.operation = direction,
			.us = us,
			.bytes = bytes,
			.bytes_sec = bytes_sec,
			.threshold = thresholds->warning_bs,
		});
}

/* Numbers in the queue have no gaps, and the newest is the last one raised. */
const struct warning *warnings_after(const struct warnings *warnings, uint64_t seq)
{
	uint64_t before = warnings->raised - warnings->count;

	if (seq >= warnings->raised || !warnings->count)
		return NULL;
	return warnings_slot(warnings, seq > before ? seq - before : 0);
}

void warnings_take(struct warnings *warnings, uint64_t seq)
{
	while (warnings->count && warnings_slot(warnings, 0)->seq <= seq)
		warnings_remove_oldest(warnings);
}
