#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "control/report_value.h"
#include "gateway/cookies.h"

static bool report_hides_header(const char *name, enum report_view view)
{
	return view != REPORT_ALL && strcasecmp(name, "Sec-WebSocket-Protocol") == 0;
}

/* A header of the response, in a list of those of exactly the same name. */
struct report_header {
	struct http_field field;
	struct report_header *first, *next;
	struct report_header *last; /* of the first */
};

/* Links headers of the same name: a response may have thousands. Returns their number. */
static size_t report_link_headers(struct report_header *headers, const struct http_head *response)
{
	struct names names = {0};
	struct http_field field = {0};
	size_t count = 0;

	while (http_head_next(response, &field)) {
		struct report_header *header = &headers[count++];
		struct report_header *first = names_find(&names, field.name);

		*header = (struct report_header){field, first ? first : header, NULL, header};
		if (first) {
			first->last->next = header;
			first->last = header;
		} else {
			names_add(&names, field.name, header);
		}
	}
	names_release(&names);
	return count;
}

static void report_header_value(struct json_writer *json, const char *name,
	const struct http_field *field)
{
	char *cookie =
		strcasecmp(field->name, "Set-Cookie") == 0 ? cookies_show(field->value) : NULL;

	json_put_text(json, name, cookie ? cookie : field->value);
	free(cookie);
}

/* A header that occurs more than once has an array of its values. */
static void report_header(struct json_writer *json, const struct report_header *header)
{
	const char *name = header->field.name;

	if (!header->next) {
		report_header_value(json, name, &header->field);
		return;
	}
	json_put_array(json, name);
	for (; header; header = header->next)
		report_header_value(json, NULL, &header->field);
	json_put_array_end(json);
}

static void report_headers(struct json_writer *json, const struct http_head *response,
	enum report_view view)
{
	struct report_header *headers = alloc_zero(http_head_count(response), sizeof(*headers));
	size_t count = report_link_headers(headers, response);

	json_put_object(json, "headers");
	for (size_t i = 0; i < count; i++) {
		if (headers[i].first == &headers[i] &&
			!report_hides_header(headers[i].field.name, view))
			report_header(json, &headers[i]);
	}
	json_put_object_end(json);
	free(headers);
}

/* Beginning of a refusal's body: only its line breaks and tabs stay as they are. */
static void report_body(struct json_writer *json, const char *body)
{
	struct buffer text = {0};

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
	json_put_string(json, "body", buffer_data(&text), text.length);
	buffer_release(&text);
}

static void report_response(struct json_writer *json, const struct call_report *call,
	enum report_view view)
{
	const struct http_head *response = &call->response;

	json_put_object(json, "response");
	json_put_number(json, "status", response->status);
	if (view != REPORT_OBSERVED) {
		json_put_text(json, "reason", http_head_reason(response));
		report_headers(json, response, view);
		if (call->body)
			report_body(json, call->body);
		if (call->retry_after)
			json_put_number(json, "retry_after_ms",
				call->retry_after / CLOCK_NS_PER_MS);
	}
	json_put_object_end(json);
}

/* The URL that a call has come to after that many redirects: only the first is from the settings. */
static void report_step(struct json_writer *json, const char *name, const char *url,
	size_t redirects, enum report_view view)
{
	report_url(json, name, redirects && view == REPORT_OBSERVED ? NULL : url, view);
}

static void report_redirects(struct json_writer *json, const struct string_list *redirects,
	enum report_view view)
{
	json_put_array(json, "redirects");
	for (size_t i = 0; i < redirects->count; i++)
		report_step(json, NULL, redirects->items[i], i, view);
	json_put_array_end(json);
}

static void report_tls(struct json_writer *json, const struct tls_report *tls,
	enum report_view view)
{
	bool all = view != REPORT_OBSERVED;

	if (!tls) {
		json_put_null(json, "tls");
		return;
	}
	json_put_object(json, "tls");
	json_put_text(json, "version", tls->version);
	json_put_text(json, "cipher", tls->cipher);
	report_text_or_null(json, "alpn", all ? tls->alpn : NULL);
	json_put_boolean(json, "resumed", tls->resumed);
	report_text_or_null(json, "certificate", all ? tls->certificate_subject : NULL);
	report_time(json, "certificate_expiry", tls->certificate_expiry);
	json_put_object_end(json);
}

static void report_compression(struct json_writer *json, const struct call_report *call)
{
	const struct ws_deflate_parameters *agreed = &call->deflate_parameters;

	if (!call->deflate) {
		json_put_null(json, "compression");
		return;
	}
	json_put_object(json, "compression");
	json_put_integer(json, "client_max_window_bits", agreed->client_max_window_bits);
	json_put_integer(json, "server_max_window_bits", agreed->server_max_window_bits);
	json_put_boolean(json, "client_no_context_takeover", agreed->client_no_context_takeover);
	json_put_boolean(json, "server_no_context_takeover", agreed->server_no_context_takeover);
	json_put_object_end(json);
}

static void report_info(struct json_writer *json, const struct call_report *call,
	enum report_view view)
{
	const struct dial_report *dial = &call->dial;

	json_put_object(json, "info");
	report_step(json, "url", call->url, call->redirects.count, view);
	report_redirects(json, &call->redirects, view);
	report_url(json, "proxy", dial->proxy, view);
	report_time(json, "time", call->time);
	report_text_or_null(json, "peer", dial->peer);
	report_text_or_null(json, "local", dial->local);
	json_put_number(json, "addresses_tried", dial->attempts);
	json_put_number(json, "resolve_us", dial->resolve_us);
	json_put_number(json, "connect_us", dial->connect_us);
	json_put_number(json, "proxy_us", dial->proxy_us);
	json_put_number(json, "tls_us", dial->tls_us);
	json_put_number(json, "upgrade_us", call->upgrade_us);
	report_tls(json, dial->tls, view);
	report_text_or_null(json, "protocol", view == REPORT_ALL ? call->protocol : NULL);
	report_compression(json, call);
	json_put_object_end(json);
}

void report_call_members(struct json_writer *json, const struct call_report *call,
	enum report_view view)
{
	if (call->response.status)
		report_response(json, call, view);
	report_info(json, call, view);
}
