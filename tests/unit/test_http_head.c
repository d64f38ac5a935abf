#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/http_head.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct http_rules response_rules = {
	.kind = HTTP_RESPONSE,
	.subject = "the response",
	.error = ERROR_WEBSOCKET,
	.bytes_max = 1024,
};

static const struct http_rules request_rules = {
	.kind = HTTP_REQUEST,
	.subject = "the request",
	.error = ERROR_WEBSOCKET,
	.bytes_max = 1024,
};

/* Feeds the head `step` bytes at a time, 0: all at once; *rest is the number of bytes after it. */
static enum http_head_state feed(struct http_head *head, const struct http_rules *rules,
	const char *text, size_t length, size_t step, size_t *rest, struct error *error)
{
	enum http_head_state state = HTTP_HEAD_MORE;
	size_t offset = 0;

	while (offset < length && state == HTTP_HEAD_MORE) {
		size_t piece = step && step < length - offset ? step : length - offset;
		size_t used;

		state = http_head_parse(head, rules, text + offset, piece, &used, error);
		ck_assert_uint_le(used, piece);
		offset += used;
	}
	*rest = length - offset;
	return state;
}

static void parse(struct http_head *head, const struct http_rules *rules, const char *text)
{
	struct error error;
	size_t rest;

	*head = (struct http_head){0};
	ck_assert_msg(feed(head, rules, text, strlen(text), 0, &rest, &error) == HTTP_HEAD_DONE,
		"%s", text);
	ck_assert_uint_eq(rest, 0);
}

START_TEST(response)
{
	static const char text[] = "HTTP/1.1 404 Not  Found\r\nServer:nginx\r\nX-Empty:\r\n"
				   "x-space: \t a b \t\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\nbody";
	static const struct http_field fields[] = {{"Server", "nginx"}, {"X-Empty", ""},
		{"x-space", "a b"}, {"X-Twice", "1"}, {"x-twice", "2"}};

	for (size_t step = 0; step < 5; step++) {
		struct http_field field = {0};
		struct http_head head = {0};
		struct error error;
		size_t rest;

		ck_assert_int_eq(feed(&head, &response_rules, text, strlen(text), step, &rest,
					 &error),
			HTTP_HEAD_DONE);
		ck_assert_uint_eq(rest, 4);
		ck_assert_uint_eq(head.status, 404);
		ck_assert_uint_eq(head.minor, 1);
		ck_assert_str_eq(http_head_reason(&head), "Not  Found");
		for (size_t i = 0; i < COUNT(fields); i++) {
			ck_assert(http_head_next(&head, &field));
			ck_assert_str_eq(field.name, fields[i].name);
			ck_assert_str_eq(field.value, fields[i].value);
		}
		ck_assert(!http_head_next(&head, &field));
		ck_assert_str_eq(http_head_find(&head, "SERVER"), "nginx");
		ck_assert_str_eq(http_head_find(&head, "X-Twice"), "1");
		ck_assert_ptr_null(http_head_find(&head, "X-None"));
		http_head_release(&head);
		ck_assert_uint_eq(head.status, 0);
		ck_assert_ptr_null(http_head_find(&head, "Server"));
	}
}
END_TEST

START_TEST(incomplete)
{
	struct http_head head = {0};
	struct http_field field = {0};
	struct error error;
	size_t used;

	ck_assert_int_eq(http_head_parse(&head, &response_rules, "", 0, &used, &error),
		HTTP_HEAD_MORE);
	ck_assert_int_eq(http_head_parse(&head, &response_rules, "HTTP/1.1 200 OK\r\nA: b\r\n", 23,
				 &used, &error),
		HTTP_HEAD_MORE);
	ck_assert_uint_eq(head.status, 0);
	ck_assert(!http_head_next(&head, &field));
	ck_assert_ptr_null(http_head_find(&head, "A"));
	http_head_release(&head);
}
END_TEST

