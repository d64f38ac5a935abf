#include "control/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/rpc.h"

static const char *const when_names[] = {
	[WHEN_ALWAYS] = "always",
	[WHEN_SUBSCRIBED] = "subscribed",
	[WHEN_MANUAL] = "manual",
};

static json_t *report_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

static json_t *report_choice(const struct choice *choices, unsigned value)
{
	return json_string(choice_name(choices, value));
}

static json_t *report_time(uint64_t time)
{
	char text[CLOCK_TEXT_SIZE];

	if (!time)
		return json_null();
	clock_format(text, time);
	return json_string(text);
}

/* null for "" and for NULL: it did not take place. */
static json_t *report_text_or_null(const char *text)
{
	return rpc_text(text && *text ? text : NULL);
}

/* A URL as it may be shown; an observer sees no user name either. Null for "" and for NULL. */
static json_t *report_url(const char *url, enum report_view view)
{
	const char *authority = url ? strstr(url, "://") : NULL;
	const char *user, *host;
	json_t *json;
	char *text;

	if (!authority || view != REPORT_OBSERVED)
		return report_text_or_null(url);
	user = authority + strlen("://");
	host = memrchr(user, '@', strcspn(user, "/"));
	text = alloc_format("%.*s%s", (int)(user - url), url, host ? host + 1 : user);
	json = rpc_text(text);
	free(text);
	return json;
}

/* JSON that comes as a text; null for NULL. */
static json_t *report_parsed(const char *text)
{
	json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return json ? json : json_null();
}

static void report_counters(json_t *object, const struct counter *counters, const void *numbers)
{
	for (; counters->name; counters++)
		json_object_set_new(object, counters->name,
			report_number(counter_value(counters, numbers)));
}

/* A header that comes more than once has its values in an array. */
static json_t *report_headers(const struct ws_response *response, enum report_view view)
{
	json_t *headers = json_object();

	for (size_t i = 0; i < response->header_count; i++) {
		const struct header *header = &response->headers[i];
		json_t *before, *value;

		if (view != REPORT_ALL && strcasecmp(header->name, "Sec-WebSocket-Protocol") == 0)
			continue;
		before = json_object_get(headers, header->name);
		value = rpc_text(header->value);
		if (json_is_array(before))
			json_array_append_new(before, value);
		else if (before)
			json_object_set_new(headers, header->name,
				json_pack("[O,o]", before, value));
		else
			json_object_set_new(headers, header->name, value);
	}
	return headers;
}

/* The refusal in the server's own words: its lines, but no more, are its own. */
static json_t *report_body(const char *body)
{
	struct buffer text = {0};
	json_t *json;

	while (*body) {
		size_t length = strcspn(body, "\n\r\t");
		char *clean = text_clean_copy(body, length);

		buffer_append_text(&text, clean);
		free(clean);
		body += length;
		length = strspn(body, "\n\r\t");
		buffer_append(&text, body, length);
		body += length;
	}
	json = json_stringn(text.length ? (const char *)buffer_data(&text) : "", text.length);
	buffer_release(&text);
	return json;
}

static json_t *report_response(const struct call_report *call, enum report_view view)
{
	const struct ws_response *response = &call->response;
	json_t *report;

	if (view == REPORT_OBSERVED)
		return json_pack("{s:i}", "status", (int)response->status);
	report = json_pack("{s:i,s:o,s:o}", "status", (int)response->status, "reason",
		rpc_text(response->reason), "headers", report_headers(response, view));

	if (call->body)
		json_object_set_new(report, "body", report_body(call->body));
	if (call->retry_after)
		json_object_set_new(report, "retry_after_ms",
			report_number(call->retry_after / CLOCK_NS_PER_MS));
	return report;
}

/* The URL that a call has come to after so many redirects: only the first is of the settings. */
static json_t *report_step(const char *url, size_t redirects, enum report_view view)
{
	return redirects && view == REPORT_OBSERVED ? json_null() : report_url(url, view);
}

static json_t *report_redirects(const struct string_list *redirects, enum report_view view)
{
	json_t *urls = json_array();

	for (size_t i = 0; i < redirects->count; i++)
		json_array_append_new(urls, report_step(redirects->items[i], i, view));
	return urls;
}

