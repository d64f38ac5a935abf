#include "gateway/dialer.h"

#include <event2/util.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

/* A server that asks for a longer wait is called again all the same. */
#define DIALER_RETRY_AFTER_MAX (3600 * CLOCK_NS_PER_SECOND)

static void dialer_on_admitted(void *context);

void dialer_init(struct dialer *dialer, const struct dialer_host *host,
	const struct connection_config *config, const struct dialer_callbacks *callbacks,
	void *context)
{
	*dialer = (struct dialer){
		.host = host,
		.config = config,
		.callbacks = callbacks,
		.context = context,
		.ticket = {.admitted = dialer_on_admitted, .context = dialer},
	};
}

void dialer_release(struct dialer *dialer)
{
	dialer_stop(dialer);
	dialer_forget_request(dialer);
	failures_release(&dialer->failures);
	cookies_release(&dialer->cookies);
	call_report_release(&dialer->report);
}

/* --- what it is doing ------------------------------------------------------------------------ */

enum dialer_state dialer_state(const struct dialer *dialer)
{
	if (dialer->ticket.place == ADMISSION_INSIDE)
		return DIALER_CALLING;
	if (dialer->ticket.place == ADMISSION_QUEUED)
		return DIALER_QUEUED;
	return timer_is_set(&dialer->retry) ? DIALER_WAITING : DIALER_IDLE;
}

bool dialer_upgrading(const struct dialer *dialer)
{
	return dialer->call && call_upgrading(dialer->call);
}

uint64_t dialer_wait(const struct dialer *dialer)
{
	uint64_t due = timer_due(&dialer->retry), now = timers_now(dialer->host->call.timers);

	return due != UINT64_MAX && due > now ? due - now : 0;
}

/* --- calls ----------------------------------------------------------------------------------- */

void dialer_request(struct dialer *dialer, struct header_list *extra)
{
	dialer_stop(dialer); /* a call borrows the headers before */
	dialer_forget_request(dialer);
	dialer->extra = alloc_zero(1, sizeof(*dialer->extra));
	*dialer->extra = *extra;
	*extra = (struct header_list){0};
}

void dialer_forget_request(struct dialer *dialer)
{
	if (!dialer->extra)
		return;
	header_list_release(dialer->extra);
	free(dialer->extra);
	dialer->extra = NULL;
}

static void dialer_forget_cookies(struct dialer *dialer)
{
	if (dialer->config->settings->cookies != COOKIES_KEEP)
		cookies_release(&dialer->cookies);
}

static void dialer_on_redirected(const char *from, const char *to, void *context)
{
	struct dialer *dialer = context;

	dialer->callbacks->redirected(from, to, dialer->context);
}

static void dialer_on_done(struct call_result *result, struct call_report *report,
	const struct error *error, void *context)
{
	struct dialer *dialer = context;

	dialer->call = NULL;
	admission_leave(dialer->host->admission, &dialer->ticket);
	dialer_forget_cookies(dialer);
	dialer_forget_request(dialer);
	call_report_release(&dialer->report);
	dialer->report = *report;
	if (!result) {
		dialer->callbacks->failed(error, dialer->context);
		return;
	}
	dialer->callbacks->opened(result, dialer->context);
}

static void dialer_on_admitted(void *context)
{
	static const struct header_list none;
	static const struct call_callbacks callbacks = {
		.redirected = dialer_on_redirected,
		.done = dialer_on_done,
	};
	struct dialer *dialer = context;
	struct call_order order = {
		.config = dialer->config,
		.extra = dialer->extra ? dialer->extra : &none,
		.failures = &dialer->failures,
		.cookies =
			dialer->config->settings->cookies == COOKIES_NONE ? NULL : &dialer->cookies,
	};

	dialer->attempt++;
	dialer->call = call_start(&dialer->host->call, &order, &callbacks, dialer);
	dialer->callbacks->started(dialer->context);
}