static const struct {
	const struct http_rules *rules;
	const char *text;
	unsigned status, minor;
	const char *reason;
} status_lines[] = {
	{&response_rules, "HTTP/1.1 200\r\n\r\n", 200, 1, ""},
	{&response_rules, "HTTP/1.1 200 \r\n\r\n", 200, 1, ""},
	{&response_rules, "HTTP/1.0 502 Bad Gateway\r\n\r\n", 502, 0, "Bad Gateway"},
	{&response_rules, "HTTP/1.1 999 \xc3\xa4\r\n\r\n", 999, 1, "\xc3\xa4"},
	{&response_rules, "HTTP/1.1 101 a\tb\r\n\r\n", 101, 1, "a\tb"},
	{&response_rules, "HTTP/1.0 299\n\n", 299, 0, ""},
	{&response_rules, "HTTP/1.9 200 \x01\n\r\n", 200, 9, "\x01"},
	{&response_rules, "HTTP/1.1 200 \r \r\n\n", 200, 1, "\r "},
};

START_TEST(status_line)
{
	struct http_head head;

	parse(&head, status_lines[_i].rules, status_lines[_i].text);
	ck_assert_uint_eq(head.status, status_lines[_i].status);
	ck_assert_uint_eq(head.minor, status_lines[_i].minor);
	ck_assert_str_eq(http_head_reason(&head), status_lines[_i].reason);
	http_head_release(&head);
}
END_TEST

/* Each head as the fields it has; "|" stands for the end of the head. */
static const struct {
	const char *text;
	const char *fields;
} oddities[] = {
	/* the ends of lines */
	{"A: b\nC: d\n\nrest", "A=b;C=d;|rest"},
	{"A: b\r\nC: d\n\r\nrest", "A=b;C=d;|rest"},
	{"A: b\nC: d\r\n\nrest", "A=b;C=d;|rest"},
	{"A: b\r\n\r\n\r\n", "A=b;|\r\n"},
	{"A: b\n\n\n", "A=b;|\n"},
	{"\n\r\n", "|\r\n"},
	{"A: b\r\r\n\r\n", "A=b;|"},
	{"A: b\rC: d\r\n\r\n", "A=b\rC: d;|"},
	/* what is no field */
	{"no colon\r\nA: b\r\n\r\n", "A=b;|"},
	{": b\r\n : c\r\nA: b\r\n\r\n", "A=b;|"},
	{"A B: c\r\n(A): c\r\n\xc3\xa4: c\r\nA\x01: c\r\nA: b\r\n\r\n", "A=b;|"},
	{" B: c\r\nA: b\r\n\r\n", "A=b;|"},
	{"no colon\r\n B: c\r\nA: b\r\n\r\n", "A=b;|"},
	/* odd fields, which can be told from others by a line feed */
	{"A : b\r\n\r\n", "A=\nb;|"},
	{"A \t:\r\n\r\n", "A=\n;|"},
	{"A\r: b\r\n\r\n", "A=\nb;|"},
	{"A:b\n c\n\td \nE:f\n\n", "A=b\nc\nd;E=f;|"},
	{"A:\r\n b\r\n\r\n", "A=\nb;|"},
	{"A: b\r\n \r\n\r\n", "A=b\n;|"},
	{"A: b\r\n\r\r\n\r\n", "A=b\n;|"},
	{"A: b\r\n B: c\r\n\r\n", "A=b\nB: c;|"},
	{"A : b\n c\n\n", "A=\nb\nc;|"},
	/* any bytes in a value */
	{"A: \x01\x1b\x7f\xff\xc3\xa4\r\n\r\n", "A=\x01\x1b\x7f\xff\xc3\xa4;|"},
};

START_TEST(odd_responses)
{
	const char *text = oddities[_i].text;
	struct buffer all = {0};

	buffer_append_format(&all, "HTTP/1.1 200 OK\n%s", text);
	for (size_t step = 0; step < 5; step++) {
		struct http_field field = {0};
		struct buffer shown = {0};
		struct http_head head = {0};
		struct error error;
		size_t rest;

		ck_assert_int_eq(feed(&head, &response_rules, (const char *)buffer_data(&all),
					 all.length, step, &rest, &error),
			HTTP_HEAD_DONE);
		while (http_head_next(&head, &field))
			buffer_append_format(&shown, "%s=%s;", field.name, field.value);
		buffer_append_format(&shown, "|%s", text + strlen(text) - rest);
		buffer_append(&shown, "", 1);
		ck_assert_str_eq((const char *)buffer_data(&shown), oddities[_i].fields);
		buffer_release(&shown);
		http_head_release(&head);
	}
	buffer_release(&all);
}
END_TEST