static json_t *report_tls(const struct tls_report *tls, enum report_view view)
{
	bool all = view != REPORT_OBSERVED;

	if (!tls)
		return json_null();
	return json_pack("{s:s,s:s,s:o,s:b,s:o,s:o}", "version", tls->version, "cipher",
		tls->cipher, "alpn", report_text_or_null(all ? tls->alpn : NULL), "resumed",
		tls->resumed, "certificate",
		report_text_or_null(all ? tls->certificate_subject : NULL),
		"certificate_expiry",
		tls->certificate_expiry ? report_time(tls->certificate_expiry) : json_null());
}

static json_t *report_compression(const struct call_report *call)
{
	const struct ws_deflate_parameters *agreed = &call->deflate_parameters;

	if (!call->deflate)
		return json_null();
	return json_pack("{s:i,s:i,s:b,s:b}", "client_max_window_bits",
		agreed->client_max_window_bits, "server_max_window_bits",
		agreed->server_max_window_bits, "client_no_context_takeover",
		agreed->client_no_context_takeover, "server_no_context_takeover",
		agreed->server_no_context_takeover);
}

static json_t *report_info(const struct call_report *call, enum report_view view)
{
	const struct dial_report *dial = &call->dial;
	json_t *info = json_object();

	json_object_set_new(info, "url", report_step(call->url, call->redirects.count, view));
	json_object_set_new(info, "redirects", report_redirects(&call->redirects, view));
	json_object_set_new(info, "proxy", report_url(dial->proxy, view));
	json_object_set_new(info, "time", report_time(call->time));
	json_object_set_new(info, "peer", report_text_or_null(dial->peer));
	json_object_set_new(info, "local", report_text_or_null(dial->local));
	json_object_set_new(info, "addresses_tried", json_integer(dial->attempts));
	json_object_set_new(info, "resolve_us", report_number(dial->resolve_us));
	json_object_set_new(info, "connect_us", report_number(dial->connect_us));
	json_object_set_new(info, "proxy_us", report_number(dial->proxy_us));
	json_object_set_new(info, "tls_us", report_number(dial->tls_us));
	json_object_set_new(info, "upgrade_us", report_number(call->upgrade_us));
	json_object_set_new(info, "tls", report_tls(dial->tls, view));
	json_object_set_new(info, "protocol",
		report_text_or_null(view == REPORT_ALL ? call->protocol : NULL));
	json_object_set_new(info, "compression", report_compression(call));
	return info;
}

json_t *report_call(const struct call_report *call, enum report_view view)
{
	json_t *report = json_object();

	if (call->response.status)
		json_object_set_new(report, "response", report_response(call, view));
	json_object_set_new(report, "info", report_info(call, view));
	return report;
}

json_t *report_connection(const struct connection *connection, enum report_view view)
{
	struct connection_status status;
	json_t *line = json_object();

	connection_status(connection, &status);
	json_object_set_new(line, "name", json_string(connection_name(connection)));
	json_object_set_new(line, "state", json_string(connection_state_name(status.state)));
	json_object_set_new(line, "url", report_url(status.url, view));
	json_object_set_new(line, "since", report_time(status.since));
	json_object_set_new(line, "attempt", json_integer(status.attempt));
	json_object_set_new(line, "queued", json_boolean(status.queued));
	json_object_set_new(line, "gave_up", rpc_text(status.gave_up));
	json_object_set_new(line, "next_try_ms",
		status.state == CONNECTION_WAITING && !status.queued
			? report_number(status.next_try_ns / CLOCK_NS_PER_MS)
			: json_null());
	json_object_set_new(line, "bytes_sent", report_number(status.stats->wire.bytes_sent));
	json_object_set_new(line, "bytes_recv", report_number(status.stats->wire.bytes_recv));
	json_object_set_new(line, "messages_sent", report_number(status.stats->wire.messages_sent));
	json_object_set_new(line, "messages_recv", report_number(status.stats->messages_recv));
	json_object_set_new(line, "last_error",
		rpc_text(view != REPORT_OBSERVED ? status.last_error_text : status.last_error));
	return line;
}

static json_t *report_last_error(const struct connection_status *status, enum report_view view)
{
	if (!status->last_error)
		return json_null();
	return json_pack("{s:s,s:o,s:o}", "err", status->last_error, "desc",
		rpc_text(view != REPORT_OBSERVED ? status->last_error_text : NULL), "time",
		report_time(status->last_error_time));
}

static json_t *report_last_close(const struct connection_status *status, enum report_view view)
{
	if (!status->last_close_code)
		return json_null();
	return json_pack("{s:i,s:o,s:b}", "code", (int)status->last_close_code, "reason",
		report_text_or_null(view != REPORT_OBSERVED ? status->last_close_reason : NULL),
		"remote", status->last_close_remote);
}

