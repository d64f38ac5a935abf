#include "gateway/reload.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/worker.h"
#include "gateway/settings_private.h"

TAILQ_HEAD(reload_waiters, reload_waiter);

/* What the thread works on: all of it its own. */
struct reload_load {
	struct reload *reload; /* for the loop */
	char *file;
	struct gateway_settings *running;
	struct settings *settings; /* NULL: the problems say why */
	struct settings_problems problems;
};

struct reload {
	struct event_base *base;
	const char *file;
	const struct gateway *gateway;
	struct reload_callbacks callbacks;
	struct worker *worker; /* NULL: none is under way */
	struct event *begin;   /* the next one */
	struct reload_waiters present; /* for the outcome of the one under way */
	struct reload_waiters next;    /* for that of the one after it */
	bool again;
	bool stopped;
};

/* --- on the thread -------------------------------------------------------------------------- */

static void reload_load_free(struct reload_load *load)
{
	free(load->file);
	gateway_settings_free(load->running);
	settings_free(load->settings);
	settings_problems_release(&load->problems);
	free(load);
}

static void reload_work(void *context)
{
	struct reload_load *load = context;

	load->settings = settings_prepare(load->file, load->running, &load->problems);
}

static void reload_discard(void *context)
{
	reload_load_free(context);
}

/* --- on the loop ---------------------------------------------------------------------------- */

static void reload_answer(struct reload_waiters *waiters, const struct reload_outcome *outcome)
{
	struct reload_waiter *waiter;

	while ((waiter = TAILQ_FIRST(waiters))) {
		TAILQ_REMOVE(waiters, waiter, entry);
		waiter->done(waiter, outcome);
	}
}

static void reload_end(struct reload *reload, struct reload_outcome *outcome)
{
	reload->callbacks.ended(outcome, reload->callbacks.context);
	reload_answer(&reload->present, outcome);
	setting_replace_strings(&outcome->restart, (struct string_list){0});
	if (reload->again && !reload->stopped)
		event_active(reload->begin, EV_TIMEOUT, 0);
}

static void reload_on_loaded(void *context)
{
	struct reload_load *load = context;
	struct reload *reload = load->reload;
	struct reload_outcome outcome = {.problems = load->problems};
	struct settings *settings = load->settings;

	reload->worker = NULL;
	load->settings = NULL;
	if (settings) {
		outcome.restart = settings->restart;
		settings->restart = (struct string_list){0};
		outcome.done = reload->callbacks.apply(settings, &outcome.changes,
			&outcome.problems, reload->callbacks.context);
		if (!outcome.done)
			settings_free(settings);
	}
	if (!outcome.done)
		error_set(&outcome.error, ERROR_SETTINGS, "%s is not a valid configuration",
			reload->file);
	reload_end(reload, &outcome);
	load->problems = outcome.problems;
	reload_load_free(load);
}

static void reload_on_begin(evutil_socket_t fd, short what, void *context)
{
	struct reload *reload = context;
	struct reload_load *load = alloc_zero(1, sizeof(*load));
	const struct worker_task task = {reload_work, reload_on_loaded, reload_discard, load};
	struct reload_outcome outcome = {0};

	(void)fd, (void)what;
	reload->again = false;
	TAILQ_CONCAT(&reload->present, &reload->next, entry);
	load->reload = reload;
	load->file = alloc_string(reload->file);
	load->running = gateway_settings_copy(&gateway_settings(reload->gateway)->gateway);
	reload->callbacks.begun(reload->callbacks.context);
	reload->worker = worker_start(reload->base, &task, &outcome.error);
	if (reload->worker)
		return;
	reload_load_free(load);
	reload_end(reload, &outcome);
}

struct reload *reload_new(struct event_base *base, const char *file, const struct gateway *gateway,
	const struct reload_callbacks *callbacks)
{
	struct reload *reload = alloc_zero(1, sizeof(*reload));

	reload->base = base;
	reload->file = file;
	reload->gateway = gateway;
	reload->callbacks = *callbacks;
	reload->begin = evtimer_new(base, reload_on_begin, reload);
	TAILQ_INIT(&reload->present);
	TAILQ_INIT(&reload->next);
	return reload;
}

static void reload_refuse(struct reload *reload)
{
	struct reload_outcome outcome = {0};

	error_set(&outcome.error, ERROR_SYSTEM, "the daemon is stopping");
	reload_answer(&reload->present, &outcome);
	reload_answer(&reload->next, &outcome);
}

void reload_request(struct reload *reload, struct reload_waiter *waiter)
{
	if (waiter)
		TAILQ_INSERT_TAIL(&reload->next, waiter, entry);
	reload->again = true;
	if (reload->stopped)
		reload_refuse(reload);
	else if (!reload->worker)
		event_active(reload->begin, EV_TIMEOUT, 0);
}

void reload_forget(struct reload *reload, struct reload_waiter *waiter)
{
	struct reload_waiter *other;

	TAILQ_FOREACH (other, &reload->present, entry) {
		if (other == waiter) {
			TAILQ_REMOVE(&reload->present, waiter, entry);
			return;
		}
	}
	TAILQ_REMOVE(&reload->next, waiter, entry);
}

void reload_stop(struct reload *reload)
{
	reload->stopped = true;
	event_del(reload->begin);
	if (reload->worker)
		worker_abandon(reload->worker);
	reload->worker = NULL;
	reload_refuse(reload);
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	if (reload->worker)
		worker_abandon(reload->worker);
	event_free(reload->begin);
	free(reload);
}