START_TEST(single_fields)
{
	struct http_head head;

	parse(&head, &response_rules,
		"HTTP/1.1 302 Found\r\nLocation: /a\r\nlocation: /a\r\nX: 1\r\nX: 2\r\n\r\n");
	ck_assert_uint_eq(http_head_count(&head), 4);
	ck_assert_str_eq(http_head_find_single(&head, "Location"), "/a");
	ck_assert_ptr_null(http_head_find_single(&head, "X"));
	ck_assert_ptr_null(http_head_find_single(&head, "Y"));
	http_head_release(&head);
}
END_TEST

/* Interim responses are not ours to read, but for the 101. */
START_TEST(interim_responses)
{
	static const char *const texts[] = {
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 x\r\nA: b\r\n\r\nrest",
		"HTTP/1.1 103 Early Hints\nA: no\n: \n\nHTTP/1.1 102\r\n\r\n"
		"HTTP/1.1 199 x\r\nA : no\r\n\r\nHTTP/1.1 403 x\r\nA: b\r\n\r\nrest",
	};
	static const unsigned statuses[] = {101, 403};

	for (size_t step = 0; step < 5; step++) {
		struct http_head head = {0};
		struct error error;
		size_t rest;

		ck_assert_int_eq(feed(&head, &response_rules, texts[_i], strlen(texts[_i]), step,
					 &rest, &error),
			HTTP_HEAD_DONE);
		ck_assert_uint_eq(rest, 4);
		ck_assert_uint_eq(head.status, statuses[_i]);
		ck_assert_uint_eq(http_head_count(&head), 1);
		ck_assert_str_eq(http_head_find(&head, "A"), "b");
		http_head_release(&head);
	}
}
END_TEST

START_TEST(endless_interim_responses)
{
	struct buffer text = {0};

	for (int i = 0; i < HTTP_INTERIM_MAX; i++)
		buffer_append_text(&text, "HTTP/1.1 100 Go on\r\n\r\n");
	for (int more = 0; more < 2; more++) {
		struct http_head head = {0};
		struct error error;
		size_t rest;

		ck_assert_int_eq(feed(&head, &response_rules, (const char *)buffer_data(&text),
					 text.length, (size_t)_i, &rest, &error),
			more ? HTTP_HEAD_INVALID : HTTP_HEAD_MORE);
		if (more)
			ck_assert_str_eq(error.text,
				"the response follows more than 16 interim responses");
		http_head_release(&head);
		buffer_append_text(&text, "HTTP/1.1 102 Still\r\n\r\n");
	}
	buffer_release(&text);
}
END_TEST