static json_t *report_warning_counts(const struct warnings *warnings)
{
	return json_pack("{s:b,s:I,s:I,s:I}", "active", warnings_active(warnings), "queued",
		(json_int_t)warnings->count, "raised", (json_int_t)warnings->raised, "dropped",
		(json_int_t)warnings->dropped);
}

json_t *report_status(const struct connection *connection, enum report_view view)
{
	struct connection_status status;
	json_t *report = report_connection(connection, view);
	json_t *outlets = json_array();

	connection_status(connection, &status);
	for (size_t i = 0; i < status.outlet_count; i++)
		json_array_append_new(outlets,
			json_string(outlet_settings(connection_outlet(connection, i))->name));
	json_object_set_new(report, "outlets", outlets);
	json_object_set_new(report, "when", json_string(when_names[status.settings->when]));
	json_object_set_new(report, "paused", json_boolean(status.paused));
	json_object_set_new(report, "send_queued", report_number(status.send_queued));
	json_object_set_new(report, "held", report_number(status.held));
	json_object_set_new(report, "held_bytes", report_number(status.held_bytes));
	json_object_set_new(report, "last_error", report_last_error(&status, view));
	json_object_set_new(report, "last_close", report_last_close(&status, view));
	json_object_set_new(report, "warnings", report_warning_counts(status.warnings));
	json_object_set_new(report, "stats", report_stats(connection, view));
	json_object_set_new(report, "call",
		status.call && status.call->time ? report_call(status.call, view)
						 : json_null());
	return report;
}

/* How many bytes of messages a compressed byte stood for, to a thousandth; null: there was none. */
static json_t *report_ratio(uint64_t uncompressed, uint64_t compressed)
{
	if (!compressed)
		return json_null();
	return json_real((double)(uncompressed * 1000 / compressed) / 1000);
}

json_t *report_stats(const struct connection *connection, enum report_view view)
{
	struct connection_status status;
	const struct warn_settings *warn;
	const struct ws_endpoint_counts *wire;
	json_t *report = json_object();

	(void)view;
	connection_status(connection, &status);
	wire = &status.stats->wire;
	report_counters(report, stats_counters, status.stats);
	json_object_set_new(report, "ratio_sent",
		report_ratio(wire->uncompressed_sent, wire->compressed_sent));
	json_object_set_new(report, "ratio_recv",
		report_ratio(wire->uncompressed_recv, wire->compressed_recv));
	json_object_set_new(report, "since", report_time(status.stats->since));
	if (!warnings_active(status.warnings))
		return report;
	warn = &status.warnings->thresholds;
	json_object_set_new(report, "arg", report_parsed(warn->arg));
	json_object_set_new(report, "timeout", report_number(warn->warning_ms * 1000));
	json_object_set_new(report, "min_throughput", report_number(warn->warning_bs));
	json_object_set_new(report, "min_throughput_us", report_number(warn->min_ms * 1000));
	return report;
}

/* The fields are those of the Qore classes (without an argument there is no "arg"), and then the
 * number, the connection and the time. */
json_t *report_warning(const struct warning *warning, const char *connection)
{
	json_t *report;

	if (warning->type == WARNING_OPERATION)
		report = json_pack("{s:s,s:s,s:I,s:I}", "type", "SOCKET-OPERATION-WARNING",
			"operation", warning->operation, "us", (json_int_t)warning->us, "timeout",
			(json_int_t)warning->timeout);
	else
		report = json_pack("{s:s,s:s,s:I,s:I,s:f,s:I}", "type",
			"SOCKET-THROUGHPUT-WARNING", "dir", warning->operation, "bytes",
			(json_int_t)warning->bytes, "us", (json_int_t)warning->us, "bytes_sec",
			warning->bytes_sec, "threshold", (json_int_t)warning->threshold);
	if (warning->arg)
		json_object_set_new(report, "arg", report_parsed(warning->arg));
	json_object_set_new(report, "seq", report_number(warning->seq));
	json_object_set_new(report, "connection", rpc_text(connection));
	json_object_set_new(report, "time", report_time(warning->time));
	return report;
}

