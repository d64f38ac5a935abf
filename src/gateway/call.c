#include "gateway/call.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

enum {
	CALL_READ_SIZE = 4096,
	CALL_TOKEN_MAX = 16 * 1024, /* bytes of a bearer token's file */
};

struct call {
	struct event_base *base;
	const struct connection_settings *settings;
	call_done done;
	void *context;

	struct url url;
	char key[WS_KEY_SIZE];
	struct ws_header *headers; /* the settings' and the extra ones; strings borrowed */
	char *authorization;
	struct ws_request request;
	struct dial_settings dial_settings;

	struct dial *dial;
	struct stream *stream;
	struct event event;     /* on the stream, or for a failure before there is one */
	bool event_assigned;
	struct buffer unsent;   /* rest of the request */
	struct buffer rest;
	uint64_t upgrade_start; /* monotonic ns */
	struct call_report report;
	struct error error;
};

void call_report_release(struct call_report *report)
{
	ws_response_release(&report->response);
	free(report->protocol);
	*report = (struct call_report){0};
}

static void call_free(struct call *call)
{
	if (call->event_assigned)
		event_del(&call->event);
	stream_close(call->stream);
	url_release(&call->url);
	free(call->headers);
	free(call->authorization);
	buffer_release(&call->unsent);
	buffer_release(&call->rest);
	call_report_release(&call->report);
	free(call);
}

static void call_fail(struct call *call)
{
	struct call_report report = call->report;

	call->report = (struct call_report){0};
	call->done(NULL, &report, &call->error, call->context);
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

	report.protocol = agreement->protocol ? alloc_string(agreement->protocol) : NULL;
	report.deflate = agreement->deflate;
	call->stream = NULL;
	call->rest = (struct buffer){0};
	call->report = (struct call_report){0};
	call->done(&result, &report, NULL, call->context);
	call_free(call);
}

/* --- the request --------------------------------------------------------------------------- */