START_TEST(request)
{
	struct http_head head;

	parse(&head, &request_rules,
		"GET /metrics?x=%20 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
	ck_assert_str_eq(http_head_method(&head), "GET");
	ck_assert_str_eq(http_head_target(&head), "/metrics?x=%20");
	ck_assert_uint_eq(head.minor, 1);
	ck_assert_uint_eq(head.status, 0);
	ck_assert_str_eq(http_head_find(&head, "upgrade"), "websocket");
	http_head_release(&head);

	parse(&head, &request_rules, "M-SEARCH * HTTP/1.0\r\n\r\n");
	ck_assert_str_eq(http_head_method(&head), "M-SEARCH");
	ck_assert_str_eq(http_head_target(&head), "*");
	ck_assert_uint_eq(head.minor, 0);
	ck_assert_ptr_null(http_head_find(&head, "Host"));
	http_head_release(&head);
}
END_TEST

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const struct http_rules *rules;
	const char *text;
	size_t length;
	const char *error;
} invalid[] = {
	{&response_rules, BYTES("SSH-2.0-OpenSSH_9\r\n"), "is not HTTP/1.1"},
	{&response_rules, BYTES("\x15\x03\x03"), "is not HTTP/1.1"},
	{&response_rules, BYTES("\r\nHTTP/1.1 101\r\n\r\n"), "is not HTTP/1.1"},
	{&response_rules, BYTES("HTTP/2 101\r\n\r\n"), "is not HTTP/1.1"},
	{&response_rules, BYTES("HTTP/1.1  101 x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 1o1 x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 10 x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 1011 x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 001 x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 101x\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.\r\n\r\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 101 x\r\nA: b\0c\r\n\r\n"), "NUL byte"},
	{&response_rules, BYTES("HTTP/1.1 100 x\r\n\r\n\r\nHTTP/1.1 200 x"), "is not HTTP/1.1"},
	{&response_rules, BYTES("HTTP/1.1 100 x\r\n\r\nSSH-2.0"), "is not HTTP/1.1"},
	{&response_rules, BYTES("HTTP/1.1\n\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.x 200 OK\n\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 20 OK\n\n"), "invalid status line"},
	{&response_rules, BYTES("HTTP/1.1 200 OK\nA: \0\n\n"), "NUL byte"},
	{&request_rules, BYTES("\x16\x03\x01"), "is not HTTP/1.1"},
	{&request_rules, BYTES("\r\n\r\n"), "is not HTTP/1.1"},
	{&request_rules, BYTES("GET\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET /\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / \r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET  HTTP/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET  / HTTP/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / HTTP/1.1 \r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / HTTP/1.10\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / HTTP/2.0\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / http/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GE(T / HTTP/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET /\t HTTP/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET /\xc3\xa4 HTTP/1.1\r\n\r\n"), "invalid request line"},
	{&request_rules, BYTES("GET / HTTP/1.1\r\nHost\r\n\r\n"), "invalid header line"},
	{&request_rules, BYTES("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
		"invalid header line: \" folded\""},
	{&request_rules, BYTES("GET / HTTP/1.1\r\nA : b\r\n\r\n"), "invalid header line"},
	{&request_rules, BYTES("GET / HTTP/1.1\r\n: b\r\n\r\n"), "invalid header line"},
	{&request_rules, BYTES("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"), "invalid header line"},
	{&request_rules, BYTES("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n"), "invalid header line"},
	{&request_rules, BYTES("GET / HTTP/1.1\nHost: a\n\n"), "does not end with CR LF"},
};

START_TEST(refused)
{
	const struct http_rules *rules = invalid[_i].rules;

	for (size_t step = 0; step < 3; step++) {
		struct http_head head = {0};
		struct error error;
		size_t rest;

		ck_assert_int_eq(feed(&head, rules, invalid[_i].text, invalid[_i].length, step,
					 &rest, &error),
			HTTP_HEAD_INVALID);
		ck_assert_str_eq(error.name, rules->error);
		ck_assert_msg(strstr(error.text, invalid[_i].error), "%s", error.text);
		ck_assert_int_eq(strncmp(error.text, rules->subject, strlen(rules->subject)), 0);
		http_head_release(&head);
	}
}
END_TEST

START_TEST(limits)
{
	struct http_head head = {0};
	struct buffer text = {0};
	struct error error;
	size_t rest;

	buffer_append_text(&text, "HTTP/1.1 200 OK\n");
	while (text.length < response_rules.bytes_max - 3U)
		buffer_append_text(&text, "A:\n");
	buffer_append(&text, "\n", 2);
	parse(&head, &response_rules, (const char *)buffer_data(&text));
	ck_assert_uint_eq(http_head_count(&head), (1024 - 16 - 3) / 3);
	http_head_release(&head);

	buffer_clear(&text);
	buffer_append_text(&text, "HTTP/1.1 200 OK\r\nA: ");
	while (text.length < response_rules.bytes_max - 4U)
		buffer_append_text(&text, "x");
	buffer_append(&text, "\r\n\r\n", 5);
	parse(&head, &response_rules, (const char *)buffer_data(&text));
	http_head_release(&head);

	text.length -= 5;
	buffer_append_text(&text, "x\r\n\r\n");
	for (size_t step = 0; step < 300; step += 100) {
		ck_assert_int_eq(feed(&head, &response_rules, (const char *)buffer_data(&text),
					 text.length, step, &rest, &error),
			HTTP_HEAD_INVALID);
		ck_assert_str_eq(error.text, "the response has a head longer than 1024 bytes");
	}
	buffer_release(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http head");
	TCase *tcase = tcase_create("head");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, response);
	tcase_add_test(tcase, incomplete);
	tcase_add_loop_test(tcase, status_line, 0, COUNT(status_lines));
	tcase_add_loop_test(tcase, odd_responses, 0, COUNT(oddities));
	tcase_add_test(tcase, single_fields);
	tcase_add_loop_test(tcase, interim_responses, 0, 2);
	tcase_add_loop_test(tcase, endless_interim_responses, 0, 4);
	tcase_add_test(tcase, request);
	tcase_add_loop_test(tcase, refused, 0, COUNT(invalid));
	tcase_add_test(tcase, limits);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
