#include "gateway/reload.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/worker.h"
#include "gateway/gateway_private.h"

TAILQ_HEAD(reload_waiters, reload_waiter);

/* All that the thread works on; nobody else has any of it. */
struct reload_load {
	struct reload *reload; /* for the loop */
	char *file;
	struct gateway_settings *running;
	struct settings *settings; /* NULL: the problems say why */
	struct settings_problems problems;
	struct string_list restart; /* of the settings */
};

struct reload {
	struct event_base *base;
	const char *file;
	struct gateway *gateway;
	const struct reload_callbacks *callbacks;
	void *context;
	struct worker *worker;         /* reads the configuration; NULL: none does */
	struct reload_load *load;      /* the gateway changes over to it; NULL: it does not */
	struct event *begin;           /* of the next reload */
	struct reload_waiters present; /* for the reload under way */
	struct reload_waiters next;    /* for the one after it */
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
	string_list_release(&load->restart);
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

static bool reload_prepare(const struct settings *settings, struct settings_problems *problems,
	void *context)
{
	const struct reload *reload = context;

	return reload->callbacks->prepare(settings, problems, reload->context);
}

static void reload_withdraw(void *context)
{
	const struct reload *reload = context;

	reload->callbacks->withdraw(reload->context);
}

static void reload_end(struct reload *reload, const struct reload_outcome *outcome)
{
	reload->callbacks->ended(outcome, reload->context);
	reload_answer(&reload->present, outcome);
	if (reload->again && !reload->stopped)
		event_active(reload->begin, EV_TIMEOUT, 0);
}

static void reload_on_changed(bool done, const struct gateway_changes *changes, void *context)
{
	struct reload *reload = context;
	struct reload_load *load = reload->load;
	struct reload_outcome outcome = {
		.done = done,
		.changes = *changes,
		.problems = load->problems,
		.restart = load->restart,
	};

	reload->load = NULL;
	load->restart = (struct string_list){0};
	if (done)
		load->settings = NULL; /* they are the gateway's now */
	else
		error_set(&outcome.error, ERROR_SETTINGS, "%s is not a valid configuration",
			reload->file);
	if (!reload->stopped)
		reload_end(reload, &outcome);
	string_list_release(&outcome.restart);
	reload_load_free(load);
}

static void reload_on_loaded(void *context)
{
	struct reload_load *load = context;
	struct reload *reload = load->reload;
	static const struct gateway_change_callbacks callbacks = {
		.prepare = reload_prepare,
		.withdraw = reload_withdraw,
		.ended = reload_on_changed,
	};
	const struct gateway_changes none = {0};

	reload->worker = NULL;
	reload->load = load;
	if (!load->settings) {
		reload_on_changed(false, &none, reload);
		return;
	}
	load->restart = string_list_copy(&load->settings->restart);
	gateway_change(reload->gateway, load->settings, &load->problems, &callbacks, reload);
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
	reload->callbacks->begun(reload->context);
	reload->worker = worker_start(reload->base, &task, &outcome.error);
	if (reload->worker)
		return;
	reload_load_free(load);
	reload_end(reload, &outcome);
}

struct reload *reload_new(struct event_base *base, const char *file, struct gateway *gateway,
	const struct reload_callbacks *callbacks, void *context)
{
	struct reload *reload = alloc_zero(1, sizeof(*reload));

	reload->base = base;
	reload->file = file;
	reload->gateway = gateway;
	reload->callbacks = callbacks;
	reload->context = context;
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
	else if (!reload->worker && !reload->load)
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
	reload->stopped = true;
	if (reload->load) {
		gateway_abandon_change(reload->gateway);
		gateway_finish_change(reload->gateway);
	}
	event_free(reload->begin);
	free(reload);
}
