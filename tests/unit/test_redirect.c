#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/redirect.h"
#include "net/url.h"

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
	{"ws://a/x", "ftp://b/y", NULL, "no WebSocket"},
	{"ws://a/x", "javascript:alert(1)", NULL, "no WebSocket"},
	{"ws://a:81/x/y?q", "/z", "ws://a:81/z", NULL},
	{"wss://a/x", "//b/z", "wss://b/z", NULL},
	{"ws://a/x/y?q", "z", "ws://a/x/z", NULL},
	{"ws://a/", "z", "ws://a/z", NULL},
	{"ws://a/x?q=/1", "z", "ws://a/z", NULL},
	{"ws://a/x?q", "?r", "ws://a/x?r", NULL},
	{"ws://a/x", "/y#part", "ws://a/y", NULL},
	{"ws://[::1]:81/x", "/y", "ws://[::1]:81/y", NULL},
	{"ws+unix:///run/s.sock:/x", "/y", NULL, "UNIX socket"},
	{"ws://a/x", "ws://b\xFF/y", NULL, "to ws://b?/y, which is no URL"},
	{"ws://a/x", "/y\tz", NULL, "to /y?z, which is no URL"},
	{"ws://a/x", "/b c", NULL, "no URL"},
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
	struct ws_header header = {"Retry-After", waits[_i].value};
	struct ws_response response = {
		.status = 503,
		.headers = &header,
		.header_count = waits[_i].value ? 1 : 0,
	};
	const uint64_t now = UINT64_C(1795348800) * CLOCK_NS_PER_SECOND;

	ck_assert_uint_eq(redirect_retry_after(&response, now),
		waits[_i].seconds * CLOCK_NS_PER_SECOND);
}
END_TEST

Suite *redirect_suite(void)
{
	Suite *suite = suite_create("redirect");
	TCase *tests = tcase_create("all");

	tcase_add_loop_test(tests, test_target, 0, sizeof(targets) / sizeof(targets[0]));
	tcase_add_loop_test(tests, test_stays, 0, sizeof(moves) / sizeof(moves[0]));
	tcase_add_loop_test(tests, test_retry_after, 0, sizeof(waits) / sizeof(waits[0]));
	suite_add_tcase(suite, tests);
	return suite;
}
