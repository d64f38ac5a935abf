#include "gateway/call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "gateway/body.h"
#include "gateway/call_private.h"
#include "gateway/redirect.h"

enum {
	CALL_READ_SIZE = 4096,
	CALL_BODY_MAX = 1024, /* kept of a refusal */
};

/* Longest wait for more of the body of a refusal; ns. */
#define CALL_BODY_WAIT CLOCK_NS_PER_SECOND

void call_report_release(struct call_report *report)
{
	string_list_release(&report->redirects);
	free(report->url);
	dial_report_release(&report->dial);
	http_head_release(&report->response);
	free(report->body);
	alloc_wipe(report->protocol);
	*report = (struct call_report){0};
}

static void call_free(struct call *call)
{
	if (call->event_assigned)
		event_del(&call->event);
	timer_clear(&call->deadline);
	stream_close(call->stream);
	call_unprepare(call);
	url_release(&call->url);
	url_release(&call->first);
	secrets_release(&call->secrets);
	buffer_release(&call->rest);
	call_report_release(&call->report);
	free(call);
}

/* The next call will try other addresses first. */
static void call_note_failure(const struct call *call)
{
	const struct address *address = &call->report.dial.address;

	if (call->stream && address->generic.sa_family)
		failures_note(call->failures, address, timers_now(call->host->timers));
}

static void call_fail(struct call *call)
{
	struct call_report report = call->report;

	call_note_failure(call);
	call->report = (struct call_report){0};
	call->callbacks->done(NULL, &report, &call->error, call->context);
	call_free(call);
}

static void call_succeed(struct call *call, const struct ws_agreement *agreement)
{
	struct call_report report = call->report;
	struct call_result result = {
		.stream = call->stream,
		.rest = call->rest,
		.deflate = agreement->deflate_parameters,
	};

	failures_forgive(call->failures, &report.dial.address);
	report.protocol = alloc_string(agreement->protocol);
	report.protocol_number = agreement->protocol_number;
	report.deflate = agreement->deflate;
	report.deflate_parameters = agreement->deflate_parameters;
	call->stream = NULL;
	call->rest = (struct buffer){0};
	call->report = (struct call_report){0};
	call->callbacks->done(&result, &report, NULL, call->context);
	call_free(call);
}

/* --- the response ---------------------------------------------------------------------------- */

static bool call_step(struct call *call, struct url *url);

/* Behind a proxy the server's address is unknown; a name is assumed to be public. */
static bool call_is_public(const struct call *call)
{
	const struct dial_report *dial = &call->report.dial;

	if (call->url.socket_path)
		return false;
	return dial->proxy ? !redirect_is_local(call->url.host) : address_is_public(&dial->address);
}

/* The caller releases the URL. False: it is invalid, or must not be followed. */
static bool call_redirect_target(struct call *call, struct url *to)
{
	const struct redirect_terms terms = {
		.first = &call->first,
		.hosts = &call->settings->redirect_hosts,
		.from_public = call_is_public(call),
	};
	char *target = redirect_target(&call->url,
		http_head_find_single(&call->report.response, "Location"), &call->error);
	bool valid = target && url_parse(to, target, &call->error);

	free(target);
	if (valid && redirect_allowed(&call->url, to, &terms, &call->public_only, &call->error))
		return true;
	if (valid)
		url_release(to);
	return false;
}

/* The server has answered: it has not failed. */
static void call_leave_server(struct call *call)
{
	failures_forgive(call->failures, &call->report.dial.address);
	string_list_add(&call->report.redirects, call->url.shown);
	if (call->event_assigned)
		event_del(&call->event);
	timer_clear(&call->deadline);
	stream_close(call->stream);
	call->stream = NULL;
	buffer_release(&call->rest);
}

/* Goes on to the server that this one names. False: the call has failed; its error is already set
 * to the lack of an upgrade. */
static bool call_redirect(struct call *call)
{
	unsigned most = call->settings->max_redirects;
	struct url to = {0};

	if (call->report.redirects.count == most)
		return error_prefix(&call->error, "after %u redirects (max_redirects = %u): ", most,
			most);
	if (!call_redirect_target(call, &to))
		return false;
	call_leave_server(call);
	call->callbacks->redirected(call->url.shown, to.shown, call->context);
	return call_step(call, &to) || error_prefix(&call->error, "redirected: ");
}

static bool call_body_is_chunked(const struct http_head *response)
{
	const char *coding = http_head_find_single(response, "Transfer-Encoding");

	return coding && strcasecmp(coding, "chunked") == 0;
}

/* Number of bytes of a refusal's body to wait for. */
static size_t call_body_length(const struct http_head *response)
{
	const char *length = http_head_find_single(response, "Content-Length");
	unsigned long long announced = length ? strtoull(length, NULL, 10) : CALL_BODY_MAX;

	return announced < CALL_BODY_MAX ? (size_t)announced : CALL_BODY_MAX;
}

