#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/redirect.h"
#include "net/url.h"
#include "ws/handshake.h"

static const struct {
	const char *from;
	const char *location;
	const char *target; /* NULL: refused, and then the error has `words` */
	const char *words;
} targets[] = {
	{"ws://a/x", "ws://b:81/y?z", "ws://b:81/y?z", NULL},
	{"ws://a/x", "http://b/y", "ws://b/y", NULL},
	{"ws://a/x", "HTTPS://b/y", "wss://b/y", NULL},
	{"wss://a/x", "https://b/y", "wss://b/y", NULL},
	{"wss://a/x", "ws://b/y", NULL, "from wss to ws"},
	{"wss://a/x", "http://a/x", NULL, "from wss to ws"},
	{"ws://a/x", "ftp://b/y", NULL, "not a WebSocket URL"},
	{"ws://a/x", "javascript:alert(1)", NULL, "not a WebSocket URL"},
	{"ws://a:81/x/y?q", "/z", "ws://a:81/z", NULL},
	{"wss://a/x", "//b/z", "wss://b/z", NULL},
	{"ws://a/x/y?q", "z", "ws://a/x/z", NULL},
	{"ws://a/", "z", "ws://a/z", NULL},
	{"ws://a/x?q=/1", "z", "ws://a/z", NULL},
	{"ws://a/x?q", "?r", "ws://a/x?r", NULL},
	{"ws://a/x", "/y#part", "ws://a/y", NULL},
	{"ws://[::1]:81/x", "/y", "ws://[::1]:81/y", NULL},
	{"ws+unix:///run/s.sock:/x", "/y", NULL, "UNIX socket"},
	{"ws://a/x", "ws://b\xFF/y", NULL, "to ws://b?/y, which is not a valid URL"},
	{"ws://a/x", "/y\tz", NULL, "to /y?z, which is not a valid URL"},
	{"ws://a/x", "/y\tz?secret", NULL, "to /y?z, which is not a valid URL"},
	{"ws://a/x", "ftp://u:secret@b/y?secret", NULL,
		"to ftp://***@b/y?…, which is not a WebSocket URL"},
	{"ws://a/x", "/b c", NULL, "not a valid URL"},
};

START_TEST(test_target)
{
	struct url from = {0};
	struct error error;
	char *target;

	ck_assert(url_parse(&from, targets[_i].from, &error));
	target = redirect_target(&from, targets[_i].location, &error);
	if (targets[_i].target)
		ck_assert_pstr_eq(target, targets[_i].target);
	else
		ck_assert_msg(!target && strstr(error.text, targets[_i].words), "%s", error.text);
	free(target);
	url_release(&from);
}
END_TEST

static const struct {
	const char *from;
	const char *to;
	bool stays;
} moves[] = {
	{"ws://a/x", "ws://A/y", true},
	{"ws://a/x", "wss://a/x", true},
	{"wss://a:443/x", "wss://a/y", true},
	{"ws://a/x", "ws://b/x", false},
	{"ws://a/x", "ws://a:81/x", false},
	{"wss://a/x", "ws://a:443/x", true}, /* the same place, if it were ever followed */
	{"wss://a/x", "wss://a.b/x", false},
};

START_TEST(test_stays)
{
	struct url from = {0}, to = {0};
	struct error error;

	ck_assert(url_parse(&from, moves[_i].from, &error) && url_parse(&to, moves[_i].to, &error));
	ck_assert_int_eq(redirect_stays(&from, &to), moves[_i].stays);
	url_release(&from);
	url_release(&to);
}
END_TEST

enum { REFUSED, PUBLIC_ONLY, ANYWHERE };

