#include "test_control.h"

#include <string.h>

#include "base/http_head.h"
#include "control/report.h"
#include "control/report_value.h"

static struct buffer out;
static struct json_writer json;

static void setup(void)
{
	json = (struct json_writer){&out, false};
}

static void teardown(void)
{
	buffer_release(&out);
}

static void expect(const char *text)
{
	buffer_append(&out, "", 1);
	ck_assert_str_eq((const char *)buffer_data(&out), text);
	buffer_clear(&out);
	json.after_value = false;
}

START_TEST(values_that_do_not_exist_are_null)
{
	json_put_array(&json, NULL);
	report_time(&json, NULL, 0);
	report_text_or_null(&json, NULL, "");
	report_url(&json, NULL, NULL, REPORT_OBSERVED);
	report_json(&json, NULL, NULL);
	json_put_array_end(&json);
	expect("[null,null,null,null]");
	report_time(&json, NULL, 1000);
	expect("\"1970-01-01T00:00:00.000001Z\"");
}
END_TEST

START_TEST(an_observer_sees_no_user_in_a_url)
{
	report_url(&json, NULL, "wss://me:***@a.example/x@y?…", REPORT_CONTROL);
	expect("\"wss://me:***@a.example/x@y?…\"");
	report_url(&json, NULL, "wss://me:***@a.example/x@y?…", REPORT_OBSERVED);
	expect("\"wss://a.example/x@y?…\"");
	report_url(&json, NULL, "wss://a.example/x@y", REPORT_OBSERVED);
	expect("\"wss://a.example/x@y\"");
}
END_TEST

static void put_response(enum report_view view)
{
	static const struct http_rules rules = {
		.kind = HTTP_RESPONSE,
		.subject = "the response",
		.error = ERROR_WEBSOCKET,
		.bytes_max = 1024,
	};
	static const char head[] =
		"HTTP/1.1 403 Forbidden\r\nSet-Cookie: a=token; Path=/\r\n"
		"Sec-WebSocket-Protocol: token\r\nX: b\xff\r\nSet-Cookie: token\r\n"
		"x: d\r\nSet-Cookie: e=\r\nfolded : \x1b[1mup\r\n down\r\n"
		"no colon\r\n\r\n";
	struct call_report call = {.body = (char *)"no\xff\nway", .retry_after = 2000000000};
	struct error error;
	const char *end;
	size_t used;

	ck_assert_int_eq(http_head_parse(&call.response, &rules, head, sizeof(head) - 1, &used,
				 &error),
		HTTP_HEAD_DONE);
	json_put_object(&json, NULL);
	report_call_members(&json, &call, view);
	http_head_release(&call.response);
	buffer_append(&out, "", 1);
	end = strstr((const char *)buffer_data(&out), ",\"info\":{\"url\":null,");
	ck_assert_ptr_nonnull(end);
	out.length = (size_t)(end - (const char *)buffer_data(&out));
}

START_TEST(a_response_shows_what_the_viewer_may_see)
{
	put_response(REPORT_ALL);
	expect("{\"response\":{\"status\":403,\"reason\":\"Forbidden\",\"headers\":{"
	       "\"Set-Cookie\":[\"a=***; Path=/\",\"***\",\"e=***\"],\"Sec-WebSocket-Protocol\":\"token\","
	       "\"X\":\"b\xef\xbf\xbd\",\"x\":\"d\",\"folded\":\"  [1mup down\"},\"body\":\"no\xef\xbf\xbd\\u000away\","
	       "\"retry_after_ms\":2000}");
	put_response(REPORT_CONTROL);
	ck_assert_ptr_null(memmem(buffer_data(&out), out.length, "token", 5));
	expect("{\"response\":{\"status\":403,\"reason\":\"Forbidden\",\"headers\":{"
	       "\"Set-Cookie\":[\"a=***; Path=/\",\"***\",\"e=***\"],\"X\":\"b\xef\xbf\xbd\",\"x\":\"d\","
	       "\"folded\":\"  [1mup down\"},\"body\":\"no\xef\xbf\xbd\\u000away\",\"retry_after_ms\":2000}");
	put_response(REPORT_OBSERVED);
	expect("{\"response\":{\"status\":403}");
}
END_TEST

START_TEST(a_call_without_answer_has_no_response)
{
	const struct call_report call = {.url = (char *)"ws://a.example/"};

	json_put_object(&json, NULL);
	report_call_members(&json, &call, REPORT_ALL);
	json_put_object_end(&json);
	ck_assert_ptr_null(memmem(buffer_data(&out), out.length, "response", 8));
	ck_assert_ptr_nonnull(memmem(buffer_data(&out), out.length,
		"{\"info\":{\"url\":\"ws://a.example/\",\"redirects\":[],", 47));
}
END_TEST

START_TEST(an_observer_sees_only_our_own_words_of_an_event)
{
	struct event_members members = {0};
	const struct gateway_event event = {
		.type = EVENT_TYPE_CLOSE,
		.time = 1000,
		.connection = "feed",
		.members = &members,
	};

	event_add_number(&members, "code", 1008);
	event_add_text(&members, "reason", "go away");
	event_add_own_text(&members, "err", "SOCKET-CLOSED");
	event_add_url(&members, "url", "ws://me@a.example/");
	report_event(&json, NULL, &event, REPORT_OBSERVED);
	expect("{\"type\":\"close\",\"time\":\"1970-01-01T00:00:00.000001Z\",\"connection\":"
	       "\"feed\",\"code\":1008,\"err\":\"SOCKET-CLOSED\",\"url\":\"ws://a.example/\"}");
	report_event(&json, NULL, &event, REPORT_CONTROL);
	expect("{\"type\":\"close\",\"time\":\"1970-01-01T00:00:00.000001Z\",\"connection\":"
	       "\"feed\",\"code\":1008,\"reason\":\"go away\",\"err\":\"SOCKET-CLOSED\","
	       "\"url\":\"ws://me@a.example/\"}");
}
END_TEST

START_TEST(what_is_not_known_of_a_ring_reader_is_null)
{
	struct outlet_subscriber_info info = {.id = 3, .pid = 7, .uid = 1000, .lost = 2};

	report_subscriber(&json, NULL, &info, "out");
	expect("{\"outlet\":\"out\",\"id\":3,\"pid\":7,\"uid\":1000,\"since\":null,\"mode\":\"bytes\","
	       "\"sent\":0,\"behind\":0,\"lost\":2,\"lags\":0,\"behind_since\":null,\"oversize\":0,"
	       "\"inputs\":0,\"input_errors\":0}");
	info.mapped = true;
	report_subscriber(&json, NULL, &info, "out");
	expect("{\"outlet\":\"out\",\"id\":3,\"pid\":7,\"uid\":1000,\"since\":null,\"mode\":\"ring\","
	       "\"sent\":0,\"behind\":null,\"lost\":null,\"lags\":null,\"behind_since\":null,\"oversize\":0,"
	       "\"inputs\":0,\"input_errors\":0}");
}
END_TEST

Suite *report_suite(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("report");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, values_that_do_not_exist_are_null);
	tcase_add_test(tests, an_observer_sees_no_user_in_a_url);
	tcase_add_test(tests, a_response_shows_what_the_viewer_may_see);
	tcase_add_test(tests, a_call_without_answer_has_no_response);
	tcase_add_test(tests, an_observer_sees_only_our_own_words_of_an_event);
	tcase_add_test(tests, what_is_not_known_of_a_ring_reader_is_null);
	suite_add_tcase(suite, tests);
	return suite;
}
