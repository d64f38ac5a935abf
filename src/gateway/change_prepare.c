#include <string.h>

#include "base/clock.h"
#include "gateway/change_private.h"

enum { CHANGE_RETRIES = 1500 }; /* of CHANGE_RETRY: three seconds */

static bool change_prepare(struct gateway_change *change, size_t index, struct error *error)
{
	const struct outlet_config *config = change->settings->outlets[index];
	const struct planned_outlet *planned = &change->plan.outlets[index];
	struct prepared_outlet *prepared = &change->prepared[index];

	switch (planned->action) {
	case PLAN_CREATE:
		prepared->made = gateway_make_outlet(change->gateway, config, true, error);
		return prepared->made != NULL;
	case PLAN_REPLACE:
		prepared->made = outlet_new_for(planned->running->outlet, &config->outlet, error);
		return prepared->made != NULL;
	case PLAN_ADAPT:
		prepared->access_changed =
			outlet_prepare(planned->running->outlet, &config->outlet, error);
		return prepared->access_changed;
	}
	return false;
}

/* True if the error is a locked folder, and there is time left to wait for the lock: all outlets
 * share it. */
static bool change_awaits_lock(struct gateway_change *change, const struct error *error)
{
	change->waits = strcmp(error->name, ERROR_LOCKED) == 0 && change->retries < CHANGE_RETRIES;
	change->retries += change->waits;
	return change->waits;
}

/* Goes on after an error, so that every problem is reported. */
bool change_prepare_outlet(struct gateway_change *change, size_t index)
{
	const struct settings *settings = change->settings;
	struct error error;

	if (index == settings->outlet_count || change->abandoned)
		return false;
	if (change_prepare(change, index, &error) || change_awaits_lock(change, &error))
		return true;
	settings_problem_at(change->problems, settings->outlets[index]->place, error.text);
	change->failed = true;
	return true;
}

static void change_restore_access(struct gateway_change *change, struct outlet *outlet)
{
	const struct log_subject about = {.kind = "outlet", .name = outlet_settings(outlet)->name};
	struct error error;

	if (!outlet_unprepare(outlet, &error))
		log_write(change->gateway->log, LOG_ERR, &about, "%s", error.text);
}

/* The last one first. */
static bool change_undo_outlet(struct gateway_change *change, size_t index)
{
	size_t count = change->settings->outlet_count;
	const struct prepared_outlet *prepared;
	const struct planned_outlet *planned;

	if (index == count)
		return false;
	planned = &change->plan.outlets[count - 1 - index];
	prepared = &change->prepared[count - 1 - index];
	if (prepared->access_changed)
		change_restore_access(change, planned->running->outlet);
	else if (prepared->made && planned->action == PLAN_REPLACE)
		outlet_withdraw(prepared->made);
	else
		outlet_free(prepared->made);
	return true;
}

/* The caller prepares last, only if nothing stands against it but what has failed already. */
static bool change_caller_prepares(const struct gateway_change *change)
{
	const struct gateway_change_callbacks *callbacks = change->callbacks;

	return !callbacks->prepare ||
		callbacks->prepare(change->settings, change->problems, change->context);
}

/* If it does not go on, what is left to do begins behind this step. */
bool change_decide(struct gateway_change *change, size_t index)
{
	static change_step *const undo[] = {change_decide, change_undo_outlet, NULL};
	bool prepared = !change->abandoned && change_caller_prepares(change);

	(void)index;
	if (prepared && !change->failed)
		return false;
	if (prepared && change->callbacks->withdraw)
		change->callbacks->withdraw(change->context);
	change->failed = true;
	change->steps = undo;
	return false;
}