static enum admission_rank dialer_rank(const struct dialer *dialer)
{
	if (dialer->extra)
		return ADMISSION_URGENT;
	return dialer->attempt > 0 ? ADMISSION_DOUBTFUL : ADMISSION_HOPEFUL;
}

void dialer_call(struct dialer *dialer)
{
	timer_clear(&dialer->retry);
	if (admission_enter(dialer->host->admission, &dialer->ticket, dialer_rank(dialer)))
		dialer_on_admitted(dialer);
}

void dialer_stop(struct dialer *dialer)
{
	timer_clear(&dialer->retry);
	if (dialer->call)
		call_cancel(dialer->call);
	dialer->call = NULL;
	dialer_forget_cookies(dialer);
	admission_leave(dialer->host->admission, &dialer->ticket);
}

void dialer_set_config(struct dialer *dialer, const struct connection_config *config)
{
	if (dialer->ticket.place != ADMISSION_OUTSIDE)
		dialer_stop(dialer); /* a call borrows the configuration before */
	if (!string_equal(dialer->config->url, config->url))
		cookies_release(&dialer->cookies);
	dialer->config = config;
	dialer_forget_cookies(dialer);
}

/* --- failures -------------------------------------------------------------------------------- */

static void dialer_on_retry(void *context)
{
	struct dialer *dialer = context;

	dialer->callbacks->due(dialer->context);
}

/* `retry_after` is limited already. */
static uint64_t dialer_delay(struct dialer *dialer, uint64_t retry_after)
{
	const struct backoff_settings *settings = &dialer->config->settings->reconnect.backoff;
	uint64_t random, ns;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	ns = backoff_next(&dialer->backoff, settings, random);
	if (settings->jitter == BACKOFF_NONE)
		return ns > retry_after ? ns : retry_after;
	return retry_after + ns;
}

uint64_t dialer_retry(struct dialer *dialer, uint64_t retry_after)
{
	struct timers *timers = dialer->host->call.timers;
	uint64_t ns;

	if (retry_after > DIALER_RETRY_AFTER_MAX)
		retry_after = DIALER_RETRY_AFTER_MAX;
	ns = dialer_delay(dialer, retry_after);
	dialer->told = timers_now(timers) + retry_after;
	timer_set(&dialer->retry, timers, ns, dialer_on_retry, dialer);
	return ns;
}

bool dialer_on_network_change(struct dialer *dialer)
{
	struct timers *timers = dialer->host->call.timers;

	failures_release(&dialer->failures);
	if (!timer_is_set(&dialer->retry) || timers_now(timers) < dialer->told)
		return false;
	timer_set(&dialer->retry, timers, 0, dialer_on_retry, dialer);
	return true;
}

static bool dialer_is_final(const struct dialer *dialer, unsigned code)
{
	const struct integer_list *codes = &dialer->config->settings->reconnect.give_up;

	for (size_t i = 0; i < codes->count; i++) {
		if (codes->items[i] == code)
			return true;
	}
	return false;
}

bool dialer_gives_up(const struct dialer *dialer, unsigned code)
{
	unsigned attempts = dialer->config->settings->reconnect.attempts;

	return dialer_is_final(dialer, code) || (attempts && dialer->attempt >= attempts);
}

char *dialer_reason(const struct dialer *dialer, unsigned code)
{
	if (!dialer_is_final(dialer, code))
		return alloc_format("%u attempt%s in a row failed", dialer->attempt,
			dialer->attempt > 1 ? "s" : "");
	return alloc_format(code < 1000 ? "the server has answered with status %u"
					: "it was closed with code %u",
		code);
}

void dialer_forget_attempts(struct dialer *dialer)
{
	dialer->attempt = 0;
}

void dialer_reset_backoff(struct dialer *dialer)
{
	backoff_reset(&dialer->backoff);
}

void dialer_reset(struct dialer *dialer)
{
	dialer_reset_backoff(dialer);
	dialer_forget_attempts(dialer);
}