json_t *report_outlet(const struct outlet *outlet)
{
	const struct outlet_settings *settings = outlet_settings(outlet);
	json_t *report = json_object();
	json_t *from = json_array();
	struct outlet_stats stats;
	const char **sources;
	char mode[8];
	size_t count;

	sources = gateway_outlet_sources(outlet, &count);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(from, json_string(sources[i]));
	free(sources);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)settings->mode & 07777);
	outlet_stats(outlet, &stats);

	json_object_set_new(report, "name", json_string(settings->name));
	json_object_set_new(report, "path", rpc_text(settings->path));
	json_object_set_new(report, "format", report_choice(outlet_formats, settings->format));
	json_object_set_new(report, "from", from);
	json_object_set_new(report, "on_lag", report_choice(outlet_on_lags, settings->on_lag));
	json_object_set_new(report, "start", report_choice(outlet_starts, settings->start));
	json_object_set_new(report, "ring", report_number(settings->ring));
	json_object_set_new(report, "mode", json_string(mode));
	json_object_set_new(report, "owner", rpc_text(settings->owner));
	json_object_set_new(report, "group", rpc_text(settings->group));
	json_object_set_new(report, "writable", json_boolean(settings->writable));
	json_object_set_new(report, "max_subscribers", json_integer(settings->max_subscribers));
	json_object_set_new(report, "waiting", json_boolean(stats.waiting));
	report_counters(report, outlet_counters, &stats);
	return report;
}

json_t *report_subscriber(const struct outlet_subscriber_info *info, const char *outlet)
{
	json_t *subscriber = json_pack("{s:s,s:I,s:i,s:I,s:o,s:s,s:I,s:I,s:I,s:I,s:I}", "outlet",
		outlet, "id", (json_int_t)info->id, "pid", (int)info->pid, "uid",
		(json_int_t)info->uid, "since", report_time(info->since), "mode",
		info->mapped ? "ring" : "bytes", "sent", (json_int_t)info->sent, "behind",
		(json_int_t)info->behind, "lost", (json_int_t)info->lost, "lags",
		(json_int_t)info->lags, "inputs", (json_int_t)info->inputs);

	if (info->mapped) { /* not known */
		json_object_set_new(subscriber, "behind", json_null());
		json_object_set_new(subscriber, "lost", json_null());
		json_object_set_new(subscriber, "lags", json_null());
	}
	return subscriber;
}

static json_t *report_texts(char *const *texts, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, rpc_text(texts[i]));
	return array;
}

json_t *report_reload(const struct reload_outcome *outcome)
{
	const struct gateway_changes *changes = &outcome->changes;
	json_t *report = json_object();

	json_object_set_new(report, "added", json_integer(changes->added));
	json_object_set_new(report, "removed", json_integer(changes->removed));
	json_object_set_new(report, "changed", json_integer(changes->changed));
	json_object_set_new(report, "unchanged", json_integer(changes->unchanged));
	json_object_set_new(report, "outlets_added", json_integer(changes->outlets_added));
	json_object_set_new(report, "outlets_removed", json_integer(changes->outlets_removed));
	json_object_set_new(report, "outlets_changed", json_integer(changes->outlets_changed));
	json_object_set_new(report, "restart",
		report_texts(outcome->restart.items, outcome->restart.count));
	json_object_set_new(report, "warnings",
		report_texts(outcome->problems.warnings.items, outcome->problems.warnings.count));
	return report;
}

/* NULL: an observer does not see it. */
static json_t *report_event_member(const struct event_member *member, enum report_view view)
{
	switch (member->kind) {
	case EVENT_MEMBER_NUMBER:
		return report_number(member->number);
	case EVENT_MEMBER_BOOLEAN:
		return json_boolean(member->boolean);
	case EVENT_MEMBER_OWN_TEXT:
		return rpc_text(member->text);
	case EVENT_MEMBER_URL:
		return report_url(member->text, view);
	case EVENT_MEMBER_TEXT:
		break;
	}
	return view == REPORT_OBSERVED ? NULL : rpc_text(member->text);
}

static void report_event_members(json_t *report, const struct event_members *members,
	enum report_view view)
{
	for (unsigned i = 0; members && i < members->count; i++) {
		const struct event_member *member = &members->list[i];

		json_object_set_new(report, member->name, report_event_member(member, view));
	}
}

json_t *report_event(const struct gateway_event *event, enum report_view view)
{
	json_t *report = json_object();

	json_object_set_new(report, "type", json_string(event_type_name(event->type)));
	json_object_set_new(report, "time", report_time(event->time));
	if (event->connection)
		json_object_set_new(report, "connection", rpc_text(event->connection));
	if (event->outlet)
		json_object_set_new(report, "outlet", rpc_text(event->outlet));
	if (event->warning)
		json_object_set_new(report, "warning",
			report_warning(event->warning, event->connection));
	report_event_members(report, event->members, view);
	return report;
}