/* Takes what has arrived of the body of a refusal. True: no more will come. */
static bool call_take_body(struct call *call)
{
	size_t length = call->rest.length < CALL_BODY_MAX ? call->rest.length : CALL_BODY_MAX;
	const uint8_t *data = buffer_data(&call->rest);
	bool complete = call->rest.length >= call->body_wanted;
	bool last;

	if (!length)
		return complete;
	free(call->report.body);
	call->report.body = alloc_zero(1, length + 1);
	if (!call_body_is_chunked(&call->report.response)) {
		memcpy(call->report.body, data, length);
		return complete;
	}
	body_unchunk(call->report.body, data, length, &last);
	return complete || last;
}

/* The head is complete. True: the call has ended, or gone on to another server. */
static bool call_judge_answer(struct call *call)
{
	const struct http_head *response = &call->report.response;
	struct ws_agreement agreement = {0};

	if (call->cookies)
		cookies_take(call->cookies, &call->url, response, clock_realtime());
	if (ws_handshake_check(response, &call->request, call->key, &agreement, &call->error)) {
		call_succeed(call, &agreement);
		return true;
	}
	if (redirect_is(response) && call->settings->max_redirects) {
		if (!call_redirect(call))
			call_fail(call);
		return true;
	}
	if (response->status == 101) {
		call_fail(call);
		return true;
	}
	call->report.retry_after = redirect_retry_after(response, clock_realtime());
	call->body_wanted = call_body_length(response);
	if (!call_take_body(call))
		return false;
	call_fail(call);
	return true;
}

/* True: the call has ended, or gone on to another server. */
static bool call_take_answer(struct call *call, const uint8_t *data, size_t length)
{
	size_t used = 0;

	if (call->body_wanted) {
		buffer_append(&call->rest, data, length);
		if (!call_take_body(call))
			return false;
		call_fail(call);
		return true;
	}
	switch (ws_handshake_parse(&call->report.response, data, length, &used, &call->error)) {
	case HTTP_HEAD_MORE:
		return false;
	case HTTP_HEAD_INVALID:
		call_fail(call);
		return true;
	case HTTP_HEAD_DONE:
		break;
	}
	call->report.upgrade_us =
		(timers_now(call->host->timers) - call->upgrade_start) / CLOCK_NS_PER_US;
	buffer_append(&call->rest, data + used, length - used);
	return call_judge_answer(call);
}

/* --- the upgrade --------------------------------------------------------------------------- */

static void call_on_event(evutil_socket_t fd, short what, void *context);
static void call_on_deadline(void *context);

static uint64_t call_upgrade_deadline(const struct call *call)
{
	return call->upgrade_start + call->slept + call->settings->upgrade_timeout;
}

/* For each part of the response, up to its deadline; the body of a refusal is waited for less
 * patiently. */
static void call_set_deadline(struct call *call)
{
	uint64_t deadline = call_upgrade_deadline(call);
	uint64_t soon = timers_now(call->host->timers) + CALL_BODY_WAIT;

	if (call->body_wanted && soon < deadline)
		deadline = soon;
	timer_set_at(&call->deadline, call->host->timers, deadline, call_on_deadline, call);
}

static void call_set_event(struct call *call, short what, event_callback_fn callback,
	const struct timeval *time)
{
	if (call->event_assigned)
		event_del(&call->event);
	event_assign(&call->event, call->host->base, call->stream->fd, what, callback, call);
	call->event_assigned = true;
	event_add(&call->event, time);
}

static void call_wait_for(struct call *call, short what)
{
	call_set_deadline(call);
	call_set_event(call, what, call_on_event, NULL);
}

/* STREAM_OK: the whole request has been written. */
static enum stream_status call_write_request(struct call *call, struct error *error)
{
	enum stream_status status = STREAM_OK;
	size_t written;

	while (call->unsent.length && status == STREAM_OK) {
		status = stream_write(call->stream, buffer_data(&call->unsent), call->unsent.length,
			&written, error);
		if (status == STREAM_OK)
			buffer_consume(&call->unsent, written);
	}
	return status;
}

/* The stream has ended or failed. */
static void call_lose_stream(struct call *call, enum stream_status status,
	const struct error *error)
{
	if (call->body_wanted) {
		call_fail(call); /* the body of unknown length has ended */
		return;
	}
	if (status == STREAM_END)
		error_set(&call->error, ERROR_SOCKET_CLOSED,
			"the server closed the connection before it answered the upgrade");
	else
		call->error = *error;
	call_fail(call);
}