static const struct {
	const char *from;
	const char *to;
	const char *hosts[2];
	bool from_public;
	int outcome;
} steps[] = {
	/* the same host, or that of the settings */
	{"ws://a/x", "ws://A:81/y", {0}, true, PUBLIC_ONLY},
	{"ws://a/x", "wss://a/y", {0}, false, ANYWHERE},
	{"ws://b/x", "ws://first/y", {0}, true, PUBLIC_ONLY},
	{"ws://127.0.0.1/x", "ws://127.0.0.1:81/x", {0}, false, ANYWHERE},
	/* another one */
	{"ws://a/x", "ws://b/x", {0}, true, REFUSED},
	{"ws://a/x", "ws://b/x", {0}, false, REFUSED},
	{"ws://a/x", "ws://a.b/x", {"b", "c"}, true, REFUSED},
	{"ws://a/x", "ws://b.example/x", {"*.example"}, true, ANYWHERE},
	{"ws://a/x", "ws://B.example/x", {"c", "b.EXAMPLE"}, true, ANYWHERE},
	{"ws://a/x", "ws://b.example.org/x", {"*.example"}, true, REFUSED},
	{"ws://a/x", "ws://b.example/x", {"*"}, true, PUBLIC_ONLY},
	{"ws://a/x", "ws://b.example/x", {"*.*"}, true, PUBLIC_ONLY},
	{"ws://a/x", "ws://b.example/x", {"*"}, false, ANYWHERE},
	{"ws://a/x", "ws://b.example/x", {"*", "b.*"}, true, ANYWHERE},
	/* this host, or a private network, by what it is called */
	{"ws://a/x", "ws://127.0.0.1/x", {"*"}, true, REFUSED},
	{"ws://a/x", "ws://127.1/x", {"*"}, true, REFUSED},
	{"ws://a/x", "ws://localhost/x", {"*"}, true, REFUSED},
	{"ws://a/x", "ws://[::1]:80/x", {"*"}, true, REFUSED},
	{"ws://a/x", "ws://[::1]:80/x", {"::1"}, true, ANYWHERE},
	{"ws://a/x", "ws://10.0.0.1/x", {"10.*"}, true, ANYWHERE},
	{"ws://a/x", "ws://10.0.0.1/x", {"*"}, false, ANYWHERE},
	{"ws://a/x", "ws://127.0.0.1/x", {"[0-9]*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"[!x]*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"[]!1]*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"*[[:digit:]]"}, true, REFUSED},
	{"ws://a/x", "ws://b.localhost/x", {"*[a-z]*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"*\\.*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"*[.]*"}, true, REFUSED},
	{"ws://a/x", "ws://[::1]:80/x", {"*:*"}, true, REFUSED},
	{"ws://a/x", "ws://127.0.0.1/x", {"127.*"}, true, ANYWHERE},
	{"ws://a/x", "ws://n7.local/x", {"n[0-9].local"}, true, ANYWHERE},
	{"ws://a/x", "ws://8.8.8.8/x", {"*"}, true, PUBLIC_ONLY},
};

START_TEST(test_allowed)
{
	char *hosts[] = {(char *)steps[_i].hosts[0], (char *)steps[_i].hosts[1]};
	struct string_list list = {hosts, hosts[1] ? 2 : hosts[0] ? 1 : 0};
	struct url first = {0}, from = {0}, to = {0};
	struct redirect_terms terms = {&first, &list, steps[_i].from_public};
	struct error error = {.text = ""};
	bool public_only = false, allowed;

	ck_assert(url_parse(&first, "wss://first/", &error));
	ck_assert(url_parse(&from, steps[_i].from, &error) && url_parse(&to, steps[_i].to, &error));
	allowed = redirect_allowed(&from, &to, &terms, &public_only, &error);
	ck_assert_msg(allowed == (steps[_i].outcome != REFUSED), "%s", error.text);
	if (allowed)
		ck_assert_int_eq(public_only, steps[_i].outcome == PUBLIC_ONLY);
	else
		ck_assert_msg(strstr(error.text, "redirect_hosts") && strstr(error.text, to.shown),
			"%s", error.text);
	url_release(&first);
	url_release(&from);
	url_release(&to);
}
END_TEST

static const struct {
	const char *host;
	bool local;
} places[] = {
	{"example.com", false},
	{"8.8.8.8", false},
	{"127.0.0.1", true},
	{"0x7f000001", true},
	{"2130706433", true},
	{"127.1", true},
	{"134744072", false},
	{"::1", true},
	{"::ffff:10.0.0.1", true},
	{"localhost", true},
	{"LocalHost", true},
	{"localhost.", true},
	{"a.localhost", true},
	{"notlocalhost", false},
	{"localhost.example", false},
	{"", false},
	{".", false},
};

START_TEST(test_local)
{
	ck_assert_int_eq(redirect_is_local(places[_i].host), places[_i].local);
}
END_TEST

static const struct {
	const char *value;
	uint64_t seconds; /* that are to be waited at 2026-11-22T12:00:00Z */
} waits[] = {
	{"120", 120},
	{"0", 0},
	{"Sun, 22 Nov 2026 12:01:30 GMT", 90},
	{"Sun, 22 Nov 2026 11:00:00 GMT", 0},
	{"soon", 0},
	{"12 seconds", 0},
	{"-5", 0},
	{"99999999999999999999", 0},
	{"Sun, 22 Nov 2126 12:00:00 GMT", 0},
	{NULL, 0},
};

START_TEST(test_retry_after)
{
	const char *value = waits[_i].value;
	struct http_head response = {0};
	struct error error;
	char text[128];
	size_t used;
	const uint64_t now = UINT64_C(1795348800) * CLOCK_NS_PER_SECOND;

	snprintf(text, sizeof(text), "HTTP/1.1 503 Busy\r\n%s%s\r\n\r\n",
		value ? "Retry-After: " : "Via: p", value ? value : "");
	ck_assert_int_eq(ws_handshake_parse(&response, text, strlen(text), &used, &error),
		HTTP_HEAD_DONE);
	ck_assert_uint_eq(redirect_retry_after(&response, now),
		waits[_i].seconds * CLOCK_NS_PER_SECOND);
	http_head_release(&response);
}
END_TEST

Suite *redirect_suite(void)
{
	Suite *suite = suite_create("redirect");
	TCase *tests = tcase_create("all");

	tcase_add_loop_test(tests, test_target, 0, sizeof(targets) / sizeof(targets[0]));
	tcase_add_loop_test(tests, test_stays, 0, sizeof(moves) / sizeof(moves[0]));
	tcase_add_loop_test(tests, test_allowed, 0, sizeof(steps) / sizeof(steps[0]));
	tcase_add_loop_test(tests, test_local, 0, sizeof(places) / sizeof(places[0]));
	tcase_add_loop_test(tests, test_retry_after, 0, sizeof(waits) / sizeof(waits[0]));
	suite_add_tcase(suite, tests);
	return suite;
}