/* The first line of a file that holds a secret; the text of an error never has its content. */
static char *call_read_secret(const char *path, struct error *error)
{
	char secret[CALL_TOKEN_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length;

	if (fd < 0) {
		error_set(error, ERROR_WEBSOCKET, "cannot open %s: %s", path, strerror(errno));
		return NULL;
	}
	length = read(fd, secret, CALL_TOKEN_MAX);
	if (length <= 0)
		error_set(error, ERROR_WEBSOCKET, "cannot read %s: %s", path,
			length ? strerror(errno) : "the file is empty");
	close(fd);
	if (length <= 0)
		return NULL;
	secret[length] = '\0';
	secret[strcspn(secret, "\r\n")] = '\0';
	return alloc_string(secret);
}

/* RFC 7617: Basic, from the URL's user and password. */
static char *call_basic_authorization(const struct url *url)
{
	char *credentials = alloc_format("%s:%s", url->user, url->password ? url->password : "");
	size_t length = strlen(credentials);
	char *value = alloc_zero(1, strlen("Basic ") + text_base64_length(length) + 1);

	strcpy(value, "Basic ");
	text_base64_encode(value + strlen(value), credentials, length);
	explicit_bzero(credentials, length);
	free(credentials);
	return value;
}

static bool call_authorize(struct call *call)
{
	char *token;

	if (call->settings->bearer_file) {
		token = call_read_secret(call->settings->bearer_file, &call->error);
		if (!token)
			return error_prefix(&call->error, "bearer_file: ");
		call->authorization = alloc_format("Bearer %s", token);
		explicit_bzero(token, strlen(token));
		free(token);
	} else if (call->url.user) {
		call->authorization = call_basic_authorization(&call->url);
	}
	return true;
}

static bool call_has_header(const struct header_list *headers, const char *name)
{
	for (size_t i = 0; i < headers->count; i++) {
		if (strcasecmp(headers->items[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The extra headers, and those of the settings that they do not replace. */
static size_t call_merge_headers(struct call *call, const struct header_list *extra)
{
	const struct header_list *own = &call->settings->headers;
	size_t count = 0;

	call->headers = alloc_zero(own->count + extra->count, sizeof(*call->headers));
	for (size_t i = 0; i < own->count; i++) {
		if (!call_has_header(extra, own->items[i].name))
			call->headers[count++] = own->items[i];
	}
	for (size_t i = 0; i < extra->count; i++)
		call->headers[count++] = extra->items[i];
	return count;
}

static bool call_prepare(struct call *call, const struct header_list *extra)
{
	const struct connection_settings *settings = call->settings;
	size_t header_count;

	if (!url_parse(&call->url, settings->url, &call->error) || !call_authorize(call))
		return false;
	header_count = call_merge_headers(call, extra);
	ws_handshake_key(call->key);
	call->request = (struct ws_request){
		.host = call->url.authority,
		.resource = call->url.resource,
		.header_count = header_count,
		.headers = call->headers,
		.protocols = (const char *const *)settings->protocols.items,
		.protocol_count = settings->protocols.count,
		.user_agent = settings->user_agent,
		.origin = settings->origin,
		.authorization = call->authorization,
	};
	return ws_handshake_request(&call->unsent, &call->request, call->key, &call->error);
}

/* --- the upgrade --------------------------------------------------------------------------- */

static void call_on_event(evutil_socket_t fd, short what, void *context);

static void call_wait_for(struct call *call, short what)
{
	uint64_t elapsed = clock_monotonic() - call->upgrade_start;
	uint64_t timeout = call->settings->upgrade_timeout;
	struct timeval left = clock_timeval(timeout > elapsed ? timeout - elapsed : 1);

	if (call->event_assigned)
		event_del(&call->event);
	event_assign(&call->event, call->base, call->stream->fd, what, call_on_event, call);
	call->event_assigned = true;
	event_add(&call->event, &left);
}

/* Whether the whole request is out. */
static enum stream_status call_write_request(struct call *call)
{
	enum stream_status status = STREAM_OK;
	size_t written;

	while (call->unsent.length && status == STREAM_OK) {
		status = stream_write(call->stream, buffer_data(&call->unsent), call->unsent.length,
			&written, &call->error);
		if (status == STREAM_OK)
			buffer_consume(&call->unsent, written);
	}
	return status;
}

/* What has arrived of the answer; ends the call when it is complete or cannot become so. */
static bool call_take_answer(struct call *call, const uint8_t *data, size_t length)
{
	struct ws_agreement agreement = {0};
	size_t used;

	switch (ws_response_parse(&call->report.response, data, length, &used, &call->error)) {
	case WS_RESPONSE_MORE:
		return false;
	case WS_RESPONSE_INVALID:
		call_fail(call);
		return true;
	case WS_RESPONSE_DONE:
		break;
	}
	call->report.upgrade_us = (clock_monotonic() - call->upgrade_start) / CLOCK_NS_PER_US;
	buffer_append(&call->rest, data + used, length - used);
	if (ws_handshake_check(&call->report.response, &call->request, call->key, &agreement,
		    &call->error))
		call_succeed(call, &agreement);
	else
		call_fail(call);
	return true;
}

static void call_upgrade(struct call *call)
{
	enum stream_status status = call_write_request(call);
	uint8_t data[CALL_READ_SIZE];
	size_t length;

	while (status == STREAM_OK) {
		status = stream_read(call->stream, data, sizeof(data), &length, &call->error);
		if (status == STREAM_OK && call_take_answer(call, data, length))
			return;
	}
	if (status == STREAM_WANT_READ) {
		call_wait_for(call, EV_READ);
	} else if (status == STREAM_WANT_WRITE) {
		call_wait_for(call, EV_WRITE);
	} else {
		if (status == STREAM_END)
			error_set(&call->error, ERROR_SOCKET_CLOSED,
				"the server closed the connection before it answered the upgrade");
		call_fail(call);
	}
}

static void call_on_event(evutil_socket_t fd, short what, void *context)
{
	struct call *call = context;
	char timeout[TEXT_DURATION_SIZE];

	(void)fd;
	if (!(what & EV_TIMEOUT)) {
		call_upgrade(call);
		return;
	}
	text_format_duration(timeout, call->settings->upgrade_timeout);
	call->report.upgrade_us = (clock_monotonic() - call->upgrade_start) / CLOCK_NS_PER_US;
	error_set(&call->error, ERROR_SOCKET_TIMEOUT,
		"the server did not answer the upgrade within %s", timeout);
	call_fail(call);
}

/* --- the call ------------------------------------------------------------------------------ */

static void call_on_dialed(struct stream *stream, const struct dial_report *report,
	const struct error *error, void *context)
{
	struct call *call = context;

	call->dial = NULL;
	call->stream = stream;
	call->report.dial = *report;
	if (!stream) {
		call->error = *error;
		call_fail(call);
		return;
	}
	call->upgrade_start = clock_monotonic();
	call_upgrade(call);
}

static void call_on_unprepared(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	call_fail(context);
}

struct call *call_start(struct event_base *base, struct net *net,
	const struct connection_settings *settings, const struct header_list *extra, call_done done,
	void *context)
{
	struct call *call = alloc_zero(1, sizeof(*call));

	call->base = base;
	call->settings = settings;
	call->done = done;
	call->context = context;
	call->report.time = clock_realtime();
	if (!call_prepare(call, extra)) {
		evtimer_assign(&call->event, base, call_on_unprepared, call);
		call->event_assigned = true;
		event_active(&call->event, EV_TIMEOUT, 0);
		return call;
	}
	call->dial_settings = (struct dial_settings){
		.url = &call->url,
		.tls = &settings->tls,
		.connect_timeout = settings->connect_timeout,
		.tls_timeout = settings->tls_timeout,
	};
	call->dial = dial_start(net, &call->dial_settings, call_on_dialed, call);
	return call;
}

void call_cancel(struct call *call)
{
	if (call->dial)
		dial_cancel(call->dial);
	call_free(call);
}

bool call_upgrading(const struct call *call)
{
	return call->stream != NULL;
}