/* Writes, and reads once. False: the call has ended, or gone on to another server. */
static bool call_exchange(struct call *call, enum stream_status *status)
{
	uint8_t data[CALL_READ_SIZE];
	struct error error;
	size_t length;

	*status = call_write_request(call, &error);
	if (*status == STREAM_OK) {
		*status = stream_read(call->stream, data, sizeof(data), &length, &error);
		if (*status == STREAM_OK && call_take_answer(call, data, length))
			return false;
	}
	if (*status != STREAM_END && *status != STREAM_ERROR)
		return true;
	call_lose_stream(call, *status, &error);
	return false;
}

/* If there is more to read, it goes on after the loop has polled. */
static void call_upgrade(struct call *call)
{
	static const struct timeval next = {0};
	enum stream_status status;

	if (!call_exchange(call, &status))
		return;
	if (status != STREAM_WANT_WRITE && stream_pending(call->stream))
		call_set_event(call, 0, call_on_event, &next); /* in memory: no event would come */
	else
		call_wait_for(call, status == STREAM_WANT_WRITE ? EV_WRITE : EV_READ);
}

static void call_time_out(struct call *call)
{
	char timeout[TEXT_DURATION_SIZE];

	if (!call->body_wanted) {
		text_format_duration(timeout, call->settings->upgrade_timeout);
		call->report.upgrade_us =
			(timers_now(call->host->timers) - call->upgrade_start) / CLOCK_NS_PER_US;
		error_set(&call->error, ERROR_SOCKET_TIMEOUT,
			"the server did not answer the upgrade within %s", timeout);
	}
	call_fail(call);
}

/* All the time anew, after it was slept through; but once, or a host that is always late would wait for
 * ever. */
static bool call_give_anew(struct call *call)
{
	uint64_t now = timers_now(call->host->timers);

	if (call->slept || call->body_wanted || now - call_upgrade_deadline(call) <= CLOCK_LATE)
		return false;
	call->slept = now - call->upgrade_start;
	return true;
}

/* The answer may be in the socket: timers and sockets are served in no particular order. */
static void call_on_deadline(void *context)
{
	struct call *call = context;
	enum stream_status status;

	if (call_give_anew(call))
		call_upgrade(call);
	else if (call_exchange(call, &status))
		call_time_out(call);
}

static void call_on_event(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	call_upgrade(context);
}

/* --- the call ------------------------------------------------------------------------------ */

static void call_on_dialed(struct stream *stream, const struct dial_report *report,
	const struct error *error, void *context)
{
	struct call *call = context;

	call->dial = NULL;
	call->stream = stream;
	dial_report_release(&call->report.dial); /* of the step before */
	call->report.dial = *report;
	if (!stream) {
		call->error = *error;
		if (report->only_private)
			error_prefix(&call->error,
				"redirected by a public server, and redirect_hosts does not name the "
				"host: ");
		call_fail(call);
		return;
	}
	call->upgrade_start = timers_now(call->host->timers);
	call->slept = 0;
	call_set_deadline(call);
	if (call_write_head(call))
		call_upgrade(call);
	else
		call_fail(call);
}

static void call_on_unprepared(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	call_fail(context);
}

/* Takes over the URL and dials it. False: that is not possible. */
static bool call_step(struct call *call, struct url *url)
{
	struct dial_settings dial;

	url_release(&call->url);
	call_unprepare(call);
	call->url = *url;
	free(call->report.url);
	call->report.url = alloc_string(call->url.shown);
	http_head_release(&call->report.response);
	call->report.response = (struct http_head){0};
	call->report.upgrade_us = 0;
	if (!call_prepare(call, &dial))
		return false;
	call->dial = dial_start(call->host->net, &dial, call_on_dialed, call);
	return true;
}

static bool call_begin(struct call *call)
{
	const struct connection_config *config = call->config;
	struct url url = {0};

	return url_parse(&call->first, config->url, &call->error) &&
		secrets_load(&call->secrets, config, call->host->log, &call->error) &&
		url_parse(&url, config->url, &call->error) && call_step(call, &url);
}

struct call *call_start(const struct call_host *host, const struct call_order *order,
	const struct call_callbacks *callbacks, void *context)
{
	struct call *call = alloc_zero(1, sizeof(*call));

	call->host = host;
	call->config = order->config;
	call->settings = order->config->settings;
	call->extra = order->extra;
	call->failures = order->failures;
	call->cookies = order->cookies;
	call->callbacks = callbacks;
	call->context = context;
	call->report.time = clock_realtime();
	if (!call_begin(call)) {
		evtimer_assign(&call->event, host->base, call_on_unprepared, call);
		call->event_assigned = true;
		event_active(&call->event, EV_TIMEOUT, 0);
	}
	return call;
}

void call_cancel(struct call *call)
{
	dial_cancel(call->dial);
	call_free(call);
}

bool call_upgrading(const struct call *call)
{
	return call->stream != NULL;
}
